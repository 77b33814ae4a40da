//! The pages of checks and repairs.

use crate::args::Args;
use crate::chart::{self, Placement};
use crate::html::{self, Html};
use crate::request::Call;
use crate::response;
use axum::response::Response;
use http::StatusCode;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tahoe_client::{
    CheckOptions, CheckReport, Checkable, Client, RepairReport, ServerName, ShareId,
};
use tokio::time::timeout;

/// How long a page waits for servers to say which shares they have.
const PATIENCE: Duration = Duration::from_secs(3);

const TITLE: &str = "Tahoe-LAFS - Check Results";
/// What is told of each share.
const HEADS: &[&str] = &["Share ID", "Nickname", "Node ID"];

/// What there is to say about an object that is in its capability.
pub(crate) fn literal(args: &Args) -> Response {
    let mut body = Html::default();
    body.element(
        "p",
        "Literal files are always healthy: their data is contained in the URI",
    );
    return_to(&mut body, args, "Return to file.");
    page("File Check Results for LIT file", &body)
}

/// What a check found.
pub(crate) fn checked(client: &Client, args: &Args, report: &CheckReport) -> Response {
    let mut body = Html::default();
    summary(&mut body, report);
    results(&mut body, client, report);
    return_to(&mut body, args, "Return to file/directory.");
    let heading = format!("File Check Results for SI={}", report.storage_index);
    page(&heading, &body)
}

/// What a repair came to.
pub(crate) fn repaired(client: &Client, args: &Args, report: &RepairReport) -> Response {
    let mut body = Html::default();
    summary(&mut body, report.latest());
    body.element(
        "p",
        match (report.attempted(), report.successful) {
            (false, _) => "No repair necessary",
            (true, true) => "Repair successful",
            (true, false) => "Repair unsuccessful",
        },
    );
    body.element("h2", "Post-Repair Checker Results:");
    results(&mut body, client, report.latest());
    if report.attempted() {
        body.element("h2", "Pre-Repair Checker Results:");
        results(&mut body, client, &report.before);
    }
    return_to(&mut body, args, "Return to file/directory.");
    let index = report.before.storage_index;
    page(
        &format!("File Check-And-Repair Results for SI={index}"),
        &body,
    )
}

fn page(heading: &str, body: &Html) -> Response {
    let page = html::page_with_heading(TITLE, heading, body);
    response::html(StatusCode::OK, "text/html", page)
}

/// A link back to where the request came from; only to a path of ours.
pub(crate) fn return_to(body: &mut Html, args: &Args, text: &str) {
    let target = args.first("return_to").unwrap_or_default();
    let Ok(target) = crate::redirect::when_done(target, None) else {
        return;
    };
    if args
        .first("return_to")
        .is_some_and(|target| !target.is_empty())
    {
        body.raw("<p><a href=\"").text(&target).raw("\">");
        body.text(text).raw("</a></p>\n");
    }
}

fn summary(body: &mut Html, report: &CheckReport) {
    let (class, verdict) = match (report.healthy, report.recoverable) {
        (true, _) => ("good", "Healthy"),
        (false, true) => ("bad", "Not Healthy!"),
        (false, false) => ("bad", "Not Recoverable!"),
    };
    body.raw("<p class=\"summary ").raw(class).raw("\">");
    body.element("strong", verdict).text(" : ");
    body.text(&report.summary).raw("</p>\n");
}

fn results(body: &mut Html, client: &Client, report: &CheckReport) {
    body.raw("<section><dl class=\"facts\">\n");
    if !report.report.is_empty() {
        body.raw("<div><dt>Report</dt><dd><pre>");
        body.text(&report.report.join("\n"))
            .raw("</pre></dd></div>\n");
    }
    let counts = format!(
        "need {}-of-{}, have {}",
        report.shares_needed, report.shares_expected, report.shares_good
    );
    body.fact("Share Counts", &counts);
    for (name, count) in [
        ("Happiness Level", report.happiness),
        ("Hosts with good shares", report.good_share_hosts),
        ("Wrong Shares", report.shares_wrong),
        ("Recoverable Versions", report.versions_recoverable),
        ("Unrecoverable Versions", report.versions_unrecoverable),
    ] {
        body.fact(name, &count.to_string());
    }
    if report.corrupt_shares.is_empty() {
        body.fact("Corrupt shares", "none");
    }
    body.raw("</dl></section>\n");
    picture(body, report);
    corrupt_shares(body, report);
    good_shares(body, report);
    balance(body, client, report);
}

/// Which servers answered, and which shares each of them has.
fn picture(body: &mut Html, report: &CheckReport) {
    let name = |server: &ServerName| match server.nickname.as_str() {
        "" => server.short.clone(),
        nickname => format!("{nickname} [{}]", server.short),
    };
    let answered = report.servers_responding.iter();
    let mut placement: Placement = answered.map(|server| (name(server), Vec::new())).collect();
    let mut add = |server: &ServerName, share: String, kind: chart::Kind| {
        placement
            .entry(name(server))
            .or_default()
            .push((share, kind));
    };
    for (share, servers) in &report.share_map {
        for server in servers {
            add(server, share.to_string(), chart::Kind::Good);
        }
    }
    for corrupt in &report.corrupt_shares {
        add(
            &corrupt.server,
            format!("#{}", corrupt.share),
            chart::Kind::Bad,
        );
    }
    body.raw("<section><h2>Servers and shares</h2>\n");
    chart::shares(body, &placement);
    let (needed, expected) = (report.shares_needed, report.shares_expected);
    let text = format!(
        "Any {needed} of {expected} different shares suffice to read it; {} are there.",
        report.shares_good
    );
    body.classed("p", "hint", &text).raw("</section>\n");
}

