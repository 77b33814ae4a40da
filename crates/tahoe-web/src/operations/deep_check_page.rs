//! The page of a deep check.

use super::deep_check::lost;
use super::results::running;
use crate::args::Args;
use crate::check_page::{return_to, table};
use crate::error::WebError;
use crate::html::{self, Html};
use crate::redirect::quote;
use crate::response;
use axum::response::Response;
use http::header::REFRESH;
use http::{HeaderValue, StatusCode};
use std::collections::BTreeMap;
use tahoe_client::{DeepCheckResults, DeepCheckState, SpooledReport, StorageIndex};

/// Objects that a table shows at most.
const MOST_ROWS: usize = 5_000;

pub(super) async fn answer(
    args: &Args,
    handle: &[u8],
    state: &DeepCheckState,
    results: &DeepCheckResults,
) -> Result<Response, WebError> {
    let failed = |error| lost(&error);
    let unhealthy = results.reports(MOST_ROWS, true).await.map_err(failed)?;
    let all = results.reports(MOST_ROWS, false).await.map_err(failed)?;
    let (name, kind) = match state.repairs {
        true => (
            "Tahoe-LAFS - Check Results",
            "Deep-Check-And-Repair Results",
        ),
        false => ("Tahoe-LAFS - Deep Check Results", "Deep-Check Results"),
    };
    let root = state
        .root
        .map_or_else(|| "<none>".to_owned(), |index| index.to_string());
    let is_running = state.finished.is_none();
    let mut body = Html::default();
    if is_running {
        running(&mut body, handle);
    }
    counters(&mut body, state);
    problems(&mut body, state, &unhealthy);
    servers(&mut body, state);
    corrupt_shares(&mut body, handle, state);
    return_to(&mut body, args, "Return to file/directory.");
    objects(&mut body, handle, state, &all);
    let heading = format!("{kind} for root SI={root}");
    let page = html::page_with_heading(name, &heading, &body);
    let mut response = response::html(StatusCode::OK, "text/html", page);
    if is_running {
        // Shows the page again every minute until the operation has finished.
        response
            .headers_mut()
            .insert(REFRESH, HeaderValue::from_static("60"));
    }
    Ok(response)
}

fn counters(body: &mut Html, state: &DeepCheckState) {
    let counts = &state.counts;
    let mut facts = vec![
        ("Objects Checked", counts.checked),
        ("Objects Healthy", counts.healthy),
        ("Objects Unhealthy", counts.unhealthy),
        ("Objects Unrecoverable", counts.unrecoverable),
        ("Corrupt Shares", counts.corrupt_shares),
    ];
    if state.repairs {
        facts.extend([
            ("Repairs Attempted", counts.repairs_attempted),
            ("Repairs Successful", counts.repairs_successful),
            ("Repairs Unsuccessful", counts.repairs_unsuccessful),
            ("Objects Healthy after Repair", counts.healthy_after),
            ("Objects Unhealthy after Repair", counts.unhealthy_after),
            (
                "Objects Unrecoverable after Repair",
                counts.unrecoverable_after,
            ),
            ("Corrupt Shares after Repair", counts.corrupt_shares_after),
        ]);
    }
    body.raw("<section><dl class=\"facts\">\n");
    for (name, count) in facts {
        body.fact(name, &count.to_string());
    }
    body.raw("</dl></section>\n");
}

fn path_of(report: &SpooledReport) -> String {
    match report.path.is_empty() {
        true => "<root>".to_owned(),
        false => report.path.join("/"),
    }
}

