//! Connection hints: where a tub may be found, and how to get there.

mod sam;
mod socks;

pub use sam::SamHandler;
pub use socks::SocksHandler;

use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::net::TcpStream;

use crate::BoxStream;

/// A hint leads nowhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HintError {
    /// No handler is registered for its kind.
    #[error("bad hint: no handler registered")]
    NoHandler,
    /// It isn't what its handler reads.
    #[error("bad hint: not KIND:HOST:PORT")]
    Malformed,
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// The network says no.
    #[error("failed to connect: {0}")]
    Io(#[source] std::io::Error),
    /// The proxy says no.
    #[error("the proxy can't connect: {0}")]
    Proxy(&'static str),
}

impl From<std::io::Error> for HintError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Self::Refused,
            _ => Self::Io(error),
        }
    }
}

/// `KIND:HOST:PORT`, or `HOST:PORT` as old tubs wrote it for `tcp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionHint {
    /// Such as `tcp` or `tor`.
    pub kind: String,
    /// A name or an address; IPv6 without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl ConnectionHint {
    /// The kind of a hint, whatever follows it.
    pub fn kind_of(hint: &str) -> &str {
        match hint.split_once(':') {
            Some((_, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                "tcp"
            }
            Some((kind, _)) => kind,
            None => "",
        }
    }

    /// Reads a hint; `None` if it isn't of this form.
    pub fn parse(hint: &str) -> Option<Self> {
        let kind = Self::kind_of(hint);
        let rest = match hint
            .strip_prefix(kind)
            .and_then(|rest| rest.strip_prefix(':'))
        {
            Some(rest) if rest.contains(':') => rest,
            _ => hint,
        };
        let (host, port) = rest.rsplit_once(':')?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let allowed = |c: char| plain(c) || (bracketed.is_some() && matches!(c, ':' | '%'));
        if host.is_empty() || !host.chars().all(allowed) || kind.is_empty() {
            return None;
        }
        Some(Self {
            kind: kind.to_owned(),
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }
}

/// A stream to where a hint led.
pub struct Dialed {
    /// The stream.
    pub stream: BoxStream,
    /// The host, for the request that follows.
    pub host: String,
}

impl std::fmt::Debug for Dialed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dialed({})", self.host)
    }
}

/// Connects to where hints of one kind lead.
#[async_trait]
pub trait HintHandler: Send + Sync + std::fmt::Debug {
    /// Connects.
    async fn connect(&self, hint: &str) -> Result<Dialed, HintError>;

    /// Says how it connects, for people.
    fn describe(&self) -> String;
}

/// Connects directly.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpHandler;

#[async_trait]
impl HintHandler for TcpHandler {
    async fn connect(&self, hint: &str) -> Result<Dialed, HintError> {
        let hint = ConnectionHint::parse(hint).ok_or(HintError::Malformed)?;
        let stream = TcpStream::connect((hint.host.as_str(), hint.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Dialed {
            stream: Box::new(stream),
            host: hint.host,
        })
    }

    fn describe(&self) -> String {
        "tcp".to_owned()
    }
}

/// Which handler is for which kind of hint.
#[derive(Debug, Clone)]
pub struct HintHandlers(HashMap<String, Arc<dyn HintHandler>>);

impl Default for HintHandlers {
    /// Direct connections for `tcp`, and nothing else.
    fn default() -> Self {
        Self::none().with("tcp", Arc::new(TcpHandler))
    }
}

impl HintHandlers {
    /// No handlers: nothing can be reached.
    pub fn none() -> Self {
        Self(HashMap::new())
    }

    /// Adds a handler, or replaces the one that was there.
    #[must_use]
    pub fn with(mut self, kind: &str, handler: Arc<dyn HintHandler>) -> Self {
        self.0.insert(kind.to_owned(), handler);
        self
    }

    /// Takes a kind's handler away: such hints lead nowhere.
    #[must_use]
    pub fn without(mut self, kind: &str) -> Self {
        self.0.remove(kind);
        self
    }

    /// The handler for a kind of hints.
    pub fn for_kind(&self, kind: &str) -> Option<Arc<dyn HintHandler>> {
        self.0.get(kind).cloned()
    }

    /// The handler for a hint.
    pub fn handler(&self, hint: &str) -> Result<Arc<dyn HintHandler>, HintError> {
        let handler = self.for_kind(ConnectionHint::kind_of(hint));
        handler.ok_or(HintError::NoHandler)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_of_every_form() {
        let hint = |kind: &str, host: &str, port| {
            let (kind, host) = (kind.to_owned(), host.to_owned());
            Some(ConnectionHint { kind, host, port })
        };
        let table = [
            ("tcp:example.org:80", hint("tcp", "example.org", 80)),
            ("127.0.0.1:3456", hint("tcp", "127.0.0.1", 3456)),
            ("tcp:[::1]:80", hint("tcp", "::1", 80)),
            ("tcp:[fe80::1%en0]:80", hint("tcp", "fe80::1%en0", 80)),
            ("tor:abc.onion:80", hint("tor", "abc.onion", 80)),
            ("tcp:a:b:80", None),
            ("tcp:a b:80", None),
            ("tcp::80", None),
            ("tcp:a:70000", None),
            ("tcp:a", None),
            ("a", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(ConnectionHint::parse(text), expected, "{text:?}");
        }
        assert_eq!(ConnectionHint::kind_of("i2p:something.i2p"), "i2p");
        assert_eq!(ConnectionHint::kind_of("nothing"), "");
    }
}
