//! How connections to a server are made: directly, or some way that whoever builds the node knows.

use crate::Nurl;
use async_trait::async_trait;
use std::io;
use tahoe_storage_api::ReachedBy;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Bytes both ways: a TCP connection, or one through a proxy.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Any stream.
pub type BoxStream = Box<dyn Stream>;

/// Makes connections to one server.
#[async_trait]
pub trait Connector: Send + Sync + std::fmt::Debug {
    /// Connects; TLS comes after that.
    async fn connect(&self) -> io::Result<BoxStream>;

    /// The way that the connections take, for people.
    fn reached_by(&self) -> ReachedBy;
}

/// Connects directly.
#[derive(Debug)]
pub(super) struct Direct {
    host: String,
    port: u16,
    hint: String,
}

impl Direct {
    pub(super) fn new(nurl: &Nurl) -> Self {
        Self {
            host: nurl.host().to_owned(),
            port: nurl.port(),
            hint: format!("tcp:{}", nurl.authority()),
        }
    }
}

#[async_trait]
impl Connector for Direct {
    async fn connect(&self) -> io::Result<BoxStream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    fn reached_by(&self) -> ReachedBy {
        ReachedBy {
            hint: self.hint.clone(),
            handler: "tcp".to_owned(),
        }
    }
}
