//! A storage server, seen through HTTPS.

mod answer;
mod body;
mod connector;
mod exchange;
mod pool;

use crate::wire::headers::{CBOR, SecretKind, authorization_header, secret_header};
use crate::wire::messages;
use crate::wire::ranges::{format_content_range, format_range};
use crate::wire::route::Route;
use crate::{Nurl, NurlNetwork};
use answer::{Answer, failure};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use connector::Direct;
use exchange::Exchange;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST, HeaderValue, RANGE,
};
use http::{HeaderMap, Method, StatusCode};
use pool::Pool;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tahoe_crypto::{LeaseSecrets, StorageIndex, UploadSecret};
use tahoe_storage_api::{
    Allocation, ReachedBy, ReadTestWrite, ReadTestWriteOutcome, ServerVersion, ShareKind,
    ShareNumber, ShareRange, SlotSecrets, StorageError, StorageService, WriteProgress,
    check_advice,
};

pub use connector::{BoxStream, Connector, Stream};

/// Largest answer that is read, and largest piece that a read is split into: 30 MiB.
const MAX_ANSWER: usize = 30 << 20;
/// Largest answer to a call that lists or describes.
const MAX_SMALL_ANSWER: usize = 1 << 20;

/// How patient a client is and what it spends on one server.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// How long looking up, connecting and the TLS handshake may take together.
    pub connect_timeout: Duration,
    /// How long the server may take nothing of a request or send nothing of an answer.
    pub silence_timeout: Duration,
    /// Bytes per second that an answer must bring on average after that time.
    pub minimum_rate: u64,
    /// Connections at the same time; further calls wait for one.
    pub most_connections: usize,
    /// How long an idle connection is kept. Servers close theirs after about a minute.
    pub idle_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            silence_timeout: Duration::from_secs(60),
            minimum_rate: 1024,
            most_connections: 10,
            idle_timeout: Duration::from_secs(45),
        }
    }
}

/// The storage service that a NURL names.
///
/// Connections are made when they are needed and kept for later calls. A call that fails because
/// the server had closed a kept connection is sent again on a new one if it had certainly not been
/// sent, or if it only reads; nothing else is repeated.
#[derive(Debug)]
pub struct HttpStorageClient {
    exchange: Exchange,
    reached_by: ReachedBy,
    /// What every request carries.
    headers: HeaderMap,
}

impl HttpStorageClient {
    /// Prepares to talk to a server directly; nothing is sent before the first call.
    pub fn new(nurl: Nurl, options: ClientOptions) -> Result<Self, StorageError> {
        if nurl.network() != NurlNetwork::Tcp {
            return Err(StorageError::Unreachable {
                reason: "the server is an onion service, and there is no way to Tor".to_owned(),
                may_have_happened: false,
            });
        }
        let connector = Direct::new(&nurl);
        Ok(Self::through(nurl, options, Arc::new(connector)))
    }

    /// Prepares to talk to a server; every connection to it is made by `connector`.
    pub fn through(nurl: Nurl, options: ClientOptions, connector: Arc<dyn Connector>) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        let host = HeaderValue::try_from(nurl.authority()).expect("a host is printable");
        headers.insert(HOST, host);
        headers.insert(AUTHORIZATION, authorization_header(nurl.swissnum()));
        headers.insert(ACCEPT, HeaderValue::from_static(CBOR));
        Self {
            reached_by: connector.reached_by(),
            exchange: Exchange::new(Pool::new(nurl, options, connector)),
            headers,
        }
    }

    fn call(&self, method: Method, route: Route) -> Call<'_> {
        Call {
            client: self,
            method,
            route,
            headers: self.headers.clone(),
            body: Vec::new(),
            most: MAX_SMALL_ANSWER,
        }
    }

    /// Reads at most [`MAX_ANSWER`] bytes.
    async fn read_piece(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        let Some(header) = format_range(range) else {
            return Ok(Bytes::new());
        };
        let route = Route::Share(kind, *storage_index, share.into());
        let mut call = self.call(Method::GET, route);
        call.most = usize::try_from(range.length).unwrap_or(MAX_ANSWER);
        let header = HeaderValue::try_from(header).expect("digits and words");
        call.headers.insert(RANGE, header);
        let answer = call.send().await?;
        match answer.status {
            StatusCode::PARTIAL_CONTENT => answer.share_data(range),
            StatusCode::NO_CONTENT => Ok(Bytes::new()),
            _ => Err(failure(&route, &answer)),
        }
    }
}

