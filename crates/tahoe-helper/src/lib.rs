//! The upload helper: one node encodes and sends the files of another one.
//!
//! A client with a thin line sends a file's ciphertext once, to a helper with a good one; the
//! helper makes the N shares and stores them. The protocol is that of Tahoe-LAFS 1.20, described in
//! `docs/protocols/helper.md`.
//!
//! - [`HelperService`]: the helper, an object for a Foolscap tub.
//! - [`HelperClient`]: the helper of a client; [`ConnectedHelper::upload`] stores a file through it.
//!
//! **Invariants:** a helper sees storage indexes, ciphertext and encoding parameters; no key and no
//! plaintext leave the client. What a helper has fetched stays on its disk until the shares are
//! stored, so that either side may go away and come back. A client believes no capability of which
//! it hasn't checked that it names the ciphertext of its file.

mod assisted;
mod client;
mod folders;
mod present;
mod service;
mod wire;

pub use client::{ConnectedHelper, HelperClient, HelperError};
pub use service::{HelperConfig, HelperService, UploadObserver};
pub use wire::HelperResults;
