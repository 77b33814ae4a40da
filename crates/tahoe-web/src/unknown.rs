//! Capabilities with which nothing can be read: those that only verify, and unknown ones.

use crate::error::WebError;
use crate::request::Call;
use crate::{info, python_text, response};
use axum::response::Response;
use http::StatusCode;
use tahoe_caps::{Cap, CapError, ChkVerifyCap, UnknownSlots};
use tahoe_client::Metadata;

/// What is known of such a capability.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    verifier: Option<ChkVerifyCap>,
    slots: Option<UnknownSlots>,
    /// Why it isn't known.
    reason: Option<CapError>,
}

impl Unknown {
    /// A capability that checks an immutable file.
    pub(crate) fn verifier(verifier: ChkVerifyCap) -> Self {
        Self {
            verifier: Some(verifier),
            ..Self::default()
        }
    }

    /// An unknown one; without slots if nobody may say what it grants.
    pub(crate) fn slots(slots: Option<UnknownSlots>) -> Self {
        Self {
            slots,
            ..Self::default()
        }
    }

    /// Tells why it isn't known.
    pub(crate) fn because(mut self, reason: CapError) -> Self {
        self.reason = Some(reason);
        self
    }

    fn json(&self) -> serde_json::Value {
        let mut facts = serde_json::Map::new();
        if let Some(verifier) = &self.verifier {
            // The reference fails here; these are the keys that it has for a file.
            facts.insert("mutable".into(), false.into());
            facts.insert(
                "verify_uri".into(),
                Cap::from(verifier.clone()).to_text().into(),
            );
        }
        let slots = self.slots.as_ref();
        let read = slots.and_then(|slots| slots.read.as_deref());
        if let Some(read) = read {
            facts.insert("ro_uri".into(), read.into());
        }
        if let Some(write) = slots.and_then(|slots| slots.write.as_deref()) {
            facts.insert("rw_uri".into(), write.into());
            facts.insert("mutable".into(), true.into());
        } else if read.is_some_and(|read| read.starts_with("imm.")) {
            facts.insert("mutable".into(), false.into());
        }
        serde_json::json!(["unknown", facts])
    }
}

/// Answers for a child of a directory, which is known to be immutable if the directory is.
pub(crate) async fn child(
    call: &Call,
    slots: UnknownSlots,
    metadata: &Metadata,
    is_immutable: bool,
) -> Result<Response, WebError> {
    let unknown = Unknown::slots(Some(slots));
    if call.args.t()? != "json" {
        return answer(call, &unknown).await;
    }
    let mut json = unknown.json();
    if is_immutable && json[1]["rw_uri"].is_null() {
        json[1]["mutable"] = false.into();
    }
    json[1]["metadata"] = serde_json::Value::Object(metadata.as_object().clone());
    Ok(response::plain(python_text::json(&json)))
}

pub(crate) async fn answer(call: &Call, unknown: &Unknown) -> Result<Response, WebError> {
    if !call.is_read() {
        return Err(WebError::method(&call.method, "HEAD, GET"));
    }
    match call.args.t()? {
        "json" => Ok(response::plain(python_text::json(&unknown.json()))),
        "info" => {
            let verifier = unknown.verifier.as_ref();
            let slots = unknown.slots.as_ref();
            let facts = info::Facts {
                kind: if verifier.is_some() {
                    "immutable verifier"
                } else {
                    "unknown"
                },
                problem: unknown.reason.map(|reason| reason.to_string()),
                storage_index: verifier.map(|cap| cap.storage_index),
                size: verifier.map(|cap| cap.size),
                write_cap: None,
                read_cap: slots.and_then(|slots| slots.read.clone()),
                verify_cap: verifier.map(|cap| Cap::from(cap.clone()).to_text()),
                is_readable: false,
                checkable: None,
            };
            Ok(info::page(call, &facts).await)
        }
        t => Err(WebError::text(
            StatusCode::BAD_REQUEST,
            format!(
                "GET unknown URI type: can only do t=info and t=json, not t={t}.\n\
                 Using a webapi server that supports a later version of Tahoe may help."
            ),
        )),
    }
}
