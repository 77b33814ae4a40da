//! For tests: a store in memory, faults, and the conformance suite of storage services.
//!
//! [`MemoryStore`] behaves as a storage server does, leases and space rules included. [`Faulty`]
//! wraps any service and makes chosen calls hang, fail or lie. [`conformance`] holds one function
//! per promise of the contract. [`FixedServers`] is a directory of servers that never changes.

pub mod conformance;
mod faults;
mod memory;
mod servers;

pub use faults::{Call, Fault, Faulty, Rule};
pub use memory::{LEASE_DURATION_SECONDS, MemoryLease, MemoryStore, UPLOAD_TIMEOUT_SECONDS};
pub use servers::{FixedServers, test_server};
