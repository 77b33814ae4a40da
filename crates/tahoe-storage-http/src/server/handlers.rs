//! What each path does.
//!
//! The order of the checks is the reference's: path (404), method (405), swissnum (401), secrets
//! (400), then the call's own. Unlike there, an answer that the client wouldn't accept (406) is
//! refused before the call has any effect.

use super::ServerState;
use super::connection::Peer;
use super::refusal::Refusal;
use super::request::RequestBody;
use super::response::{self, ResponseBody, ShareBody, ShareSource};
use crate::pace::Pace;
use crate::wire::headers::{self, CBOR, OCTET_STREAM, SecretKind, Secrets};
use crate::wire::ranges::{format_content_range, parse_content_range, parse_range};
use crate::wire::route::{PathNumber, Route};
use crate::wire::{cbor::CborError, messages};
use bytes::Bytes;
use http::header::{CONTENT_RANGE, HeaderValue, RANGE};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::{Arc, PoisonError};
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{
    ReadTestWrite, ShareKind, ShareRange, SlotSecrets, StorageError, StorageService, WriteProgress,
};

type Answer = Result<Response<ResponseBody>, Refusal>;

/// Bytes per piece in which a share passes through memory.
pub(crate) const PIECE_SIZE: usize = 512 << 10;
/// Largest body of an allocation.
const MAX_ALLOCATION: usize = 8192;
/// Largest body of a corruption advisory.
const MAX_ADVICE: usize = 32_768;
/// Largest answer to the read vectors of a change.
const MAX_READS: u64 = 64 << 20;
/// How much of an unwanted body is read before the answer.
const MOST_DRAINED: u64 = 64 << 20;

/// Answers one request.
pub(crate) async fn handle(
    state: Arc<ServerState>,
    peer: &Peer,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let (parts, incoming) = request.into_parts();
    let pace = Pace::start(state.limits.silence_timeout, state.limits.minimum_rate);
    let mut body = RequestBody::new(incoming, pace);
    let response = match authorize(&state, &parts) {
        Ok(route) => {
            // Now it is a client.
            peer.lock().unwrap_or_else(PoisonError::into_inner).take();
            answer(&state, route, &parts, &mut body).await
        }
        Err(refusal) => refusal.response(),
    };
    body.drain(MOST_DRAINED).await;
    tracing::trace!(method = %parts.method, path = parts.uri.path(), status = %response.status());
    response
}

/// Answers a client that knows the swissnum.
async fn answer(
    state: &Arc<ServerState>,
    route: Route,
    parts: &Parts,
    body: &mut RequestBody,
) -> Response<ResponseBody> {
    let answer = dispatch(state, route, parts, body).await;
    answer.unwrap_or_else(|refusal| {
        let mut response = refusal.response();
        if matches!(route, Route::Share(..)) && parts.method != Method::PATCH {
            response::set_type(&mut response, OCTET_STREAM);
        }
        response
    })
}

/// Checks path, method and swissnum.
fn authorize(state: &ServerState, parts: &Parts) -> Result<Route, Refusal> {
    let route = Route::parse(parts.uri.path()).ok_or(Refusal::UnknownPath)?;
    if !route.allows(&parts.method) {
        let allowed = route.allowed_methods();
        return Err(Refusal::WrongMethod { allowed });
    }
    headers::check_authorization(&parts.headers, &state.authorization)
        .map_err(Refusal::NotAuthorized)?;
    Ok(route)
}

async fn dispatch(
    state: &Arc<ServerState>,
    route: Route,
    parts: &Parts,
    body: &mut RequestBody,
) -> Answer {
    use SecretKind::{LeaseCancel, LeaseRenew, Upload, WriteEnabler};
    let expected: &[SecretKind] = match route {
        Route::Lease(_) => &[LeaseRenew, LeaseCancel],
        Route::Allocate(_) => &[LeaseRenew, LeaseCancel, Upload],
        Route::ReadTestWrite(_) => &[LeaseRenew, LeaseCancel, WriteEnabler],
        Route::Abort(..) => &[Upload],
        Route::Share(..) if parts.method == Method::PATCH => &[Upload],
        Route::Version | Route::Shares(..) | Route::Share(..) | Route::Corrupt(..) => &[],
    };
    let secrets = Secrets::from_headers(&parts.headers, expected)?;
    let call = Call {
        state,
        headers: &parts.headers,
        secrets,
        body,
    };
    match route {
        Route::Version => call.version().await,
        Route::Lease(index) => call.add_lease(index).await,
        Route::Allocate(index) => call.allocate(index).await,
        Route::ReadTestWrite(index) => call.read_test_write(index).await,
        Route::Shares(kind, index) => call.list(kind, index).await,
        Route::Share(_, index, number) if parts.method == Method::PATCH => {
            call.write(index, number).await
        }
        Route::Share(kind, index, number) => call.read(kind, index, number).await,
        Route::Abort(index, number) => call.abort(index, number).await,
        Route::Corrupt(kind, index, number) => call.advise(kind, index, number).await,
    }
}

