//! The web API and pages of a node: the HTTP interface of Tahoe-LAFS 1.20, for files and directories.
//!
//! [`router()`] answers every path for a client; [`serve()`] puts it on a listener.
//!
//! **Invariants:** bodies stream both ways with back-pressure, so memory doesn't grow with a file.
//! Capabilities never reach the log. Pages need no script and nothing from elsewhere. What another
//! client of Tahoe may depend on (status, content type, texts, JSON) is the reference's; the
//! differences are listed in `docs/differences.md`.

mod args;
mod assets;
mod browser;
mod cap;
mod chart;
mod check;
mod check_page;
mod content_type;
mod directory;
mod directory_page;
mod download;
mod error;
mod failures;
mod file;
mod format;
mod helper_status;
mod html;
mod info;
mod introducer;
mod layer;
mod logs;
mod mutable_file;
mod named;
mod operations;
mod options;
mod preview;
mod python_text;
mod range;
mod redirect;
mod request;
mod response;
mod router;
mod serve;
mod share;
mod static_files;
mod statistics;
mod status;
mod storage;
mod unknown;
mod unlinked;
mod upload;
mod upload_results;
mod vdrive;
mod welcome;

pub use introducer::introducer_router;
pub use logs::{NodeLogs, ReportIncident};
pub use options::WebOptions;
pub use router::router;
pub use serve::serve;
pub use storage::{StorageReport, StorageStatus};
