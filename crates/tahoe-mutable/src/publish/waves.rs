//! Sends a version whose shares don't fit in memory together: a few shares at a time, each in
//! several messages.
//!
//! Between its first and its last message a share is neither the old version nor the new one. So
//! few shares are written at a time that, whenever the writer dies, enough of one of the two
//! versions are left. The blocks are computed anew for each wave; they are the same because the
//! salts are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tahoe_crypto::ServerId;
use tahoe_crypto::hash::Hash;
use tahoe_storage_api::{Server, ShareNumber};

use super::encode::{Blocks, Draft, SignedVersion};
use super::plan::{Expected, Plan};
use super::send::{Message, Sent, ShareWrite};
use super::{Progress, Publish};
use crate::error::PublishError;
use crate::status::MutableStage;

/// Most shares that are written at a time.
const WIDEST_WAVE: usize = 3;
/// Segments whose blocks are sent in one message: about 3 MiB of each share at k = 3.
const SEGMENTS_IN_MESSAGE: u64 = 64;
/// Pieces of encoding under way at once.
const ENCODINGS_AHEAD: usize = 4;

/// A copy of a share that is being written.
struct Copy {
    server: Arc<Server>,
    number: ShareNumber,
    expected: Expected,
}

impl Publish<'_> {
    /// Hashes all blocks without keeping any.
    pub(super) async fn hash_blocks(
        &self,
        draft: &Arc<Draft>,
    ) -> Result<Vec<Vec<Hash>>, PublishError> {
        let all: BTreeSet<ShareNumber> = draft.share_numbers().collect();
        let pieces = draft.pieces()?.into_iter().map(|segments| {
            let (draft, all, status) = (Arc::clone(draft), all.clone(), self.status());
            self.core.pool.run(move || {
                let blocks = draft.encode(segments.clone(), &all, &status)?;
                draft.hash(segments, &blocks, &status)
            })
        });
        let mut pieces = stream::iter(pieces).buffered(ENCODINGS_AHEAD);
        let mut leaves = vec![Vec::new(); draft.shares_total().into()];
        while let Some(hashes) = pieces.try_next().await? {
            for (leaves, hashes) in leaves.iter_mut().zip(hashes) {
                leaves.extend(hashes);
            }
        }
        Ok(leaves)
    }

    /// Sends the planned shares, a few at a time.
    pub(super) async fn send_in_waves(
        &self,
        draft: &Arc<Draft>,
        version: &SignedVersion,
        todo: &Plan,
        plan: &Plan,
        progress: &mut Progress,
    ) -> Result<(), PublishError> {
        let encoding = draft.geometry.encoding();
        let spare = usize::from(encoding.shares_total()) + 1;
        let spare = spare.saturating_sub(2 * usize::from(encoding.shares_needed()));
        let width = spare.clamp(1, WIDEST_WAVE);
        let numbers = todo.values().flat_map(|target| target.shares.keys());
        let numbers: BTreeSet<ShareNumber> = numbers.copied().collect();
        let numbers: Vec<ShareNumber> = numbers.into_iter().collect();
        for wave in numbers.chunks(width) {
            let copies = copies_of(wave, todo, progress);
            self.send_wave(draft, version, plan, copies, progress)
                .await?;
            if progress.surprised {
                break;
            }
        }
        Ok(())
    }

    async fn send_wave(
        &self,
        draft: &Arc<Draft>,
        version: &SignedVersion,
        plan: &Plan,
        mut copies: Vec<Copy>,
        progress: &mut Progress,
    ) -> Result<(), PublishError> {
        let wanted: BTreeSet<ShareNumber> = copies.iter().map(|copy| copy.number).collect();
        let Range { start, end } = draft.segments;
        let mut first = start;
        while first < end && !copies.is_empty() {
            let segments = first..end.min(first + SEGMENTS_IN_MESSAGE);
            let (encoding, numbers) = (Arc::clone(draft), wanted.clone());
            let (range, status) = (segments.clone(), self.status());
            let encode = move || encoding.encode(range, &numbers, &status);
            let blocks = self.core.pool.run(encode).await?;
            let is_last = segments.end == end;
            let messages = copies
                .iter()
                .map(|copy| message(copy, version, &blocks, first, first == start, is_last));
            let messages = messages.collect::<Result<Vec<_>, _>>()?;
            let sends = copies.iter().zip(messages);
            let sends = sends.map(|(copy, message)| self.send_copy(copy, message, version, plan));
            let pushing = self.ongoing.status().during(MutableStage::Push);
            let answers = join_all(sends).await;
            drop(pushing);
            let mut failed = BTreeSet::<ServerId>::new();
            for (server, numbers, sent) in answers {
                match sent {
                    Sent::Stored if is_last => progress.note(server, numbers, Sent::Stored),
                    Sent::Stored => {}
                    sent => {
                        failed.insert(server.clone());
                        progress.note(server, numbers, sent);
                    }
                }
            }
            copies.retain(|copy| !failed.contains(&copy.server.id));
            for copy in &mut copies {
                let sealed = version.shares.get(usize::from(copy.number.0));
                let checkstring = sealed.map(|sealed| sealed.checkstring());
                copy.expected = Expected::Checkstring(checkstring.unwrap_or_default());
            }
            if progress.surprised {
                break;
            }
            first = segments.end;
        }
        Ok(())
    }

    async fn send_copy(
        &self,
        copy: &Copy,
        message: Message,
        version: &SignedVersion,
        plan: &Plan,
    ) -> (ServerId, BTreeSet<ShareNumber>, Sent) {
        let ours = self.ours(&copy.server.id, plan);
        let sealed = version.shares.get(usize::from(copy.number.0));
        let checkstring = sealed
            .map(|sealed| sealed.checkstring())
            .unwrap_or_default();
        self.send_message(message, &checkstring, &ours).await
    }
}

/// The planned copies of these shares on servers that haven't failed.
fn copies_of(wave: &[ShareNumber], todo: &Plan, progress: &Progress) -> Vec<Copy> {
    let mut copies = Vec::new();
    for target in todo.values() {
        if progress.failed.contains(&target.server.id) {
            continue;
        }
        for number in wave {
            if let Some(expected) = target.shares.get(number) {
                copies.push(Copy {
                    server: Arc::clone(&target.server),
                    number: *number,
                    expected: expected.clone(),
                });
            }
        }
    }
    copies
}

/// The next message of a share: the header goes first, so that other writers notice, the hash tree
/// last.
fn message(
    copy: &Copy,
    version: &SignedVersion,
    blocks: &Blocks,
    first_segment: u64,
    is_first: bool,
    is_last: bool,
) -> Result<Message, PublishError> {
    let mut writes = Vec::new();
    if let Some(sealed) = version.shares.get(usize::from(copy.number.0)) {
        if is_first {
            writes.push(sealed.leading_write());
        }
        let blocks = blocks.get(&copy.number).cloned().unwrap_or_default();
        writes.push(sealed.block_write(first_segment, blocks)?);
        if is_last {
            writes.push(sealed.trailing_write());
        }
    }
    let share = ShareWrite {
        expected: copy.expected.clone(),
        writes,
    };
    Ok(Message {
        server: Arc::clone(&copy.server),
        shares: BTreeMap::from([(copy.number, share)]),
    })
}
