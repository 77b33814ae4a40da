//! Reads one version: any k good shares of it, every block proved by the signed root hash.

mod source;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self as streams, FuturesUnordered, StreamExt as _};
use tahoe_caps::MutableReadCap;
use tahoe_crypto::AesCtr;
use tahoe_crypto::hash::Hash;
use tahoe_share::IncompleteHashTree;
use tahoe_share::mutable::MutableGeometry;
use tahoe_storage_api::ShareNumber;
use tokio::time::{Instant, sleep_until};

use crate::core::Core;
use crate::error::ReadError;
use crate::servermap::{Place, Servermap, ServermapMode, Survey};
use crate::status::{MutableKind, MutableStage, MutableStatus, MutableTransfer, Ongoing};
use crate::version::Version;

use source::{Source, SourceFault, VerifiedBlock};
pub use stream::{MOST_BYTES_AT_ONCE, ReadStream};
pub(crate) use stream::{collect, memory_of_stream};

/// Bytes of each share that a search for more shares reads.
const SEARCH_READ: u64 = 4000;
/// Whole hash trees that are read at once.
const MOST_READS: usize = 16;
/// How long a share may take at least before another one is tried beside it.
const PATIENCE: Duration = Duration::from_millis(500);

/// A version that is being read, by any number of readers.
#[derive(Debug)]
pub(crate) struct Retrieval {
    core: Arc<Core>,
    cap: MutableReadCap,
    version: Version,
    geometry: MutableGeometry,
    decoder: zfec::Decoder,
    share_tree: Arc<Mutex<IncompleteHashTree>>,
    sources: Mutex<Vec<Arc<Source>>>,
    searched_again: AtomicBool,
    segments_read: AtomicU64,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    bad: BTreeSet<Place>,
    last: Option<String>,
}

/// The blocks of neighbouring segments, of one share.
type Blocks = (ShareNumber, Vec<VerifiedBlock>);

impl Retrieval {
    /// Prepares to read a version that the map says is recoverable.
    pub(crate) fn new(
        core: Arc<Core>,
        cap: MutableReadCap,
        map: &Servermap,
        version: Version,
    ) -> Result<Self, ReadError> {
        let shares = map.shares.values();
        let shares: Vec<_> = shares.filter(|s| s.header.version == version).collect();
        let first = shares.first().ok_or(ReadError::Unrecoverable)?;
        let geometry = first.header.geometry;
        let (k, n) = (version.shares_needed.into(), version.shares_total.into());
        let decoder = zfec::Decoder::new(k, n).expect("the geometry allowed k and N");
        let shape = geometry
            .share_tree_shape()
            .expect("there are 1 to 255 shares");
        let share_tree = IncompleteHashTree::new(shape, version.root_hash);
        Ok(Self {
            core,
            cap,
            version,
            geometry,
            decoder,
            share_tree: Arc::new(Mutex::new(share_tree)),
            sources: Mutex::new(
                shares
                    .into_iter()
                    .map(|s| Arc::new(Source::new(s)))
                    .collect(),
            ),
            searched_again: AtomicBool::new(false),
            segments_read: AtomicU64::new(0),
            faults: Mutex::default(),
        })
    }

    /// Tells the observer that so many bytes of the version are read.
    pub(crate) fn begin(&self, length_bytes: u64) -> Ongoing {
        let kind = MutableKind::Retrieve(MutableTransfer {
            size_bytes: self.version.data_length,
            length_bytes,
            encoding: self.geometry.encoding(),
        });
        self.core.begin(kind, self.cap.storage_index())
    }

