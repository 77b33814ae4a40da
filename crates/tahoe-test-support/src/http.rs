//! A small blocking HTTP/1.1 client: one request per connection.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a node may be silent.
const SILENCE: Duration = Duration::from_secs(120);

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// Names in lower case, values as sent.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// Whether the body ended before its announced length.
    pub truncated: bool,
}

impl Response {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

/// How much of a body is read or written at a time, in bytes.
const PIECE: usize = 256 << 10;

/// A request to send.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Such as GET.
    pub method: &'a str,
    /// Path and query, percent-encoded.
    pub path: &'a str,
    /// Headers besides Host, Connection and Content-Length.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Request<'a> {
    /// A request without further headers.
    pub fn new(method: &'a str, path: &'a str) -> Self {
        Self {
            method,
            path,
            headers: &[],
        }
    }

    /// Sends it with a body and reads the whole answer.
    ///
    /// # Errors
    /// If the connection fails before the answer's headers are read.
    pub fn send(self, port: u16, body: &[u8]) -> io::Result<Response> {
        self.send_streaming(port, body.len() as u64, &mut &*body)
    }

    /// Sends `length` bytes of `body` and reads the whole answer.
    ///
    /// # Errors
    /// If the connection fails before the answer's headers are read, or `body` can't be read.
    pub fn send_streaming(
        self,
        port: u16,
        length: u64,
        body: &mut dyn Read,
    ) -> io::Result<Response> {
        let mut received = Vec::new();
        let mut response = self.exchange(port, length, body, &mut |bytes| {
            received.extend_from_slice(bytes);
        })?;
        response.body = received;
        Ok(response)
    }

    /// Sends it without a body and hands on the answer's body piece by piece.
    ///
    /// # Errors
    /// If the connection fails before the answer's headers are read.
    pub fn receive_streaming(self, port: u16, sink: &mut dyn FnMut(&[u8])) -> io::Result<Response> {
        self.exchange(port, 0, &mut io::empty(), sink)
    }

    fn exchange(
        self,
        port: u16,
        length: u64,
        body: &mut dyn Read,
        sink: &mut dyn FnMut(&[u8]),
    ) -> io::Result<Response> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n",
            self.method, self.path
        );
        if length > 0 || matches!(self.method, "PUT" | "POST") {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        for (name, value) in self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        // A server may answer, with an error, before it has read everything.
        let mut body = BufReader::with_capacity(PIECE, body.take(length));
        let sent = io::copy(&mut body, &mut stream);
        let answered = read_response(&stream, self.method == "HEAD", sink);
        match (sent, answered) {
            (Err(error), Err(_)) => Err(error),
            (_, answered) => answered,
        }
    }
}

fn read_response(
    stream: &TcpStream,
    without_body: bool,
    sink: &mut dyn FnMut(&[u8]),
) -> io::Result<Response> {
    let mut reader = BufReader::with_capacity(PIECE, stream);
    let (first, headers) = read_head(&mut reader)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
    let mut response = Response {
        status: status.ok_or_else(|| invalid(&first))?,
        headers,
        body: Vec::new(),
        truncated: false,
    };
    if without_body || matches!(response.status, 204 | 304) {
        return Ok(response);
    }
    // A connection that breaks within the body leaves a truncated answer, not an error.
    let complete = read_body(&mut reader, &response.headers, true, sink);
    response.truncated = !complete.unwrap_or(false);
    Ok(response)
}

/// Hands on a message's body; returns whether all of it came. Without a length there is none, or, if
/// `until_end`, it goes on until the connection ends.
pub(crate) fn read_body(
    reader: &mut impl io::BufRead,
    headers: &[(String, String)],
    until_end: bool,
    sink: &mut dyn FnMut(&[u8]),
) -> io::Result<bool> {
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v);
    if header("transfer-encoding").is_some_and(|value| value == "chunked") {
        return read_chunks(reader, sink);
    }
    let length = header("content-length").map(|value| value.parse::<u64>());
    match length.transpose().map_err(|_| invalid("content-length"))? {
        Some(length) => copy(reader, length, sink),
        None if until_end => copy(reader, u64::MAX, sink).map(|_| true),
        None => Ok(true),
    }
}

/// Reads a first line and headers.
pub(crate) fn read_head(
    reader: &mut impl io::BufRead,
) -> io::Result<(String, Vec<(String, String)>)> {
    let first = read_line(reader)?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok((first, headers));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_line(reader: &mut impl io::BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.take(64 * 1024).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

/// Hands on `length` bytes, or all there are; returns whether there were so many.
fn copy(reader: &mut impl Read, length: u64, sink: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
    let mut left = length;
    let mut buffer = vec![0; PIECE];
    while left > 0 {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = reader.read(&mut buffer[..most])?;
        if count == 0 {
            return Ok(false);
        }
        sink(&buffer[..count]);
        left -= count as u64;
    }
    Ok(true)
}

fn read_chunks(reader: &mut impl io::BufRead, sink: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
    loop {
        let line = read_line(reader)?;
        let length = line.split(';').next().unwrap_or_default();
        let length = u64::from_str_radix(length, 16).map_err(|_| invalid(&line))?;
        if length == 0 {
            return Ok(true);
        }
        if !copy(reader, length, sink)? {
            return Ok(false);
        }
        read_line(reader)?;
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what:?}"))
}
