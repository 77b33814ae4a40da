//! The body of a request, which tells how far the server has taken it.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// Largest part that is handed over at once.
const PART: usize = 256 << 10;

/// Counts the parts of a request that the connection took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken(Arc<AtomicU64>);

impl Taken {
    /// How many so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Parts that are sent one after the other without being copied.
#[derive(Debug)]
pub(crate) struct RequestParts {
    parts: VecDeque<Bytes>,
    taken: Taken,
}

impl RequestParts {
    /// A body of these parts.
    pub(crate) fn new(parts: &[Bytes], taken: Taken) -> Self {
        let parts = parts.iter().filter(|part| !part.is_empty());
        Self {
            parts: parts.cloned().collect(),
            taken,
        }
    }
}

impl Body for RequestParts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(first) = self.parts.front_mut() else {
            return Poll::Ready(None);
        };
        let part = first.split_to(first.len().min(PART));
        if first.is_empty() {
            self.parts.pop_front();
        }
        self.taken.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.parts.iter().map(|part| part.len() as u64).sum())
    }
}
