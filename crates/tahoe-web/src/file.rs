//! An immutable file: its contents, and what `t=` asks about it.

use crate::args::Args;
use crate::download;
use crate::error::WebError;
use crate::python_text::{self, bytes_repr};
use crate::range::python_int;
use crate::request::Call;
use crate::upload::{self, FileField};
use crate::{check, info, preview, redirect, response, share};
use axum::body::Body;
use axum::response::Response;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tahoe_caps::{Cap, ChkReadCap, ChkVerifyCap, LiteralCap};
use tahoe_client::{Checkable, StorageIndex};

/// An immutable file, as its capability describes it.
#[derive(Debug, Clone)]
pub(crate) enum File {
    /// On servers.
    Chk(ChkReadCap),
    /// In the capability.
    Literal(LiteralCap),
}

impl File {
    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Chk(cap) => cap.size,
            Self::Literal(cap) => cap.content().len() as u64,
        }
    }

    fn cap_text(&self) -> String {
        match self {
            Self::Chk(cap) => Cap::from(cap.clone()).to_text(),
            Self::Literal(cap) => Cap::from(cap.clone()).to_text(),
        }
    }

    pub(crate) fn checkable(&self) -> Option<Checkable> {
        self.verify_cap().map(Checkable::Chk)
    }

    fn verify_cap(&self) -> Option<ChkVerifyCap> {
        match self {
            Self::Chk(cap) => Some(cap.to_verify()),
            Self::Literal(_) => None,
        }
    }

    fn verify_cap_text(&self) -> Option<String> {
        self.verify_cap().map(|cap| Cap::from(cap).to_text())
    }

    /// Where servers keep it.
    pub(crate) fn storage_index(&self) -> Option<StorageIndex> {
        match self {
            Self::Chk(cap) => Some(cap.storage_index()),
            Self::Literal(_) => None,
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let mut facts = serde_json::json!({
            "mutable": false,
            "format": "CHK",
            "size": self.size(),
            "ro_uri": self.cap_text(),
        });
        if let Some(verify_cap) = self.verify_cap_text() {
            facts["verify_uri"] = verify_cap.into();
        }
        serde_json::json!(["filenode", facts])
    }
}

/// Answers for a file; `name` is the last part of a `/file/…` URL.
pub(crate) async fn answer(
    call: &Call,
    body: Body,
    file: File,
    name: Option<Vec<u8>>,
) -> Result<Response, WebError> {
    match call.method {
        Method::GET => get(call, &file, name).await,
        Method::HEAD => head(call, &file, name).await,
        Method::PUT => Err(put(call)),
        Method::POST => post(call, body, &file).await,
        Method::DELETE => Err(no_parent()),
        _ => Err(WebError::method(
            &call.method,
            "HEAD, GET, POST, PUT, DELETE",
        )),
    }
}

/// Refuses what the operator doesn't want to be given out.
pub(crate) async fn check_access(
    call: &Call,
    storage_index: Option<StorageIndex>,
) -> Result<(), WebError> {
    let Some(storage_index) = storage_index else {
        return Ok(());
    };
    match call.client().prohibition(storage_index).await {
        None => Ok(()),
        Some(reason) => Err(WebError::text(
            StatusCode::FORBIDDEN,
            format!("Access Prohibited: {reason}"),
        )),
    }
}

async fn get(call: &Call, file: &File, name: Option<Vec<u8>>) -> Result<Response, WebError> {
    let t = call.args.t()?;
    if t.is_empty() {
        check_access(call, file.storage_index()).await?;
    }
    let tag = match t {
        "" | "json" | "uri" | "readonly-uri" => entity_tag(file, t),
        _ => None,
    };
    if let Some(tag) = tag.as_ref().filter(|tag| has_tag(&call.headers, tag)) {
        return Ok(not_modified(tag.clone()));
    }
    let mut response = match t {
        "" => download::contents(call, file, name).await?,
        "json" => response::plain(python_text::json(&file.json())),
        "uri" | "readonly-uri" => response::plain(file.cap_text()),
        "info" => info_page(call, file).await,
        "preview" => preview::page(call, &file.cap_text(), name),
        "share" => share::page(&share::Shared {
            what: "file",
            write_cap: None,
            read_cap: Some(file.cap_text()),
            is_mutable: false,
        }),
        _ => {
            let text = format!("GET file: bad t={t}");
            return Err(WebError::text(StatusCode::BAD_REQUEST, text));
        }
    };
    response.headers_mut().extend(tag.map(|tag| (ETAG, tag)));
    Ok(response)
}

