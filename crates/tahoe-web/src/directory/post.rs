//! POST: everything that changes a directory, and the slow operations.

use crate::args::Args;
use crate::directory::path::{self, Link, Place, Purpose, What};
use crate::directory::{
    cap_answer, child, children, location, mkdir, on_grid, relink, removal, trash,
};
use crate::error::WebError;
use crate::operations::{self, Kind};
use crate::request::Call;
use crate::upload::{self, FileField, Form};
use crate::{check, failures, redirect, response};
use axum::body::{Body, Bytes};
use axum::response::Response;
use http::StatusCode;
use std::borrow::Cow;
use tahoe_client::{AnyDirectory, Checkable, ChildName, Directory, NewChild, Node};

/// What a file is called whose form names neither it nor the child.
const UNNAMED: &str = "unknown-filename";

/// What a POST brings with it.
struct Posted {
    form: Form,
    /// The body, for the operations that take children.
    children: Bytes,
}

pub(super) async fn answer(
    call: &Call,
    body: Body,
    root: &AnyDirectory,
) -> Result<Response, WebError> {
    let posted = receive(call, body).await?;
    let t = posted.form.args.t()?.to_owned();
    let purpose = Purpose::of(&call.method, &t);
    let place = path::find(call, root, purpose).await?;
    match &place.what {
        What::Directory(directory) => {
            let directory = directory.clone();
            act(call, &directory, &t, posted).await
        }
        What::File(node, _) => {
            let link = place.link.as_ref().ok_or_else(WebError::not_found)?;
            child::post_over(call, posted.form, node, link).await
        }
        What::Unknown(..) => Err(WebError::method(&call.method, "HEAD, GET")),
        What::Nothing => create(call, &place, &t, posted).await,
    }
}

/// Reads the form, or the children.
async fn receive(call: &Call, body: Body) -> Result<Posted, WebError> {
    match call.args.t()? {
        "mkdir-with-children" | "mkdir-immutable" | "set_children" | "set-children" => {
            let children = children::read(call, body).await?;
            let form = Form {
                args: call.args.clone(),
                file: None,
                file_name: None,
            };
            Ok(Posted { form, children })
        }
        _ => {
            let form = upload::form(call, body, FileField::Store).await?;
            let children = Bytes::new();
            Ok(Posted { form, children })
        }
    }
}

/// What can be done where nothing is: make a directory there.
async fn create(call: &Call, place: &Place, t: &str, posted: Posted) -> Result<Response, WebError> {
    let link = place.link.as_ref().ok_or_else(WebError::not_found)?;
    if !matches!(t, "mkdir" | "mkdir-with-children" | "mkdir-immutable") {
        return Err(place.nothing_there());
    }
    let children = children::parse(&posted.children)?;
    let made = mkdir::at_path(call, &posted.form.args, link, t, children).await?;
    // With a name=, the new directory is where the next one is made.
    let name = posted.form.args.first("name");
    match name.is_some_and(|name| !name.is_empty()) {
        true => act(call, &made, t, posted).await,
        false => finish(&posted.form.args, location::answer_text(&made.to_node())),
    }
}

async fn act(
    call: &Call,
    directory: &AnyDirectory,
    t: &str,
    posted: Posted,
) -> Result<Response, WebError> {
    let args = &posted.form.args;
    let text = match t {
        "mkdir" | "mkdir-with-children" | "mkdir-immutable" => {
            mkdir::named(call, args, directory, t, &posted.children).await?
        }
        "upload" => return upload_file(call, directory, posted.form).await,
        "uri" => link_cap(call, directory, args).await?,
        "delete" | "unlink" => {
            let name = text_argument(args, "name")?.unwrap_or_default();
            let (name, removal) = (ChildName::new(&name), removal(args)?);
            let directories = call.client().any_directories();
            let unlinked = directories.unlink(directory, name, removal).await;
            unlinked.map_err(|error| failures::any_directory(&error))?;
            "thing unlinked".to_owned()
        }
        "restore" => trash::restore(directory, args).await?.to_owned(),
        "rename" | "relink" => {
            let moved = relink::answer(call, directory, t, args).await?;
            return moved.finish(args);
        }
        "set_children" | "set-children" => {
            let replace = args.replacement()?;
            let children = children::parse_links(&posted.children)?;
            let directories = call.client().any_directories();
            let linked = directories.link_all(directory, children, replace).await;
            linked.map_err(|error| failures::any_directory(&error))?;
            "Okay so I did it.".to_owned()
        }
        "check" => {
            let directory = on_grid(directory, t)?;
            let object = directory.to_node().cap().as_ref().and_then(Checkable::of);
            let answer = check::answer(call, args, object.as_ref()).await?;
            return redirect::or_when_done(args, answer);
        }
        "start-deep-check" | "stream-deep-check" | "start-manifest" | "start-deep-size"
        | "start-deep-stats" | "stream-manifest" => {
            return operate(call, on_grid(directory, t)?, t, args);
        }
        _ => {
            let text = format!("POST to a directory with bad t={t}");
            return Err(WebError::text(StatusCode::BAD_REQUEST, text));
        }
    };
    finish(args, text)
}