/// Part of a page about an object: where its shares are now, and forms to check and repair it at
/// `target`, a path.
pub(crate) async fn health(body: &mut Html, call: &Call, object: &Checkable, target: &str) {
    let options = CheckOptions {
        verify: false,
        add_lease: false,
    };
    let checked = timeout(PATIENCE, call.client().check(object, options)).await;
    match checked {
        Ok(Ok(report)) => {
            summary(body, &report);
            picture(body, &report);
        }
        Ok(Err(error)) => {
            body.raw("<p class=\"summary bad\">");
            body.text(&crate::failures::check(&error).to_string())
                .raw("</p>\n");
        }
        Err(_) => {
            body.raw("<p class=\"summary warn\">Some servers take long to say which shares they ");
            body.raw("have. A check waits for them.</p>\n");
        }
    }
    body.raw("<section><h2>Check and repair</h2>\n<form action=\"")
        .text(target);
    body.raw("\" method=\"post\" enctype=\"multipart/form-data\">\n");
    body.raw("<input type=\"hidden\" name=\"t\" value=\"check\">");
    body.raw("<input type=\"hidden\" name=\"return_to\" value=\"")
        .text(target);
    body.raw("?t=info\">\n");
    for (name, text) in [
        (
            "verify",
            "Read all of every share, and compare it with the hashes",
        ),
        ("repair", "Make shares that are missing again"),
        (
            "add-lease",
            "Ask servers to keep their shares for another month",
        ),
    ] {
        body.raw("<label class=\"choice\"><input type=\"checkbox\" name=\"")
            .raw(name);
        body.raw("\" value=\"true\"> ").text(text).raw("</label>\n");
    }
    body.raw("<button type=\"submit\">Check</button></form></section>\n");
}

fn corrupt_shares(body: &mut Html, report: &CheckReport) {
    if report.corrupt_shares.is_empty() {
        return;
    }
    body.element("h3", "Corrupt shares");
    table(body, "Corrupt shares", HEADS, |body| {
        for corrupt in &report.corrupt_shares {
            let share = format!("sh#{}", corrupt.share);
            row(body, &share, &corrupt.server);
        }
    });
}

fn good_shares(body: &mut Html, report: &CheckReport) {
    body.element("h3", "Good Shares (sorted in share order)");
    table(body, "Good shares", HEADS, |body| {
        for (share, servers) in &report.share_map {
            for (number, server) in servers.iter().enumerate() {
                let share = if number == 0 {
                    share.to_string()
                } else {
                    String::new()
                };
                row(body, &share, server);
            }
        }
    });
}

fn row(body: &mut Html, share: &str, server: &ServerName) {
    body.raw("<tr>").element("td", share);
    body.element("td", &server.nickname);
    body.raw("<td>")
        .element("code", &server.short)
        .raw("</td></tr>\n");
}

/// The servers in the order in which shares are looked for, as far as the last that has one.
fn balance(body: &mut Html, client: &Client, report: &CheckReport) {
    let mut on_server = BTreeMap::<&str, Vec<&ShareId>>::new();
    for (share, servers) in &report.share_map {
        for server in servers {
            on_server.entry(&server.id).or_default().push(share);
        }
    }
    body.element("h3", "Share Balancing (servers in permuted order)");
    let heads = &["Nickname", "Node ID", "Share IDs"];
    table(body, "Share balancing", heads, |body| {
        let servers: Vec<Arc<ServerName>> = client.permuted_servers(&report.storage_index);
        let holds = |server: &Arc<ServerName>| on_server.contains_key(server.id.as_str());
        let shown = servers.iter().rposition(holds).map_or(0, |last| last + 1);
        for server in &servers[..shown] {
            let shares = on_server.get(server.id.as_str()).into_iter().flatten();
            let shares: Vec<String> = shares.map(ToString::to_string).collect();
            body.raw("<tr>").element("td", &server.nickname);
            body.raw("<td>").element("code", &server.short).raw("</td>");
            body.element("td", &shares.join(" ")).raw("</tr>\n");
        }
    });
}

/// A table with these column heads. It may be wider than the screen: keys scroll it, and readers are
/// told its name.
pub(crate) fn table(body: &mut Html, name: &str, heads: &[&str], rows: impl FnOnce(&mut Html)) {
    body.raw("<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\"")
        .text(name)
        .raw("\"><table>\n<thead><tr>");
    for head in heads {
        body.element("th scope=\"col\"", head);
    }
    body.raw("</tr></thead>\n<tbody>\n");
    rows(body);
    body.raw("</tbody></table></div>\n");
}
