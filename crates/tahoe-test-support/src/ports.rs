//! Free ports.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The ports to choose from: below those that the system gives to outgoing connections, so that a
/// stopped node finds its port free when it starts again.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

/// The UDP sockets that tell other test processes which TCP ports are given away here.
static RESERVED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A TCP port of 127.0.0.1 that nobody uses and that is given away only once, also among test
/// processes that run side by side: a node finds it free whenever it starts again.
///
/// # Panics
/// If none is free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes that run side by side begin at different places.
    let offset = std::process::id().wrapping_mul(397);
    for _ in 0..COUNT {
        let place = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset);
        let port = u16::try_from(FIRST + place % COUNT).expect("below 65536");
        let address = ("127.0.0.1", port);
        let Ok(reservation) = UdpSocket::bind(address) else {
            continue;
        };
        if TcpListener::bind(address).is_ok() {
            let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
            reserved.push(reservation);
            return port;
        }
    }
    panic!("no free port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_port_once() {
        let ports: std::collections::BTreeSet<u16> = (0..100).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 100);
    }

    #[test]
    fn other_processes_see_the_reservation() {
        let address = ("127.0.0.1", free_port());
        assert!(UdpSocket::bind(address).is_err());
        assert!(TcpListener::bind(address).is_ok());
    }
}