/// Begins an operation on all that can be reached from a directory.
fn operate(call: &Call, directory: &Directory, t: &str, args: &Args) -> Result<Response, WebError> {
    match t {
        "start-deep-check" => operations::start_deep_check(call, args, directory),
        "stream-deep-check" => operations::stream_deep_check(call, args, directory),
        "start-manifest" => operations::start(call, args, Kind::Manifest, directory),
        "start-deep-size" => operations::start(call, args, Kind::DeepSize, directory),
        "start-deep-stats" => operations::start(call, args, Kind::DeepStats, directory),
        _ => Ok(operations::stream_manifest(call, directory)),
    }
}

/// The answer to a change that worked: where `when_done=` leads, or a text.
pub(super) fn finish(args: &Args, text: String) -> Result<Response, WebError> {
    match args
        .first("when_done")
        .filter(|location| !location.is_empty())
    {
        Some(location) => {
            let location = redirect::after_change(location)?;
            Ok(response::redirect(StatusCode::FOUND, &location))
        }
        None => Ok(cap_answer(StatusCode::OK, text)),
    }
}

async fn upload_file(
    call: &Call,
    directory: &AnyDirectory,
    form: Form,
) -> Result<Response, WebError> {
    let bad = |text: &str| WebError::text(StatusCode::BAD_REQUEST, text);
    let Form {
        args,
        file,
        file_name,
    } = form;
    let contents = file.ok_or_else(upload::no_file_field)?;
    let given = text_argument(&args, "name")?.filter(|name| !name.is_empty());
    let name = given.map(Cow::into_owned).or(file_name);
    let name = name.filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| UNNAMED.to_owned());
    let name = name.trim();
    if name.is_empty() {
        return Err(bad("upload requires a name"));
    }
    if name.contains('/') {
        return Err(bad("name= may not contain a slash"));
    }
    let link = Link {
        directory: directory.clone(),
        name: ChildName::new(name),
    };
    child::post_below(call, &args, contents, &link).await
}

async fn link_cap(call: &Call, directory: &AnyDirectory, args: &Args) -> Result<String, WebError> {
    let bad = |text: &str| WebError::text(StatusCode::BAD_REQUEST, text);
    let given = |name: &str| args.first(name).filter(|value| !value.is_empty());
    let cap = given("uri").ok_or_else(|| bad("set-uri requires a uri"))?;
    given("name").ok_or_else(|| bad("set-uri requires a name"))?;
    let name = ChildName::new(&text_argument(args, "name")?.unwrap_or_default());
    let replace = args.replacement()?;
    let cap = utf8(cap, "uri=")?;
    let node = Node::from_slots(Some(cap), None, false);
    let node = node.map_err(|error| failures::capability(error, &name))?;
    let child = NewChild {
        node,
        metadata: None,
    };
    let directories = call.client().any_directories();
    let linked = directories.link(directory, name, child, replace).await;
    linked.map_err(|error| failures::any_directory(&error))?;
    Ok(cap.to_owned())
}

/// An argument in the character set that the form says it has.
pub(super) fn text_argument<'a>(
    args: &'a Args,
    name: &str,
) -> Result<Option<Cow<'a, str>>, WebError> {
    let Some(value) = args.first(name) else {
        return Ok(None);
    };
    let charset = args.first("_charset").unwrap_or(b"utf-8");
    match charset.to_ascii_lowercase().as_slice() {
        b"utf-8" | b"utf8" | b"ascii" | b"us-ascii" => {
            let argument = format!("{name}=");
            utf8(value, &argument).map(|text| Some(Cow::Borrowed(text)))
        }
        b"latin-1" | b"latin1" | b"iso-8859-1" => {
            let text = value.iter().map(|byte| char::from(*byte)).collect();
            Ok(Some(Cow::Owned(text)))
        }
        _ => {
            let text = "_charset= must be utf-8 or iso-8859-1";
            Err(WebError::text(StatusCode::BAD_REQUEST, text))
        }
    }
}

pub(super) fn utf8<'a>(value: &'a [u8], argument: &str) -> Result<&'a str, WebError> {
    std::str::from_utf8(value)
        .map_err(|_| WebError::text(StatusCode::BAD_REQUEST, format!("{argument} isn't UTF-8")))
}
