//! `/status/mapupdate-N`, `publish-N` and `retrieve-N`: a mutable file was searched, written or read.

use super::moment;
use crate::format::{abbreviate_rate, abbreviate_time, unix_seconds};
use crate::html::{self, Html};
use serde_json::{Value, json};
use std::time::Duration;
use tahoe_client::{
    MutableFacts, MutableKind, MutableOperation, MutableStage, MutableTransfer, ServermapMode,
};

/// What is told of a stage beside its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rate {
    Shown,
    Meaningless,
}

type Stages = &'static [(MutableStage, &'static str, Rate)];

const MAPUPDATE_STAGES: Stages = &[
    (MutableStage::Setup, "Initial Queries", Rate::Meaningless),
    (MutableStage::Verify, "Cumulative Verify", Rate::Meaningless),
];

const PUBLISH_STAGES: Stages = &[
    (MutableStage::Setup, "Setup", Rate::Meaningless),
    (MutableStage::Encrypt, "Encrypting", Rate::Shown),
    (MutableStage::Encode, "Encoding", Rate::Shown),
    (MutableStage::Hash, "Hashing", Rate::Shown),
    (MutableStage::Pack, "Packing Shares", Rate::Shown),
    (MutableStage::Sign, "RSA Signature", Rate::Meaningless),
    (MutableStage::Push, "Pushing", Rate::Shown),
];

const RETRIEVE_STAGES: Stages = &[
    (MutableStage::Fetch, "Fetching", Rate::Shown),
    (MutableStage::Verify, "Verifying", Rate::Shown),
    (MutableStage::Decode, "Decoding", Rate::Shown),
    (MutableStage::Decrypt, "Decrypting", Rate::Shown),
];

pub(super) fn name(operation: &MutableOperation) -> &'static str {
    match operation.status.kind() {
        MutableKind::Mapupdate(_) => "mapupdate",
        MutableKind::Publish(_) => "publish",
        MutableKind::Retrieve(_) => "retrieve",
    }
}

pub(super) fn json(operation: &MutableOperation) -> Value {
    let mut facts = json!({
        "storage-index-string": operation.status.storage_index().to_string(),
        "total-size": size(operation),
        "status": operation.doing(),
        "type": name(operation),
    });
    if let MutableKind::Mapupdate(mode) = operation.status.kind() {
        facts["mode"] = mode_name(mode).into();
    }
    facts
}

fn size(operation: &MutableOperation) -> Value {
    match operation.status.kind() {
        MutableKind::Mapupdate(_) => "-NA-".into(),
        MutableKind::Publish(transfer) | MutableKind::Retrieve(transfer) => {
            transfer.size_bytes.into()
        }
    }
}

fn mode_name(mode: ServermapMode) -> &'static str {
    match mode {
        ServermapMode::Check => "MODE_CHECK",
        ServermapMode::Anything => "MODE_ANYTHING",
        ServermapMode::Read => "MODE_READ",
        ServermapMode::Write => "MODE_WRITE",
        ServermapMode::Repair => "MODE_REPAIR",
    }
}

/// The part that is done, for people.
pub(super) fn progress(operation: &MutableOperation) -> String {
    format!("{:.1}%", 100.0 * operation.status.facts().progress)
}

