//! Children in the body of a request: `{name: [type, {rw_uri, ro_uri, metadata}]}`.

use crate::error::WebError;
use crate::failures;
use crate::request::Call;
use crate::upload::patiently;
use axum::body::{Body, Bytes};
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Map, Value};
use tahoe_client::{Child, ChildName, Children, Metadata, NewChild, Node};

/// Largest body with children, in bytes.
const MAX_BODY_SIZE: usize = 32 << 20;

/// What a body says of a child.
type Facts = Map<String, Value>;

/// Reads a body that may hold children.
pub(crate) async fn read(call: &Call, body: Body) -> Result<Bytes, WebError> {
    let patience = call.site.options.read_timeout;
    let collected = patiently(patience, Limited::new(body, MAX_BODY_SIZE).collect()).await?;
    let collected = collected.map_err(|_| {
        let text = format!("a list of children may have at most {MAX_BODY_SIZE} bytes");
        WebError::text(StatusCode::PAYLOAD_TOO_LARGE, text)
    });
    Ok(collected?.to_bytes())
}

/// The children of a new directory; none in an empty body.
pub(crate) fn parse(body: &[u8]) -> Result<Children, WebError> {
    let mut children = Children::new();
    if body.is_empty() {
        return Ok(children);
    }
    for (name, facts) in entries(body)? {
        let name = ChildName::new(&name);
        let node = node(&facts, &name)?;
        let metadata = match facts.get("metadata") {
            None => Metadata::default(),
            Some(Value::Object(metadata)) => Metadata::new(metadata.clone()),
            Some(_) => return Err(bad("metadata of a child must be an object")),
        };
        children.insert(name, Child { node, metadata });
    }
    Ok(children)
}

/// Children that are to be linked in a directory that is there.
pub(super) fn parse_links(body: &[u8]) -> Result<Vec<(ChildName, NewChild)>, WebError> {
    let mut children = Vec::new();
    for (name, facts) in entries(body)? {
        let name = ChildName::new(&name);
        let node = node(&facts, &name)?;
        let metadata = match facts.get("metadata") {
            None | Some(Value::Null) => None,
            Some(Value::Object(metadata)) => Some(Metadata::new(metadata.clone())),
            Some(_) => return Err(bad("metadata of a child must be an object")),
        };
        children.push((name, NewChild { node, metadata }));
    }
    Ok(children)
}

fn entries(body: &[u8]) -> Result<Vec<(String, Facts)>, WebError> {
    let parsed: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| bad(&format!("the children aren't a JSON object: {error}")))?;
    let entry = |(name, value)| match value {
        Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([_, Value::Object(facts)]) => Ok((name, facts)),
            Ok(_) | Err(_) => Err(bad("a child must be [type, {…}]")),
        },
        _ => Err(bad("a child must be [type, {…}]")),
    };
    parsed.into_iter().map(entry).collect()
}

fn node(facts: &Facts, name: &ChildName) -> Result<Node, WebError> {
    let slot = |key: &str| match facts.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(bad(&format!("{key} of a child must be a text"))),
    };
    let (write, read) = (slot("rw_uri")?, slot("ro_uri")?);
    Node::from_slots(write, read, false).map_err(|error| failures::capability(error, name))
}

fn bad(text: &str) -> WebError {
    WebError::text(StatusCode::BAD_REQUEST, text)
}
