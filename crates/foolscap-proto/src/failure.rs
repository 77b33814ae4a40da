//! Exceptions that travel: what a call that failed is answered with.

use crate::{CopiedObject, Value};
use bytes::Bytes;

const CLASS_NAME: &str = "twisted.python.failure.Failure";

/// Longest type name and longest name of a parent, in characters; the original refuses more.
const TYPE_LENGTH: usize = 200;
/// Longest message, in characters.
const MESSAGE_LENGTH: usize = 1000;
/// Longest trace, in characters.
const TRACE_LENGTH: usize = 1900;

/// An exception of the peer, or one that the peer shall see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{type_name}: {message}")]
pub struct RemoteFailure {
    /// The class of the exception, such as `builtins.KeyError`.
    pub type_name: String,
    /// What the exception says.
    pub message: String,
    /// Where it happened, in the words of the peer.
    pub trace: String,
    /// The class and those that it derives from.
    pub parents: Vec<String>,
}

impl RemoteFailure {
    /// Makes a failure that the peer shall see.
    ///
    /// Python peers distinguish exceptions by the names of their classes.
    pub fn new(type_name: impl Into<String>, message: impl Into<String>) -> Self {
        let (type_name, message) = (type_name.into(), message.into());
        Self {
            // What Python peers show of a remote exception is its trace, and nothing else.
            trace: format!("Traceback unavailable\n{type_name}: {message}\n"),
            message,
            parents: vec![
                type_name.clone(),
                "builtins.Exception".to_owned(),
                "builtins.BaseException".to_owned(),
                "builtins.object".to_owned(),
            ],
            type_name,
        }
    }

    /// Makes the failure of a call whose arguments aren't what the method takes.
    pub fn violation(why: impl std::fmt::Display) -> Self {
        Self::new("foolscap.tokens.Violation", why.to_string())
    }

    /// Says whether the exception is of this class or of one derived from it.
    pub fn is(&self, type_name: &str) -> bool {
        self.type_name == type_name || self.parents.iter().any(|parent| parent == type_name)
    }

    pub(crate) fn to_value(&self) -> Value {
        let text = |text: &str, limit| Value::Bytes(Bytes::from(shorten(text, limit)));
        let parents = self.parents.iter().map(|parent| text(parent, TYPE_LENGTH));
        let attributes = [
            ("value", text(&self.message, MESSAGE_LENGTH)),
            ("type", text(&self.type_name, TYPE_LENGTH)),
            ("traceback", text(&self.trace, TRACE_LENGTH)),
            ("parents", Value::List(parents.collect())),
        ];
        Value::Copied(Box::new(CopiedObject {
            class_name: CLASS_NAME.to_owned(),
            attributes: attributes
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        }))
    }

    /// Reads what `to_value` or the Python library made; `None` if it's something else.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let Value::Copied(object) = value else {
            return None;
        };
        if object.class_name != CLASS_NAME {
            return None;
        }
        let text = |name| {
            let bytes = object.attribute(name)?.as_bytes()?;
            Some(shorten(&String::from_utf8_lossy(bytes), 2 * TRACE_LENGTH))
        };
        let parents = object.attribute("parents")?.as_sequence()?.iter();
        let parents = parents.map(|parent| parent.as_text().map(|text| shorten(text, TYPE_LENGTH)));
        Some(Self {
            type_name: text("type")?,
            message: text("value")?,
            trace: text("traceback")?,
            parents: parents.take(100).collect::<Option<_>>()?,
        })
    }
}

/// Cuts a text that is too long for the bytes that a Python peer accepts.
fn shorten(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub(3);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    format!("{}..", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_wire_and_is_shortened_there() {
        let failure = RemoteFailure::new("a.B", "ü".repeat(600));
        let read = RemoteFailure::from_value(&failure.to_value()).unwrap();
        assert_eq!(read.message, format!("{}..", "ü".repeat(498)));
        assert!(read.is("a.B") && read.is("builtins.Exception") && !read.is("B"));
        assert_eq!(read.to_string().split(':').next(), Some("a.B"));
        assert_eq!(RemoteFailure::from_value(&Value::None), None);
    }
}
