//! `/uri` itself, also called `/cap`: uploads of files that no directory holds, and the form that
//! opens a capability.

use crate::args::{Args, Format};
use crate::error::WebError;
use crate::mutable_file::write_cap_text;
use crate::request::Call;
use crate::{directory, failures, redirect, response, upload, upload_results};
use axum::body::Body;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, Method, StatusCode};
use tahoe_caps::{Cap, MutableFormat};
use tahoe_client::{Children, Contents, Directory, RsaPrivateKey};

const ACCEPTED: &str = "/uri accepts only PUT, PUT?t=mkdir, POST?t=upload, and POST?t=mkdir";

pub(crate) async fn answer(call: &Call, body: Body) -> Result<Response, WebError> {
    match call.method {
        Method::GET | Method::HEAD => open(call),
        Method::PUT => put(call, body).await,
        Method::POST => post(call, body).await,
        _ => Err(WebError::method(&call.method, "HEAD, GET, POST, PUT")),
    }
}

/// `/uri/` is `/uri`, with the same arguments.
pub(crate) fn without_slash(call: &Call) -> Result<Response, WebError> {
    let location = redirect::path_and_query(&call.path[..1], call.args.iter());
    Ok(response::redirect(StatusCode::FOUND, &location))
}

/// `GET /uri?uri=CAP` leads to `/uri/CAP` with the other arguments.
fn open(call: &Call) -> Result<Response, WebError> {
    let bad = |text| WebError::text(StatusCode::BAD_REQUEST, text);
    let text = call
        .args
        .first("uri")
        .ok_or_else(|| bad("GET /uri requires uri="))?;
    match std::str::from_utf8(text).map(Cap::parse) {
        Err(_) | Ok(Cap::Unknown(_)) => return Err(bad("Invalid capability")),
        Ok(Cap::Write(_) | Cap::Read(_) | Cap::Verify(_)) => {}
    }
    let path = [call.path[0].clone(), text.to_vec()];
    let others = call.args.iter().filter(|(name, _)| *name != b"uri");
    let location = redirect::path_and_query(&path, others);
    Ok(response::redirect(StatusCode::FOUND, &location))
}

async fn put(call: &Call, body: Body) -> Result<Response, WebError> {
    match call.args.t()? {
        "" => {
            let text = match call.args.format()?.and_then(Format::mutable) {
                Some(format) => {
                    let key = call.args.private_key()?;
                    let contents = upload::contents(call, body).await?;
                    create(call, format, key, contents).await?
                }
                None => upload::body(call, body).await?.cap.to_text(),
            };
            // The reference labels it so, too.
            Ok(response::with_type(StatusCode::OK, "text/html", text))
        }
        "mkdir" => {
            if call.args.format()? == Some(Format::Chk) {
                let text = "format=CHK not accepted for PUT /uri?t=mkdir";
                return Err(WebError::text(StatusCode::BAD_REQUEST, text));
            }
            let format = call.args.format()?.and_then(Format::mutable);
            let made = make_directory(call, format, Children::new(), None).await?;
            Ok(cap_answer(&made))
        }
        _ => Err(WebError::text(StatusCode::BAD_REQUEST, ACCEPTED)),
    }
}

async fn post(call: &Call, body: Body) -> Result<Response, WebError> {
    check_post(call)?;
    if let t @ ("mkdir-with-children" | "mkdir-immutable") = call.args.t()? {
        let body = directory::read_children(call, body).await?;
        let children = directory::parse_children(&body)?;
        return match t {
            "mkdir-immutable" => {
                let made = call.client().directories().create_immutable(children).await;
                made_directory(&call.args, &made.map_err(|e| failures::directory(&e))?)
            }
            _ => {
                let key = call.args.private_key()?;
                let made = make_directory(call, None, children, key).await?;
                made_directory(&call.args, &made)
            }
        };
    }
    let upload::Form { args, file, .. } =
        upload::form(call, body, upload::FileField::Store).await?;
    match args.t()? {
        "" | "upload" => {}
        "mkdir" if args.format()? == Some(Format::Chk) => {
            let text = "format=CHK not currently accepted for POST /uri?t=mkdir";
            return Err(WebError::text(StatusCode::BAD_REQUEST, text));
        }
        "mkdir" => {
            let format = args.format()?.and_then(Format::mutable);
            let key = args.private_key()?;
            let made = make_directory(call, format, Children::new(), key).await?;
            return made_directory(&args, &made);
        }
        _ => return Err(WebError::text(StatusCode::BAD_REQUEST, ACCEPTED)),
    }
    let format = args.format()?.and_then(Format::mutable);
    let contents = file.ok_or_else(upload::no_file_field)?;
    if let Some(format) = format {
        let text = create(call, format, None, contents).await?;
        return Ok(response::with_type(StatusCode::OK, "text/html", text));
    }
    let stored = upload::store(call, &contents).await?;
    match args
        .first("when_done")
        .filter(|location| !location.is_empty())
    {
        Some(location) => {
            let location = redirect::when_done(location, Some(&stored.cap.to_text()))?;
            Ok(response::redirect(StatusCode::FOUND, &location))
        }
        None => Ok(upload_results::page(&stored)),
    }
}

/// Refuses what the query string alone shows to be impossible, before the body is read.
fn check_post(call: &Call) -> Result<(), WebError> {
    match call.args.t()? {
        "" | "upload" => call.args.format().map(drop),
        "mkdir" | "mkdir-with-children" | "mkdir-immutable" => Ok(()),
        _ => Err(WebError::text(StatusCode::BAD_REQUEST, ACCEPTED)),
    }
}

/// Creates a mutable file; returns the text of its capability.
async fn create(
    call: &Call,
    format: MutableFormat,
    key: Option<RsaPrivateKey>,
    contents: Contents,
) -> Result<String, WebError> {
    let created = call.client().create_mutable(format, key, contents).await;
    let cap = created.map_err(|error| failures::publish(&error))?;
    Ok(write_cap_text(cap))
}

async fn make_directory(
    call: &Call,
    format: Option<MutableFormat>,
    children: Children,
    key: Option<RsaPrivateKey>,
) -> Result<Directory, WebError> {
    let client = call.client();
    let format = format.unwrap_or(client.config().mutable_format);
    let made = client.directories().create(format, key, children).await;
    made.map_err(|error| failures::directory(&error))
}

/// The new directory's capability, or the way to its page.
fn made_directory(args: &Args, made: &Directory) -> Result<Response, WebError> {
    if !args.boolean("redirect_to_result", false)? {
        return Ok(cap_answer(made));
    }
    let cap = made.to_node().cap_text().unwrap_or_default();
    let location = format!("uri/{}", redirect::quote(cap.as_bytes()));
    let mut response = response::with_type(StatusCode::SEE_OTHER, "text/html", "");
    response.headers_mut().extend(
        HeaderValue::from_str(&location)
            .ok()
            .map(|location| (LOCATION, location)),
    );
    Ok(response)
}

fn cap_answer(made: &Directory) -> Response {
    let text = made.to_node().cap_text().unwrap_or_default();
    response::with_type(StatusCode::OK, "text/html", text)
}
