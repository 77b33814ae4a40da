//! Answers that arrive line by line while the node walks a tree.

use crate::error::Result;
use crate::file_store::cut_short;
use crate::objects::ObjectKind;
use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use std::io;

/// The longest line that is read; one holds a path, a few capabilities and a check's results.
const LONGEST_LINE: usize = 64 << 20;

/// The lines of an answer.
pub(crate) struct Lines {
    body: Incoming,
    /// What has arrived of the lines to come.
    pending: BytesMut,
    /// How much of `pending` is known to hold no line break.
    searched: usize,
    has_ended: bool,
}

impl Lines {
    pub(crate) fn of(response: Response<Incoming>) -> Self {
        Self {
            body: response.into_body(),
            pending: BytesMut::new(),
            searched: 0,
            has_ended: false,
        }
    }

    /// The next line without its line break; `None` at the end of a whole answer.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let unsearched = self.pending.iter().skip(self.searched);
            if let Some(at) = unsearched.copied().position(|byte| byte == b'\n') {
                let line = self.pending.split_to(self.searched + at).freeze();
                self.pending.advance(1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.pending.len();
            if self.has_ended {
                self.searched = 0;
                let rest = self.pending.split().freeze();
                return Ok((!rest.is_empty()).then_some(rest));
            }
            self.receive().await?;
        }
    }

    async fn receive(&mut self) -> Result {
        if self.pending.len() > LONGEST_LINE {
            return Err(cut_short(&io::Error::other("a line is too long")));
        }
        match self.body.frame().await {
            None => self.has_ended = true,
            Some(Err(error)) => return Err(cut_short(&io::Error::other(error))),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.pending.extend_from_slice(data);
                }
            }
        }
        Ok(())
    }
}

/// One line of a stream: an object of the tree, or the totals at its end.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Unit {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    pub(crate) path: Vec<String>,
    pub(crate) cap: Option<String>,
    pub(crate) verifycap: Option<String>,
    pub(crate) repaircap: Option<String>,
    pub(crate) storage_index: Option<String>,
    #[serde(default)]
    pub(crate) check_results: Value,
    #[serde(default)]
    pub(crate) check_and_repair_results: Value,
}

impl Unit {
    /// What the object is; `None` for the totals and for objects that nobody knows.
    pub(crate) fn kind(&self) -> Option<ObjectKind> {
        match self.kind.as_str() {
            "file" => Some(ObjectKind::File),
            "directory" => Some(ObjectKind::Directory),
            _ => None,
        }
    }
}

/// Says whether a line is the first of the node's explanation why it can't go on.
pub(crate) fn is_error(line: &[u8]) -> bool {
    line.starts_with(b"ERROR:")
}
