//! References to objects of other tubs.

use crate::connection::{Command, Shared};
use crate::{Arguments, CallError, ConnectionLost, TubId, Value};
use foolscap_proto::Clid;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// An object of another tub.
///
/// Clones are the same reference. When the last one is dropped, the other tub is told that it
/// needn't keep the object for us. After its connection is lost, a reference is of no use any more.
#[derive(Clone)]
pub struct RemoteReference(pub(crate) Arc<Remote>);

/// What clones of a reference share.
pub(crate) struct Remote {
    pub(crate) connection: Arc<Shared>,
    pub(crate) clid: Clid,
    interface: Option<String>,
    url: Option<String>,
}

impl Remote {
    pub(crate) fn new(
        connection: Arc<Shared>,
        clid: Clid,
        interface: Option<&str>,
        url: Option<&str>,
    ) -> Self {
        Self {
            connection,
            clid,
            interface: interface.map(str::to_owned),
            url: url.map(str::to_owned),
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.connection.drop_reference(self.clid);
    }
}

impl RemoteReference {
    /// Calls a method and waits for its answer.
    pub async fn call(&self, method: &str, arguments: Arguments) -> Result<Value, CallError> {
        self.start(method, arguments).await?.result().await
    }

    /// Calls a method, and returns when the call is on its way.
    ///
    /// Calls reach the object in the order in which they were started.
    pub async fn start(&self, method: &str, arguments: Arguments) -> Result<Answer, CallError> {
        let permit = self.0.connection.permit().await?;
        let (reply, receiver) = oneshot::channel();
        self.send(method, arguments, Some(reply)).await?;
        Ok(Answer {
            receiver,
            connection: Arc::clone(&self.0.connection),
            _permit: permit,
        })
    }

    /// Calls a method without wanting to know what comes of it; returns when it is on its way.
    pub async fn call_only(&self, method: &str, arguments: Arguments) -> Result<(), CallError> {
        self.send(method, arguments, None).await
    }

    async fn send(
        &self,
        method: &str,
        arguments: Arguments,
        reply: Option<oneshot::Sender<Result<Value, CallError>>>,
    ) -> Result<(), CallError> {
        let command = Command::Call {
            target: self.clone(),
            method: method.to_owned(),
            arguments,
            reply,
        };
        self.0.connection.send(command).await
    }

    /// The tub whose object it is.
    pub fn tub_id(&self) -> TubId {
        self.0.connection.peer()
    }

    /// The interface that the object offers, in the words of its tub.
    pub fn interface(&self) -> Option<&str> {
        self.0.interface.as_deref()
    }

    /// The object's FURL, if its tub told us: a secret.
    pub fn url(&self) -> Option<&str> {
        self.0.url.as_deref()
    }

    /// Says whether the connection is still there, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.0.connection.why_lost().is_none()
    }

    /// Waits until the connection is lost, and says why.
    pub async fn disconnected(&self) -> ConnectionLost {
        self.0.connection.lost().await
    }

    /// What is known of the connection.
    pub fn connection(&self) -> ConnectionStatus {
        self.0.connection.status()
    }

    /// Closes the connection, for all references of it.
    pub fn close_connection(&self) {
        self.0.connection.close(ConnectionLost::Closed);
    }
}

/// The same object over the same connection.
impl PartialEq for RemoteReference {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (&self.0, &other.0);
        one.clid == other.clid && one.connection.number() == other.connection.number()
    }
}

impl std::fmt::Debug for RemoteReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (clid, tub) = (self.0.clid.0, self.tub_id());
        write!(f, "RemoteReference({clid} of {tub})")
    }
}

/// The answer to a call that is on its way.
#[derive(Debug)]
pub struct Answer {
    receiver: oneshot::Receiver<Result<Value, CallError>>,
    connection: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Answer {
    /// Waits for it.
    pub async fn result(self) -> Result<Value, CallError> {
        match self.receiver.await {
            Ok(result) => result,
            Err(_) => Err(self.connection.lost().await.into()),
        }
    }
}

/// What is known of a connection.
#[derive(Debug, Clone)]
pub struct ConnectionStatus {
    /// The other tub.
    pub tub_id: TubId,
    /// The hint that led there, or what listener it came in at.
    pub hint: String,
    /// What connected over the hint, such as `tcp`; `None` if the peer connected.
    pub handler: Option<String>,
    /// Since when.
    pub since: Instant,
    /// When something was last received.
    pub last_received: Instant,
}

impl ConnectionStatus {
    /// For how long nothing has been received.
    pub fn silence(&self) -> Duration {
        self.last_received.elapsed()
    }
}
