//! Bodies and forms on their way into an upload.
//!
//! Nothing is collected here: each piece of a body goes to the client's receiver, which takes it
//! when it has room, so a fast sender is slowed down to what can be stored. If the sender goes away
//! the upload is dropped with the request.

use crate::args::Args;
use crate::error::WebError;
use crate::failures;
use crate::request::Call;
use axum::body::{Body, Bytes};
use futures_util::StreamExt as _;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Limited};
use multer::Multipart;
use std::sync::Arc;
use std::time::Duration;
use tahoe_client::{Client, Contents, ContentsUpload, Stored};
use tokio::time::timeout;

/// Largest form field that isn't the file, in bytes.
const MAX_FIELD_SIZE: u64 = 64 * 1024;
/// Most form fields.
const MAX_FIELDS: usize = 64;

/// A form that has been read.
pub(crate) struct Form {
    /// Arguments of the query string, then the form's fields.
    pub(crate) args: Args,
    /// Its field `file`.
    pub(crate) file: Option<Contents>,
    /// What the sender calls that file.
    pub(crate) file_name: Option<String>,
}

/// What to do with the field `file` of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileField {
    /// Receive it.
    Store,
    /// Read over it.
    Skip,
}

/// Stores the body of a request.
pub(crate) async fn body(call: &Call, body: Body) -> Result<Stored, WebError> {
    let patience = call.site.options.read_timeout;
    let mut upload = Client::begin_upload(call.client()).await;
    let mut body = body.into_data_stream();
    while let Some(piece) = patiently(patience, body.next()).await? {
        let piece = piece.map_err(|error| broken_body(&error))?;
        upload
            .write(piece)
            .await
            .map_err(|error| failures::upload(&error))?;
    }
    upload
        .finish()
        .await
        .map_err(|error| failures::upload(&error))
}

/// Receives the body of a request as new contents of a mutable file.
pub(crate) async fn contents(call: &Call, body: Body) -> Result<Contents, WebError> {
    let patience = call.site.options.read_timeout;
    let mut upload = Client::begin_contents(call.client()).await;
    let mut body = body.into_data_stream();
    while let Some(piece) = patiently(patience, body.next()).await? {
        let piece = piece.map_err(|error| broken_body(&error))?;
        let written = upload.write(piece).await;
        written.map_err(|error| failures::publish(&error))?;
    }
    let finished = upload.finish().await;
    finished.map_err(|error| failures::publish(&error))
}

/// Stores what was received as an immutable file.
pub(crate) async fn store(call: &Call, contents: &Contents) -> Result<Stored, WebError> {
    let stored = Client::store_contents(call.client(), contents).await;
    stored.map_err(|error| failures::upload(&error))
}

/// The answer to a form that should have had a file.
pub(crate) fn no_file_field() -> WebError {
    let text = "the form has no field named \"file\"";
    WebError::text(StatusCode::BAD_REQUEST, text)
}

