//! What a node says about a file or directory: the answers to `t=json`.

use crate::aliases::url_quoted;
use crate::error::{CommandError, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The kind of an object, as the node names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    File,
    Directory,
    /// Something that this version doesn't know.
    Unknown,
}

/// A file, a directory or something unknown.
#[derive(Deserialize, Clone)]
#[serde(from = "(String, Attributes)")]
pub(crate) struct GridObject {
    pub(crate) kind: ObjectKind,
    pub(crate) attributes: Attributes,
}

/// What is told of an object; everything but the kind may be missing.
#[derive(Deserialize, Clone)]
pub(crate) struct Attributes {
    pub(crate) rw_uri: Option<String>,
    pub(crate) ro_uri: Option<String>,
    /// Where a directory of a shared drive is at its node; it has no capability.
    url: Option<String>,
    /// Whether that directory may be changed.
    #[serde(default)]
    pub(crate) writable: bool,
    #[serde(default)]
    pub(crate) mutable: bool,
    /// In bytes; missing, a number or null.
    pub(crate) size: Option<Value>,
    #[serde(default)]
    pub(crate) metadata: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) children: BTreeMap<String, GridObject>,
}

impl From<(String, Attributes)> for GridObject {
    fn from((kind, attributes): (String, Attributes)) -> Self {
        let kind = match kind.as_str() {
            "filenode" => ObjectKind::File,
            "dirnode" => ObjectKind::Directory,
            _ => ObjectKind::Unknown,
        };
        Self { kind, attributes }
    }
}

impl GridObject {
    /// Reads what a node answered.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            CommandError::failed(format!("the node's answer is no description: {error}"))
        })
    }

    /// The strongest capability there is.
    pub(crate) fn best_cap(&self) -> Option<&str> {
        let Attributes { rw_uri, ro_uri, .. } = &self.attributes;
        [rw_uri, ro_uri]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .find(|cap| !cap.is_empty())
    }

    /// Where the node serves it: by its capability, or else by its path in a shared drive.
    pub(crate) fn url_path(&self) -> Option<String> {
        match self.best_cap() {
            Some(cap) => Some(format!("uri/{}", url_quoted(cap))),
            None => self.drive_url_path(),
        }
    }

    /// Where a directory of a shared drive is.
    pub(crate) fn drive_url_path(&self) -> Option<String> {
        let url = self.attributes.url.as_deref();
        url.map(|url| url.trim_matches('/').to_owned())
    }

    /// The size in bytes, if it is known.
    pub(crate) fn size_bytes(&self) -> Option<u64> {
        self.attributes.size.as_ref()?.as_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_nodes_answer() {
        let json = br#"["dirnode", {"mutable": true, "rw_uri": "w", "ro_uri": "r",
            "children": {"b": ["filenode", {"ro_uri": "f", "size": 7,
                "metadata": {"tahoe": {"linkcrtime": 1.5}}}],
                "a": ["unknown", {"ro_uri": null}], "c": ["filenode", {"size": null}]}}]"#;
        let object = GridObject::from_json(json).unwrap();
        assert_eq!(object.kind, ObjectKind::Directory);
        assert_eq!(object.best_cap(), Some("w"));
        let children = object.attributes.children;
        let names: Vec<_> = children.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(children["a"].kind, ObjectKind::Unknown);
        assert_eq!(children["a"].best_cap(), None);
        assert_eq!(children["b"].attributes.size, Some(7.into()));
        assert_eq!(children["c"].attributes.size, None);
        assert!(GridObject::from_json(b"{}").is_err());
    }
}