    pub(crate) fn geometry(&self) -> &MutableGeometry {
        &self.geometry
    }

    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// Places of the shares that were found bad.
    pub(crate) fn bad_places(&self) -> BTreeSet<Place> {
        self.faults().bad.clone()
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sources(&self) -> MutexGuard<'_, Vec<Arc<Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plaintext of neighbouring segments, a piece for each.
    pub(crate) async fn segments(
        self: &Arc<Self>,
        segments: Range<u64>,
        status: &Arc<MutableStatus>,
    ) -> Result<Vec<Bytes>, ReadError> {
        let blocks = self.blocks(segments.clone(), status).await?;
        let (this, status) = (Arc::clone(self), Arc::clone(status));
        let count = segments.end - segments.start;
        let pieces = self.core.pool.run(move || {
            let numbered = segments.enumerate();
            numbered
                .map(|(index, segment)| this.decode(segment, index, &blocks, &status))
                .collect()
        });
        let pieces = pieces.await;
        self.segments_read.fetch_add(count, Ordering::Relaxed);
        Ok(pieces)
    }

    fn decode(
        &self,
        segment: u64,
        index: usize,
        shares: &[Blocks],
        status: &Arc<MutableStatus>,
    ) -> Bytes {
        let range = self.geometry.segment_range(segment);
        let range = range.expect("only existing segments are read");
        let length = usize::try_from(range.end - range.start);
        let length = length.expect("the segment's blocks are in memory");
        let blocks: Vec<(u8, &[u8])> = shares
            .iter()
            .map(|(number, blocks)| (number.0, &blocks[index].block[..]))
            .collect();
        let decoding = status.during(MutableStage::Decode);
        let segment = self.decoder.decode_segment(&blocks, length);
        let mut segment = segment.expect("k different blocks of one size were collected");
        drop(decoding);
        let _decrypting = status.during(MutableStage::Decrypt);
        let salt = shares.first().map(|(_, blocks)| blocks[index].salt);
        let key = self.cap.read_key.data_key(&salt.unwrap_or_default());
        AesCtr::new(key.as_bytes(), 0).apply(&mut segment);
        segment.into()
    }

    /// Collects the blocks of k different shares; replaces shares that are bad, lost or late.
    async fn blocks(
        self: &Arc<Self>,
        segments: Range<u64>,
        status: &Arc<MutableStatus>,
    ) -> Result<Vec<Blocks>, ReadError> {
        let needed = usize::from(self.version.shares_needed);
        let mut complete = BTreeMap::<ShareNumber, Vec<VerifiedBlock>>::new();
        let mut fetches = FuturesUnordered::new();
        let mut asked = BTreeSet::<Place>::new();
        let mut wanted = needed;
        let mut patience_ends = Instant::now() + PATIENCE;
        while complete.len() < needed {
            while complete.len() + fetches.len() < wanted
                && let Some(source) = self.next_source(&asked)
            {
                asked.insert(source.place());
                fetches.push(self.verified(source, segments.clone(), status));
            }
            if fetches.is_empty() && !self.search_again().await {
                return Err(self.not_enough_shares());
            }
            tokio::select! {
                biased;
                Some((source, result)) = fetches.next() => match result {
                    Ok(blocks) => {
                        complete.insert(source.number, blocks);
                    }
                    Err(fault) => {
                        let problem = format!("share {}: {fault}", source.number);
                        status.failed(&source.server.id, problem);
                        self.fault(&source, &fault);
                    }
                },
                () = sleep_until(patience_ends), if !fetches.is_empty() => {
                    wanted += 1;
                    patience_ends = Instant::now() + PATIENCE;
                }
                else => {}
            }
        }
        Ok(complete.into_iter().take(needed).collect())
    }

    async fn verified(
        self: &Arc<Self>,
        source: Arc<Source>,
        segments: Range<u64>,
        status: &Arc<MutableStatus>,
    ) -> (Arc<Source>, Result<Vec<VerifiedBlock>, SourceFault>) {
        let result = self.fetch_and_verify(&source, segments, status).await;
        (source, result)
    }

    async fn fetch_and_verify(
        self: &Arc<Self>,
        source: &Arc<Source>,
        segments: Range<u64>,
        status: &Arc<MutableStatus>,
    ) -> Result<Vec<VerifiedBlock>, SourceFault> {
        let proved = {
            let tree = self.share_tree.lock();
            let tree = tree.unwrap_or_else(PoisonError::into_inner);
            tree.leaf(source.number.0.into()).is_some()
        };
        let storage_index = self.cap.storage_index();
        let fetched = source.fetch(&storage_index, segments, proved, status);
        let fetched = fetched.await?;
        let (source, share_tree) = (Arc::clone(source), Arc::clone(&self.share_tree));
        let status = Arc::clone(status);
        let verify = move || {
            let _verifying = status.during(MutableStage::Verify);
            source.verify(&fetched, &share_tree)
        };
        self.core.pool.run(verify).await
    }

    /// A share that wasn't asked yet, of a number that wasn't either if there is any.
    fn next_source(&self, asked: &BTreeSet<Place>) -> Option<Arc<Source>> {
        let numbers: BTreeSet<ShareNumber> = asked.iter().map(|(_, number)| *number).collect();
        let sources = self.sources();
        let free = || {
            let sources = sources.iter();
            sources.filter(|s| !s.is_dead() && !asked.contains(&s.place()))
        };
        let fresh = free().find(|source| !numbers.contains(&source.number));
        fresh.or_else(|| free().next()).cloned()
    }

    fn fault(&self, source: &Arc<Source>, fault: &SourceFault) {
        source.give_up();
        self.faults().last = Some(format!("{source}: {fault}"));
        if fault.is_corruption() {
            let storage_index = self.cap.storage_index();
            let reason = fault.to_string();
            let core = &self.core;
            core.report_corrupt(&source.server, &storage_index, source.number, reason);
            self.faults().bad.insert(source.place());
        } else {
            tracing::info!(%source, %fault, "could not read a mutable share");
        }
    }

    /// Asks all servers for further shares of the version, once; says whether there are any.
    async fn search_again(&self) -> bool {
        if self.searched_again.swap(true, Ordering::Relaxed) {
            return false;
        }
        let cap = self.cap.to_verify();
        let survey = Survey {
            core: &self.core,
            cap: &cap,
            mode: ServermapMode::Check,
            writer: None,
            first_read: SEARCH_READ,
            guess: self.geometry.encoding(),
            previous: None,
            public_key: None,
        };
        let map = survey.run().await.map;
        let bad = self.bad_places();
        let shares = map.shares.iter();
        let good = shares
            .filter(|(place, share)| share.header.version == self.version && !bad.contains(*place));
        let good: Vec<_> = good
            .map(|(_, share)| Arc::new(Source::new(share)))
            .collect();
        let found = !good.is_empty();
        *self.sources() = good;
        found
    }

    /// By share number, the proved hashes of all blocks of every share; none if a share is missing
    /// or bad.
    pub(crate) async fn all_leaves(&self) -> Option<Vec<Vec<Hash>>> {
        let storage_index = self.cap.storage_index();
        let mut by_number = BTreeMap::new();
        for source in self.sources().iter() {
            by_number.insert(source.number, Arc::clone(source));
        }
        if by_number.len() != usize::from(self.version.shares_total) {
            return None;
        }
        let reads = by_number.values().map(|source| async {
            let leaves = source.all_leaves(&storage_index, &self.share_tree).await;
            if let Err(fault) = &leaves {
                self.fault(source, fault);
            }
            leaves.ok()
        });
        let reads: Vec<_> = reads.collect();
        let leaves: Vec<_> = streams::iter(reads).buffered(MOST_READS).collect().await;
        leaves.into_iter().collect()
    }

    fn not_enough_shares(&self) -> ReadError {
        let sources = self.sources();
        let remaining = sources.iter().filter(|source| !source.is_dead());
        let remaining: BTreeSet<ShareNumber> = remaining.map(|source| source.number).collect();
        let faults = self.faults();
        ReadError::NotEnoughShares {
            segments_read: self.segments_read.load(Ordering::Relaxed),
            segment_count: self.geometry.segment_count(),
            bad_shares: faults.bad.len(),
            remaining_shares: remaining.len(),
            needed: self.version.shares_needed.into(),
            total: self.version.shares_total.into(),
            last_failure: faults.last.clone(),
        }
    }

    /// Delivers a range that lies in the file.
    pub(crate) fn stream(self: Arc<Self>, range: Range<u64>) -> ReadStream {
        ReadStream::start(self, range)
    }
}