/// Reads a form; its field `file` is received as it comes, and what becomes of it is decided when
/// all fields are known.
pub(crate) async fn form(call: &Call, body: Body, file: FileField) -> Result<Form, WebError> {
    let content_type = call.headers.get(CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    match media_type.to_ascii_lowercase().as_str() {
        "multipart/form-data" => {
            let boundary = multer::parse_boundary(content_type);
            let boundary = boundary.map_err(|error| broken_form(&error))?;
            multipart(call, body, boundary, file).await
        }
        "application/x-www-form-urlencoded" => urlencoded(call, body).await,
        _ => without_fields(call, body).await,
    }
}

async fn multipart(
    call: &Call,
    body: Body,
    boundary: String,
    file: FileField,
) -> Result<Form, WebError> {
    let patience = call.site.options.read_timeout;
    let client = Arc::clone(call.client());
    let mut args = call.args.clone();
    let (mut contents, mut file_name) = (None, None);
    let mut fields = Multipart::new(body.into_data_stream(), boundary);
    for _ in 0..MAX_FIELDS {
        let field = patiently(patience, fields.next_field()).await?;
        let Some(field) = field.map_err(|error| broken_form(&error))? else {
            return Ok(Form {
                args,
                file: contents,
                file_name,
            });
        };
        let name = field.name().unwrap_or_default().to_owned();
        if name != "file" {
            let value = small_field(field, patience).await?;
            args.push(name, value);
        } else if file == FileField::Skip {
            skip(field, patience).await?;
        } else if contents.is_some() {
            let text = "the form has more than one field named \"file\"";
            return Err(WebError::text(StatusCode::BAD_REQUEST, text));
        } else {
            file_name = field.file_name().map(str::to_owned);
            let upload = Client::begin_contents(&client).await;
            contents = Some(file_field(field, upload, patience).await?);
        }
    }
    let text = format!("a form may have at most {MAX_FIELDS} fields");
    Err(WebError::text(StatusCode::BAD_REQUEST, text))
}

async fn file_field(
    mut field: multer::Field<'_>,
    mut upload: ContentsUpload,
    patience: Duration,
) -> Result<Contents, WebError> {
    while let Some(piece) = patiently(patience, field.chunk())
        .await?
        .map_err(|error| broken_form(&error))?
    {
        let written = upload.write(piece).await;
        written.map_err(|error| failures::publish(&error))?;
    }
    let finished = upload.finish().await;
    finished.map_err(|error| failures::publish(&error))
}

async fn skip(mut field: multer::Field<'_>, patience: Duration) -> Result<(), WebError> {
    while patiently(patience, field.chunk())
        .await?
        .map_err(|error| broken_form(&error))?
        .is_some()
    {}
    Ok(())
}

async fn small_field(
    mut field: multer::Field<'_>,
    patience: Duration,
) -> Result<Vec<u8>, WebError> {
    let mut value = Vec::new();
    while let Some(piece) = patiently(patience, field.chunk())
        .await?
        .map_err(|error| broken_form(&error))?
    {
        value.extend_from_slice(&piece);
        if value.len() as u64 > MAX_FIELD_SIZE {
            return Err(too_large());
        }
    }
    Ok(value)
}

async fn urlencoded(call: &Call, body: Body) -> Result<Form, WebError> {
    let body = small_body(body, call.site.options.read_timeout).await?;
    let mut args = call.args.clone();
    for (name, value) in Args::parse(&body).iter() {
        args.push(name, value);
    }
    Ok(Form {
        args,
        file: None,
        file_name: None,
    })
}

/// A body that isn't a form can only be empty.
async fn without_fields(call: &Call, body: Body) -> Result<Form, WebError> {
    let body = small_body(body, call.site.options.read_timeout).await?;
    if call.args.t()? == "mkdir" && !body.is_empty() {
        let text = "t=mkdir does not accept children=, try t=mkdir-with-children instead";
        return Err(WebError::text(StatusCode::BAD_REQUEST, text));
    }
    Ok(Form {
        args: call.args.clone(),
        file: None,
        file_name: None,
    })
}

async fn small_body(body: Body, patience: Duration) -> Result<Bytes, WebError> {
    let limit = usize::try_from(MAX_FIELD_SIZE).unwrap_or(usize::MAX);
    let collected = patiently(patience, Limited::new(body, limit).collect()).await?;
    Ok(collected.map_err(|_| too_large())?.to_bytes())
}

/// Waits for a client, but not for ever.
pub(crate) async fn patiently<T>(
    patience: Duration,
    waiting: impl Future<Output = T>,
) -> Result<T, WebError> {
    timeout(patience, waiting).await.map_err(|_| {
        let text = "nothing more came of the request's body";
        WebError::text(StatusCode::REQUEST_TIMEOUT, text)
    })
}

fn broken_body(error: &axum::Error) -> WebError {
    let text = format!("the request's body ended early: {error}");
    WebError::text(StatusCode::BAD_REQUEST, text)
}

fn broken_form(error: &multer::Error) -> WebError {
    let text = format!("the form can't be read: {error}");
    WebError::text(StatusCode::BAD_REQUEST, text)
}

fn too_large() -> WebError {
    WebError::text(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("a form field other than the file may have at most {MAX_FIELD_SIZE} bytes"),
    )
}
