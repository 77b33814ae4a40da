//! `/`: the state of the grid, and the forms to upload, open and download.

use crate::error::WebError;
use crate::format::{abbreviate_size, moment, since, unix_seconds};
use crate::html::{self, Html};
use crate::python_text;
use crate::request::Call;
use crate::response;
use axum::response::Response;
use http::StatusCode;
use std::time::{Instant, SystemTime};
use tahoe_client::{Client, ConnectionState, IntroducerStatus, KnownServer, ServerStatus};

/// Answers any method, as the reference does.
pub(crate) fn answer(call: &Call) -> Result<Response, WebError> {
    match call.page_format()?.as_deref() {
        None | Some("HTML") => {
            let page = page(call.client());
            Ok(response::html(StatusCode::OK, "text/html", page))
        }
        Some("JSON") => Ok(response::with_type(
            StatusCode::OK,
            "application/json; charset=utf-8",
            python_text::json(&json(call.client())),
        )),
        Some(_) => Err(call.unknown_page_format()),
    }
}

fn json(client: &Client) -> serde_json::Value {
    let servers = client.broker().servers();
    let servers: Vec<_> = servers
        .iter()
        .map(|server| describe_server(server))
        .collect();
    let introducers = client.introducers();
    let statuses = introducers
        .iter()
        .map(|introducer| introducer.summary.as_str());
    let statuses: Vec<_> = statuses.collect();
    let now = client.now();
    let connections = introducers.iter();
    let connections: Vec<_> = connections
        .map(|introducer| describe_introducer(introducer, now))
        .collect();
    serde_json::json!({
        "introducers": { "statuses": statuses, "connections": connections },
        "servers": servers,
    })
}

/// The reference's keys, and then ours.
fn describe_server(server: &KnownServer) -> serde_json::Value {
    let status = server.status();
    let version = status.version.as_ref();
    let reached_by = status.reached_by.as_ref();
    let since = status.connected_since;
    serde_json::json!({
        "nodeid": server.id().as_str(),
        "connection_status": status.summary(),
        "available_space": version.map(|version| version.available_space),
        "nickname": server.nickname(),
        "version": version.map(|version| version.application_version.as_str()),
        "last_received_data": status.last_answer.map(unix_seconds),
        "connected": status.state.is_connected(),
        "connected_since": since.filter(|_| status.state.is_connected()).map(unix_seconds),
        "problem": status.problem(),
        "protocol": status.protocol.map(|protocol| protocol.to_string()),
        "hint": reached_by.map(|reached_by| reached_by.hint.as_str()),
        "handler": reached_by.map(|reached_by| reached_by.handler.as_str()),
    })
}

fn describe_introducer(introducer: &IntroducerStatus, now: SystemTime) -> serde_json::Value {
    let time = |moment: Option<Instant>| moment.map(|moment| unix_seconds(before(moment, now)));
    serde_json::json!({
        "petname": introducer.petname,
        "connected": introducer.is_connected,
        "connected_since": time(introducer.connected_at),
        "last_received_data": time(introducer.last_received),
        "problem": introducer.problem,
        "protocol": "Foolscap",
        "hint": introducer.hint,
        "handler": introducer.handler,
        "version": introducer.version,
    })
}

fn page(client: &Client) -> String {
    let mut body = Html::default();
    summary(&mut body, client);
    crate::vdrive::links(&mut body, client);
    forms(&mut body);
    servers(&mut body, client);
    introducers(&mut body, client);
    node(&mut body, client);
    let (title, heading) = ("Tahoe-LAFS - Welcome", "Grid Status");
    html::page_with_scripts(title, heading, &["upload_form.js"], &body)
}

/// One sentence: can files be stored and read now?
fn summary(body: &mut Html, client: &Client) {
    let known = client.broker().servers().len();
    let connected = client.broker().connected_count();
    let encoding = &client.config().encoding;
    let needed = usize::from(encoding.shares_needed());
    let happy = usize::from(encoding.shares_happy());
    let (class, verdict) = match connected {
        _ if known == 0 => ("bad", "No storage servers are known yet."),
        connected if connected >= happy => ("good", "Files can be stored and read."),
        connected if connected >= needed => (
            "warn",
            "Files can be read, but too few servers are connected to store new ones.",
        ),
        _ => (
            "bad",
            "Too few servers are connected to store or read files.",
        ),
    };
    body.raw("<p class=\"summary ")
        .raw(class)
        .raw("\"><strong>Connected to ");
    body.display(connected).raw(" of ").display(known);
    body.raw(" known storage servers.</strong> ")
        .text(verdict)
        .raw("</p>\n");
}

