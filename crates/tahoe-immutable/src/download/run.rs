//! Fetches a run of neighbouring segments: enough verified blocks of each, from the best shares.
//!
//! Each chosen share is asked for the blocks of all segments of the run at once. A share that fails
//! or is corrupt is replaced; so is one that is overdue, though its answer still counts if it comes
//! first. No more shares than needed are read from one server at a time.

use super::core::Core;
use super::decode::{VerifiedSegment, decode_all};
use super::fetch::{Fetched, fetch_blocks};
use super::finder::Found;
use super::share::{Block, Share, ShareFault, Wish};
use crate::buffers::Buffers;
use crate::error::{DownloadError, NotEnoughShares};
use crate::events::{Ongoing, SegmentEvent};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tahoe_crypto::hash::Hash;
use tahoe_storage_api::ShareNumber;
use tokio::time::{Instant, sleep_until};

/// How long a share may take at least before another one is asked for the same blocks.
const LEAST_PATIENCE: Duration = Duration::from_millis(500);
/// The same, while nothing is known of how long it should take.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
/// A share is overdue when it takes this many times as long as others did.
const PATIENCE_FACTOR: u32 = 4;
/// When a search for shares is so old that it is worth being repeated.
const STALE_SEARCH: Duration = Duration::from_secs(30);
/// Servers whose response times differ by less than this are equally near, in milliseconds.
const NEAR: u128 = 16;

/// Why a run gave nothing.
#[derive(Debug)]
pub(super) enum RunError {
    /// The segments aren't what the reader supposed.
    OtherGeometry,
    /// It can't be read.
    Failed(DownloadError),
}

/// Bytes of the file that lie in one segment.
#[derive(Debug, Clone)]
pub(super) struct WantedBytes {
    pub(super) segment: u64,
    /// Counted from the segment's start.
    pub(super) bytes: Range<usize>,
}

/// Fetches, checks and deciphers a run of segments; returns what is wanted of each, in order.
pub(super) async fn read_run(
    core: Arc<Core>,
    wish: Wish,
    wanted: Vec<WantedBytes>,
    buffers: Arc<Buffers>,
) -> Result<Vec<Bytes>, RunError> {
    let events = begin_segments(&core, &wish);
    let found = match Run::new(Arc::clone(&core), wish.clone()).fetch().await {
        Ok(found) => found,
        Err(error) => {
            // With another geometry they are other segments.
            if matches!(error, RunError::Failed(_)) {
                events.into_iter().for_each(|event| event.end(false));
            }
            return Err(error);
        }
    };
    let segments = found.into_iter().zip(wanted).map(|(found, wanted)| {
        let range = wish.geometry.segment_range(wanted.segment);
        VerifiedSegment {
            blocks: found.blocks,
            hash: found.hash,
            range: range.expect("only existing segments are read"),
            wanted: wanted.bytes,
        }
    });
    let segments: Vec<VerifiedSegment> = segments.collect();
    let (pool, storage_index) = (core.pool.clone(), core.storage_index);
    let decode = move || {
        let (started, count) = (Instant::now(), segments.len().max(1));
        let decoded = decode_all(segments, &core.decoder, core.key.as_ref(), &buffers);
        (decoded, started.elapsed().div_f64(count as f64))
    };
    let (decoded, time) = pool.run(decode).await;
    let bad = decoded.as_ref().err().map(|bad| bad.index);
    for (index, event) in events.into_iter().enumerate() {
        event.update(|event| event.decoding = Some(time));
        event.end(bad != Some(index));
    }
    decoded.map_err(|bad| {
        RunError::Failed(DownloadError::BadCiphertext {
            segment: wish.segments.start + bad.index as u64,
            storage_index,
        })
    })
}

/// Takes note that the segments of a run are wanted.
fn begin_segments(core: &Core, wish: &Wish) -> Vec<Ongoing<SegmentEvent>> {
    let segments = wish.segments.clone().map(|segment| {
        let range = wish.geometry.segment_range(segment);
        let range = range.expect("only existing segments are read");
        core.status
            .segments
            .begin(SegmentEvent::start(segment, range))
    });
    segments.collect()
}

/// k verified blocks of a segment.
struct FoundSegment {
    blocks: Vec<(ShareNumber, Bytes)>,
    hash: Hash,
}

struct Run {
    core: Arc<Core>,
    wish: Wish,
    needed: usize,
    /// Verified blocks by segment.
    blocks: BTreeMap<u64, BTreeMap<ShareNumber, Bytes>>,
    /// Proved hashes of the segments' ciphertext.
    hashes: BTreeMap<u64, Hash>,
    active: Vec<Active>,
    fetches: FuturesUnordered<Fetch>,
    most_per_server: usize,
    /// How long the slowest fetch of this run took that came back.
    slowest: Option<Duration>,
    /// The search for shares was repeated once; more would only go round in circles.
    searched_again: bool,
}

