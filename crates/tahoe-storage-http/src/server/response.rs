//! Answers and their bodies.

use crate::wire::headers::{CBOR, OCTET_STREAM};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{ShareKind, ShareNumber, ShareRange, StorageError, StorageService};

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// Parts that are in memory.
    Parts(VecDeque<Bytes>),
    /// Bytes of a share that are read as they are sent.
    Share(Box<ShareBody>),
}

/// Reads a range of a share piece by piece, one piece ahead of the network.
pub(crate) struct ShareBody {
    source: ShareSource,
    /// What hasn't been asked for yet.
    rest: ShareRange,
    piece_size: u64,
    /// The read that is under way and how many bytes it must bring.
    reading: Option<(BoxFuture<'static, Result<Bytes, StorageError>>, u64)>,
    /// Bytes that haven't been sent yet.
    remaining: u64,
}

/// A share of a service.
#[derive(Clone, Debug)]
pub(crate) struct ShareSource {
    pub(crate) service: Arc<dyn StorageService>,
    pub(crate) kind: ShareKind,
    pub(crate) storage_index: StorageIndex,
    pub(crate) share: ShareNumber,
}

impl ShareSource {
    /// Reads some of its bytes.
    pub(crate) async fn read(&self, range: ShareRange) -> Result<Bytes, StorageError> {
        self.service
            .read_share(self.kind, &self.storage_index, self.share, range)
            .await
    }

    /// Its size in bytes.
    pub(crate) async fn size(&self) -> Result<u64, StorageError> {
        self.service
            .share_size(self.kind, &self.storage_index, self.share)
            .await
    }
}

impl ShareBody {
    /// Will read `range`, which must lie inside the share.
    pub(crate) fn new(source: ShareSource, range: ShareRange, piece_size: u64) -> Self {
        Self {
            source,
            rest: range,
            piece_size,
            reading: None,
            remaining: range.length,
        }
    }

    /// Begins the next read, if there is more, and lets it run as far as it can without waiting.
    fn read_ahead(&mut self, cx: &mut Context<'_>) {
        let length = self.rest.length.min(self.piece_size);
        if length == 0 {
            return;
        }
        let offset = self.rest.offset;
        self.rest.offset += length;
        self.rest.length -= length;
        let source = self.source.clone();
        let mut read: BoxFuture<'static, _> =
            Box::pin(async move { source.read(ShareRange { offset, length }).await });
        if let Poll::Ready(bytes) = read.as_mut().poll(cx) {
            read = Box::pin(std::future::ready(bytes));
        }
        self.reading = Some((read, length));
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StorageError>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        if self.reading.is_none() {
            self.read_ahead(cx);
        }
        let Some((reading, expected)) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let bytes = ready!(reading.as_mut().poll(cx));
        let expected = *expected;
        self.reading = None;
        let bytes = bytes.and_then(|bytes| {
            if bytes.len() as u64 == expected {
                Ok(bytes)
            } else {
                // A slot was cut while it was read; the length was promised already.
                Err(StorageError::OutOfRange)
            }
        });
        match &bytes {
            Ok(bytes) => {
                self.remaining -= bytes.len() as u64;
                self.read_ahead(cx);
            }
            Err(_) => self.remaining = 0,
        }
        Poll::Ready(Some(bytes))
    }
}

impl std::fmt::Debug for ShareBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShareBody")
            .field("source", &self.source)
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = StorageError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StorageError>>> {
        match self.get_mut() {
            Self::Parts(parts) => Poll::Ready(parts.pop_front().map(|part| Ok(Frame::data(part)))),
            Self::Share(body) => body
                .poll_piece(cx)
                .map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Parts(parts) => parts.is_empty(),
            Self::Share(body) => body.remaining == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Parts(parts) => parts.iter().map(|part| part.len() as u64).sum(),
            Self::Share(body) => body.remaining,
        })
    }
}

fn response(status: StatusCode, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<ResponseBody> {
    response(status, ResponseBody::Parts(VecDeque::new()))
}

/// An answer with a few words for people.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<ResponseBody> {
    response(status, ResponseBody::Parts(VecDeque::from([text.into()])))
}

/// An answer with a CBOR message.
pub(crate) fn cbor(status: StatusCode, parts: Vec<Bytes>) -> Response<ResponseBody> {
    let mut response = response(status, ResponseBody::Parts(parts.into()));
    set_type(&mut response, CBOR);
    response
}

/// An answer with bytes of a share, and which they are if not all.
pub(crate) fn share(
    status: StatusCode,
    body: ResponseBody,
    content_range: Option<HeaderValue>,
) -> Response<ResponseBody> {
    let mut response = response(status, body);
    if let Some(content_range) = content_range {
        response.headers_mut().insert(CONTENT_RANGE, content_range);
    }
    set_type(&mut response, OCTET_STREAM);
    response
}

/// Sets the type of an answer.
pub(crate) fn set_type(response: &mut Response<ResponseBody>, media_type: &'static str) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
}
