//! The bodies of requests: read with limits, in pieces, at a pace.

use super::refusal::Refusal;
use crate::pace::Pace;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout_at;

/// The body of one request.
pub(crate) struct RequestBody {
    incoming: Incoming,
    pace: Pace,
    /// Came with the last piece but belongs to the next.
    left_over: Bytes,
}

impl RequestBody {
    /// Starts the clock.
    pub(crate) fn new(incoming: Incoming, pace: Pace) -> Self {
        Self {
            incoming,
            pace,
            left_over: Bytes::new(),
        }
    }

    /// How many bytes are still to come, if the client said so.
    pub(crate) fn declared_length(&self) -> Option<u64> {
        let rest = self.incoming.size_hint().exact()?;
        Some(rest + self.left_over.len() as u64)
    }

    /// Says whether everything has been read.
    pub(crate) fn is_finished(&self) -> bool {
        self.left_over.is_empty() && self.incoming.is_end_stream()
    }

    /// The next bytes, however many came; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        if !self.left_over.is_empty() {
            return Ok(Some(std::mem::take(&mut self.left_over)));
        }
        loop {
            let frame = timeout_at(self.pace.deadline(), self.incoming.frame());
            let Some(frame) = frame.await.map_err(|_| Refusal::SlowBody)? else {
                return Ok(None);
            };
            let data = frame.map_err(|_| Refusal::LostBody)?.into_data();
            if let Ok(data) = data
                && !data.is_empty()
            {
                self.pace.advance(data.len());
                return Ok(Some(data));
            }
        }
    }

    /// The next `size` bytes in one piece; fewer at the end.
    pub(crate) async fn piece(&mut self, size: usize) -> Result<Bytes, Refusal> {
        let Some(mut first) = self.next().await? else {
            return Ok(Bytes::new());
        };
        if first.len() >= size {
            self.left_over = first.split_off(size);
            return Ok(first);
        }
        let mut piece = tahoe_buffers::take(0, size);
        piece.extend_from_slice(&first);
        while piece.len() < size {
            let Some(mut data) = self.next().await? else {
                break;
            };
            self.left_over = data.split_off(data.len().min(size - piece.len()));
            piece.extend_from_slice(&data);
        }
        Ok(tahoe_buffers::lend(piece))
    }

    /// The whole body, of at most `most` bytes.
    pub(crate) async fn whole(&mut self, most: usize) -> Result<Bytes, Refusal> {
        let declared = self.declared_length().unwrap_or(0);
        let declared = usize::try_from(declared).unwrap_or(usize::MAX);
        if declared > most {
            return Err(Refusal::TooLarge);
        }
        let first = self.next().await?.unwrap_or_default();
        if first.len() > most {
            return Err(Refusal::TooLarge);
        }
        if first.len() == declared {
            return Ok(first);
        }
        // Room is made as bytes come, not as they are promised.
        let mut whole = BytesMut::from(first);
        while let Some(data) = self.next().await? {
            if data.len() > most - whole.len() {
                return Err(Refusal::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    /// Reads and forgets up to `most` bytes, so that a client that writes before it reads gets to
    /// see the answer; whoever sends more loses the connection.
    pub(crate) async fn drain(&mut self, most: u64) {
        let mut rest = most;
        while !self.is_finished() {
            match self.next().await {
                Ok(Some(data)) if data.len() as u64 <= rest => rest -= data.len() as u64,
                _ => return,
            }
        }
    }
}
