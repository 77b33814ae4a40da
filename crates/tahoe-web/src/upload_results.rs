//! The page after an upload from the form: the capability, and where the shares went.

use crate::chart;
use crate::format::{abbreviate_rate, abbreviate_time};
use crate::html::{self, Html};
use crate::redirect::quote;
use crate::response;
use axum::response::Response;
use http::StatusCode;
use std::time::Duration;
use tahoe_client::{Stored, UploadTimings};

pub(crate) fn page(stored: &Stored) -> Response {
    let cap = stored.cap.to_text();
    let link = format!("/uri/{}", quote(cap.as_bytes()));
    let mut body = Html::default();
    body.raw("<section><h2>Upload Results:</h2>\n<dl class=\"facts\">\n");
    body.raw("<div><dt>URI</dt><dd>")
        .classed("span", "cap", &cap);
    body.raw(
        "<span class=\"reason\">Keep it: whoever has it can read the file, and without it nobody \
         can, not even you.</span></dd></div>\n",
    );
    body.raw("<div><dt>Download link</dt><dd class=\"cap\"><a href=\"")
        .text(&link);
    body.raw("\">/uri/").text(&cap).raw("</a></dd></div>\n");
    body.raw("<div><dt>File Size</dt><dd>")
        .display(stored.file_size)
        .raw(" bytes</dd></div>\n");
    shares_and_timings(&mut body, stored);
    body.raw("</dl></section>\n");
    pictures(&mut body, stored);
    body.raw("<p>Return to the <a href=\"/\">Welcome Page</a></p>");
    let page = html::page_with_heading(
        "Tahoe-LAFS - File Uploaded",
        "Uploading File... done!",
        &body,
    );
    response::html(StatusCode::OK, "text/html", page)
}

/// Where the shares went, and when the parts of the upload were, as pictures.
pub(crate) fn pictures(body: &mut Html, stored: &Stored) {
    if !stored.server_map.is_empty() {
        let name = |share: &u8| (format!("#{share}"), chart::Kind::Good);
        let servers = stored.server_map.iter();
        let placement = servers.map(|(server, shares)| {
            let shares: Vec<_> = shares.iter().map(name).collect();
            (format!("[{server}]"), shares)
        });
        body.raw("<section><h2>Servers and shares</h2>\n");
        chart::shares(body, &placement.collect());
        body.raw("</section>\n");
    }
    if let Some(timings) = &stored.timings {
        body.raw("<section><h2>Timeline</h2>\n");
        timeline(body, timings);
        body.raw("</section>\n");
    }
}

/// The stages of an upload, one after the other.
fn timeline(body: &mut Html, timings: &UploadTimings) {
    let closing = timings.hashes_and_close;
    let pushing = timings.total_encode_and_push.saturating_sub(closing);
    let mut from = 0.0;
    let rows = [
        ("Storage index", timings.storage_index),
        ("Finding servers", timings.peer_selection),
        ("Encoding and sending", pushing),
        ("Hashes, completing", closing),
    ]
    .map(|(label, time)| {
        let to = from + time.as_secs_f64();
        let bar = chart::Bar {
            from,
            to,
            kind: chart::Kind::Good,
        };
        from = to;
        chart::Row {
            label: label.to_owned(),
            bars: vec![bar],
            text: abbreviate_time(time),
        }
    });
    chart::bars(body, from, &rows);
}

/// Where the shares went, and how long the parts of the upload took, as facts.
pub(crate) fn shares_and_timings(body: &mut Html, stored: &Stored) {
    body.raw("<div><dt>Sharemap</dt><dd><ul>");
    for (share, servers) in &stored.share_map {
        let placed = format!("{share} -> placed on [{}]", servers.join(", "));
        body.element("li", &placed);
    }
    body.raw("</ul></dd></div>\n<div><dt>Servermap</dt><dd><ul>");
    for (server, shares) in &stored.server_map {
        let plural = if shares.len() == 1 { "" } else { "s" };
        let shares: Vec<_> = shares.iter().map(|share| format!("#{share}")).collect();
        let got = format!("[{server}] got share{plural}: {}", shares.join(","));
        body.element("li", &got);
    }
    body.raw("</ul></dd></div>\n");
    timings(body, stored);
}

fn timings(body: &mut Html, stored: &Stored) {
    let Some(timings) = &stored.timings else {
        return;
    };
    let rate = |time: Duration| match abbreviate_rate(stored.file_size, time).as_str() {
        "" => abbreviate_time(time),
        rate => format!("{} ({rate})", abbreviate_time(time)),
    };
    for (name, value) in [
        ("Total", rate(timings.total)),
        ("Storage Index", rate(timings.storage_index)),
        ("Peer Selection", abbreviate_time(timings.peer_selection)),
        ("Encode And Push", rate(timings.total_encode_and_push)),
        ("Cumulative Encoding", rate(timings.cumulative_encoding)),
        ("Cumulative Pushing", rate(timings.cumulative_sending)),
        (
            "Send Hashes And Close",
            abbreviate_time(timings.hashes_and_close),
        ),
    ] {
        body.fact(name, &value);
    }
}
