//! A web server of somebody who means harm: it serves pages and remembers what it is told.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Heads of requests, as they came.
type Heard = Arc<Mutex<Vec<String>>>;

/// The server; it serves until the test ends.
#[derive(Debug)]
pub(crate) struct Hostile {
    port: u16,
    heard: Heard,
}

impl Hostile {
    /// Serves these pages, by path, as PDF if that says so and else as HTML; `HOST` in them becomes the server's own URL.
    pub(crate) fn serve(pages: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let page = |(path, page): &(&str, &str)| (path.to_string(), page.replace("HOST", &url));
        let pages: HashMap<String, String> = pages.iter().map(page).collect();
        let heard = Heard::default();
        let hears = Arc::clone(&heard);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // A browser opens connections that it then doesn't use.
                let (pages, hears) = (pages.clone(), Arc::clone(&hears));
                std::thread::spawn(move || answer(&connection, &pages, &hears));
            }
        });
        Self { port, heard }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The heads of requests for paths that begin so.
    pub(crate) fn heard(&self, path: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let wanted = heard.iter().filter(|head| {
            let target = head.split(' ').nth(1);
            target.is_some_and(|target| target.starts_with(path))
        });
        wanted.cloned().collect()
    }
}

/// Answers one request; a connection that breaks is none of our business.
fn answer(connection: &TcpStream, pages: &HashMap<String, String>, heard: &Heard) {
    let lines = BufReader::new(connection).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let Some(target) = head.first().and_then(|line| line.split(' ').nth(1)) else {
        return;
    };
    let path = target.split('?').next().unwrap_or(target);
    let page = pages.get(path).map_or("", String::as_str);
    let kind = if path.ends_with(".pdf") {
        "application/pdf"
    } else {
        "text/html"
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{page}",
        page.len()
    );
    heard.lock().unwrap().push(head.join("\n"));
    let mut connection = connection;
    connection.write_all(answer.as_bytes()).ok();
}