/// A request that may be carried out.
struct Call<'a> {
    state: &'a Arc<ServerState>,
    headers: &'a HeaderMap,
    secrets: Secrets,
    body: &'a mut RequestBody,
}

impl Call<'_> {
    async fn version(self) -> Answer {
        self.check_accept()?;
        let version = self.state.service.version().await?;
        let message = messages::encode_version(&version);
        Ok(response::cbor(StatusCode::OK, message))
    }

    async fn add_lease(self, index: StorageIndex) -> Answer {
        let lease = self.secrets.lease()?;
        self.state
            .run(async move |service| service.add_lease(&index, &lease).await)
            .await?;
        Ok(response::empty(StatusCode::NO_CONTENT))
    }

    async fn allocate(mut self, index: StorageIndex) -> Answer {
        let (lease, secret) = (self.secrets.lease()?, self.secrets.upload());
        let message = self.message(MAX_ALLOCATION).await?;
        let request = messages::decode_allocation_request(&message)?;
        self.check_accept()?;
        let allocation = self.state.run(async move |service| {
            let (shares, size) = (&request.shares, request.share_size);
            service
                .allocate_shares(&index, shares, size, &lease, &secret)
                .await
        });
        let message = messages::encode_allocation(&allocation.await?);
        Ok(response::cbor(StatusCode::OK, message))
    }

    /// Passes the body to the service piece by piece; the next piece arrives meanwhile.
    async fn write(self, index: StorageIndex, number: PathNumber) -> Answer {
        let header = self.headers.get(CONTENT_RANGE).ok_or(Refusal::BadRange)?;
        let header = header.to_str().map_err(|_| Refusal::BadRange)?;
        let range = parse_content_range(header).map_err(|_| Refusal::BadRange)?;
        let share = number.share().ok_or(Refusal::NoSuchShare)?;
        self.check_accept()?;
        if self
            .body
            .declared_length()
            .is_some_and(|l| l < range.length)
        {
            return Err(Refusal::ShortBody);
        }
        let secret = self.secrets.upload();
        let mut rest = range;
        let mut piece = next_piece(self.body, rest).await?;
        loop {
            let (offset, secret) = (rest.offset, secret.clone());
            rest.offset = rest.offset.saturating_add(piece.len() as u64);
            rest.length -= piece.len() as u64;
            let write = self.state.run(async move |service| {
                service
                    .write_share(&index, share, &secret, offset, piece)
                    .await
            });
            if rest.length == 0 {
                return Ok(progress_response(&write.await?));
            }
            let (written, next) = tokio::join!(write, next_piece(self.body, rest));
            written?;
            piece = next?;
        }
    }

    async fn abort(self, index: StorageIndex, number: PathNumber) -> Answer {
        let share = number.share().ok_or(Refusal::NoSuchShare)?;
        let secret = self.secrets.upload();
        self.state
            .run(async move |service| service.abort_share(&index, share, &secret).await)
            .await?;
        Ok(response::empty(StatusCode::OK))
    }

    async fn list(self, kind: ShareKind, index: StorageIndex) -> Answer {
        self.check_accept()?;
        let shares = self.state.service.list_shares(kind, &index).await?;
        let message = messages::encode_shares(&shares);
        Ok(response::cbor(StatusCode::OK, message))
    }

    async fn read(self, kind: ShareKind, index: StorageIndex, number: PathNumber) -> Answer {
        let source = ShareSource {
            service: Arc::clone(&self.state.service),
            kind,
            storage_index: index,
            share: number.share().ok_or(Refusal::NoSuchShare)?,
        };
        let Some(header) = self.headers.get(RANGE) else {
            return read_whole(source).await;
        };
        match header.to_str().map(parse_range) {
            Ok(Ok(range)) if range.length <= PIECE_SIZE as u64 => read_piece(source, range).await,
            Ok(Ok(range)) => read_range(source, range).await,
            _ => {
                // An unknown share is 404 even then.
                let probe = ShareRange {
                    offset: 0,
                    length: 1,
                };
                source.read(probe).await?;
                Err(Refusal::BadRange)
            }
        }
    }

    async fn advise(mut self, kind: ShareKind, index: StorageIndex, number: PathNumber) -> Answer {
        let share = number.share().ok_or(Refusal::NoSuchShare)?;
        let shares = self.state.service.list_shares(kind, &index).await?;
        if !shares.contains(&share) {
            return Err(Refusal::NoSuchShare);
        }
        let message = self.message(MAX_ADVICE).await?;
        let reason = messages::decode_advice(&message)?;
        self.state
            .run(async move |service| {
                service
                    .advise_corrupt_share(kind, &index, share, &reason)
                    .await
            })
            .await?;
        Ok(response::empty(StatusCode::OK))
    }

    async fn read_test_write(mut self, index: StorageIndex) -> Answer {
        let secrets = SlotSecrets {
            write_enabler: self.secrets.write_enabler()?,
            lease: self.secrets.lease()?,
        };
        let most = self.state.limits.largest_change;
        let declared = self.body.declared_length();
        let declared = declared.map_or(most, |d| usize::try_from(d).unwrap_or(usize::MAX));
        self.check_type()?;
        if declared > most {
            return Err(Refusal::TooLarge);
        }
        let reserved = self.state.reserve_memory(declared).await;
        let message = self.message(most).await?;
        let change = decode_off_thread(message).await?;
        self.check_accept()?;
        let outcome = self.state.run(async move |service| {
            let _reserved = reserved;
            check_reads(&*service, &index, &change).await?;
            service.read_test_write(&index, &secrets, change).await
        });
        let message = messages::encode_outcome(&outcome.await?);
        Ok(response::cbor(StatusCode::OK, message))
    }

    /// Reads a CBOR body.
    async fn message(&mut self, most: usize) -> Result<Bytes, Refusal> {
        self.check_type()?;
        self.body.whole(most).await
    }

    fn check_type(&self) -> Result<(), Refusal> {
        match headers::content_type(self.headers) {
            None | Some(CBOR) => Ok(()),
            Some(_) => Err(Refusal::UnsupportedType),
        }
    }

    fn check_accept(&self) -> Result<(), Refusal> {
        if headers::accepts_cbor(self.headers) {
            Ok(())
        } else {
            Err(Refusal::NotAcceptable)
        }
    }
}

