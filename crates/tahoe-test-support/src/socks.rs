//! A SOCKS 5 proxy on this machine, in the place of Tor's.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A proxy that connects wherever it is asked to, and remembers where that was.
#[derive(Debug)]
pub struct SocksProxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    /// Where names lead that nobody else knows.
    names: Mutex<HashMap<String, String>>,
    targets: Mutex<Vec<String>>,
    streams: Mutex<Vec<TcpStream>>,
}

impl SocksProxy {
    /// Listens on a free port.
    ///
    /// # Panics
    /// If it can't.
    pub fn start() -> Self {
        let port = crate::free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || {
                    // What goes wrong on a connection is for the node under test to notice.
                    serve(stream, &shared).ok();
                });
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Leads connections for `target` to `address`, both `HOST:PORT`, as Tor does with onion services.
    pub fn lead(&self, target: &str, address: &str) {
        lock(&self.shared.names).insert(target.to_owned(), address.to_owned());
    }

    /// Where it was asked to connect to so far, as `HOST:PORT`.
    pub fn targets(&self) -> Vec<String> {
        lock(&self.shared.targets).clone()
    }

    /// Closes all connections, and makes no more.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then closes the port.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
        for stream in lock(&self.shared.streams).drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Drop for SocksProxy {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut greeting = [0; 3];
    client.read_exact(&mut greeting)?;
    client.write_all(&[5, 0])?;
    // Version, command, reserved, kind of address; then the length of a name.
    let mut request = [0; 5];
    client.read_exact(&mut request)?;
    if greeting != [5, 1, 0] || request[..4] != [5, 1, 0, 3] {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut name = vec![0; usize::from(request[4])];
    client.read_exact(&mut name)?;
    let mut port = [0; 2];
    client.read_exact(&mut port)?;
    let name = String::from_utf8(name).map_err(io::Error::other)?;
    let target = format!("{name}:{}", u16::from_be_bytes(port));
    lock(&shared.targets).push(target.clone());
    let address = lock(&shared.names).get(&target).cloned().unwrap_or(target);
    let Ok(server) = TcpStream::connect(&address) else {
        return client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
    };
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    lock(&shared.streams).extend([client.try_clone()?, server.try_clone()?]);
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let upwards = std::thread::spawn(move || {
        io::copy(&mut from_client, &mut to_server).ok();
        to_server.shutdown(Shutdown::Write).ok();
    });
    let (mut from_server, mut to_client) = (server, client);
    io::copy(&mut from_server, &mut to_client).ok();
    to_client.shutdown(Shutdown::Write).ok();
    upwards.join().map_err(|_| io::ErrorKind::Other.into())
}
