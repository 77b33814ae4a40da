//! How calls and connections fail.

use foolscap_proto::negotiation::NegotiationError;
use foolscap_proto::{BadFurl, ProtocolError, RemoteFailure, Violation};
use std::sync::Arc;

use crate::HintError;

/// Why a connection is no more. Copies are cheap.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionLost {
    /// The peer closed it.
    #[error("the peer closed the connection")]
    Closed,
    /// The network failed.
    #[error("the connection failed: {0}")]
    Io(Arc<std::io::Error>),
    /// The peer was silent for too long.
    #[error("the peer was silent for too long")]
    Silent,
    /// The peer broke the protocol, or says that we did.
    #[error("the protocol was broken: {0}")]
    Protocol(#[from] ProtocolError),
    /// Another connection with the same peer took its place.
    #[error("another connection with the same peer took its place")]
    Replaced,
    /// The tub was stopped.
    #[error("the tub was stopped")]
    Stopped,
}

impl From<std::io::Error> for ConnectionLost {
    fn from(error: std::io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// A call didn't return.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The method raised an exception.
    #[error(transparent)]
    Remote(#[from] RemoteFailure),
    /// The arguments can't be sent, or the answer isn't acceptable.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The connection was lost before the answer; the method may have run.
    #[error(transparent)]
    Lost(#[from] ConnectionLost),
    /// The answer holds a reference that can't be fetched.
    #[error("a reference in the answer can't be fetched")]
    Gift(#[source] Arc<ConnectError>),
}

/// No connection with a tub, or no object of that name there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The FURL says nothing of where the tub is, or only what no handler is for.
    #[error("no connection hint that can be used")]
    NoHints,
    /// The FURL is this tub's own.
    #[error("the FURL is this tub's own")]
    OwnTub,
    /// Nobody could be reached.
    #[error("{}", .0.iter().map(|(hint, why)| format!("{hint}: {why}")).collect::<Vec<_>>().join("; "))]
    Hints(Vec<(String, HintFailure)>),
    /// An attempt that others waited for too has failed.
    #[error(transparent)]
    Shared(Arc<Self>),
    /// It took too long.
    #[error("no connection within {0} s")]
    TimedOut(u64),
    /// A connection that came in failed.
    #[error(transparent)]
    Accept(#[from] HintFailure),
    /// Too many connections, or negotiations, are there already.
    #[error("more than {0} connections")]
    TooMany(usize),
    /// The tub was stopped.
    #[error("the tub was stopped")]
    Stopped,
    /// There is a connection, but the tub doesn't give us the object.
    #[error("the tub doesn't give us the object")]
    LookUp(#[source] CallError),
}

impl ConnectError {
    /// Says whether the peer believes to be connected with us already.
    pub(crate) fn is_duplicate(&self) -> bool {
        match self {
            Self::Hints(failures) => failures.iter().any(|(_, why)| why.is_duplicate()),
            _ => false,
        }
    }
}

/// Why one way to a tub doesn't work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HintFailure {
    /// The hint leads nowhere.
    #[error(transparent)]
    Hint(#[from] HintError),
    /// The network failed during negotiation.
    #[error("negotiation failed: {0}")]
    Io(#[from] std::io::Error),
    /// The two sides don't agree.
    #[error("negotiation failed: {0}")]
    Negotiation(#[from] NegotiationError),
    /// The peer took too long to negotiate.
    #[error("negotiation failed: nothing for {0} s")]
    TimedOut(u64),
}

impl HintFailure {
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Negotiation(error) if error.is_duplicate())
    }
}

/// A key and its certificate can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The text holds no certificate.
    #[error("no certificate in the PEM text")]
    NoCertificate,
    /// The text holds no private key.
    #[error("no private key in the PEM text")]
    NoPrivateKey,
    /// The certificate isn't X.509.
    #[error("the certificate isn't X.509")]
    BadCertificate,
    /// The private key is an RSA key that is too short for us to sign with.
    #[error("the private key has {0} bits, and at least 2048 are needed")]
    ShortKey(usize),
    /// The private key is of no kind that TLS uses.
    #[error("the private key can't be used")]
    BadPrivateKey(#[source] rustls::Error),
    /// The two don't belong together.
    #[error("the private key isn't the certificate's")]
    KeyMismatch,
    /// No key could be made.
    #[error("could not make a key")]
    Generate(#[source] rcgen::Error),
}

/// A tub can't be made, or can't do what is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TubError {
    /// The system gives no randomness.
    #[error("no randomness from the system")]
    NoRandomness,
    /// TLS can't be set up.
    #[error("TLS can't be set up")]
    Tls(#[source] rustls::Error),
    /// A name is no swissnum.
    #[error(transparent)]
    BadName(#[from] BadFurl),
    /// The name is another object's.
    #[error("the name is another object's already")]
    NameTaken,
}
