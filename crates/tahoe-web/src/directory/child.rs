//! Files as children of a directory: what is read through it, put into it, and replaced in it.

use crate::args::{Args, Format};
use crate::directory::path::Link;
use crate::directory::post::finish;
use crate::directory::{cap_answer, children};
use crate::error::WebError;
use crate::file::{self, File, exists, python_int_argument};
use crate::mutable_file::{self, MutableFile};
use crate::request::Call;
use crate::upload::{self, Form};
use crate::{check, failures, python_text, redirect, response};
use axum::body::Body;
use axum::response::Response;
use http::header::ETAG;
use http::{Method, StatusCode};
use tahoe_caps::{MutableFormat, ReadFileCap, Target, WriteCap};
use tahoe_client::{
    AnyNode, Checkable, Contents, DirectoryError, Metadata, NewChild, Node, Replace, RsaPrivateKey,
};

/// A file of either sort.
enum AnyFile {
    Immutable(File),
    Mutable(MutableFile),
}

impl AnyFile {
    fn of(node: &Node) -> Option<Self> {
        Some(match node {
            Node::Write(cap) => Self::Mutable(MutableFile::writable(cap.file.clone())),
            Node::Read(cap) => match cap.file.clone() {
                ReadFileCap::Chk(cap) => Self::Immutable(File::Chk(cap)),
                ReadFileCap::Literal(cap) => Self::Immutable(File::Literal(cap)),
                ReadFileCap::Mutable(cap) => Self::Mutable(MutableFile::read_only(cap)),
            },
            Node::Unknown(_) => return None,
        })
    }
}

/// Answers GET and HEAD for a file.
pub(super) async fn read(
    call: &Call,
    node: Node,
    metadata: Metadata,
    link: Option<&Link>,
) -> Result<Response, WebError> {
    let name = link.map(|link| link.name.as_str().as_bytes().to_vec());
    let file = AnyFile::of(&node).ok_or_else(WebError::not_found)?;
    if call.method == Method::GET && call.args.t()? == "json" {
        return json(call, &file, &metadata).await;
    }
    let nothing = Body::empty();
    match file {
        AnyFile::Immutable(file) => file::answer(call, nothing, file, name).await,
        AnyFile::Mutable(file) => mutable_file::answer(call, nothing, file, name).await,
    }
}

/// What is known of the file, and what the directory notes of it.
async fn json(call: &Call, file: &AnyFile, metadata: &Metadata) -> Result<Response, WebError> {
    let (mut json, tag) = match file {
        AnyFile::Immutable(file) => (file.json(), file::entity_tag(file, "json")),
        AnyFile::Mutable(file) => {
            let facts = file.facts(call).await;
            (serde_json::json!(["filenode", facts]), None)
        }
    };
    if let Some(tag) = tag.as_ref().filter(|tag| file::has_tag(&call.headers, tag)) {
        return Ok(file::not_modified(tag.clone()));
    }
    json[1]["metadata"] = serde_json::Value::Object(metadata.as_object().clone());
    let mut response = response::plain(python_text::json(&json));
    response.headers_mut().extend(tag.map(|tag| (ETAG, tag)));
    Ok(response)
}

/// Stores the body of a request as a new child; returns its capability.
pub(super) async fn store(
    call: &Call,
    body: Body,
    link: &Link,
    replace: Replace,
) -> Result<String, WebError> {
    let format = call.args.format()?.and_then(Format::mutable);
    check_writable(link)?;
    let node = match format {
        None => Node::Read(upload::body(call, body).await?.cap),
        Some(format) => {
            let key = call.args.private_key()?;
            let contents = upload::contents(call, body).await?;
            mutable(call, format, key, contents).await?
        }
    };
    link_node(call, node, link, replace).await
}

/// Stores a form's file as a new child; returns its capability.
async fn store_contents(
    call: &Call,
    args: &Args,
    contents: Contents,
    link: &Link,
    replace: Replace,
) -> Result<String, WebError> {
    check_writable(link)?;
    let node = match args.format()?.and_then(Format::mutable) {
        None => Node::Read(upload::store(call, &contents).await?.cap),
        Some(format) => {
            let key = args.private_key()?;
            mutable(call, format, key, contents).await?
        }
    };
    link_node(call, node, link, replace).await
}

async fn mutable(
    call: &Call,
    format: MutableFormat,
    key: Option<RsaPrivateKey>,
    contents: Contents,
) -> Result<Node, WebError> {
    let created = call.client().create_mutable(format, key, contents).await;
    let file = created.map_err(|error| failures::publish(&error))?;
    let target = Target::File;
    Ok(Node::Write(WriteCap { target, file }))
}

