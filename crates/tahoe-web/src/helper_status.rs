//! `/helper_status`: what the node uploads for others.

use crate::error::WebError;
use crate::html::{self, Html};
use crate::python_text;
use crate::request::Call;
use crate::response;
use axum::response::Response;
use http::StatusCode;
use std::collections::BTreeMap;

/// Answers any method, as the reference does.
pub(crate) fn answer(call: &Call) -> Result<Response, WebError> {
    let statistics = call.client().helper_statistics();
    match call.page_format()?.as_deref() {
        None | Some("HTML") => {
            let page = page(statistics.as_ref());
            Ok(response::html(StatusCode::OK, "text/html", page))
        }
        Some("JSON") => {
            let statistics = statistics.unwrap_or_default();
            Ok(response::plain(python_text::json(&statistics)))
        }
        Some(_) => Err(call.unknown_page_format()),
    }
}

fn page(statistics: Option<&BTreeMap<&'static str, u64>>) -> String {
    let mut body = Html::default();
    let Some(statistics) = statistics else {
        body.element("p", "No helper is running");
        return html::page("Helper Status", &body);
    };
    let number = |name: &str| {
        let name = format!("chk_upload_helper.{name}");
        statistics.get(name.as_str()).copied().unwrap_or(0)
    };
    let folder = |name: &str| {
        let (size, count) = (format!("{name}_size"), format!("{name}_count"));
        format!("{} bytes in {} files", number(&size), number(&count))
    };
    body.raw("<section><h2>Immutable Uploads</h2>\n<dl class=\"facts\">\n");
    for (title, text) in [
        ("Active", number("active_uploads").to_string()),
        ("Bytes Fetched", number("fetched_bytes").to_string()),
        ("Incoming", folder("incoming")),
        ("Encoding", folder("encoding")),
        ("Bytes Encoded", number("encoded_bytes").to_string()),
        ("Total Requests", number("upload_requests").to_string()),
        (
            "Already Present",
            number("upload_already_present").to_string(),
        ),
        ("Need Upload", number("upload_need_upload").to_string()),
    ] {
        body.fact(title, &text);
    }
    body.raw("</dl></section>\n");
    html::page("Helper Status", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_what_was_counted() {
        assert!(page(None).contains("No helper is running"));
        let statistics = BTreeMap::from([
            ("chk_upload_helper.incoming_size", 7),
            ("chk_upload_helper.incoming_count", 2),
        ]);
        assert!(page(Some(&statistics)).contains("7 bytes in 2 files"));
    }
}
