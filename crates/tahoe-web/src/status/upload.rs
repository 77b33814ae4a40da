//! `/status/up-N`: one upload.

use super::moment;
use crate::format::unix_seconds;
use crate::html::{self, Html};
use crate::upload_results;
use serde_json::{Value, json};
use tahoe_client::{UploadOperation, UploadStage};

pub(super) fn json(operation: &UploadOperation) -> Value {
    let progress = operation.progress();
    let storage_index = operation.status.storage_index();
    let is_done = progress.stage == UploadStage::Finished;
    let part = |done: u64, of: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a part of one")]
        let part = done as f64 / of.max(1) as f64;
        if is_done { 1.0 } else { part.min(1.0) }
    };
    json!({
        "storage-index-string": storage_index.map(|index| index.to_string()),
        "total-size": progress.file_size,
        "status": operation.doing(),
        "type": "upload",
        "progress-hash": if is_done || storage_index.is_some() { 1.0 } else { 0.0 },
        "progress-ciphertext": part(progress.encoded, progress.file_size),
        "progress-encode-push": part(progress.pushed, progress.to_push),
    })
}

pub(super) fn page(operation: &UploadOperation) -> String {
    let facts = json(operation);
    let percent = |key: &str| format!("{:.1}%", 100.0 * facts[key].as_f64().unwrap_or(0.0));
    let text = |key: &str| facts[key].as_str().unwrap_or("(None)");
    let mut body = Html::default();
    body.raw("<section><dl class=\"facts\">\n");
    body.fact("Started", &moment(unix_seconds(operation.started)));
    body.fact("Storage Index", text("storage-index-string"));
    body.fact("Helper?", super::yes_or_no(operation.status.uses_helper()));
    body.fact("Total Size", &facts["total-size"].to_string());
    body.fact("Progress (Hash)", &percent("progress-hash"));
    body.fact("Progress (Ciphertext)", &percent("progress-ciphertext"));
    body.fact("Progress (Encode+Push)", &percent("progress-encode-push"));
    body.fact("Status", text("status"));
    body.raw("</dl></section>\n");
    if let Some(stored) = operation.stored() {
        body.raw("<section><h2>Upload Results</h2>\n<dl class=\"facts\">\n");
        body.fact("Shares Pushed", &stored.pushed_shares.to_string());
        let already = stored.preexisting_shares.to_string();
        body.fact("Shares Already Present", &already);
        upload_results::shares_and_timings(&mut body, &stored);
        body.raw("</dl></section>\n");
        upload_results::pictures(&mut body, &stored);
    }
    html::page("File Upload Status", &body)
}
