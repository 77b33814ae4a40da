//! What can be chosen about the web server.

use crate::logs::NodeLogs;
use crate::storage::StorageStatus;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How the web server behaves.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Directory that is served at `/static` (`web.static`); it needn't exist.
    pub static_dir: Option<PathBuf>,
    /// Names of this node besides its addresses and names without a domain (`web.hosts`).
    pub hosts: Vec<String>,
    /// The storage server that `/storage` is about, if the node has one.
    pub storage: Option<Arc<dyn StorageStatus>>,
    /// The log that `/private/logs/v1` tells and where `/report_incident` writes.
    pub logs: Option<NodeLogs>,
    /// Most connections at a time; more wait to be accepted.
    pub max_connections: usize,
    /// How long a client may take to send the headers of a request, also the next on a connection.
    pub header_timeout: Duration,
    /// How long a client may send nothing in the middle of a body.
    pub read_timeout: Duration,
    /// How long a client may take nothing of an answer before it is given up.
    pub write_timeout: Duration,
}

impl Default for WebOptions {
    fn default() -> Self {
        Self {
            static_dir: None,
            hosts: Vec::new(),
            storage: None,
            logs: None,
            max_connections: 512,
            header_timeout: Duration::from_secs(120),
            read_timeout: Duration::from_secs(300),
            write_timeout: Duration::from_secs(300),
        }
    }
}