/// The answer to who has it already.
pub(crate) fn not_modified(tag: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().insert(ETAG, tag);
    response
}

async fn head(call: &Call, file: &File, name: Option<Vec<u8>>) -> Result<Response, WebError> {
    let t = call.args.t()?;
    if !t.is_empty() {
        let text = format!("HEAD file: bad t={}", bytes_repr(t.as_bytes()));
        return Err(WebError::text(StatusCode::BAD_REQUEST, text));
    }
    check_access(call, file.storage_index()).await?;
    download::headers(call, file.size(), name).map(|(response, _)| response)
}

/// The tag of what `t` asks for: without quotation marks, as the reference has it.
pub(crate) fn entity_tag(file: &File, t: &str) -> Option<HeaderValue> {
    let storage_index = file.storage_index()?;
    HeaderValue::from_str(&format!("{storage_index}-{t}")).ok()
}

/// Whether `If-None-Match` names this tag. Like the reference we take it bare; we also take it in
/// the quotation marks that the standard asks for.
pub(crate) fn has_tag(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.as_bytes();
    let bare = |word: &[u8]| {
        let word = word.strip_prefix(b"W/").unwrap_or(word);
        let word = word.strip_prefix(b"\"").unwrap_or(word);
        word.strip_suffix(b"\"").unwrap_or(word) == tag
    };
    request.get_all(IF_NONE_MATCH).iter().any(|header| {
        let words = header
            .as_bytes()
            .split(|byte| matches!(byte, b' ' | b'\t' | b','));
        words.into_iter().any(|word| word == b"*" || bare(word))
    })
}

async fn info_page(call: &Call, file: &File) -> Response {
    let kind = match file {
        File::Chk(_) => "immutable file",
        File::Literal(_) => "immutable LIT file",
    };
    let facts = info::Facts {
        kind,
        problem: None,
        storage_index: file.storage_index(),
        size: Some(file.size()),
        write_cap: None,
        read_cap: Some(file.cap_text()),
        verify_cap: file.verify_cap_text(),
        is_readable: true,
        checkable: file.checkable(),
    };
    info::page(call, &facts).await
}

/// An immutable file can't be written, and a file without a directory can't be replaced in one.
fn put(call: &Call) -> WebError {
    let refuse = || -> Result<WebError, WebError> {
        let replace = call.args.replace()?;
        let offset = python_int_argument(&call.args, "offset")?;
        Ok(match call.args.t()? {
            "" | "uri" if !replace => exists(),
            "" if offset.is_some() => {
                let text = "PUT to a file: append operation invoked on an immutable cap";
                WebError::text(StatusCode::BAD_REQUEST, text)
            }
            "" | "uri" => no_parent(),
            t => WebError::text(StatusCode::BAD_REQUEST, format!("PUT to a file: bad t={t}")),
        })
    };
    refuse().unwrap_or_else(|error| error)
}

async fn post(call: &Call, body: Body, file: &File) -> Result<Response, WebError> {
    let args = upload::form(call, body, FileField::Skip).await?.args;
    let replace = args.boolean("replace", true)?;
    match args.t()? {
        "check" => {
            let answer = check::answer(call, &args, file.checkable().as_ref()).await?;
            redirect::or_when_done(&args, answer)
        }
        "upload" if !replace => Err(exists()),
        "upload" => Err(no_parent()),
        t => {
            let text = format!("POST to file: bad t={t}");
            Err(WebError::text(StatusCode::BAD_REQUEST, text))
        }
    }
}

/// An argument that is a number if it is there; anything else is the failure that it is in the
/// reference.
pub(crate) fn python_int_argument(args: &Args, name: &str) -> Result<Option<i128>, WebError> {
    let Some(value) = args.first(name) else {
        return Ok(None);
    };
    let number = std::str::from_utf8(value).ok().and_then(python_int);
    let number = number.ok_or_else(|| {
        let shown = bytes_repr(value);
        let text = format!("invalid literal for int() with base 10: {shown}");
        WebError::failure("builtins.ValueError", text)
    })?;
    Ok(Some(number))
}

pub(crate) fn exists() -> WebError {
    let text = "There was already a child by that name, and you asked me to not replace it.";
    WebError::text(StatusCode::CONFLICT, text)
}

/// What the reference answers with a failed assertion.
pub(crate) fn no_parent() -> WebError {
    let text =
        "a file that was reached without a directory can't be replaced there or removed from it";
    WebError::failure("builtins.AssertionError", text)
}