pub(super) fn page(operation: &MutableOperation) -> String {
    let mut body = Html::default();
    let started = unix_seconds(operation.started);
    let facts = operation.status.facts();
    let index = operation.status.storage_index().to_string();
    body.raw("<section><dl class=\"facts\">\n");
    body.fact("Started", &moment(started));
    let kind = operation.status.kind();
    let title = match kind {
        MutableKind::Mapupdate(_) => {
            let finished = facts.total.map(|total| started + total.as_secs_f64());
            let finished = finished.map_or_else(|| "not yet".to_owned(), moment);
            body.fact("Finished", &finished);
            "Mutable File Servermap Update Status"
        }
        MutableKind::Publish(_) => "Mutable File Publish Status",
        MutableKind::Retrieve(_) => "Mutable File Retrieve Status",
    };
    body.fact("Storage Index", &index);
    body.fact("Helper?", "No");
    match kind {
        MutableKind::Mapupdate(mode) => body.fact("Mode", mode_name(mode)),
        _ => body.fact("Current Size", &size(operation).to_string()),
    };
    body.fact("Progress", &progress(operation));
    body.fact("Status", operation.doing());
    body.raw("</dl></section>\n");
    match kind {
        MutableKind::Mapupdate(_) => {
            body.raw("<section><h2>Update Results</h2>\n<dl class=\"facts\">\n");
            timings(&mut body, &facts, MAPUPDATE_STAGES, None);
            if let Some(server) = &facts.private_key_from {
                body.fact("Got privkey from", &format!("[{}]", server.short()));
            }
            body.raw("</dl>\n");
            answers(&mut body, &facts, "Per-Server Response Times");
        }
        MutableKind::Publish(transfer) => {
            body.raw("<section><h2>Publish Results</h2>\n<dl class=\"facts\">\n");
            body.fact("Encoding", &encoding(&transfer));
            sharemap(&mut body, &facts);
            timings(&mut body, &facts, PUBLISH_STAGES, Some(&transfer));
            body.raw("</dl>\n");
            answers(&mut body, &facts, "Per-Server Response Times");
        }
        MutableKind::Retrieve(transfer) => {
            body.raw("<section><h2>Retrieve Results</h2>\n<dl class=\"facts\">\n");
            body.fact("Encoding", &encoding(&transfer));
            timings(&mut body, &facts, RETRIEVE_STAGES, Some(&transfer));
            body.raw("</dl>\n");
            answers(&mut body, &facts, "Per-Server Fetch Response Times");
        }
    }
    body.raw("</section>\n");
    html::page(title, &body)
}

fn encoding(transfer: &MutableTransfer) -> String {
    let encoding = transfer.encoding;
    let (k, n) = (encoding.shares_needed(), encoding.shares_total());
    format!("{k} of {n}")
}

fn sharemap(body: &mut Html, facts: &MutableFacts) {
    if facts.sharemap.is_empty() {
        return;
    }
    body.raw("<div><dt>Sharemap</dt><dd><ul>");
    for (share, servers) in &facts.sharemap {
        let servers: Vec<_> = servers.iter().map(|s| format!("[{}]", s.short())).collect();
        let placed = format!("{share} -> Placed on {}", servers.join(", "));
        body.element("li", &placed);
    }
    body.raw("</ul></dd></div>\n");
}

/// How long the whole and its parts took; what didn't happen is left out.
fn timings(
    body: &mut Html,
    facts: &MutableFacts,
    stages: Stages,
    transfer: Option<&MutableTransfer>,
) {
    let some = transfer.filter(|transfer| transfer.length_bytes > 0);
    let with_rate = |time: Duration| {
        let rate = some.map(|transfer| abbreviate_rate(transfer.length_bytes, time));
        match rate.as_deref() {
            None | Some("") => abbreviate_time(time),
            Some(rate) => format!("{} ({rate})", abbreviate_time(time)),
        }
    };
    let total = facts.total.map(with_rate);
    body.fact("Total", total.as_deref().unwrap_or("not yet"));
    for (stage, name, rate) in stages {
        let Some(time) = facts.stages.get(stage) else {
            continue;
        };
        let text = match rate {
            Rate::Shown => with_rate(*time),
            Rate::Meaningless => abbreviate_time(*time),
        };
        body.fact(name, &text);
    }
}

/// How fast servers answered, and what was wrong with them.
fn answers(body: &mut Html, facts: &MutableFacts, title: &str) {
    let answered = |more: &u64, times: &[Duration]| {
        let times = times.iter().copied().map(abbreviate_time);
        let more = (*more > 0).then(|| format!("{more} more"));
        times.chain(more).collect::<Vec<_>>().join(", ")
    };
    let servers = || facts.servers.iter();
    let times = servers().filter(|(_, answers)| !answers.times.is_empty());
    let times = times.map(|(server, answers)| {
        let times = answered(&answers.more, &answers.times);
        format!("[{}]: {times}", server.short())
    });
    list(body, title, times.collect());
    let problems = servers().filter_map(|(server, answers)| {
        let problem = answers.problem.as_ref()?;
        Some(format!("[{}]: {problem}", server.short()))
    });
    list(body, "Server Problems", problems.collect());
}

fn list(body: &mut Html, title: &str, items: Vec<String>) {
    if items.is_empty() {
        return;
    }
    body.element("h3", title).raw("\n<ul>\n");
    for item in items {
        body.element("li", &item);
    }
    body.raw("</ul>\n");
}
