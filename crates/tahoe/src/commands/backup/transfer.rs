//! What a backup asks the node for: to check, to store a file, to make a directory.

use super::Session;
use super::database::{Cap, Stored};
use super::metadata::StoredMetadata;
use super::progress_report::{Report, add_one};
use crate::aliases::url_quoted;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, read};
use crate::http;
use crate::quote::{quoted, quoted_if_needed, quoted_name_if_needed, quoted_path};
use serde::Serialize;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use tokio::io::AsyncReadExt as _;

/// How something came to be on the grid.
pub(super) enum Found {
    /// It was stored now.
    New(Cap),
    /// It was there.
    Old {
        cap: Cap,
        /// It was looked for, and all is well.
        was_checked: bool,
    },
    /// The file can't be read.
    Unreadable(io::Error),
}

/// A file or directory in a directory.
pub(super) struct Child {
    pub(super) name: String,
    pub(super) is_directory: bool,
    pub(super) cap: Cap,
    pub(super) metadata: StoredMetadata,
}

impl Session<'_> {
    /// Uses what was stored before if it is still good; `None` if it isn't.
    async fn old(
        &self,
        stored: Option<Stored>,
        report: &Report,
        checked: &Cell<usize>,
    ) -> Result<Option<Found>> {
        let Some(Stored { cap, must_check }) = stored else {
            return Ok(None);
        };
        if must_check {
            self.say(report, || format!("checking {}", quoted(&cap.0)));
            add_one(checked);
            if !self.is_healthy(&cap).await? {
                return Ok(None);
            }
        }
        Ok(Some(Found::Old {
            cap,
            was_checked: must_check,
        }))
    }

    async fn is_healthy(&self, cap: &Cap) -> Result<bool> {
        let url = format!("uri/{}?t=check&output=JSON", url_quoted(&cap.0));
        let response = self
            .store
            .send(Call::post(url), "Error during check")
            .await?;
        if !http::is_success(response.status()) {
            // What can't be checked is stored again.
            return Ok(false);
        }
        let bytes = read(response).await?;
        let results: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| {
            CommandError::failed(format!("the node's answer is no JSON: {error}"))
        })?;
        let healthy = results.get("results").and_then(|all| all.get("healthy"));
        Ok(healthy.and_then(serde_json::Value::as_bool) == Some(true))
    }

    /// Makes sure that a file is on the grid.
    pub(super) async fn file(
        &self,
        path: &Path,
        size_bytes: u64,
        stored: Option<Stored>,
        report: &Report,
    ) -> Result<Found> {
        if let Some(found) = self.old(stored, report, &report.files_checked).await? {
            report.bar().inc(size_bytes);
            self.say(report, || format!("skipping {}..", quoted_path(path)));
            return Ok(found);
        }
        if let Err(error) = open(path).await {
            return Ok(Found::Unreadable(error));
        }
        self.say(report, || format!("uploading {}..", quoted_path(path)));
        let call = || async move {
            let (file, length) = open(path).await.map_err(|error| {
                CommandError::failed(format!("cannot read {}: {error}", quoted_path(path)))
            })?;
            let bar = report.bar().clone();
            let body = http::streamed(file.take(length), move |bytes| bar.inc(bytes));
            Ok(Call::put("uri").streaming(body, Some(length)))
        };
        let cap = self.store.upload("Error during file PUT", call).await?;
        self.say(report, || {
            let path = quoted_name_if_needed(&path.to_string_lossy());
            format!(" {path} -> {}", quoted_if_needed(&cap))
        });
        Ok(Found::New(Cap(cap)))
    }

    /// Makes sure that a directory is on the grid.
    pub(super) async fn directory(
        &self,
        path: &Path,
        children: &[Child],
        stored: Option<Stored>,
        report: &Report,
    ) -> Result<Found> {
        let checked = &report.directories_checked;
        if let Some(found) = self.old(stored, report, checked).await? {
            self.say(report, || {
                format!(" re-using old directory for {}", quoted_path(path))
            });
            return Ok(found);
        }
        self.say(report, || {
            format!(" creating directory for {}", quoted_path(path))
        });
        let body = bytes::Bytes::from(body(children)?);
        let call = || {
            let call = Call::post("uri?t=mkdir-immutable").with(body.clone());
            std::future::ready(Ok(call))
        };
        let cap = self.store.upload("Error during mkdir", call).await?;
        Ok(Found::New(Cap(cap)))
    }
}

async fn open(path: &Path) -> io::Result<(tokio::fs::File, u64)> {
    let file = tokio::fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    Ok((file, length))
}

/// The children of a directory as the node takes them.
fn body(children: &[Child]) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Entry<'a> {
        ro_uri: &'a str,
        metadata: StoredMetadata,
    }
    fn entry(child: &Child) -> (&str, (&str, Entry<'_>)) {
        let kind = match child.is_directory {
            true => "dirnode",
            false => "filenode",
        };
        let entry = Entry {
            ro_uri: &child.cap.0,
            metadata: child.metadata,
        };
        (&child.name, (kind, entry))
    }
    let children: BTreeMap<_, _> = children.iter().map(entry).collect();
    serde_json::to_vec(&children).map_err(|error| CommandError::failed(error.to_string()))
}