/// A request in the making.
struct Call<'a> {
    client: &'a HttpStorageClient,
    method: Method,
    route: Route,
    headers: HeaderMap,
    body: Vec<Bytes>,
    /// Most bytes of the answer.
    most: usize,
}

impl Call<'_> {
    fn secret(mut self, kind: SecretKind, secret: &[u8]) -> Self {
        let header = secret_header(kind, secret);
        self.headers.append(crate::wire::headers::SECRET, header);
        self
    }

    fn lease(self, lease: &LeaseSecrets) -> Self {
        self.secret(SecretKind::LeaseRenew, lease.renew.as_bytes())
            .secret(SecretKind::LeaseCancel, lease.cancel.as_bytes())
    }

    fn message(mut self, parts: Vec<Bytes>) -> Self {
        let cbor = HeaderValue::from_static(CBOR);
        self.headers.insert(CONTENT_TYPE, cbor);
        self.body = parts;
        self
    }

    /// Sends the request and reads the whole answer.
    async fn send(mut self) -> Result<Answer, StorageError> {
        if self.method != Method::GET {
            let length: usize = self.body.iter().map(Bytes::len).sum();
            self.headers.insert(CONTENT_LENGTH, length.into());
        }
        let path = self.route.to_string();
        let exchange = &self.client.exchange;
        exchange
            .run(&self.method, &path, &self.headers, &self.body, self.most)
            .await
    }

    /// Sends the request and makes an error of any other status.
    async fn expect(self, status: StatusCode) -> Result<Answer, StorageError> {
        let route = self.route;
        let answer = self.send().await?;
        if answer.status == status {
            Ok(answer)
        } else {
            Err(failure(&route, &answer))
        }
    }
}

#[async_trait]
impl StorageService for HttpStorageClient {
    /// Connections come and go; they all lead to the same place.
    fn reached_by(&self) -> Option<ReachedBy> {
        Some(self.reached_by.clone())
    }

    async fn version(&self) -> Result<ServerVersion, StorageError> {
        let call = self.call(Method::GET, Route::Version);
        let answer = call.expect(StatusCode::OK).await?;
        answer.message(messages::decode_version)
    }

    async fn allocate_shares(
        &self,
        storage_index: &StorageIndex,
        shares: &BTreeSet<ShareNumber>,
        share_size: u64,
        lease: &LeaseSecrets,
        upload_secret: &UploadSecret,
    ) -> Result<Allocation, StorageError> {
        let request = messages::encode_allocation_request(shares, share_size);
        let answer = self
            .call(Method::POST, Route::Allocate(*storage_index))
            .lease(lease)
            .secret(SecretKind::Upload, upload_secret.as_bytes())
            .message(request)
            .expect(StatusCode::OK)
            .await?;
        let allocation = answer.message(messages::decode_allocation)?;
        let asked_for = allocation.allocated.is_subset(shares);
        if !asked_for || !allocation.allocated.is_disjoint(&allocation.already_have) {
            return Err(answer::misbehaved("it allocated other shares than asked"));
        }
        Ok(allocation)
    }