/// The outcome of reading a share.
type Fetch = BoxFuture<'static, (Arc<Share>, Result<Fetched, ShareFault>)>;

/// A share that is being read.
struct Active {
    share: Arc<Share>,
    segments: Range<u64>,
    started: Instant,
    overdue: bool,
}

/// What to do for segments that lack blocks.
enum Pick {
    Read(Arc<Share>, Range<u64>),
    /// There are shares, but their servers are busy with others.
    ServersBusy,
    NoShare,
}

impl Run {
    fn new(core: Arc<Core>, wish: Wish) -> Self {
        Self {
            needed: wish.geometry.shares_needed().into(),
            blocks: wish
                .segments
                .clone()
                .map(|s| (s, BTreeMap::new()))
                .collect(),
            hashes: BTreeMap::new(),
            active: Vec::new(),
            fetches: FuturesUnordered::new(),
            most_per_server: 1,
            slowest: None,
            searched_again: false,
            core,
            wish,
        }
    }

    async fn fetch(mut self) -> Result<Vec<FoundSegment>, RunError> {
        let mut changes = self.core.finder.changes();
        loop {
            self.ask_shares()?;
            if self.blocks.values().all(|found| found.len() >= self.needed) {
                return Ok(self.into_segments());
            }
            let overdue = self.next_overdue();
            tokio::select! {
                Some((share, fetched)) = self.fetches.next() => self.fetched(&share, fetched)?,
                changed = changes.changed() => changed.expect("the finder lives as long as the file"),
                () = sleep_until(overdue.unwrap_or_else(Instant::now)), if overdue.is_some() => {
                    self.note_overdue();
                }
            }
        }
    }

    /// Reads as many shares as are still needed, as far as there are any.
    fn ask_shares(&mut self) -> Result<(), RunError> {
        loop {
            let lacking = self.lacking(|active| !active.overdue);
            if lacking.is_empty() {
                return Ok(());
            }
            // One look at what was found: it may grow and become complete while this goes on.
            let Found {
                shares, complete, ..
            } = self.core.finder.found();
            match self.pick(&lacking, shares) {
                Pick::Read(share, segments) => self.read(share, segments),
                Pick::ServersBusy => {
                    self.most_per_server += 1;
                    // Perhaps there is a server that isn't; the next run will know.
                    self.core.finder.look_for_more();
                }
                Pick::NoShare if !complete => {
                    self.core.finder.look_for_more();
                    if !self.core.finder.found().complete {
                        return Ok(());
                    }
                }
                Pick::NoShare => {
                    if self.lacking(|_| true).is_empty() {
                        return Ok(());
                    }
                    if self.searched_again || !self.core.finder.restart_if_older(STALE_SEARCH) {
                        return Err(RunError::Failed(self.failure()));
                    }
                    self.searched_again = true;
                }
            }
        }
    }

    /// The segments that won't have enough blocks even if those reads that `count` succeed.
    fn lacking(&self, count: impl Fn(&Active) -> bool) -> BTreeSet<u64> {
        let is_lacking = |(segment, found): (&u64, &BTreeMap<ShareNumber, Bytes>)| {
            let coming = self.active.iter().filter(|active| {
                count(active)
                    && active.segments.contains(segment)
                    && !found.contains_key(&active.share.number)
            });
            let coming: BTreeSet<ShareNumber> = coming.map(|active| active.share.number).collect();
            (found.len() + coming.len() < self.needed).then_some(*segment)
        };
        self.blocks.iter().filter_map(is_lacking).collect()
    }

    /// Chooses the best share for some of the segments that lack blocks.
    fn pick(&self, lacking: &BTreeSet<u64>, mut shares: Vec<Arc<Share>>) -> Pick {
        shares.retain(|share| !share.is_dead());
        shares.sort_by_cached_key(|share| self.preference(share));
        let mut busy = false;
        for share in shares {
            let is_useful = |segment: &&u64| {
                !self.blocks[*segment].contains_key(&share.number) && !share.is_bad(**segment)
            };
            let mut useful = lacking.iter().filter(is_useful);
            let Some(first) = useful.next() else {
                continue;
            };
            let end = useful.next_back().unwrap_or(first) + 1;
            let segments = *first..end;
            if self.is_being_read(&share, &segments) {
                continue;
            }
            let reads = self.active.iter();
            let from_server = reads.filter(|active| active.share.server.id == share.server.id);
            if from_server.count() >= self.most_per_server {
                busy = true;
                continue;
            }
            return Pick::Read(share, segments);
        }
        if busy {
            Pick::ServersBusy
        } else {
            Pick::NoShare
        }
    }

