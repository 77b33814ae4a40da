//! How the client core runs work beside its requests: [`CpuPool`] for hashing, ciphers, signatures
//! and erasure code, [`BackgroundTasks`] for small errands that nobody waits for; and whom servers
//! take in: [`Strangers`].
//!
//! **Invariants:** the number of pieces of work that run at once is bounded for all users of a pool
//! together; no task outlives its owner.

mod background;
mod cpu;
mod strangers;

pub use background::BackgroundTasks;
pub use cpu::{CpuPool, Running};
pub use strangers::{Stranger, Strangers};
