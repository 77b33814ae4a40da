//! Replaces a stretch of an MDMF file in place: only the segments that it touches are sent.
//!
//! The hashes of all other blocks are needed to build the new trees. They come from the shares
//! themselves, each proved against the signed root. If a share is missing or bad, or the file is
//! SDMF, all of it is read and written anew.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tahoe_caps::{MutableFormat, MutableWriteCap};
use tahoe_crypto::hash::Hash;
use tahoe_share::mutable::MutableGeometry;

use crate::contents::Contents;
use crate::error::{ModifyError, PublishError};
use crate::files::{MutableFiles, Written};
use crate::known::Latest;
use crate::modify::{encoding_of, refuse_to_undo};
use crate::publish::Plaintext;
use crate::retrieve::{Retrieval, collect};
use crate::servermap::{KnownShare, ServermapMode};
use crate::writer::Writer;

impl MutableFiles {
    /// Writes `data` at `offset`, over what is there; the file grows if it ends behind its end.
    ///
    /// An offset past the end is refused.
    pub async fn update(
        &self,
        cap: &MutableWriteCap,
        offset: u64,
        data: impl Into<Contents>,
    ) -> Result<Written, PublishError> {
        let data = data.into();
        if cap.format == MutableFormat::Sdmf {
            return self.update_whole(cap, offset, &data).await;
        }
        let verify_cap = cap.to_read().to_verify();
        let lock = self.core.locks.lock(verify_cap.storage_index).await;
        let (writer, latest) = self.begin_write(cap, ServermapMode::Write).await?;
        refuse_to_undo(&latest.map)?;
        let size = latest.version.data_length;
        if offset > size {
            return Err(PublishError::OffsetPastEnd { offset, size });
        }
        match self.update_in_place(&writer, &latest, offset, &data).await {
            Err(InPlaceError::SharesMissing) => {}
            Err(InPlaceError::Publish(error)) => return Err(error),
            Ok(written) => return Ok(written),
        }
        drop((writer, lock));
        self.update_whole(cap, offset, &data).await
    }

    /// Reads everything, changes it and writes everything.
    async fn update_whole(
        &self,
        cap: &MutableWriteCap,
        offset: u64,
        data: &Contents,
    ) -> Result<Written, PublishError> {
        let data = data.clone();
        let data = self.core.pool.run(move || data.to_bytes()).await?;
        let result = self.modify(cap, move |old| overlay(old, offset, &data).map(Some));
        match result.await {
            Ok(modified) => Ok(Written {
                version: modified.version,
            }),
            Err(ModifyError::Refused(error) | ModifyError::Publish(error)) => Err(error),
        }
    }

    async fn update_in_place(
        &self,
        writer: &Writer<'_>,
        latest: &Latest,
        offset: u64,
        data: &Contents,
    ) -> Result<Written, InPlaceError> {
        let version = latest.version;
        let mut shares = latest.map.shares.values();
        let is_other = |share: &KnownShare| share.header.version != version;
        if version.format() != MutableFormat::Mdmf
            || !latest.map.bad.is_empty()
            || shares.any(is_other)
        {
            return Err(InPlaceError::SharesMissing);
        }
        let encoding = encoding_of(&version).ok_or(InPlaceError::SharesMissing)?;
        let end = offset + data.length();
        let new_size = end.max(version.data_length);
        let geometry = MutableGeometry::for_mdmf(encoding, new_size).map_err(PublishError::from)?;
        let core = Arc::clone(&self.core);
        let retrieval = Retrieval::new(core, writer.cap.to_read(), &latest.map, version);
        let retrieval = Arc::new(retrieval.map_err(PublishError::from)?);
        if retrieval.geometry().segment_size() != geometry.segment_size() || new_size == 0 {
            return Err(InPlaceError::SharesMissing);
        }
        let segments = touched(&geometry, version.data_length, offset..end);
        let covered = covered(&geometry, &segments)?;
        let old_leaves = retrieval.all_leaves().await;
        let old_leaves: Vec<Vec<Hash>> = old_leaves.ok_or(InPlaceError::SharesMissing)?;
        let before = read_old(&retrieval, covered.start..offset).await?;
        let after = read_old(&retrieval, end..covered.end.max(end)).await?;
        let plaintext = Plaintext {
            start: covered.start,
            before,
            contents: data.clone(),
            after,
        };
        let number = latest.map.highest_sequence_number() + 1;
        let mut draft = writer.draft_of(geometry, number, plaintext, segments);
        draft.old_leaves = old_leaves;
        Ok(writer.replace_segments(latest, draft).await?)
    }
}

enum InPlaceError {
    /// The file must be written as a whole.
    SharesMissing,
    Publish(PublishError),
}

impl From<PublishError> for InPlaceError {
    fn from(error: PublishError) -> Self {
        Self::Publish(error)
    }
}

/// The old contents with `data` over them from `offset` on.
fn overlay(old: &[u8], offset: u64, data: &Bytes) -> Result<Vec<u8>, PublishError> {
    let size = old.len() as u64;
    let start = usize::try_from(offset).ok();
    let Some(start) = start.filter(|start| *start <= old.len()) else {
        return Err(PublishError::OffsetPastEnd { offset, size });
    };
    let mut new = old[..start].to_vec();
    new.extend_from_slice(data);
    new.extend_from_slice(old.get(new.len()..).unwrap_or_default());
    Ok(new)
}

/// The segments of the new version that differ from the old one's: those with new bytes, and the
/// old last one if the file grows behind it.
fn touched(geometry: &MutableGeometry, old_size: u64, new: Range<u64>) -> Range<u64> {
    let segment_size = geometry.segment_size();
    let grows = geometry.data_length() > old_size;
    let end = match grows {
        true => geometry.segment_count(),
        false => new.end.div_ceil(segment_size),
    };
    let start = (new.start / segment_size).min(end);
    start..end.max(start)
}

/// The bytes of the file that these segments hold.
fn covered(geometry: &MutableGeometry, segments: &Range<u64>) -> Result<Range<u64>, PublishError> {
    if segments.is_empty() {
        let start = segments.start * geometry.segment_size();
        return Ok(start..start);
    }
    let first = geometry.segment_range(segments.start)?;
    let last = geometry.segment_range(segments.end - 1)?;
    Ok(first.start..last.end)
}

/// Old bytes at the edge of the new ones; less than a segment.
async fn read_old(retrieval: &Arc<Retrieval>, range: Range<u64>) -> Result<Bytes, PublishError> {
    let size = retrieval.version().data_length;
    let range = range.start..range.end.min(size);
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    let length = range.end - range.start;
    let stream = Arc::clone(retrieval).stream(range);
    Ok(collect(stream, length).await?)
}