    /// Sorts the best shares first: good ones, in time, near, without need to decode.
    fn preference(&self, share: &Share) -> (bool, u32, u32, bool, Duration, ShareNumber) {
        let far = share.response_time.as_millis() / NEAR;
        (
            share.has_bad_blocks(),
            share.times_overdue(),
            far.checked_ilog2().map_or(0, |far| far + 1),
            usize::from(share.number.0) >= self.needed,
            share.response_time,
            share.number,
        )
    }

    /// Says whether this share is being read, or another one of its number in time.
    fn is_being_read(&self, share: &Arc<Share>, segments: &Range<u64>) -> bool {
        self.active.iter().any(|active| {
            let overlap =
                active.segments.start < segments.end && segments.start < active.segments.end;
            Arc::ptr_eq(&active.share, share)
                || (active.share.number == share.number && overlap && !active.overdue)
        })
    }

    fn read(&mut self, share: Arc<Share>, segments: Range<u64>) {
        let wish = Wish {
            segments: segments.clone(),
            ..self.wish.clone()
        };
        self.active.push(Active {
            share: Arc::clone(&share),
            segments,
            started: Instant::now(),
            overdue: false,
        });
        let core = Arc::clone(&self.core);
        let fetch = async move {
            let fetched = fetch_blocks(&core, &share, &wish).await;
            (share, fetched)
        };
        self.fetches.push(fetch.boxed());
    }

    fn fetched(
        &mut self,
        share: &Arc<Share>,
        fetched: Result<Fetched, ShareFault>,
    ) -> Result<(), RunError> {
        let same = |active: &Active| Arc::ptr_eq(&active.share, share);
        if let Some(index) = self.active.iter().position(same) {
            let active = self.active.swap_remove(index);
            if fetched.is_ok() {
                let time = active.started.elapsed();
                self.slowest = self.slowest.max(Some(time));
                self.core.note_fetch_time(time);
            }
        }
        match fetched {
            Ok(Fetched::Blocks(blocks)) => {
                for (block, checked) in blocks {
                    match checked {
                        Ok(()) => self.keep(share.number, block),
                        Err(corruption) => self.core.report(share, &corruption),
                    }
                }
                Ok(())
            }
            Ok(Fetched::OtherGeometry) => Err(RunError::OtherGeometry),
            Ok(Fetched::BadFile(source)) => {
                Err(RunError::Failed(DownloadError::BadUriExtension { source }))
            }
            Err(fault) => {
                self.core.share_failed(share, &fault);
                Ok(())
            }
        }
    }

    fn keep(&mut self, number: ShareNumber, block: Block) {
        self.hashes.insert(block.segment, block.segment_hash);
        let found = self.blocks.entry(block.segment).or_default();
        found.entry(number).or_insert(block.data);
    }

    /// How long a read may take before another share is asked.
    fn patience(&self) -> Duration {
        let usual = self.slowest.or_else(|| self.core.usual_fetch_time());
        usual.map_or(FIRST_PATIENCE, |usual| {
            LEAST_PATIENCE.max(usual * PATIENCE_FACTOR)
        })
    }

    fn next_overdue(&self) -> Option<Instant> {
        let in_time = self.active.iter().filter(|active| !active.overdue);
        in_time.map(|active| active.started + self.patience()).min()
    }

    fn note_overdue(&mut self) {
        let (now, patience) = (Instant::now(), self.patience());
        for active in &mut self.active {
            if !active.overdue && active.started + patience <= now {
                active.overdue = true;
                active.share.note_overdue();
            }
        }
    }

    fn into_segments(self) -> Vec<FoundSegment> {
        let hashes = self.hashes;
        let segments = self
            .blocks
            .into_iter()
            .map(|(segment, found)| FoundSegment {
                // The primary blocks have the lowest numbers.
                blocks: found.into_iter().take(self.needed).collect(),
                hash: hashes[&segment],
            });
        segments.collect()
    }

    fn failure(&self) -> DownloadError {
        let found = self.core.finder.found();
        let names = |overdue: bool| {
            let matching = self
                .active
                .iter()
                .filter(|active| active.overdue == overdue);
            matching.map(|active| active.share.to_string()).collect()
        };
        let complete = self.blocks.values().min_by_key(|blocks| blocks.len());
        let complete: Vec<ShareNumber> = complete
            .into_iter()
            .flat_map(|b| b.keys().copied())
            .collect();
        let is_read = |share: &Arc<Share>| {
            let mut active = self.active.iter();
            active.any(|active| Arc::ptr_eq(&active.share, share))
        };
        let unused = found.shares.iter();
        let unused = unused.filter(|share| !share.is_dead() && !is_read(share));
        let not_enough = NotEnoughShares {
            complete,
            pending: names(false),
            overdue: names(true),
            unused: unused.map(|share| share.to_string()).collect(),
            needed: self.wish.geometry.shares_needed(),
            last_failure: found.last_failure,
        };
        not_enough.into()
    }
}