fn forms(body: &mut Html) {
    body.raw(
        "<div class=\"cards\">\n\
<section aria-labelledby=\"upload\"><h2 id=\"upload\">Upload a file</h2>
<form action=\"/uri\" method=\"post\" enctype=\"multipart/form-data\" data-progress>
<input type=\"hidden\" name=\"t\" value=\"upload\">
<label for=\"upload-file\">File</label>
<input id=\"upload-file\" type=\"file\" name=\"file\" required>
<p class=\"hint\">The page that follows shows its capability: whoever has it can read the file.</p>
<button type=\"submit\">Upload</button>
</form></section>
<section aria-labelledby=\"download\"><h2 id=\"download\">Download a file</h2>
<form action=\"/uri\" method=\"get\">
<input type=\"hidden\" name=\"save\" value=\"true\">
<label for=\"download-uri\">Capability (URI:…)</label>
<input id=\"download-uri\" type=\"text\" name=\"uri\" required autocomplete=\"off\" \
spellcheck=\"false\">
<label for=\"download-name\">Save as</label>
<input id=\"download-name\" type=\"text\" name=\"filename\" required autocomplete=\"off\">
<button type=\"submit\">Download</button>
</form></section>
<section aria-labelledby=\"open\"><h2 id=\"open\">Open a capability</h2>
<form action=\"/uri\" method=\"get\">
<label for=\"open-uri\">Capability (URI:…)</label>
<input id=\"open-uri\" type=\"text\" name=\"uri\" required autocomplete=\"off\" \
spellcheck=\"false\">
<label for=\"open-as\">Show</label>
<select id=\"open-as\" name=\"t\"><option value=\"\">the file or directory</option>\
<option value=\"info\">information about it</option></select>
<button type=\"submit\">Open</button>
</form></section>
<section aria-labelledby=\"mkdir\"><h2 id=\"mkdir\">Create a directory</h2>
<form action=\"/uri\" method=\"post\" enctype=\"multipart/form-data\">
<input type=\"hidden\" name=\"t\" value=\"mkdir\">
<input type=\"hidden\" name=\"redirect_to_result\" value=\"true\">
<label for=\"mkdir-format\">Kind</label>
<select id=\"mkdir-format\" name=\"format\"><option value=\"sdmf\">SDMF</option>\
<option value=\"mdmf\">MDMF</option></select>
<p class=\"hint\">Its page follows. Keep the address: it holds the capability.</p>
<button type=\"submit\">Create</button>
</form></section>
</div>\n",
    );
}

fn servers(body: &mut Html, client: &Client) {
    body.raw("<section aria-labelledby=\"servers\"><h2 id=\"servers\">Storage servers</h2>\n");
    if client.broker().servers().is_empty() {
        body.raw(
            "<p>None are known. Introducers tell of them; they may also be named in \
             <code>private/servers.yaml</code>, which is read when the node starts.</p></section>\n",
        );
        return;
    }
    body.raw(
        "<div class=\"table\" role=\"region\" aria-labelledby=\"servers\" tabindex=\"0\"><table>\n\
         <thead><tr><th scope=\"col\">Server</th><th scope=\"col\">Connection</th>\
         <th scope=\"col\">Last answer</th><th scope=\"col\">Version</th>\
         <th scope=\"col\">Available</th></tr></thead>\n<tbody>\n",
    );
    let now = client.now();
    let mut servers = client.broker().servers();
    servers.sort_by(|one, other| (one.nickname(), one.id()).cmp(&(other.nickname(), other.id())));
    for server in servers {
        row(body, &server, now);
    }
    body.raw("</tbody></table></div></section>\n");
}

fn row(body: &mut Html, server: &KnownServer, now: SystemTime) {
    let status = server.status();
    let nickname = match server.nickname() {
        "" => "(no nickname)",
        nickname => nickname,
    };
    let id = server.id().as_str();
    body.raw("<tr><th scope=\"row\">").text(nickname);
    body.raw("<span class=\"id\" title=\"").text(id).raw("\">");
    body.text(id).raw("</span></th>\n<td>");
    connection(body, &status, now);
    body.raw("</td>\n<td class=\"nowrap\">");
    match status.last_answer {
        Some(time) => ago(body, time, now),
        None => drop(body.raw("never")),
    }
    let version = status.version.as_ref();
    let announced = server.announcement().as_ref().ok();
    let announced = announced.and_then(|announcement| announcement.announced_version.as_deref());
    let name = version.map(|version| version.application_version.as_str());
    let name = name.or(announced).unwrap_or("–");
    let space = version.map(|version| abbreviate_size(version.available_space));
    let space = space.as_deref().unwrap_or("–");
    body.raw("</td>\n").classed("td", "nowrap", name).raw("\n");
    body.classed("td", "nowrap", space).raw("</tr>\n");
}

