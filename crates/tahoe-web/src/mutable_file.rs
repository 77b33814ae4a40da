//! A mutable file: its contents, how they are replaced, and what `t=` asks about it.

use crate::download;
use crate::error::WebError;
use crate::failures;
use crate::file::{check_access, exists, no_parent, python_int_argument};
use crate::python_text::{self, bytes_repr};
use crate::request::Call;
use crate::upload::{self, FileField};
use crate::{check, info, preview, redirect, response, share};
use axum::body::Body;
use axum::response::Response;
use http::{Method, StatusCode};
use tahoe_caps::{Cap, MutableReadCap, MutableWriteCap, ReadCap, ReadFileCap, Target, WriteCap};
use tahoe_client::{Checkable, StorageIndex};

/// A mutable file, as its capability describes it.
#[derive(Debug, Clone)]
pub(crate) struct MutableFile {
    /// If the capability lets write.
    write: Option<MutableWriteCap>,
    read: MutableReadCap,
}

impl MutableFile {
    /// A file that may be written.
    pub(crate) fn writable(cap: MutableWriteCap) -> Self {
        Self {
            read: cap.to_read(),
            write: Some(cap),
        }
    }

    /// A file that may only be read.
    pub(crate) fn read_only(cap: MutableReadCap) -> Self {
        Self {
            write: None,
            read: cap,
        }
    }

    /// What reads it.
    pub(crate) fn read_cap(&self) -> &MutableReadCap {
        &self.read
    }

    /// What a check of it needs.
    fn checkable(&self) -> Checkable {
        match &self.write {
            Some(cap) => Checkable::Writable(cap.clone()),
            None => Checkable::Mutable(self.read.to_verify()),
        }
    }

    /// Where servers keep it.
    pub(crate) fn storage_index(&self) -> Option<StorageIndex> {
        Some(self.read.storage_index())
    }

    fn write_cap_text(&self) -> Option<String> {
        let cap = self.write.clone()?;
        Some(write_cap_text(cap))
    }

    fn without_write(&self) -> ReadCap {
        ReadCap {
            target: Target::File,
            file: ReadFileCap::Mutable(self.read.clone()),
        }
    }

    fn read_cap_text(&self) -> String {
        self.without_write().to_text()
    }

    fn cap_text(&self) -> String {
        self.write_cap_text()
            .unwrap_or_else(|| self.read_cap_text())
    }

    fn verify_cap_text(&self) -> Option<String> {
        self.without_write().to_verify().map(|cap| cap.to_text())
    }

    /// What JSON tells of it; the size is left out if no version can be found.
    pub(crate) async fn facts(&self, call: &Call) -> serde_json::Value {
        let mut facts = serde_json::json!({
            "mutable": true,
            "format": self.read.format.name(),
        });
        if let Ok(open) = call.client().open_mutable(&self.read).await {
            facts["size"] = open.size().into();
        }
        facts["ro_uri"] = self.read_cap_text().into();
        if let Some(cap) = self.write_cap_text() {
            facts["rw_uri"] = cap.into();
        }
        if let Some(cap) = self.verify_cap_text() {
            facts["verify_uri"] = cap.into();
        }
        facts
    }
}

/// The text of a capability to write a file.
pub(crate) fn write_cap_text(file: MutableWriteCap) -> String {
    let target = Target::File;
    Cap::from(WriteCap { target, file }).to_text()
}

/// Answers for a file; `name` is the last part of a `/file/…` URL.
pub(crate) async fn answer(
    call: &Call,
    body: Body,
    file: MutableFile,
    name: Option<Vec<u8>>,
) -> Result<Response, WebError> {
    match call.method {
        Method::GET => get(call, &file, name).await,
        Method::HEAD => head(call, &file, name).await,
        Method::PUT => put(call, body, &file).await,
        Method::POST => post(call, body, &file).await,
        Method::DELETE => Err(no_parent()),
        _ => Err(WebError::method(
            &call.method,
            "HEAD, GET, POST, PUT, DELETE",
        )),
    }
}

