//! A node: tahoe.cfg, node directory, keys, listeners; wires and stops everything.
//!
//! **Invariants:** a setting that would be silently ignored is refused; what is written into a node
//! directory is what the reference writes there, so that either program can run it; secrets lie
//! under `private/`, readable by their owner only.

pub mod config;

mod announcement;
mod certificates;
mod create;
mod directory;
mod drives;
mod files;
mod furl;
mod introducers;
mod logs;
mod named_furls;
mod node;
mod open_files;
mod running_process;
mod tub_address;
mod tub_certificate;
mod unavailable;
mod unused_keys;

pub use announcement::{AnnouncementError, ServerChange, StorageAnnouncement, add_servers};
pub use certificates::{AddCertificateError, add_grid_manager_certificate};
pub use create::{CreateError, Listen, NewNode, NewService, Privacy};
pub use directory::{DirectoryError, NodeDirectory, NodeKind, random_signing_key};
pub use foolscap::{BadFurl, Furl};
pub use introducers::IntroducerEntry;
pub use logs::{
    DestinationError, EliotDestination, LogError, LogOptions, Logs, RotatingFile, Rotation,
};
pub use named_furls::NamedFurlsError;
pub use node::{Node, ServiceNode, StartError};
pub use open_files::raise_file_limit;
pub use running_process::{RunningError, RunningProcess};
pub use tub_address::{AddressError, TubListening};
pub use tub_certificate::TubCertificate;
pub use unavailable::{UnavailableError, refuse_unavailable};