/// Reads the next piece of a body that must fill `rest`.
async fn next_piece(body: &mut RequestBody, rest: ShareRange) -> Result<Bytes, Refusal> {
    let wanted = usize::try_from(rest.length).map_or(PIECE_SIZE, |length| length.min(PIECE_SIZE));
    let piece = body.piece(wanted).await?;
    if piece.len() == wanted {
        Ok(piece)
    } else {
        Err(Refusal::ShortBody)
    }
}

fn progress_response(progress: &WriteProgress) -> Response<ResponseBody> {
    let (status, missing) = match progress {
        WriteProgress::Complete => (StatusCode::CREATED, &[][..]),
        WriteProgress::Partial { missing } => (StatusCode::OK, &missing[..]),
    };
    response::cbor(status, messages::encode_missing(missing))
}

/// Answers with a range that fits in one piece.
async fn read_piece(source: ShareSource, range: ShareRange) -> Answer {
    let bytes = source.read(range).await?;
    let found = ShareRange {
        offset: range.offset,
        length: bytes.len() as u64,
    };
    let body = ResponseBody::Parts([bytes].into());
    partial(found, body)
}

/// Answers with a larger range, which is read while it is sent.
async fn read_range(source: ShareSource, range: ShareRange) -> Answer {
    let size = source.size().await?;
    let found = ShareRange {
        offset: range.offset,
        length: range.length.min(size.saturating_sub(range.offset)),
    };
    let body = ShareBody::new(source, found, PIECE_SIZE as u64);
    partial(found, ResponseBody::Share(Box::new(body)))
}

fn partial(found: ShareRange, body: ResponseBody) -> Answer {
    let header = format_content_range(found).ok_or(Refusal::NoContent)?;
    let header = HeaderValue::try_from(header).expect("digits and words");
    Ok(response::share(
        StatusCode::PARTIAL_CONTENT,
        body,
        Some(header),
    ))
}

async fn read_whole(source: ShareSource) -> Answer {
    let range = ShareRange {
        offset: 0,
        length: source.size().await?,
    };
    let body = ShareBody::new(source, range, PIECE_SIZE as u64);
    let body = ResponseBody::Share(Box::new(body));
    Ok(response::share(StatusCode::OK, body, None))
}

/// Decodes a change; a large one where it doesn't hold up other connections.
async fn decode_off_thread(message: Bytes) -> Result<ReadTestWrite, Refusal> {
    const LARGE: usize = 1 << 20;
    if message.len() < LARGE {
        return Ok(messages::decode_change(&message)?);
    }
    let decode = move || -> Result<_, CborError> { messages::decode_change(&message) };
    let decoded = tokio::task::spawn_blocking(decode).await;
    Ok(decoded.expect("decoding doesn't panic")?)
}

/// Refuses a change whose reads wouldn't fit in an answer.
///
/// Sizes may reach far past the ends of the shares, so the shares are asked only if they do.
async fn check_reads(
    service: &dyn StorageService,
    index: &StorageIndex,
    change: &ReadTestWrite,
) -> Result<(), StorageError> {
    let asked = |size: u64| {
        let lengths = change.reads.iter().map(|read| {
            let end = size.saturating_sub(read.offset);
            read.length.min(end)
        });
        lengths.fold(0, u64::saturating_add)
    };
    if asked(u64::MAX).saturating_mul(256) <= MAX_READS {
        return Ok(());
    }
    let kind = ShareKind::Mutable;
    let mut total = 0u64;
    for share in service.list_shares(kind, index).await? {
        match service.share_size(kind, index, share).await {
            Ok(size) => total = total.saturating_add(asked(size)),
            // It was deleted meanwhile.
            Err(StorageError::NoSuchShare) => {}
            Err(error) => return Err(error),
        }
    }
    if total <= MAX_READS {
        return Ok(());
    }
    let reason = format!("the reads find {total} bytes, more than {MAX_READS}");
    Err(StorageError::InvalidRequest { reason })
}
