//! The Foolscap protocol, without sockets, clock or randomness: bytes go in, events come out.
//!
//! Foolscap lets programs call methods of each other's objects. A connection begins with a
//! [`negotiation`], whose outcome is a [`Broker`]: it reads and writes *Banana* tokens, turns them
//! into [`Value`]s and calls, and counts the references that each side holds.
//!
//! ```
//! use foolscap_proto::{Broker, Event, LocalObject};
//! use std::time::Instant;
//! # #[derive(Clone)] struct Clock;
//! # impl LocalObject for Clock {
//! #     fn identity(&self) -> usize { 1 }
//! #     fn interface(&self) -> Option<String> { None }
//! #     fn url(&self) -> Option<String> { None }
//! # }
//! let now = Instant::now();
//! let mut one: Broker<Clock> = Broker::new(Default::default(), now);
//! let mut other: Broker<Clock> = Broker::new(Default::default(), now);
//! // Every broker knows one object of its peer: the peer's broker, which finds others by name.
//! let request = one.look_up("swissnum").unwrap();
//! while let Some(chunk) = one.next_chunk() {
//!     other.receive(&chunk, now);
//! }
//! let event = other.poll_event().unwrap();
//! assert!(matches!(event, Some(Event::LookUp { name, .. }) if name == "swissnum"));
//! # let _ = request;
//! ```
//!
//! **Invariants:** whatever a peer sends, nothing here panics, and nothing grows past the
//! [`Limits`]. A breach of the protocol is a [`ProtocolError`] that ends the connection; what is
//! well-formed but not acceptable is a [`Violation`] that fails one call. No value's bytes appear in
//! `Debug`. The protocol is described in `docs/protocols/foolscap.md`.
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

mod broker;
mod error;
mod failure;
mod furl;
mod idle;
mod limits;
mod message;
pub mod negotiation;
mod output;
mod references;
mod slicer;
mod token;
mod tub_id;
mod unslicer;
mod value;
pub mod vocabulary;

pub use broker::{Broker, BrokerSettings, CallFailure, Event, Incoming, LocalObject, Outgoing};
pub use error::{ProtocolError, Violation};
pub use failure::RemoteFailure;
pub use furl::{BadFurl, Furl, Swissnum};
pub use idle::{IdlePolicy, IdleStep};
pub use limits::Limits;
pub use message::{Arguments, Message};
pub use references::Clid;
pub use slicer::Slicer;
pub use token::{Token, TokenDecoder};
pub use tub_id::{BadTubId, TubId};
pub use unslicer::{Received, Refused, Unslicer};
pub use value::{CopiedObject, Value, WireReference};
