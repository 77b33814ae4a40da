//! The page of an introducer: what was announced to it, and who listens.

use crate::args::Args;
use crate::assets;
use crate::error::WebError;
use crate::format::moment;
use crate::html::{self, Html};
use crate::layer::{self, Peer};
use crate::python_text;
use crate::response;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use http::{Request, StatusCode};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::SystemTime;
use tahoe_client::{IntroducerService, PublishedAnnouncement, SubscriberDescription};

/// What the page is about.
#[derive(Debug)]
struct Introducer {
    service: IntroducerService,
    tub_id: String,
    version: String,
}

/// Makes the web interface of an introducer; it answers every path.
pub fn introducer_router(service: IntroducerService, tub_id: String, version: String) -> Router {
    let introducer = Arc::new(Introducer {
        service,
        tub_id,
        version,
    });
    Router::new().fallback(answer).with_state(introducer)
}

async fn answer(State(introducer): State<Arc<Introducer>>, request: Request<Body>) -> Response {
    let (parts, _) = request.into_parts();
    let answer = introducer.answer(&parts);
    let response = answer.unwrap_or_else(|error| error.into_response(&parts.headers));
    let response = layer::complete(&parts.method, response);
    let peer = parts.extensions.get::<Peer>().copied();
    layer::log(peer, &parts.method, &parts.uri, &response);
    response
}

impl Introducer {
    fn answer(&self, parts: &Parts) -> Result<Response, WebError> {
        match parts.uri.path() {
            "/" => self.page(&Args::parse(
                parts.uri.query().unwrap_or_default().as_bytes(),
            )),
            "/tahoe.css" => assets::style_sheet(&parts.method),
            "/icon.svg" => assets::icon(&parts.method),
            _ => Err(WebError::not_found()),
        }
    }

    fn page(&self, args: &Args) -> Result<Response, WebError> {
        let format = args.first("t").map(|t| t.to_ascii_uppercase());
        match format.as_deref() {
            None | Some(b"HTML") => {
                let page = self.html(SystemTime::now());
                Ok(response::html(StatusCode::OK, "text/html", page))
            }
            Some(b"JSON") => Ok(response::with_type(
                StatusCode::OK,
                "application/json; charset=utf-8",
                python_text::json(&self.json()),
            )),
            Some(_) => Err(WebError::unknown_format(
                args.first("t").unwrap_or_default(),
            )),
        }
    }

    fn json(&self) -> Value {
        let subscribers = self.service.subscribers();
        let announcements = self.service.announcements();
        serde_json::json!({
            "subscription_summary": count(subscribers.iter().map(|s| &s.service_name)),
            "announcement_summary": count(announcements.iter().map(|a| &a.service_name)),
        })
    }

    fn html(&self, now: SystemTime) -> String {
        let mut body = Html::default();
        let announcements = self.service.announcements();
        let subscribers = self.service.subscribers();
        announced(&mut body, &announcements);
        subscribed(&mut body, &subscribers);
        body.raw("<section><h2>This introducer</h2><dl class=\"facts\">\n");
        for (name, value) in [
            ("Tub ID", self.tub_id.as_str()),
            ("Version", &self.version),
            ("Page rendered at", &moment(now)),
        ] {
            body.fact(name, value);
        }
        body.raw("</dl></section>");
        let (title, heading) = ("Tahoe-LAFS - Introducer Status", "Introducer");
        html::page_with_navigation(title, heading, "", &body)
    }
}

/// How many there are of each name.
fn count<'a>(names: impl Iterator<Item = &'a String>) -> Map<String, Value> {
    let mut counts = Map::new();
    for name in names {
        let count = counts.get(name).and_then(Value::as_u64).unwrap_or(0);
        counts.insert(name.clone(), (count + 1).into());
    }
    counts
}

fn table(body: &mut Html, id: &str, heading: &str, columns: &[&str], rows: &[Vec<String>]) {
    body.raw("<section>")
        .element(&format!("h2 id=\"{id}\""), heading);
    if rows.is_empty() {
        body.raw("<p>None yet.</p></section>\n");
        return;
    }
    body.raw("<div class=\"table\" role=\"region\" tabindex=\"0\" aria-labelledby=\"")
        .raw(id)
        .raw("\"><table>\n<thead><tr>");
    for column in columns {
        body.element("th scope=\"col\"", column);
    }
    body.raw("</tr></thead>\n<tbody>\n");
    for row in rows {
        body.raw("<tr>");
        for cell in row {
            body.element("td", cell);
        }
        body.raw("</tr>\n");
    }
    body.raw("</tbody></table></div></section>\n");
}

fn announced(body: &mut Html, announcements: &[PublishedAnnouncement]) {
    let row = |announcement: &PublishedAnnouncement| {
        vec![
            announcement.nickname.clone(),
            announcement.server_id.to_string(),
            announcement.service_name.clone(),
            announcement.version.clone(),
            announcement.hints.join(" "),
            moment(announcement.when),
        ]
    };
    let rows: Vec<_> = announcements.iter().map(row).collect();
    let columns = [
        "Nickname",
        "Server",
        "Service",
        "Version",
        "Where",
        "Announced",
    ];
    table(
        body,
        "announcements",
        "Service announcements",
        &columns,
        &rows,
    );
}

fn subscribed(body: &mut Html, subscribers: &[SubscriberDescription]) {
    let row = |subscriber: &SubscriberDescription| {
        vec![
            subscriber.nickname.clone(),
            subscriber.tub_id.clone(),
            subscriber.service_name.clone(),
            subscriber.version.clone(),
            subscriber.connected.clone(),
            moment(subscriber.since),
        ]
    };
    let rows: Vec<_> = subscribers.iter().map(row).collect();
    let columns = [
        "Nickname",
        "Tub",
        "Subscribed to",
        "Version",
        "Connected",
        "Since",
    ];
    table(body, "subscribers", "Subscribed clients", &columns, &rows);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_new_introducer_knows_nobody_and_strangers_cannot_write_markup() {
        let clock = Arc::new(|| SystemTime::UNIX_EPOCH);
        let limits = tahoe_client::IntroducerLimits::default();
        let introducer = Introducer {
            service: IntroducerService::new("v", limits, clock),
            tub_id: "tub".to_owned(),
            version: "v".to_owned(),
        };
        assert_eq!(
            python_text::json(&introducer.json()),
            "{\n \"subscription_summary\": {},\n \"announcement_summary\": {}\n}\n"
        );
        let page = introducer.html(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        assert_eq!(page.matches("None yet.").count(), 2);
        let mut body = Html::default();
        let subscriber = SubscriberDescription {
            service_name: "storage".to_owned(),
            nickname: "<script>".to_owned(),
            version: "v".to_owned(),
            tub_id: "t".to_owned(),
            connected: "c".to_owned(),
            since: SystemTime::UNIX_EPOCH,
        };
        subscribed(&mut body, &[subscriber]);
        assert!(body.as_str().contains("<td>&lt;script&gt;</td>"));
        let names = ["a".to_owned(), "b".to_owned(), "a".to_owned()];
        assert_eq!(
            Value::from(count(names.iter())).to_string(),
            r#"{"a":2,"b":1}"#
        );
    }
}
