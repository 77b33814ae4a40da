//! Foolscap: objects of one program that another program may use, over TLS.
//!
//! A [`Tub`] is a program's presence: an identity (a key and its certificate), the objects that it
//! lets others use, and one connection to each other tub it deals with. An object is found by its
//! [`Furl`]; whoever knows the FURL may call it. [`Tub::reference`] gives a [`RemoteReference`] to
//! call methods of, [`Tub::connect_to`] one that comes back when the connection was lost.
//!
//! ```
//! use foolscap::{Arguments, Call, Referenceable, RemoteFailure, Tub, TubIdentity, TubOptions, Value};
//! use std::sync::Arc;
//!
//! struct Adder;
//!
//! #[async_trait::async_trait]
//! impl Referenceable for Adder {
//!     async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
//!         match (call.method.as_str(), call.arguments.take(["a", "b"])) {
//!             ("add", Some([Value::Integer(a), Value::Integer(b)])) => Ok(Value::Integer(a + b)),
//!             _ => Err(RemoteFailure::violation("add(a, b) of two integers")),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let hint = format!("tcp:127.0.0.1:{}", listener.local_addr()?.port());
//! let options = TubOptions { location: vec![hint], ..TubOptions::default() };
//! let server = Tub::new(TubIdentity::generate()?, options)?;
//! let furl = server.register(Arc::new(Adder), None)?;
//! server.listen(listener);
//!
//! let client = Tub::new(TubIdentity::generate()?, TubOptions::default())?;
//! let adder = client.reference(&furl).await?;
//! let sum = adder.call("add", Arguments::positional([Value::from(2)]).with("b", 3)).await?;
//! assert_eq!(sum, Value::Integer(5));
//! client.stop().await;
//! server.stop().await;
//! # Ok(()) }
//! ```
//!
//! **Invariants:** a peer is who its certificate says, and no FURL is believed to be somebody
//! else's. Calls reach an object in the order in which they were begun. When a connection is lost,
//! every call in flight on it fails, and every [`RemoteReference`] of it says so. Queues and tables
//! are bounded by [`Limits`] and [`TubOptions`]. Tasks belong to their tub and end with it.
//!
//! The protocol without sockets is `foolscap_proto`; this crate adds tokio and rustls.

mod connection;
mod error;
mod hints;
mod identity;
mod negotiate;
mod object;
mod reconnector;
mod reference;
mod stream;
mod tls;
mod tub;

pub use error::{CallError, ConnectError, ConnectionLost, HintFailure, IdentityError, TubError};
pub use foolscap_proto::{
    BadFurl, Furl, IdlePolicy, Limits, RemoteFailure, Swissnum, TubId, Violation,
};
pub use hints::{
    ConnectionHint, Dialed, HintError, HintHandler, HintHandlers, SamHandler, SocksHandler,
    TcpHandler,
};
pub use identity::TubIdentity;
pub use object::{Arguments, Call, Caller, CopiedObject, Reference, Referenceable, Value};
pub use reconnector::{ReconnectState, ReconnectStatus, Reconnector};
pub use reference::{Answer, ConnectionStatus, RemoteReference};
pub use stream::{BoxStream, Stream};
pub use tub::{Tub, TubOptions};

/// The bytes with which every Foolscap client begins, for whoever shares a port.
pub const REQUEST_START: &[u8] = foolscap_proto::negotiation::http::REQUEST_START;