    async fn write_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
        offset: u64,
        data: Bytes,
    ) -> Result<WriteProgress, StorageError> {
        let range = ShareRange {
            offset,
            length: data.len() as u64,
        };
        let Some(header) = format_content_range(range) else {
            let reason = "a write of no bytes can't be sent".to_owned();
            return Err(StorageError::InvalidRequest { reason });
        };
        let route = Route::Share(ShareKind::Immutable, *storage_index, share.into());
        let mut call = self
            .call(Method::PATCH, route)
            .secret(SecretKind::Upload, upload_secret.as_bytes());
        let header = HeaderValue::try_from(header).expect("digits and words");
        call.headers.insert(CONTENT_RANGE, header);
        call.body = vec![data];
        let answer = call.send().await?;
        let status = answer.status;
        if status != StatusCode::OK && status != StatusCode::CREATED {
            return Err(answer::write_failure(&route, &answer));
        }
        let missing = answer.message(messages::decode_missing)?;
        match (status, missing.is_empty()) {
            (StatusCode::CREATED, true) => Ok(WriteProgress::Complete),
            (StatusCode::OK, false) => Ok(WriteProgress::Partial { missing }),
            _ => Err(answer::misbehaved(
                "status and missing ranges of a write disagree",
            )),
        }
    }

    async fn abort_share(
        &self,
        storage_index: &StorageIndex,
        share: ShareNumber,
        upload_secret: &UploadSecret,
    ) -> Result<(), StorageError> {
        self.call(Method::PUT, Route::Abort(*storage_index, share.into()))
            .secret(SecretKind::Upload, upload_secret.as_bytes())
            .expect(StatusCode::OK)
            .await
            .map(drop)
    }

    async fn list_shares(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
    ) -> Result<BTreeSet<ShareNumber>, StorageError> {
        let call = self.call(Method::GET, Route::Shares(kind, *storage_index));
        let answer = call.expect(StatusCode::OK).await?;
        answer.message(messages::decode_shares)
    }

    /// A range larger than one answer may be is read in pieces, one after the other.
    async fn read_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        range: ShareRange,
    ) -> Result<Bytes, StorageError> {
        let read = async |offset: u64, length: u64| {
            let piece = ShareRange { offset, length };
            self.read_piece(kind, storage_index, share, piece).await
        };
        if range.length == 0 {
            // Nothing can't be asked for, but whether the share is there can.
            return read(range.offset, 1).await.map(|_| Bytes::new());
        }
        let largest = MAX_ANSWER as u64;
        let mut whole = BytesMut::new();
        loop {
            let done = whole.len() as u64;
            let length = (range.length - done).min(largest);
            let piece = read(range.offset.saturating_add(done), length).await?;
            let is_last = (piece.len() as u64) < length || done + length == range.length;
            if is_last && done == 0 {
                return Ok(piece);
            }
            whole.extend_from_slice(&piece);
            if is_last {
                return Ok(whole.freeze());
            }
        }
    }

    async fn add_lease(
        &self,
        storage_index: &StorageIndex,
        lease: &LeaseSecrets,
    ) -> Result<(), StorageError> {
        self.call(Method::PUT, Route::Lease(*storage_index))
            .lease(lease)
            .expect(StatusCode::NO_CONTENT)
            .await
            .map(drop)
    }

    async fn advise_corrupt_share(
        &self,
        kind: ShareKind,
        storage_index: &StorageIndex,
        share: ShareNumber,
        reason: &str,
    ) -> Result<(), StorageError> {
        check_advice(reason)?;
        let route = Route::Corrupt(kind, *storage_index, share.into());
        self.call(Method::POST, route)
            .message(messages::encode_advice(reason))
            .expect(StatusCode::OK)
            .await
            .map(drop)
    }

    async fn read_test_write(
        &self,
        storage_index: &StorageIndex,
        secrets: &SlotSecrets,
        change: ReadTestWrite,
    ) -> Result<ReadTestWriteOutcome, StorageError> {
        change.check_limits()?;
        let route = Route::ReadTestWrite(*storage_index);
        let mut call = self
            .call(Method::POST, route)
            .lease(&secrets.lease)
            .secret(SecretKind::WriteEnabler, secrets.write_enabler.as_bytes())
            .message(messages::encode_change(&change));
        call.most = MAX_ANSWER;
        let answer = call.expect(StatusCode::OK).await?;
        let outcome = answer.message(messages::decode_outcome)?;
        let fits = |reads: &Vec<Bytes>| {
            let mut pairs = reads.iter().zip(&change.reads);
            reads.len() == change.reads.len()
                && pairs.all(|(bytes, read)| bytes.len() as u64 <= read.length)
        };
        if !outcome.data.values().all(fits) {
            return Err(answer::misbehaved("other reads than asked for"));
        }
        Ok(outcome)
    }
}
