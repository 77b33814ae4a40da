//! Ports that a node listens on.

use super::StartError;
use crate::config::{Endpoint, TcpEndpoint};
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Listens on the TCP endpoints among these; others were refused before.
pub(super) fn listen(
    endpoints: &[Endpoint],
    what: &'static str,
) -> Result<Vec<TcpListener>, StartError> {
    let tcp = endpoints.iter().filter_map(|endpoint| match endpoint {
        Endpoint::Tcp(tcp) => Some(tcp),
        Endpoint::Other { .. } => None,
    });
    tcp.map(|endpoint| listen_on(endpoint, what)).collect()
}

fn listen_on(endpoint: &TcpEndpoint, what: &'static str) -> Result<TcpListener, StartError> {
    let address = SocketAddr::new(endpoint.interface, endpoint.port);
    bind(address).map_err(|source| StartError::Listen {
        what,
        address,
        source,
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A node that is restarted takes its port back at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
