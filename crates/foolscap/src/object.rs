//! Objects that peers may call, and references to objects.

use crate::tub::Names;
use crate::{RemoteFailure, RemoteReference, TubId};
use async_trait::async_trait;
use foolscap_proto::LocalObject;
use std::sync::Arc;

/// A value whose references are live.
pub type Value = foolscap_proto::Value<Reference>;

/// An object that is passed by value, whose references are live.
pub type CopiedObject = foolscap_proto::CopiedObject<Reference>;

/// Arguments whose references are live.
pub type Arguments = foolscap_proto::Arguments<Reference>;

/// An object that peers may call.
///
/// Calls begin in the order in which the caller made them: each runs up to its first `.await`
/// that has to wait before the next one begins, and then they run side by side. When the
/// connection is lost, calls that run are dropped at such a place.
#[async_trait]
pub trait Referenceable: Send + Sync + 'static {
    /// The name of the interface that it offers, which peers are told.
    fn interface(&self) -> Option<&str> {
        None
    }

    /// Runs a method. Arguments come from a stranger: check them.
    async fn call(&self, call: Call) -> Result<Value, RemoteFailure>;
}

/// One call of a peer.
#[derive(Debug)]
pub struct Call {
    /// Which method.
    pub method: String,
    /// With what.
    pub arguments: Arguments,
    /// Who calls.
    pub caller: Caller,
}

impl Call {
    /// The failure of a call to a method that isn't there.
    pub fn unknown_method(&self, interface: &str) -> RemoteFailure {
        let method = &self.method;
        RemoteFailure::violation(format!("method '{method}' not defined in {interface}"))
    }

    /// The failure of a call whose arguments aren't the method's.
    pub fn bad_arguments(method: &str, takes: &str) -> RemoteFailure {
        RemoteFailure::violation(format!("{method} takes {takes}"))
    }
}

/// Who calls, over which connection.
#[derive(Clone)]
pub struct Caller(pub(crate) Arc<crate::connection::Shared>);

impl Caller {
    /// The tub that calls.
    pub fn tub_id(&self) -> TubId {
        self.0.peer()
    }

    /// Tells connections apart: equal for all calls over one connection, and never used again.
    pub fn connection(&self) -> u64 {
        self.0.number()
    }

    /// Waits until the connection is lost.
    pub async fn disconnected(&self) {
        self.0.lost().await;
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Caller({})", self.tub_id())
    }
}

/// A reference to an object: one of ours, or one of another tub's.
#[derive(Clone)]
pub enum Reference {
    /// An object of this program.
    Local(Arc<dyn Referenceable>),
    /// An object of another tub.
    Remote(RemoteReference),
}

impl Reference {
    /// The object of another tub, if it is one.
    pub fn remote(&self) -> Option<&RemoteReference> {
        match self {
            Self::Remote(remote) => Some(remote),
            Self::Local(_) => None,
        }
    }

    /// Makes a value of an object of ours.
    pub fn value(object: Arc<dyn Referenceable>) -> Value {
        Value::Reference(Self::Local(object))
    }
}

impl From<RemoteReference> for Reference {
    fn from(remote: RemoteReference) -> Self {
        Self::Remote(remote)
    }
}

/// The same object, not an equal one.
impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(one), Self::Local(other)) => address(one) == address(other),
            (Self::Remote(one), Self::Remote(other)) => one == other,
            _ => false,
        }
    }
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(object) => write!(f, "Local({})", object.interface().unwrap_or("?")),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

/// Tells objects apart for as long as they live.
pub(crate) fn address(object: &Arc<dyn Referenceable>) -> usize {
    Arc::as_ptr(object).cast::<()>().addr()
}

/// An object of ours with what the protocol asks of it.
#[derive(Clone)]
pub(crate) struct LocalHandle {
    pub(crate) object: Arc<dyn Referenceable>,
    pub(crate) names: Arc<Names>,
}

impl LocalObject for LocalHandle {
    fn identity(&self) -> usize {
        address(&self.object)
    }

    fn interface(&self) -> Option<String> {
        self.object.interface().map(str::to_owned)
    }

    fn url(&self) -> Option<String> {
        self.names.furl_of(&self.object)
    }
}

impl std::fmt::Debug for LocalHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalHandle({})", self.object.interface().unwrap_or("?"))
    }
}