async fn link_node(
    call: &Call,
    node: Node,
    link: &Link,
    replace: Replace,
) -> Result<String, WebError> {
    let text = node.cap_text().unwrap_or_default();
    let child = NewChild {
        node,
        metadata: None,
    };
    let directories = call.client().any_directories();
    let linked = directories.link(&link.directory, link.name.clone(), child, replace);
    linked
        .await
        .map_err(|error| failures::any_directory(&error))?;
    Ok(text)
}

/// PUT `t=uri`: links the capability that is the body.
pub(super) async fn link_cap(
    call: &Call,
    body: Body,
    link: &Link,
    replace: Replace,
) -> Result<Response, WebError> {
    let body = children::read(call, body).await?;
    let cap = std::str::from_utf8(&body).map_err(|_| {
        let text = "the body isn't a capability";
        WebError::text(StatusCode::BAD_REQUEST, text)
    })?;
    let node = Node::from_slots(Some(cap), None, false);
    let node = node.map_err(|error| failures::capability(error, &link.name))?;
    let text = link_node(call, node, link, replace).await?;
    Ok(cap_answer(StatusCode::OK, text))
}

/// PUT on a file that is there: a mutable one gets new contents, an immutable one is replaced.
pub(super) async fn put_over(
    call: &Call,
    body: Body,
    node: &Node,
    link: &Link,
) -> Result<Response, WebError> {
    let replace = call.args.replacement()?;
    let offset = python_int_argument(&call.args, "offset")?;
    match (call.args.t()?, AnyFile::of(node)) {
        ("" | "uri", _) if replace == Replace::Nothing => Err(exists()),
        ("uri", _) => link_cap(call, body, link, replace).await,
        ("", Some(AnyFile::Mutable(file))) => mutable_file::answer(call, body, file, None).await,
        ("", _) if offset.is_some() => {
            let text = "PUT to a file: append operation invoked on an immutable cap";
            Err(WebError::text(StatusCode::BAD_REQUEST, text))
        }
        ("", _) => {
            let text = store(call, body, link, replace).await?;
            Ok(cap_answer(StatusCode::OK, text))
        }
        (t, _) => {
            let text = format!("PUT to a file: bad t={t}");
            Err(WebError::text(StatusCode::BAD_REQUEST, text))
        }
    }
}

/// POST on a file that is there.
pub(super) async fn post_over(
    call: &Call,
    form: Form,
    node: &Node,
    link: &Link,
) -> Result<Response, WebError> {
    let Form { args, file, .. } = form;
    let replace = args.boolean("replace", true)?;
    match args.t()? {
        "check" => {
            let object = node.cap().as_ref().and_then(Checkable::of);
            let answer = check::answer(call, &args, object.as_ref()).await?;
            redirect::or_when_done(&args, answer)
        }
        "upload" => {
            let contents = file.ok_or_else(upload::no_file_field)?;
            upload_over(call, &args, contents, node, link, replace).await
        }
        t => {
            let text = format!("POST to file: bad t={t}");
            Err(WebError::text(StatusCode::BAD_REQUEST, text))
        }
    }
}

/// POST `t=upload` with the name of a child, which may be there.
pub(super) async fn post_below(
    call: &Call,
    args: &Args,
    contents: Contents,
    link: &Link,
) -> Result<Response, WebError> {
    let replace = args.boolean("replace", true)?;
    let directories = call.client().any_directories();
    let child = directories.child(&link.directory, &link.name).await;
    match child.map(|child| child.node) {
        Ok(AnyNode::Drive(_)) => Err(exists()),
        Ok(AnyNode::Grid(node)) if node.is_directory() => Err(exists()),
        Ok(AnyNode::Grid(node)) => upload_over(call, args, contents, &node, link, replace).await,
        Err(error) if error.is_no_such_child() => {
            let replacement = match replace {
                true => Replace::Anything,
                false => Replace::Nothing,
            };
            let text = store_contents(call, args, contents, link, replacement).await?;
            finish(args, text)
        }
        Err(error) => Err(failures::any_directory(&error)),
    }
}

async fn upload_over(
    call: &Call,
    args: &Args,
    contents: Contents,
    node: &Node,
    link: &Link,
    replace: bool,
) -> Result<Response, WebError> {
    if node.is_mutable() == Some(true) {
        let Node::Write(WriteCap { file: cap, .. }) = node else {
            return Err(failures::directory(&DirectoryError::NotWritable));
        };
        let written = call.client().overwrite_mutable(cap, contents).await;
        written.map_err(|error| failures::publish(&error))?;
        return finish(args, node.cap_text().unwrap_or_default());
    }
    if !replace {
        return Err(exists());
    }
    let text = store_contents(call, args, contents, link, Replace::Anything).await?;
    finish(args, text)
}

/// Nothing is stored if it is known that it can't be linked.
fn check_writable(link: &Link) -> Result<(), WebError> {
    let changeable = link.directory.check_changeable();
    changeable.map_err(|error| failures::any_directory(&error))
}
