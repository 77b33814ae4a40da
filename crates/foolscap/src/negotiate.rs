//! Negotiation over a stream.

use crate::error::HintFailure;
use crate::{BoxStream, TubId, tls};
use foolscap_proto::negotiation::{
    BlockReader, Hello, LastConnection, Negotiated, Negotiation, NegotiationError, NegotiationStep,
    Role, http,
};
use rustls::{ClientConfig, ServerConfig};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// How much is read at once, in bytes.
const READ_BYTES: usize = 4096;
/// How much is read from the socket at once, in bytes; TLS by itself would take a record at a time.
const SOCKET_BYTES: usize = 64 << 10;
/// How much plaintext and ciphertext TLS may hold each, in bytes.
const TLS_BYTES: usize = 256 << 10;

/// A stream on which both sides agree.
pub(crate) struct Agreed<C> {
    pub(crate) stream: BoxStream,
    pub(crate) negotiated: Negotiated,
    /// What is to be sent first: our decision, if it was ours.
    pub(crate) first: Vec<u8>,
    /// What admitted the connection.
    pub(crate) admitted: C,
}

/// Who decides whether a connection is wanted: the tub, which knows the others.
pub(crate) trait Admission {
    /// What a connection that is wanted comes with.
    type Admitted;

    /// We are the master: decides, and numbers the connection.
    fn decide(&self, hello: &Hello) -> Result<(u64, Self::Admitted), NegotiationError>;

    /// The peer has decided.
    fn decided(&self, negotiated: &Negotiated) -> Self::Admitted;
}

/// Who we are.
pub(crate) struct Me<'a> {
    pub(crate) tub_id: TubId,
    pub(crate) incarnation: &'a str,
}

/// Negotiates with the tub that we connected to.
pub(crate) async fn as_client<A: Admission>(
    mut stream: BoxStream,
    host: &str,
    me: Me<'_>,
    target: TubId,
    last_connection: Option<LastConnection>,
    tls: Arc<ClientConfig>,
    admission: &A,
) -> Result<Agreed<A::Admitted>, HintFailure> {
    stream.write_all(&http::request(&target, host)).await?;
    stream.flush().await?;
    let mut reader = BlockReader::default();
    let header = read_block(&mut stream, &mut reader).await?;
    http::parse_response(&header)?;
    if !reader.into_rest().is_empty() {
        // TLS servers don't speak first.
        return Err(NegotiationError::NotSwitching("too much".to_owned()).into());
    }
    let connector = TlsConnector::from(tls);
    let stream = BufReader::with_capacity(SOCKET_BYTES, stream);
    let limit = |tls: &mut rustls::ClientConnection| tls.set_buffer_limit(Some(TLS_BYTES));
    let stream = connector
        .connect_with(tls::server_name(), stream, limit)
        .await?;
    let certified = tls::peer_id(stream.get_ref().1.peer_certificates());
    let role = Role::Client {
        target,
        last_connection,
    };
    let negotiation = Negotiation::new(role, me.tub_id, me.incarnation, certified);
    agree(Box::new(stream), negotiation, admission).await
}

/// Negotiates with a tub that connected to us and has sent `already_read` so far.
pub(crate) async fn as_server<A: Admission>(
    mut stream: BoxStream,
    already_read: &[u8],
    me: Me<'_>,
    tls: Arc<ServerConfig>,
    admission: &A,
) -> Result<Agreed<A::Admitted>, HintFailure> {
    let mut reader = BlockReader::default();
    reader.receive(already_read);
    let wanted = match read_block(&mut stream, &mut reader).await {
        Ok(header) => http::parse_request(&header),
        Err(HintFailure::Negotiation(error)) => Err(error),
        Err(error) => return Err(error),
    };
    let wanted = wanted.and_then(|wanted| {
        if wanted == me.tub_id {
            Ok(())
        } else {
            Err(NegotiationError::UnknownTub(wanted.to_string()))
        }
    });
    if let Err(error) = wanted {
        stream.write_all(&http::refusal(&error)).await?;
        stream.shutdown().await?;
        return Err(error.into());
    }
    stream.write_all(http::SWITCHING).await?;
    stream.flush().await?;
    let rest = io::Cursor::new(reader.into_rest());
    let (read, write) = tokio::io::split(stream);
    let stream = tokio::io::join(
        BufReader::with_capacity(SOCKET_BYTES, rest.chain(read)),
        write,
    );
    let limit = |tls: &mut rustls::ServerConnection| tls.set_buffer_limit(Some(TLS_BYTES));
    let stream = TlsAcceptor::from(tls).accept_with(stream, limit).await?;
    let certified = tls::peer_id(stream.get_ref().1.peer_certificates());
    let negotiation = Negotiation::new(Role::Server, me.tub_id, me.incarnation, certified);
    agree(Box::new(stream), negotiation, admission).await
}

async fn agree<A: Admission>(
    mut stream: BoxStream,
    mut negotiation: Negotiation,
    admission: &A,
) -> Result<Agreed<A::Admitted>, HintFailure> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let output = negotiation.take_output();
        if !output.is_empty() {
            stream.write_all(&output).await?;
            stream.flush().await?;
        }
        let step = negotiation.step().and_then(|step| match step {
            NegotiationStep::Wait => Ok(None),
            NegotiationStep::Done(negotiated) => {
                let admitted = admission.decided(&negotiated);
                Ok(Some((negotiated, admitted)))
            }
            NegotiationStep::Decide(hello) => {
                let (sequence, admitted) = admission.decide(&hello)?;
                let negotiated = negotiation.accept(sequence);
                Ok(negotiated.map(|negotiated| (negotiated, admitted)))
            }
        });
        match step {
            Ok(Some((negotiated, admitted))) => {
                return Ok(Agreed {
                    stream,
                    negotiated,
                    first: negotiation.take_output(),
                    admitted,
                });
            }
            Ok(None) => {
                let length = stream.read(&mut buffer).await?;
                if length == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                negotiation.receive(&buffer[..length]);
            }
            Err(error) => {
                negotiation.report(&error);
                stream.write_all(&negotiation.take_output()).await?;
                stream.shutdown().await?;
                return Err(error.into());
            }
        }
    }
}

async fn read_block(
    stream: &mut BoxStream,
    reader: &mut BlockReader,
) -> Result<Vec<u8>, HintFailure> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        if let Some(block) = reader.next_block()? {
            return Ok(block);
        }
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        reader.receive(&buffer[..length]);
    }
}