fn connection(body: &mut Html, status: &ServerStatus, now: SystemTime) {
    let (class, word, reason) = match &status.state {
        ConnectionState::Connected => ("state good", "Connected", None),
        ConnectionState::Suspect { reason } => ("state warn", "In doubt", Some(reason)),
        ConnectionState::Unstarted => ("state warn", "Connecting", None),
        ConnectionState::Failed { reason } => ("state bad", "Disconnected", Some(reason)),
        ConnectionState::Unusable { reason } => ("state bad", "Not usable", Some(reason)),
    };
    body.classed("span", class, word);
    if let Some(reason) = reason {
        body.classed("span", "reason", reason);
    }
    if let Some(way) = way(status) {
        body.classed("span", "reason", &way);
    }
    let (word, time) = if status.state.is_connected() {
        ("connected", status.connected_since)
    } else {
        ("lost", status.lost_at)
    };
    if let Some(time) = time {
        body.raw("<span class=\"reason\">").raw(word).raw(" ");
        ago(body, time, now);
        body.raw("</span>");
    }
}

/// By which way a server is reached, as far as is known.
fn way(status: &ServerStatus) -> Option<String> {
    let protocol = status.protocol?;
    Some(match &status.reached_by {
        Some(reached_by) if status.state.is_connected() => {
            format!("{protocol}, {} via {}", reached_by.hint, reached_by.handler)
        }
        _ => protocol.to_string(),
    })
}

fn introducers(body: &mut Html, client: &Client) {
    let introducers = client.introducers();
    if introducers.is_empty() {
        return;
    }
    body.raw(
        "<section aria-labelledby=\"introducers\"><h2 id=\"introducers\">Introducers</h2>\n\
         <div class=\"table\" role=\"region\" aria-labelledby=\"introducers\" tabindex=\"0\">\
         <table>\n<thead><tr><th scope=\"col\">Introducer</th><th scope=\"col\">Connection</th>\
         <th scope=\"col\">Last answer</th><th scope=\"col\">Version</th>\
         <th scope=\"col\">Announcements</th></tr></thead>\n\
         <tbody>\n",
    );
    let now = client.now();
    for introducer in &introducers {
        body.raw("<tr><th scope=\"row\">").text(&introducer.petname);
        let hints = introducer.hints.join(" ");
        body.classed("span", "id", &hints).raw("</th>\n<td>");
        let class = if introducer.is_connected {
            "state good"
        } else {
            "state bad"
        };
        body.classed("span", class, &introducer.summary);
        let is_said = |problem: &&String| introducer.summary.ends_with(problem.as_str());
        if let Some(problem) = introducer.problem.as_ref().filter(|p| !is_said(p)) {
            body.classed("span", "reason", problem);
        }
        if let Some(since) = introducer.connected_at {
            body.raw("<span class=\"reason\">connected ");
            ago(body, before(since, now), now);
            body.raw("</span>");
        }
        body.raw("</td>\n<td class=\"nowrap\">");
        match introducer.last_received {
            Some(time) => ago(body, before(time, now), now),
            None => drop(body.raw("–")),
        }
        let version = introducer.version.as_deref().unwrap_or("–");
        body.raw("</td>\n").classed("td", "nowrap", version);
        body.raw("\n<td>")
            .display(introducer.announcements)
            .raw("</td></tr>\n");
    }
    body.raw("</tbody></table></div></section>\n");
}

/// A moment of the steady clock on the wall clock.
fn before(moment: Instant, now: SystemTime) -> SystemTime {
    now.checked_sub(moment.elapsed()).unwrap_or(now)
}

/// How long ago, with the moment itself as the title.
fn ago(body: &mut Html, time: SystemTime, now: SystemTime) {
    body.raw("<time title=\"").text(&moment(time)).raw("\">");
    body.text(&since(time, now)).raw(" ago</time>");
}

fn node(body: &mut Html, client: &Client) {
    let config = client.config();
    body.raw(
        "<section aria-labelledby=\"node\"><h2 id=\"node\">This node</h2><dl class=\"facts\">\n",
    );
    let tub_id = config.tub_id.to_string();
    let helper = match client.helper_connection() {
        None => "None".to_owned(),
        Some(helper) if helper.is_connected => format!("{}, connected", helper.location),
        Some(helper) => format!("{}, not connected", helper.location),
    };
    let uploads = client.helper_statistics().map(|statistics| {
        let active = statistics.get("chk_upload_helper.active_uploads");
        format!("{} active uploads", active.copied().unwrap_or(0))
    });
    let uploads = uploads.unwrap_or_else(|| "Not running helper".to_owned());
    let encoding = config.encoding;
    let encoding = format!(
        "{} shares, any {} of which suffice, on at least {} servers",
        encoding.shares_total(),
        encoding.shares_needed(),
        encoding.shares_happy(),
    );
    for (name, value) in [
        ("Nickname", config.nickname.as_str()),
        ("Node ID", config.node_id.as_str()),
        ("Tub ID", &tub_id),
        ("Version", &config.application_version),
        ("New files", &encoding),
        ("Helper", &helper),
        ("Uploads for others", &uploads),
        ("Page rendered at", &moment(client.now())),
    ] {
        body.fact(name, value);
    }
    body.raw("</dl></section>");
}
