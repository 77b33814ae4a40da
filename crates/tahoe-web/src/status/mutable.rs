//! `/status/mapupdate-N`, `publish-N` and `retrieve-N`: a mutable file was searched, written or read.

use super::moment;
use crate::format::{abbreviate_time, unix_seconds};
use crate::html::{self, Html};
use serde_json::{Value, json};
use tahoe_client::{MutableFacts, MutableKind, MutableOperation, ServermapMode};

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
        MutableKind::Publish(size) | MutableKind::Retrieve(size) => size.into(),
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
    if let MutableKind::Mapupdate(_) = kind {
        answers(&mut body, &facts);
    }
    html::page(title, &body)
}

/// How long a search took, and what servers said to it.
fn answers(body: &mut Html, facts: &MutableFacts) {
    body.raw("<section><h2>Update Results</h2>\n<dl class=\"facts\">\n");
    let total = facts.total.map(abbreviate_time);
    body.fact("Total", total.as_deref().unwrap_or("not yet"));
    body.raw("</dl>\n<h3>Per-Server Response Times</h3>\n<ul>\n");
    for answer in &facts.answers {
        let name = answer.server.short();
        body.element(
            "li",
            &format!("[{name}]: {}", abbreviate_time(answer.elapsed)),
        );
    }
    body.raw("</ul>\n");
    let mut problems = facts.answers.iter().filter_map(|answer| {
        let problem = answer.problem.as_ref()?;
        Some(format!("[{}]: {problem}", answer.server.short()))
    });
    if let Some(first) = problems.next() {
        body.raw("<h3>Server Problems</h3>\n<ul>\n");
        for problem in std::iter::once(first).chain(problems) {
            body.element("li", &problem);
        }
        body.raw("</ul>\n");
    }
    body.raw("</section>\n");
}
