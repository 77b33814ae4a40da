//! Two servers, and how their answers are compared.

use super::support::oracle::PythonServer;
use super::support::raw::{Raw, RawAnswer};
use super::support::{nurl, serve, server_tls};
use minicbor::Decoder;
use minicbor::data::Type;
use std::sync::Arc;
use tahoe_storage_api::testing::MemoryStore;
use tahoe_storage_http::{Nurl, ServerHandle, ServerLimits};

/// Both servers.
pub(crate) struct Pair {
    python: PythonServer,
    ours: ServerHandle,
    failures: Vec<String>,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let store = Arc::new(MemoryStore::default());
        Self {
            python: PythonServer::start().await,
            ours: serve(store, ServerLimits::default()).await,
            failures: Vec::new(),
        }
    }

    pub(crate) fn our_nurl(&self) -> Nurl {
        nurl(server_tls(), self.ours.local_address().port())
    }

    pub(crate) async fn ask(&self, request: &Raw) -> (RawAnswer, RawAnswer) {
        let nurl = self.our_nurl();
        tokio::join!(request.send(&self.python.nurl), request.send(&nurl))
    }

    /// Both answer alike, with this status.
    pub(crate) async fn same(&mut self, what: &str, status: u16, request: Raw) {
        let (python, ours) = self.ask(&request).await;
        if python.status != status || comparable(&python) != comparable(&ours) {
            self.failures
                .push(format!("{what}: {python:?}\n    ours: {ours:?}"));
        }
    }

    /// Ours answers otherwise, on purpose.
    pub(crate) async fn differ(&mut self, what: &str, (theirs, ours): (u16, u16), request: Raw) {
        let found = self.ask(&request).await;
        if (found.0.status, found.1.status) != (theirs, ours) {
            self.failures.push(format!("{what}: {found:?}"));
        }
    }

    pub(crate) fn finish(self) {
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
    }
}

/// What must be the same of two answers.
pub(crate) fn comparable(answer: &RawAnswer) -> (u16, Vec<Option<&str>>, Vec<&str>, String) {
    let header = |name: &str| answer.headers.get(name).map(String::as_str);
    let media_type = header("content-type").filter(|media_type| !media_type.contains("html"));
    // The reference lists methods in the order of a Python set, which changes from run to run.
    let mut allow: Vec<&str> = header("allow")
        .into_iter()
        .flat_map(|a| a.split(", "))
        .collect();
    allow.sort_unstable();
    let headers = vec![media_type, header("content-range")];
    let body = match media_type {
        Some("application/cbor") => meaning(&answer.body),
        Some(_) => format!("{:?}", answer.body),
        // The reference says more words than we do, and other ones.
        None => String::new(),
    };
    (answer.status, headers, allow, body)
}

/// Writes a CBOR message with sets and maps in order, and without the numbers of a version.
pub(crate) fn meaning(message: &[u8]) -> String {
    if message.is_empty() {
        return String::new();
    }
    let mut decoder = Decoder::new(message);
    let text = value(&mut decoder);
    assert_eq!(decoder.position(), message.len(), "all of {text}");
    text
}

pub(crate) fn value(d: &mut Decoder<'_>) -> String {
    match d.datatype().unwrap() {
        Type::Map => {
            let count = d.map().unwrap().unwrap();
            let mut entries: Vec<_> = (0..count)
                .map(|_| {
                    let key = value(d);
                    let value = value(d);
                    let varies = [
                        "available-space",
                        "maximum-immutable",
                        "application-version",
                    ];
                    let varies = varies.iter().any(|word| key.contains(word));
                    format!("{key}: {}", if varies { "…" } else { &value })
                })
                .collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        Type::Array => {
            let count = d.array().unwrap().unwrap();
            let items: Vec<_> = (0..count).map(|_| value(d)).collect();
            format!("[{}]", items.join(", "))
        }
        Type::Tag => {
            let tag = d.tag().unwrap().as_u64();
            let count = d.array().unwrap().unwrap();
            let mut items: Vec<_> = (0..count).map(|_| value(d)).collect();
            items.sort();
            format!("tag {tag} [{}]", items.join(", "))
        }
        Type::Bytes => format!("b{:?}", String::from_utf8_lossy(d.bytes().unwrap())),
        Type::String => format!("{:?}", d.str().unwrap()),
        Type::Bool => d.bool().unwrap().to_string(),
        _ => d.u64().unwrap().to_string(),
    }
}
