//! Tubs: a program's presence.

mod accept;
mod admission;
mod connect;
mod names;

pub(crate) use names::Names;

use crate::connection::{Command, Shared, lock};
use crate::{
    BoxStream, CallError, ConnectError, ConnectionLost, ConnectionStatus, Furl, HintHandlers,
    IdlePolicy, Limits, Reconnector, Reference, Referenceable, RemoteReference, Swissnum, TubError,
    TubId, TubIdentity, Value, tls,
};
use connect::Attempt;
use foolscap_proto::negotiation::LastConnection;
use rand::TryRng as _;
use rustls::{ClientConfig, ServerConfig};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

/// Most peers of which it is remembered which connection was the last.
const REMEMBERED_PEERS: usize = 10_000;

/// How long connections may take to end when the tub is stopped.
const STOP_TIME: Duration = Duration::from_secs(2);

/// How a tub behaves.
#[derive(Debug, Clone)]
pub struct TubOptions {
    /// The hints that its FURLs carry; without any, its FURLs lead nowhere.
    pub location: Vec<String>,
    /// How hints are followed.
    pub handlers: HintHandlers,
    /// What a peer can make us hold.
    pub limits: Limits,
    /// What silence of a peer leads to. Python's default is a PING after 240 s, and nothing else.
    pub idle: IdlePolicy,
    /// Whether references to objects of third tubs are fetched, which lets peers make us connect
    /// to anybody.
    pub accept_gifts: bool,
    /// How long it may take to connect and negotiate.
    pub connect_timeout: Duration,
    /// How long a peer that connects may take to negotiate.
    pub negotiation_timeout: Duration,
    /// Most connections at once, and most negotiations of peers that connect.
    pub max_connections: usize,
}

impl Default for TubOptions {
    fn default() -> Self {
        Self {
            location: Vec::new(),
            handlers: HintHandlers::default(),
            limits: Limits::default(),
            idle: IdlePolicy {
                ping_after: Some(Duration::from_secs(240)),
                disconnect_after: None,
            },
            accept_gifts: true,
            connect_timeout: Duration::from_secs(60),
            negotiation_timeout: Duration::from_secs(30),
            max_connections: 4096,
        }
    }
}

/// A program's presence: its identity, its objects, and its connections. Clones are the same tub.
///
/// [`Tub::stop`] ends everything; dropping the last clone does so too, but doesn't wait.
#[derive(Clone)]
pub struct Tub(Arc<Inner>);

/// What clones of a tub share.
pub(crate) struct Inner {
    identity: TubIdentity,
    options: TubOptions,
    /// Tells this run of the tub from others.
    incarnation: String,
    client_tls: Arc<ClientConfig>,
    server_tls: Arc<ServerConfig>,
    names: Arc<Names>,
    negotiations: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stopped: bool,
    connections: HashMap<TubId, Arc<Shared>>,
    attempts: HashMap<TubId, Attempt>,
    /// For peers of which we are the master: the number of the last connection.
    sequences: HashMap<TubId, u64>,
    /// For peers that are our masters: what they called the last connection.
    last_connections: HashMap<TubId, LastConnection>,
    /// Listening, connecting, reconnecting.
    tasks: JoinSet<()>,
    /// A task for each connection.
    drivers: JoinSet<()>,
}

impl std::fmt::Debug for Tub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tub({})", self.tub_id())
    }
}

impl Tub {
    /// Makes a tub. It does nothing on its own until it listens or connects.
    pub fn new(identity: TubIdentity, options: TubOptions) -> Result<Self, TubError> {
        let client_tls = tls::client_config(&identity).map_err(TubError::Tls)?;
        let server_tls = tls::server_config(&identity).map_err(TubError::Tls)?;
        let names = Names::new(identity.tub_id(), options.location.clone());
        Ok(Self(Arc::new(Inner {
            incarnation: data_encoding::HEXLOWER.encode(&random::<8>()?),
            client_tls: Arc::new(client_tls),
            server_tls: Arc::new(server_tls),
            names: Arc::new(names),
            negotiations: Arc::new(Semaphore::new(options.max_connections)),
            state: Mutex::default(),
            identity,
            options,
        })))
    }

    /// Who the tub is.
    pub fn tub_id(&self) -> TubId {
        self.0.tub_id()
    }

    /// Lets others use an object, under a name or an unguessable one; returns its FURL, a secret.
    pub fn register(
        &self,
        object: Arc<dyn Referenceable>,
        name: Option<Swissnum>,
    ) -> Result<Furl, TubError> {
        let name = match name {
            Some(name) => name,
            None => Swissnum::from_random(&random()?),
        };
        self.0.names.register(object, name)
    }

