//! A web server over TLS that knows one answer.

use crate::certificate::own_tls;
use crate::http::read_head;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// Listens on a free port of `localhost` and answers each request with this text, until the test
/// ends. Returns the port and the certificate in PEM, which nobody vouches for.
pub fn answer_over_tls(text: &'static str) -> (u16, String) {
    let (tls, certificate) = own_tls();
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Clients that don't trust the certificate go away.
            serve(stream, &tls, text).ok();
        }
    });
    (port, certificate.pem)
}

fn serve(stream: TcpStream, tls: &Arc<ServerConfig>, text: &str) -> io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
    let mut client = BufReader::new(StreamOwned::new(connection, stream));
    read_head(&mut client)?;
    let client = client.get_mut();
    let length = text.len();
    write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n")?;
    write!(client, "Connection: close\r\n\r\n{text}")?;
    client.conn.send_close_notify();
    client.flush()
}
