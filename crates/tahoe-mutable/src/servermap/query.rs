//! What is asked of one server.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tahoe_crypto::{LeaseMaster, StorageIndex, WriteKey};
use tahoe_share::mutable::MutableHeader;
use tahoe_storage_api::{
    ReadTestWrite, Server, ShareKind, ShareNumber, ShareRange, SlotSecrets, StorageError,
};
use tokio::time::timeout;

/// How long a server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Shares of one server that are read at once.
const READS_AT_ONCE: usize = 16;
/// Farthest offset at which the public key or the signature of a share is looked for.
const MOST_OF_START: u64 = 64 << 10;

/// What makes the secrets with which a writer asks servers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriterSecrets<'a> {
    pub(crate) write_key: &'a WriteKey,
    pub(crate) lease_master: &'a LeaseMaster,
}

impl WriterSecrets<'_> {
    /// The secrets for a slot on a server.
    pub(crate) fn for_server(&self, storage_index: &StorageIndex, server: &Server) -> SlotSecrets {
        let lease_master = self.lease_master;
        SlotSecrets {
            write_enabler: self.write_key.write_enabler(&server.tub_id),
            lease: lease_master.lease_secrets(storage_index, &server.tub_id),
        }
    }
}

/// Asks a server for the first bytes of its shares.
#[derive(Debug)]
pub(super) struct Query<'a> {
    pub(super) server: &'a Server,
    pub(super) storage_index: StorageIndex,
    /// Bytes to read of each share.
    pub(super) length: u64,
    /// With a writer's secrets one call does; else shares are listed, then read.
    pub(super) writer: Option<WriterSecrets<'a>>,
}

impl Query<'_> {
    /// The first bytes of every share that the server has, as far as the signature at least.
    pub(super) async fn ask(&self) -> Result<Vec<(ShareNumber, Bytes)>, StorageError> {
        let asked = timeout(ANSWER_TIMEOUT, async {
            let starts = match self.writer {
                Some(secrets) => self.read_as_writer(secrets).await?,
                None => self.list_and_read().await?,
            };
            let completed = starts.into_iter().map(|(share, start)| async move {
                Ok((share, self.with_signature(share, start).await?))
            });
            let completed = stream::iter(completed).buffer_unordered(READS_AT_ONCE);
            completed.try_collect().await
        });
        let after = ANSWER_TIMEOUT;
        asked.await.unwrap_or(Err(StorageError::TimedOut { after }))
    }

    async fn read_as_writer(
        &self,
        secrets: WriterSecrets<'_>,
    ) -> Result<Vec<(ShareNumber, Bytes)>, StorageError> {
        let secrets = secrets.for_server(&self.storage_index, self.server);
        let change = ReadTestWrite {
            reads: vec![ShareRange {
                offset: 0,
                length: self.length,
            }],
            ..ReadTestWrite::default()
        };
        let service = &self.server.service;
        let answer = service
            .read_test_write(&self.storage_index, &secrets, change)
            .await;
        match answer {
            Ok(outcome) => {
                let data = outcome.data.into_iter();
                Ok(data
                    .filter_map(|(share, reads)| Some((share, reads.into_iter().next()?)))
                    .collect())
            }
            Err(error @ (StorageError::Unreachable { .. } | StorageError::TimedOut { .. })) => {
                Err(error)
            }
            // A slot with another write enabler, or one bad container, can still be read.
            Err(_) => self.list_and_read().await,
        }
    }

    async fn list_and_read(&self) -> Result<Vec<(ShareNumber, Bytes)>, StorageError> {
        let service = &self.server.service;
        let shares: BTreeSet<ShareNumber> = service
            .list_shares(ShareKind::Mutable, &self.storage_index)
            .await?;
        let reads = shares.into_iter().map(|share| async move {
            let read = self.read(share, 0, self.length).await;
            match read {
                Ok(start) => Ok(Some((share, start))),
                Err(StorageError::NoSuchShare | StorageError::CorruptContainer { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        });
        let reads = stream::iter(reads).buffer_unordered(READS_AT_ONCE);
        let found: Vec<_> = reads.try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Reads on if the header says that the key or the signature lies behind what was read.
    async fn with_signature(
        &self,
        share: ShareNumber,
        start: Bytes,
    ) -> Result<Bytes, StorageError> {
        let wanted = MutableHeader::parse(&start).ok().and_then(|header| {
            let ends = [header.public_key_range(), header.signature_range()];
            let ends = ends.into_iter().map(|range| range.map(|range| range.end));
            ends.collect::<Result<Vec<_>, _>>().ok()?.into_iter().max()
        });
        match wanted {
            Some(end)
                if end > start.len() as u64
                    && end <= MOST_OF_START
                    && start.len() as u64 == self.length =>
            {
                self.read(share, 0, end).await
            }
            _ => Ok(start),
        }
    }

    async fn read(
        &self,
        share: ShareNumber,
        offset: u64,
        length: u64,
    ) -> Result<Bytes, StorageError> {
        let range = ShareRange { offset, length };
        let service = &self.server.service;
        service
            .read_share(ShareKind::Mutable, &self.storage_index, share, range)
            .await
    }
}

/// Reads a part of a mutable share within the usual time.
pub(crate) async fn read_range(
    server: &Server,
    storage_index: &StorageIndex,
    share: ShareNumber,
    range: std::ops::Range<u64>,
) -> Result<Bytes, StorageError> {
    let (offset, length) = (range.start, range.end.saturating_sub(range.start));
    let range = ShareRange { offset, length };
    let read = server
        .service
        .read_share(ShareKind::Mutable, storage_index, share, range);
    let after = ANSWER_TIMEOUT;
    let read = timeout(after, read).await;
    read.unwrap_or(Err(StorageError::TimedOut { after }))
}
