//! `/status/publish-N` and `/status/retrieve-N`: a mutable file was written or read.

use super::moment;
use crate::format::unix_seconds;
use crate::html::{self, Html};
use serde_json::{Value, json};
use tahoe_client::{MutableKind, MutableOperation};

pub(super) fn name(kind: MutableKind) -> &'static str {
    match kind {
        MutableKind::Publish => "publish",
        MutableKind::Retrieve => "retrieve",
    }
}

pub(super) fn json(operation: &MutableOperation) -> Value {
    let facts = operation.facts();
    json!({
        "storage-index-string": facts.storage_index.map(|index| index.to_string()),
        "total-size": facts.size,
        "status": operation.doing(),
        "type": name(operation.kind),
    })
}

/// The part that is done, 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a part of one")]
pub(super) fn progress(operation: &MutableOperation) -> f64 {
    let facts = operation.facts();
    match (facts.success, facts.size) {
        (Some(true), _) => 1.0,
        (_, Some(size)) => (facts.delivered as f64 / size.max(1) as f64).min(1.0),
        (_, None) => 0.0,
    }
}

pub(super) fn page(operation: &MutableOperation) -> String {
    let facts = json(operation);
    let text = |key: &str| facts[key].as_str().unwrap_or("(None)");
    let size = facts["total-size"].as_u64();
    let size = size.map_or_else(|| "(unknown)".to_owned(), |size| size.to_string());
    let mut body = Html::default();
    body.raw("<section><dl class=\"facts\">\n");
    body.fact("Started", &moment(unix_seconds(operation.started)));
    body.fact("Storage Index", text("storage-index-string"));
    body.fact("Helper?", "No");
    body.fact("Current Size", &size);
    let percent = 100.0 * progress(operation);
    body.fact("Progress", &format!("{percent:.1}%"));
    body.fact("Status", text("status"));
    body.raw("</dl></section>\n");
    let title = match operation.kind {
        MutableKind::Publish => "Mutable File Publish Status",
        MutableKind::Retrieve => "Mutable File Retrieve Status",
    };
    html::page(title, &body)
}
