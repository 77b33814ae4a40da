//! What a client is told when something doesn't work.
//!
//! As in the reference there are three shapes. What goes wrong while a resource is rendered is one
//! line or paragraph of plain text. What goes wrong while the path is walked, before there is a
//! resource, is a small HTML page; for a client that takes none, its sentence. And a failure that the reference has no sentence for is a 500 with
//! the name of its exception: HTML for a client that takes it, plain text for others.
//!
//! A person who goes to an address in a browser gets a page in every case, with what they can do.

use crate::html::{self, Html};
use crate::python_text::text_repr;
use crate::response;
use axum::response::Response;
use http::header::{ACCEPT, ALLOW};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// An answer that isn't what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebError {
    status: StatusCode,
    shape: Shape,
    text: String,
    /// What may help, if more is known than the status says.
    advice: Option<Html>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Text,
    Page { title: String },
    Failure { class: &'static str },
    NotAllowed { allowed: &'static str },
}

impl WebError {
    /// Plain text.
    pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            shape: Shape::Text,
            text: text.into(),
            advice: None,
        }
    }

    /// The answer to a `t=` that a page doesn't know.
    pub(crate) fn unknown_format(t: &[u8]) -> Self {
        let shown = text_repr(&String::from_utf8_lossy(t));
        let message = format!("Unknown t value: {shown}");
        Self::page(StatusCode::BAD_REQUEST, "Bad Format", message)
    }

    /// A page with a title and a sentence.
    pub(crate) fn page(
        status: StatusCode,
        title: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        let title = title.into();
        Self {
            status,
            shape: Shape::Page { title },
            text: text.into(),
            advice: None,
        }
    }

    /// A 500 that names the reference's exception: `class` with its module.
    pub(crate) fn failure(class: &'static str, text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            shape: Shape::Failure { class },
            text: text.into(),
            advice: None,
        }
    }

    /// The same for a person with this advice.
    pub(crate) fn advising(mut self, advice: Option<Html>) -> Self {
        self.advice = advice;
        self
    }

    /// The same said while the path is walked, which is a page.
    pub(crate) fn into_page(self) -> Self {
        match self.shape {
            Shape::Text => Self::page(self.status, "Error", self.text).advising(self.advice),
            Shape::Page { .. } | Shape::Failure { .. } | Shape::NotAllowed { .. } => self,
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// There is nothing at this path.
    pub(crate) fn not_found() -> Self {
        Self::page(
            StatusCode::NOT_FOUND,
            "No Such Resource",
            "Sorry. No luck finding that resource.",
        )
    }

    /// What the resource can't do: 405 for a POST, 501 for methods that the reference's web server
    /// doesn't know by itself.
    pub(crate) fn method(method: &Method, allowed: &'static str) -> Self {
        if method == Method::POST {
            return Self {
                status: StatusCode::METHOD_NOT_ALLOWED,
                shape: Shape::NotAllowed { allowed },
                text: format!("A POST isn't possible here, only {allowed}."),
                advice: None,
            };
        }
        Self::page(
            StatusCode::NOT_IMPLEMENTED,
            "Huh?",
            format!("I don't know how to treat a {method} request."),
        )
    }

    /// The answer, for a request with these headers.
    pub(crate) fn into_response(self, request: &HeaderMap) -> Response {
        match &self.shape {
            Shape::Text if is_for_a_person(request) => self.shown(request, "Error"),
            Shape::Text => response::error_text(self.status, self.text),
            Shape::Page { title } => self.shown(request, title),
            Shape::NotAllowed { allowed } => {
                let mut response = self.shown(request, "Method Not Allowed");
                let allowed = HeaderValue::from_static(allowed);
                response.headers_mut().insert(ALLOW, allowed);
                response
            }
            Shape::Failure { class } if wants_html(request) => {
                let mut body = Html::default();
                body.raw("<p class=\"error\"><strong>").text(class);
                body.raw("</strong>: ").text(&self.text).raw("</p>");
                let page = html::page("Exception", &body);
                response::html(self.status, "text/html", page)
            }
            Shape::Failure { class } => {
                response::error_text(self.status, format!("{class}: {}\n", self.text))
            }
        }
    }
}

impl WebError {
    /// As a page with advice for people, a page without for programs, or a sentence for those that
    /// take no HTML: the `tahoe` commands of either program, which show whatever they get.
    fn shown(&self, request: &HeaderMap, title: &str) -> Response {
        if !wants_html(request) {
            return response::error_text(self.status, self.text.clone());
        }
        let mut body = Html::default();
        if is_for_a_person(request) {
            body.raw("<p class=\"summary bad\">")
                .text(&self.text)
                .raw("</p>\n");
            if let Some(advice) = self.advice.clone().or_else(|| advice(self.status)) {
                body.raw("<section>")
                    .element("h2", "What you can do")
                    .append(&advice)
                    .raw("</section>");
            }
        } else {
            body.raw("<p>").text(&self.text).raw("</p>");
        }
        let heading = format!("{} - {title}", self.status.as_u16());
        let page = html::page_with_heading(&heading, title, &body);
        response::html(self.status, "text/html; charset=utf-8", page)
    }
}

impl std::fmt::Display for WebError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What may help after any failure of this status.
fn advice(status: StatusCode) -> Option<Html> {
    let markup = match status {
        StatusCode::NOT_FOUND => {
            "<p>Look whether the address is complete: capabilities are long, and are easily cut off. \
             What was there may also have been renamed, moved or deleted.</p>"
        }
        StatusCode::GONE | StatusCode::INTERNAL_SERVER_ERROR => {
            "<p>Look at <a href=\"/\">the state of the grid</a>: if servers are missing, wait until \
             they are back, and load this page again.</p>"
        }
        StatusCode::CONFLICT => "<p>Go back and choose another name.</p>",
        StatusCode::BAD_REQUEST => "<p>Go back and look whether what you entered is complete.</p>",
        StatusCode::FORBIDDEN => "<p>Start from <a href=\"/\">this node's own pages</a>.</p>",
        StatusCode::SERVICE_UNAVAILABLE => {
            "<p>Look at <a href=\"/\">the state of the grid</a>: a server that is needed is away or \
             busy. Wait until it is back, look whether your change was made, and try again if not.</p>"
        }
        StatusCode::BAD_GATEWAY => {
            "<p>A server answered with something that can't be right, and it was not believed. Tell \
             whoever runs it; <a href=\"/\">the state of the grid</a> names the servers.</p>"
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            "<p>Go back and send less at a time, or use more than one directory.</p>"
        }
        _ => return None,
    };
    let mut advice = Html::default();
    advice.raw(markup);
    Some(advice)
}

/// Whether a browser goes to a page; programs don't say so.
fn is_for_a_person(request: &HeaderMap) -> bool {
    request
        .get("sec-fetch-mode")
        .is_some_and(|mode| mode == "navigate")
        && wants_html(request)
}

fn wants_html(request: &HeaderMap) -> bool {
    let accept = request.get(ACCEPT).map(HeaderValue::as_bytes);
    let accept = accept.filter(|accept| !accept.is_empty()).unwrap_or(b"*/*");
    let accept = String::from_utf8_lossy(accept);
    ["*/*", "text/*", "text/html"]
        .iter()
        .any(|kind| accept.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_pages_and_programs_get_text() {
        for (mode, expected) in [
            ("navigate", "text/html; charset=utf-8"),
            ("cors", "text/plain;charset=utf-8"),
            ("", "text/plain;charset=utf-8"),
        ] {
            let mut request = HeaderMap::new();
            request.insert("sec-fetch-mode", mode.parse().unwrap());
            let error = WebError::text(StatusCode::GONE, "no shares");
            let response = error.into_response(&request);
            assert_eq!(response.status(), StatusCode::GONE);
            assert_eq!(response.headers()["content-type"], expected, "{mode}");
        }
    }

    #[tokio::test]
    async fn who_takes_no_html_gets_the_sentence() {
        for (accept, expected) in [
            ("text/plain, application/octet-stream", "No such child: x"),
            ("*/*", "<!DOCTYPE html>"),
            ("", "<!DOCTYPE html>"),
        ] {
            let mut request = HeaderMap::new();
            request.insert(ACCEPT, accept.parse().unwrap());
            let error = WebError::page(StatusCode::NOT_FOUND, "Error", "No such child: x");
            let response = error.into_response(&request);
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            let body = axum::body::to_bytes(response.into_body(), 1 << 16).await;
            let body = String::from_utf8(body.unwrap().to_vec()).unwrap();
            assert_eq!(body.split('\n').next(), Some(expected), "{accept}");
        }
    }

    #[test]
    fn each_failure_that_a_person_can_meet_has_advice() {
        for status in [400, 403, 404, 409, 410, 413, 500, 502, 503] {
            let advice = advice(StatusCode::from_u16(status).unwrap());
            assert!(advice.is_some(), "{status}");
        }
    }

    #[tokio::test]
    async fn only_people_get_advice() {
        for (mode, advised) in [("navigate", true), ("cors", false)] {
            let mut request = HeaderMap::new();
            request.insert("sec-fetch-mode", mode.parse().unwrap());
            let response = WebError::not_found().into_response(&request);
            let page = axum::body::to_bytes(response.into_body(), 1 << 16).await;
            let page = String::from_utf8(page.unwrap().to_vec()).unwrap();
            assert_eq!(page.contains("What you can do"), advised, "{mode}");
            let plain = page.contains("<p>Sorry. No luck finding that resource.</p>");
            assert_eq!(plain, !advised, "{mode}");
        }
    }
}