async fn get(call: &Call, file: &MutableFile, name: Option<Vec<u8>>) -> Result<Response, WebError> {
    match call.args.t()? {
        "" => {
            check_access(call, file.storage_index()).await?;
            download::mutable_contents(call, file.read_cap(), name).await
        }
        "json" => {
            let json = serde_json::json!(["filenode", file.facts(call).await]);
            Ok(response::plain(python_text::json(&json)))
        }
        "uri" => Ok(response::plain(file.cap_text())),
        "readonly-uri" => Ok(response::plain(file.read_cap_text())),
        "info" => info_page(call, file).await,
        "preview" => Ok(preview::page(call, &file.read_cap_text(), name)),
        "share" => Ok(share::page(&share::Shared {
            what: "file",
            write_cap: file.write_cap_text(),
            read_cap: Some(file.read_cap_text()),
            is_mutable: true,
        })),
        t => {
            let text = format!("GET file: bad t={t}");
            Err(WebError::text(StatusCode::BAD_REQUEST, text))
        }
    }
}

async fn head(
    call: &Call,
    file: &MutableFile,
    name: Option<Vec<u8>>,
) -> Result<Response, WebError> {
    let t = call.args.t()?;
    if !t.is_empty() {
        let text = format!("HEAD file: bad t={}", bytes_repr(t.as_bytes()));
        return Err(WebError::text(StatusCode::BAD_REQUEST, text));
    }
    check_access(call, file.storage_index()).await?;
    let open = call.client().open_mutable(file.read_cap()).await;
    let open = open.map_err(|error| failures::read(&error))?;
    download::headers(call, open.size(), name).map(|(response, _)| response)
}

async fn info_page(call: &Call, file: &MutableFile) -> Result<Response, WebError> {
    let open = call.client().open_mutable(file.read_cap()).await;
    let facts = info::Facts {
        kind: match file.read.format {
            tahoe_caps::MutableFormat::Sdmf => "mutable file (sdmf)",
            tahoe_caps::MutableFormat::Mdmf => "mutable file (mdmf)",
        },
        problem: None,
        storage_index: Some(file.read.storage_index()),
        size: open.ok().map(|open| open.size()),
        write_cap: file.write_cap_text(),
        read_cap: Some(file.read_cap_text()),
        verify_cap: file.verify_cap_text(),
        is_readable: true,
        checkable: Some(file.checkable()),
    };
    Ok(info::page(call, &facts).await)
}

/// Replaces the contents, or with `offset=` a stretch of them.
async fn put(call: &Call, body: Body, file: &MutableFile) -> Result<Response, WebError> {
    let bad = |text: &str| Err(WebError::text(StatusCode::BAD_REQUEST, text));
    let replace = call.args.replace()?;
    let offset = python_int_argument(&call.args, "offset")?;
    match call.args.t()? {
        "" | "uri" if !replace => return Err(exists()),
        "" => {}
        "uri" => return Err(no_parent()),
        t => return bad(&format!("PUT to a file: bad t={t}")),
    }
    let Some(cap) = &file.write else {
        return bad("PUT to a mutable file: replace or update requested with read-only cap");
    };
    let offset = match offset.map(u64::try_from) {
        Some(Err(_)) => return bad("PUT to a mutable file: Invalid offset"),
        Some(Ok(offset)) => Some(offset),
        None => None,
    };
    check_access(call, file.storage_index()).await?;
    let contents = upload::contents(call, body).await?;
    let client = call.client();
    let written = match offset {
        Some(offset) => client.update_mutable(cap, offset, contents).await,
        None => client.overwrite_mutable(cap, contents).await,
    };
    written.map_err(|error| failures::publish(&error))?;
    Ok(response::with_type(
        StatusCode::OK,
        "text/html",
        file.cap_text(),
    ))
}

async fn post(call: &Call, body: Body, file: &MutableFile) -> Result<Response, WebError> {
    let kind = match call.args.t()? {
        "check" => FileField::Skip,
        _ => FileField::Store,
    };
    let form = upload::form(call, body, kind).await?;
    let args = form.args;
    args.boolean("replace", true)?;
    match args.t()? {
        "upload" => {}
        "check" => {
            let answer = check::answer(call, &args, Some(&file.checkable())).await?;
            return redirect::or_when_done(&args, answer);
        }
        t => {
            let text = format!("POST to file: bad t={t}");
            return Err(WebError::text(StatusCode::BAD_REQUEST, text));
        }
    }
    let Some(cap) = &file.write else {
        let text = "a mutable file can't be replaced with a read-only cap";
        return Err(WebError::failure("builtins.AssertionError", text));
    };
    check_access(call, file.storage_index()).await?;
    let contents = form.file.ok_or_else(upload::no_file_field)?;
    let written = call.client().overwrite_mutable(cap, contents).await;
    written.map_err(|error| failures::publish(&error))?;
    let answer = response::with_type(StatusCode::OK, "text/html", file.cap_text());
    redirect::or_when_done(&args, answer)
}
