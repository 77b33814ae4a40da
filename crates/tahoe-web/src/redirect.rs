//! Where redirections lead.

use crate::args::Args;
use crate::error::WebError;
use crate::response;
use axum::response::Response;
use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What stays as it is in a part of a path or an argument: letters, digits and `_.-~`.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~');
/// What can't stand in a `Location`: everything else stays as the caller wrote it.
const FORBIDDEN: &AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>');

/// A text in the form that a URL's path or query can hold.
pub(crate) fn quote(text: &[u8]) -> String {
    percent_encode(text, QUOTED).to_string()
}

/// A path of ours with these parts and arguments.
pub(crate) fn path_and_query<'a>(
    path: &[Vec<u8>],
    args: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> String {
    let mut location = String::new();
    for part in path {
        location.push('/');
        location += &quote(part);
    }
    for (number, (name, value)) in args.enumerate() {
        location.push(if number == 0 { '?' } else { '&' });
        location += &quote(name);
        location.push('=');
        location += &quote(value);
    }
    location
}

/// The URL that `when_done=` names; `%(uri)s` in it becomes the capability, if there is one.
///
/// It is a path of ours or an `http` or `https` URL. Something without scheme and host is a path
/// from the root, as in the reference.
pub(crate) fn when_done(location: &[u8], cap: Option<&str>) -> Result<String, WebError> {
    let bad = || {
        let text = "when_done= must be a path or an http or https URL";
        WebError::text(StatusCode::BAD_REQUEST, text)
    };
    let location = std::str::from_utf8(location).map_err(|_| bad())?;
    let location = match cap {
        Some(cap) => location.replace("%(uri)s", &quote(cap.as_bytes())),
        None => location.to_owned(),
    };
    let location = percent_encode(location.as_bytes(), FORBIDDEN).to_string();
    let absolute = ["http://", "https://"].iter().any(|scheme| {
        let start = location.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let before_path = location.split(['/', '?', '#']).next().unwrap_or_default();
    if absolute || location.starts_with('/') {
        Ok(location)
    } else if before_path.contains(':') {
        Err(bad())
    } else {
        Ok(format!("/{location}"))
    }
}

/// The answer, or a redirection if `when_done=` asks for one.
pub(crate) fn or_when_done(args: &Args, answer: Response) -> Result<Response, WebError> {
    let location = args
        .first("when_done")
        .filter(|location| !location.is_empty());
    match location {
        Some(location) => {
            let location = when_done(location, None)?;
            Ok(response::redirect(StatusCode::FOUND, &location))
        }
        None => Ok(answer),
    }
}

/// The URL that `when_done=` of a change in a directory names, as it stands: `.` leads to the
/// directory itself. Schemes other than `http` and `https` are refused.
pub(crate) fn after_change(location: &[u8]) -> Result<String, WebError> {
    // It has to be one that leads somewhere.
    let checked = when_done(location, None)?;
    let given = percent_encode(location, FORBIDDEN).to_string();
    let is_relative = !given.starts_with('/') && checked.starts_with('/');
    Ok(if is_relative { given } else { checked })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted() {
        let path = [b"uri".to_vec(), b"URI:LIT:x/..".to_vec()];
        let args: [(&[u8], &[u8]); 2] = [(b"filename", "é b".as_bytes()), (b"x", b"")];
        assert_eq!(
            path_and_query(&path, args.into_iter()),
            "/uri/URI%3ALIT%3Ax%2F..?filename=%C3%A9%20b&x="
        );
    }

    #[test]
    fn when_done_leads_to_paths_and_web_pages() {
        for (location, expected) in [
            ("/x?u=%(uri)s", Some("/x?u=URI%3ALIT%3Aa")),
            ("foo", Some("/foo")),
            ("a/b:c", Some("/a/b:c")),
            (".", Some("/.")),
            (
                "HTTP://example.com/a%20b/%(uri)s#f",
                Some("HTTP://example.com/a%20b/URI%3ALIT%3Aa#f"),
            ),
            ("https://h/\r\nX: y", Some("https://h/%0D%0AX:%20y")),
            ("/é", Some("/%C3%A9")),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
        ] {
            let found = when_done(location.as_bytes(), Some("URI:LIT:a")).ok();
            assert_eq!(found.as_deref(), expected, "{location}");
        }
        for (location, expected) in [
            (".", Some(".")),
            ("../x?t=json", Some("../x?t=json")),
            ("/uri/x", Some("/uri/x")),
            ("http://example.com/a b", Some("http://example.com/a%20b")),
            ("javascript:alert(1)", None),
        ] {
            let found = after_change(location.as_bytes()).ok();
            assert_eq!(found.as_deref(), expected, "{location}");
        }
        assert!(when_done(b"\xff", None).is_err());
        assert_eq!(when_done(b"/%(uri)s", None).unwrap(), "/%(uri)s");
    }
}
