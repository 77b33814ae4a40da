//! Connecting to I2P destinations through the SAM bridge (version 3) of an I2P router.
//!
//! A session is a connection to the bridge with a destination of its own; it lasts as long as that
//! connection. A stream is a second connection, which belongs to the session that it names.
//!
//! ```text
//! → HELLO VERSION MIN=3.0 MAX=3.2      ← HELLO REPLY RESULT=OK VERSION=3.1
//! → SESSION CREATE STYLE=STREAM …      ← SESSION STATUS RESULT=OK DESTINATION=…
//! → NAMING LOOKUP NAME=host.i2p        ← NAMING REPLY RESULT=OK NAME=host.i2p VALUE=…
//! → STREAM CONNECT ID=… DESTINATION=…  ← STREAM STATUS RESULT=OK, then the peer's bytes
//! ```
//!
//! Each connection gets a session, and with it a destination, of its own: peers can't tell by it
//! that they deal with the same program. It is for going out; nobody can connect to it.

use crate::{ConnectionHint, Dialed, HintError, HintHandler};
use async_trait::async_trait;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

/// Longest line of a bridge: a destination with its private key takes some 1500 bytes.
const MAX_LINE: usize = 8192;
/// The kind of the hints.
const KIND: &str = "i2p";

/// Connects to `i2p:HOST` and `i2p:HOST:PORT` through a SAM bridge, which also looks the names up.
#[derive(Debug, Clone)]
pub struct SamHandler {
    host: String,
    port: u16,
}

impl SamHandler {
    /// Uses the bridge at this place.
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
        }
    }

    /// A connection to the bridge on which both sides know the version.
    async fn bridge(&self) -> Result<Bridge, HintError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let mut bridge = Bridge(stream);
        let hello = "HELLO VERSION MIN=3.0 MAX=3.2";
        bridge.ask(hello, "HELLO REPLY").await?;
        Ok(bridge)
    }
}

#[async_trait]
impl HintHandler for SamHandler {
    async fn connect(&self, hint: &str) -> Result<Dialed, HintError> {
        let (host, port) = destination(hint).ok_or(HintError::Malformed)?;
        let mut session = self.bridge().await?;
        let id = format!("foolscap-{:016x}", rand::random::<u64>());
        let create =
            format!("SESSION CREATE STYLE=STREAM ID={id} DESTINATION=TRANSIENT SIGNATURE_TYPE=7");
        session.ask(&create, "SESSION STATUS").await?;
        let look_up = format!("NAMING LOOKUP NAME={host}");
        let answer = session.ask(&look_up, "NAMING REPLY").await?;
        let destination = value(&answer, "VALUE").ok_or(NOT_SAM)?;
        let mut stream = self.bridge().await?;
        let port = port.map(|port| format!(" TO_PORT={port}"));
        let port = port.unwrap_or_default();
        let connect =
            format!("STREAM CONNECT ID={id} DESTINATION={destination} SILENT=false{port}");
        stream.ask(&connect, "STREAM STATUS").await?;
        let stream = SamStream {
            stream: stream.0,
            _session: session.0,
        };
        Ok(Dialed {
            stream: Box::new(stream),
            host,
        })
    }

    fn describe(&self) -> String {
        KIND.to_owned()
    }
}

/// Host and port of a hint.
fn destination(hint: &str) -> Option<(String, Option<u16>)> {
    let rest = hint.strip_prefix(KIND)?.strip_prefix(':')?;
    if rest.contains(':') {
        let hint = ConnectionHint::parse(hint)?;
        return Some((hint.host, Some(hint.port)));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    (!rest.is_empty() && rest.chars().all(allowed)).then(|| (rest.to_owned(), None))
}

const NOT_SAM: HintError = HintError::Proxy("it doesn't speak SAM 3");

/// A connection to the bridge, before it carries a peer's bytes.
struct Bridge(TcpStream);

impl Bridge {
    /// Sends a line and reads the answer, which must begin so and tell of success.
    async fn ask(&mut self, line: &str, answer: &str) -> Result<String, HintError> {
        self.0.write_all(format!("{line}\n").as_bytes()).await?;
        let line = self.line().await?;
        let result = line.strip_prefix(answer).ok_or(NOT_SAM)?;
        match value(result, "RESULT") {
            Some("OK") => Ok(line),
            Some(result) => Err(HintError::Proxy(refusal(result))),
            None => Err(NOT_SAM),
        }
    }

    /// Reads a line and nothing after it: that would be the peer's.
    async fn line(&mut self) -> Result<String, HintError> {
        let mut line = Vec::new();
        loop {
            match self.0.read_u8().await? {
                b'\n' => return String::from_utf8(line).map_err(|_| NOT_SAM),
                _ if line.len() >= MAX_LINE => return Err(NOT_SAM),
                byte => line.push(byte),
            }
        }
    }
}

/// The value of `KEY=VALUE` among the words of a line.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let mut words = line.split_ascii_whitespace();
    words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn refusal(result: &str) -> &'static str {
    match result {
        "CANT_REACH_PEER" => "it can't reach the destination",
        "INVALID_KEY" | "KEY_NOT_FOUND" => "it doesn't know the destination",
        "NOVERSION" => "it speaks no version of SAM that we do",
        "TIMEOUT" => "it took too long",
        "I2P_ERROR" => "the I2P router failed",
        _ => "an unknown reason",
    }
}

/// A stream, with the session that it needs.
#[derive(Debug)]
struct SamStream {
    stream: TcpStream,
    /// Closing it ends the session and its streams.
    _session: TcpStream,
}

impl AsyncRead for SamStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for SamStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_with_and_without_port() {
        let found = |host: &str, port| Some((host.to_owned(), port));
        let table = [
            ("i2p:abc.b32.i2p", found("abc.b32.i2p", None)),
            ("i2p:abc.b32.i2p:3457", found("abc.b32.i2p", Some(3457))),
            ("i2p:a b", None),
            ("i2p:a\nSTREAM", None),
            ("i2p:", None),
            ("i2p:a:b:1", None),
            ("tcp:a:1", None),
        ];
        for (hint, expected) in table {
            assert_eq!(destination(hint), expected, "{hint:?}");
        }
    }
}