    /// Takes an object's name away. Who has a reference already keeps it.
    pub fn unregister(&self, object: &Arc<dyn Referenceable>) {
        self.0.names.unregister(object);
    }

    /// Accepts connections until the tub is stopped.
    pub fn listen(&self, listener: TcpListener) {
        let description = match listener.local_addr() {
            Ok(address) => format!("Listener on {address}"),
            Err(_) => "Listener".to_owned(),
        };
        let tub = Arc::downgrade(&self.0);
        self.0.spawn(accept::accept_all(tub, listener, description));
    }

    /// Negotiates with a peer that connected and has sent `already_read` so far; `description`
    /// says to people where it came in.
    ///
    /// Returns when both agree, and the connection goes on by itself, or with what went wrong.
    pub async fn handle_connection(
        &self,
        stream: BoxStream,
        already_read: &[u8],
        description: &str,
    ) -> Result<(), ConnectError> {
        accept::accept(&self.0, stream, already_read, description).await
    }

    /// Connects, if need be, and gets a reference to the object of a FURL.
    pub async fn reference(&self, furl: &Furl) -> Result<RemoteReference, ConnectError> {
        Inner::reference(Arc::clone(&self.0), furl.clone()).await
    }

    /// Keeps a connection to the tub of a FURL, and runs `connected` each time there is a new one.
    ///
    /// What `connected` returns runs for as long as the connection lasts, and is dropped with it.
    pub fn connect_to<F, R>(&self, furl: Furl, connected: F) -> Reconnector
    where
        F: Fn(RemoteReference) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send,
    {
        let (reconnector, task) = Reconnector::new(Arc::downgrade(&self.0), furl, connected);
        self.0.spawn(task);
        reconnector
    }

    /// What is known of the connection with a tub, if there is one.
    pub fn connection(&self, tub_id: TubId) -> Option<ConnectionStatus> {
        let state = lock(&self.0.state);
        let connection = state.connections.get(&tub_id)?;
        connection.why_lost().is_none().then(|| connection.status())
    }

    /// Closes all connections and ends all tasks.
    pub async fn stop(&self) {
        let (mut tasks, mut drivers) = self.0.begin_to_stop();
        tasks.shutdown().await;
        // Connections say goodbye, within a bounded time.
        let ended = async { while drivers.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIME, ended).await.is_err() {
            drivers.shutdown().await;
        }
        self.0.names.clear();
    }
}

impl Inner {
    pub(crate) fn tub_id(&self) -> TubId {
        self.identity.tub_id()
    }

    pub(crate) fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// Runs a task that ends with the tub.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut state = lock(&self.state);
        while state.tasks.try_join_next().is_some() {}
        if !state.stopped {
            state.tasks.spawn(task);
        }
    }

    fn begin_to_stop(&self) -> (JoinSet<()>, JoinSet<()>) {
        let mut state = lock(&self.state);
        state.stopped = true;
        self.negotiations.close();
        for (_, connection) in state.connections.drain() {
            connection.close(ConnectionLost::Stopped);
        }
        for (_, attempt) in state.attempts.drain() {
            attempt.fail(ConnectError::Stopped);
        }
        let State { tasks, drivers, .. } = &mut *state;
        (std::mem::take(tasks), std::mem::take(drivers))
    }

    pub(crate) async fn reference(
        self: Arc<Self>,
        furl: Furl,
    ) -> Result<RemoteReference, ConnectError> {
        let name = furl.swissnum.clone();
        let connection = self.connection(&furl).await?;
        drop(self);
        let found = look_up(&connection, &name).await;
        let found = found.map_err(ConnectError::LookUp)?;
        match found {
            Value::Reference(Reference::Remote(remote)) => Ok(remote),
            _ => {
                let why = foolscap_proto::Violation::new("the answer isn't a reference");
                Err(ConnectError::LookUp(why.into()))
            }
        }
    }
}

async fn look_up(connection: &Shared, name: &Swissnum) -> Result<Value, CallError> {
    let (reply, receiver) = oneshot::channel();
    let name = name.as_str().to_owned();
    let permit = connection.permit().await?;
    connection.send(Command::LookUp { name, reply }).await?;
    let result = receiver.await;
    drop(permit);
    match result {
        Ok(result) => result,
        Err(_) => Err(connection.lost().await.into()),
    }
}

fn random<const N: usize>() -> Result<[u8; N], TubError> {
    let mut bytes = [0; N];
    let filled = rand::rngs::SysRng.try_fill_bytes(&mut bytes);
    filled.map_err(|_| TubError::NoRandomness)?;
    Ok(bytes)
}
