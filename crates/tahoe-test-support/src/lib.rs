//! Drives real nodes in tests, ours and the Python reference.
//!
//! A [`Grid`] is a temporary directory of nodes, each a real process in a real node directory, run by
//! either [`Program`]. Nodes know the storage servers from `private/servers.yaml`; there is no
//! introducer. Everything listens on 127.0.0.1 only, on ports of our own choosing.
//!
//! - [`Node`]: create, configure, start, stop, kill, pause; its web API, log and memory.
//! - [`DriveGrid`]: a shared drive.
//! - [`Postgres`]: a database server, of Debian's package.
//! - [`ShareFile`]: share files on a server's disk: find, copy, corrupt, delete.
//! - [`SocksProxy`]: stands in for Tor's. [`MailboxServer`]: where invitations meet.
//! - [`Proxy`]: stands between a client and a storage server and tampers with what passes.
//! - [`http`]: a small blocking HTTP client.
//!
//! It is for tests only: whatever goes wrong is a panic that says what was being done. When a test
//! fails, dropping the grid prints the end of every node's log. Nothing outlives the test: nodes are
//! killed on drop, and stop by themselves when the test process dies, because their standard input
//! closes.
//!
//! ```no_run
//! use tahoe_test_support::{Encoding, Grid, Program, sample};
//!
//! let python = Program::python();
//! let encoding = Encoding { needed: 1, happy: 1, total: 2 };
//! let grid = Grid::start(&[&python, &python], &[&python], encoding);
//! let capability = grid.gateway(0).put(&sample(1, 1000));
//! assert_eq!(grid.gateway(0).get(&capability), sample(1, 1000));
//! ```

mod certificate;
mod drive;
mod entry;
mod grid;
pub mod http;
mod mailbox;
mod node;
mod ports;
mod postgres;
mod process;
mod program;
mod proxy;
mod sample;
mod share_files;
mod socks;
mod tls_server;

pub use drive::{DriveGrid, handed_out, wait_for_drive};
pub use entry::ServerEntry;
pub use grid::{Encoding, Grid, write_servers};
pub use mailbox::{Inviter, MailboxServer};
pub use node::Node;
pub use ports::free_port;
pub use postgres::Postgres;
pub use program::{Output, Program, oracle_python};
pub use proxy::{Action, Proxy, Request};
pub use sample::{Random, sample, sample_reader};
pub use share_files::{Region, ShareFile};
pub use socks::SocksProxy;
pub use tls_server::answer_over_tls;

use std::time::{Duration, Instant};

/// How long anything may take before the test fails; Python needs seconds to start on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something holds, looking every 20 ms.
///
/// # Panics
/// With `what` if it doesn't within [`PATIENCE`].
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < PATIENCE,
            "{what}: not so after {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
