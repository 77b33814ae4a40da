//! Connecting through a SOCKS 5 proxy (RFC 1928), as Tor offers it.

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{ConnectionHint, Dialed, HintError, HintHandler};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Connects through a proxy, which also resolves the names: nothing is asked of anybody else.
#[derive(Debug, Clone)]
pub struct SocksHandler {
    host: String,
    port: u16,
    description: String,
}

impl SocksHandler {
    /// Uses the proxy at this place; `description` tells people what it is, such as `tor`.
    pub fn new(host: &str, port: u16, description: &str) -> Self {
        Self {
            host: host.to_owned(),
            port,
            description: description.to_owned(),
        }
    }
}

#[async_trait]
impl HintHandler for SocksHandler {
    async fn connect(&self, hint: &str) -> Result<Dialed, HintError> {
        let hint = ConnectionHint::parse(hint).ok_or(HintError::Malformed)?;
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        ask(&mut stream, &hint.host, hint.port).await?;
        Ok(Dialed {
            stream: Box::new(stream),
            host: hint.host,
        })
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

async fn ask(proxy: &mut TcpStream, host: &str, port: u16) -> Result<(), HintError> {
    proxy.write_all(&[VERSION, 1, NO_AUTHENTICATION]).await?;
    let mut chosen = [0; 2];
    proxy.read_exact(&mut chosen).await?;
    if chosen != [VERSION, NO_AUTHENTICATION] {
        return Err(HintError::Proxy("it wants authentication"));
    }
    let length = u8::try_from(host.len()).map_err(|_| HintError::Malformed)?;
    let mut request = vec![VERSION, CONNECT, 0, NAME, length];
    request.extend_from_slice(host.as_bytes());
    request.extend_from_slice(&port.to_be_bytes());
    proxy.write_all(&request).await?;
    let mut reply = [0; 4];
    proxy.read_exact(&mut reply).await?;
    match reply {
        [VERSION, 0, _, kind] => skip_address(proxy, kind).await,
        [VERSION, code, ..] => Err(HintError::Proxy(refusal(code))),
        _ => Err(HintError::Proxy("it doesn't speak SOCKS 5")),
    }
}

/// The address that the proxy used follows; nobody needs it.
async fn skip_address(proxy: &mut TcpStream, kind: u8) -> Result<(), HintError> {
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(proxy.read_u8().await?),
        _ => return Err(HintError::Proxy("it doesn't speak SOCKS 5")),
    };
    let mut rest = vec![0; length + 2];
    proxy.read_exact(&mut rest).await?;
    Ok(())
}

fn refusal(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "it took too long",
        7 => "it can't connect at all",
        8 => "it doesn't know this kind of address",
        _ => "an unknown reason",
    }
}