fn problems(body: &mut Html, state: &DeepCheckState, unhealthy: &[SpooledReport]) {
    body.element("h2", "Files/Directories That Had Problems:")
        .raw("<ul>\n");
    for report in unhealthy {
        let (summary, index) = (&report.check.summary, report.check.storage_index);
        body.element(
            "li",
            &format!("{}: {summary} [SI: {index}]", path_of(report)),
        );
        body.raw("\n");
    }
    if unhealthy.is_empty() {
        body.element("li", "None");
    }
    body.raw("</ul>\n");
    cut_short(body, unhealthy.len(), state.counts.unhealthy);
    if !state.repairs {
        return;
    }
    let still = unhealthy.iter().filter_map(|report| {
        let after = report.repair.as_ref()?.latest();
        (!after.healthy).then(|| format!("{}: {}", path_of(report), after.summary))
    });
    body.element("h2", "Files/Directories That Still Have Problems:")
        .raw("<ul>\n");
    let still: Vec<String> = still.collect();
    for text in &still {
        body.element("li", text).raw("\n");
    }
    if still.is_empty() {
        body.element("li", "None");
    }
    body.raw("</ul>\n");
}

fn servers(body: &mut Html, state: &DeepCheckState) {
    let mut servers = BTreeMap::new();
    for corrupt in &state.corrupt_shares {
        servers.insert(&corrupt.server.id, &corrupt.server);
    }
    body.element("h2", "Servers on which corrupt shares were found")
        .raw("<ul>\n");
    for server in servers.values() {
        let name = match server.nickname.as_str() {
            "" => server.short.clone(),
            nickname => format!("{} ({nickname})", server.short),
        };
        body.element("li", &name).raw("\n");
    }
    if servers.is_empty() {
        body.element("li", "None");
    }
    body.raw("</ul>\n");
}

fn corrupt_shares(body: &mut Html, handle: &[u8], state: &DeepCheckState) {
    if state.corrupt_shares.is_empty() {
        return;
    }
    body.element("h2", "Corrupt Shares");
    body.element(
        "p",
        "If repair fails, these shares need to be manually inspected and removed.",
    );
    let heads = ["Server", "Server Nickname", "Storage Index", "Share Number"];
    let shown = &state.corrupt_shares[..state.corrupt_shares.len().min(MOST_ROWS)];
    table(body, "Corrupt shares", &heads, |body| {
        for corrupt in shown {
            body.raw("<tr><td>")
                .element("code", &corrupt.server.short)
                .raw("</td>");
            body.element("td", &corrupt.server.nickname).raw("<td>");
            details(body, handle, &corrupt.storage_index);
            body.raw("</td>")
                .element("td", &corrupt.share.to_string())
                .raw("</tr>\n");
        }
    });
    cut_short(body, shown.len(), state.counts.corrupt_shares);
}

fn objects(body: &mut Html, handle: &[u8], state: &DeepCheckState, all: &[SpooledReport]) {
    body.element("h2", "All Results");
    let heads: &[&str] = match state.repairs {
        true => &[
            "Relative Path",
            "Healthy Pre-Repair",
            "Recoverable Pre-Repair",
            "Healthy Post-Repair",
            "Storage Index",
            "Summary",
        ],
        false => &[
            "Relative Path",
            "Healthy",
            "Recoverable",
            "Storage Index",
            "Summary",
        ],
    };
    table(body, "All results", heads, |body| {
        for report in all {
            let check = &report.check;
            body.raw("<tr>").element("td", &path_of(report));
            body.element("td", word(check.healthy))
                .element("td", word(check.recoverable));
            if let Some(repair) = &report.repair {
                body.element("td", word(repair.latest().healthy));
            }
            body.raw("<td>");
            details(body, handle, &check.storage_index);
            body.raw("</td>")
                .element("td", &check.summary)
                .raw("</tr>\n");
        }
        if all.is_empty() {
            body.raw("<tr><td>Nothing to report yet.</td></tr>\n");
        }
    });
    cut_short(body, all.len(), state.counts.checked);
}

fn word(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// A storage index that leads to the object's own results.
fn details(body: &mut Html, handle: &[u8], index: &StorageIndex) {
    body.raw("<a href=\"/operations/")
        .text(&quote(handle))
        .raw("/")
        .display(index);
    body.raw("\"><code>").display(index).raw("</code></a>");
}

fn cut_short(body: &mut Html, shown: usize, all: u64) {
    if (shown as u64) < all {
        let text = format!("{shown} of {all} are shown; output=json has more.");
        body.element("p", &text);
    }
}
