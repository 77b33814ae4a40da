//! What a connection runs over.

use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes both ways: a TCP connection, a pipe through a proxy, a pair in a test.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Any stream.
pub type BoxStream = Box<dyn Stream>;
