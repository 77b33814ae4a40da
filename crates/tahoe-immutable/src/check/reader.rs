//! Reads one share of one server.

use crate::ask;
use crate::download::{Corruption, ShareFault, SharePart};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{Server, ShareNumber, StorageError};

/// Most that is kept of a share at once, in bytes, so that its small parts need one request.
pub(super) const MOST_KEPT: u64 = 1024 * 1024;

/// Reads a share; keeps a piece of it so that what lies in the piece needs no further request.
#[derive(Debug)]
pub(super) struct ShareReader {
    pub(super) server: Arc<Server>,
    pub(super) number: ShareNumber,
    storage_index: StorageIndex,
    kept: Kept,
}

#[derive(Debug, Clone, Default)]
struct Kept {
    start: u64,
    bytes: Bytes,
    /// Where the share ends, if that has been seen.
    share_end: Option<u64>,
}

impl ShareReader {
    pub(super) fn new(
        storage_index: StorageIndex,
        server: Arc<Server>,
        number: ShareNumber,
    ) -> Self {
        Self {
            server,
            number,
            storage_index,
            kept: Kept::default(),
        }
    }

    /// Fetches and keeps up to [`MOST_KEPT`] bytes of a range, unless they are kept already.
    pub(super) async fn keep(&mut self, range: Range<u64>) -> Result<(), ShareFault> {
        let range = range.start..range.end.min(range.start.saturating_add(MOST_KEPT));
        if self.kept_part(&range).is_some() || self.kept.share_end.is_some_and(|e| e <= range.end) {
            return Ok(());
        }
        let bytes = self.fetch(&range).await?;
        let end = range.start.saturating_add(bytes.len() as u64);
        self.kept = Kept {
            start: range.start,
            share_end: (end < range.end).then_some(end),
            bytes,
        };
        Ok(())
    }

    /// Reads exactly this range.
    pub(super) async fn read(&self, range: Range<u64>) -> Result<Bytes, ShareFault> {
        let bytes = self.read_up_to(range.clone()).await?;
        if (bytes.len() as u64) < range.end.saturating_sub(range.start) {
            return Err(ShareFault::Truncated { end: range.end });
        }
        Ok(bytes)
    }

    /// Reads this range, or what the share has of it.
    pub(super) async fn read_up_to(&self, range: Range<u64>) -> Result<Bytes, ShareFault> {
        let within = match self.kept.share_end {
            Some(end) => range.start.min(end)..range.end.min(end),
            None => range,
        };
        if within.is_empty() {
            return Ok(Bytes::new());
        }
        match self.kept_part(&within) {
            Some(part) => Ok(part),
            None => Ok(self.fetch(&within).await?),
        }
    }

    fn kept_part(&self, range: &Range<u64>) -> Option<Bytes> {
        let start = usize::try_from(range.start.checked_sub(self.kept.start)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(self.kept.start)?).ok()?;
        (start <= end && end <= self.kept.bytes.len()).then(|| self.kept.bytes.slice(start..end))
    }

    async fn fetch(&self, range: &Range<u64>) -> Result<Bytes, StorageError> {
        ask::read(&self.server, &self.storage_index, self.number, range).await
    }
}

/// A part of a share is wrong.
pub(super) fn corrupt(part: SharePart, range: Range<u64>, reason: impl ToString) -> ShareFault {
    ShareFault::Corrupt(Corruption {
        part,
        range,
        reason: reason.to_string(),
    })
}
