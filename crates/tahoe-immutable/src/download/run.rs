//! Fetches a run of neighbouring segments: enough blocks of each, from the best shares, until they
//! can be decoded and verified.
//!
//! Each chosen share is asked for the blocks of all segments of the run at once. A share that fails
//! or is corrupt is replaced; so is one that is overdue, though its answer still counts if it comes
//! first. No more shares than needed are read from one server at a time.

use super::core::Core;
use super::decode::{Decoded, FoundSegment, decode_all};
use super::fetch::{Fetched, fetch_blocks};
use super::finder::Found;
use super::share::{Block, Share, ShareFault, Wish};
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

/// Fetches, verifies and deciphers a run of segments; returns what is wanted of each, in order.
pub(super) async fn read_run(
    core: Arc<Core>,
    wish: Wish,
    wanted: Vec<WantedBytes>,
) -> Result<Vec<Bytes>, RunError> {
    let mut run = Run::new(core, wish, wanted);
    let read = run.read_all().await;
    // With another geometry they are other segments.
    if matches!(read, Err(RunError::Failed(_))) {
        run.events.into_values().for_each(|event| event.end(false));
    }
    read.map(|()| run.pieces.into_values().collect())
}

/// Takes note that the segments of a run are wanted.
fn begin_segments(core: &Core, wish: &Wish) -> BTreeMap<u64, Ongoing<SegmentEvent>> {
    let segments = wish.segments.clone().map(|segment| {
        let start = SegmentEvent::start(segment, range_of(wish, segment));
        (segment, core.status.segments.begin(start))
    });
    segments.collect()
}

fn range_of(wish: &Wish, segment: u64) -> Range<u64> {
    let range = wish.geometry.segment_range(segment);
    range.expect("only existing segments are read")
}

struct Run {
    core: Arc<Core>,
    wish: Wish,
    wanted: BTreeMap<u64, Range<usize>>,
    needed: usize,
    /// What came of each segment that isn't verified yet, with the shares that gave it.
    blocks: BTreeMap<u64, BTreeMap<ShareNumber, (Arc<Share>, Block)>>,
    /// What is wanted of each segment that is.
    pieces: BTreeMap<u64, Bytes>,
    /// Of the segments that aren't.
    events: BTreeMap<u64, Ongoing<SegmentEvent>>,
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
    fn new(core: Arc<Core>, wish: Wish, wanted: Vec<WantedBytes>) -> Self {
        let segments = wish.segments.clone();
        Self {
            needed: wish.geometry.shares_needed().into(),
            blocks: segments.map(|s| (s, BTreeMap::new())).collect(),
            pieces: BTreeMap::new(),
            events: begin_segments(&core, &wish),
            wanted: wanted.into_iter().map(|w| (w.segment, w.bytes)).collect(),
            active: Vec::new(),
            fetches: FuturesUnordered::new(),
            most_per_server: 1,
            slowest: None,
            searched_again: false,
            core,
            wish,
        }
    }

    async fn read_all(&mut self) -> Result<(), RunError> {
        while !self.blocks.is_empty() {
            self.collect_blocks().await?;
            self.decode().await?;
        }
        Ok(())
    }

    /// Fetches until there are enough blocks of every segment.
    async fn collect_blocks(&mut self) -> Result<(), RunError> {
        let mut changes = self.core.finder.changes();
        loop {
            self.ask_shares()?;
            if self.blocks.values().all(|found| found.len() >= self.needed) {
                return Ok(());
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

    /// Decodes and verifies all segments; what bad blocks spoiled is to be fetched again.
    async fn decode(&mut self) -> Result<(), RunError> {
        let blocks = std::mem::take(&mut self.blocks);
        let numbers: Vec<u64> = blocks.keys().copied().collect();
        let segments = blocks.into_iter().map(|(segment, found)| FoundSegment {
            // The primary blocks have the lowest numbers.
            blocks: found.into_values().take(self.needed).collect(),
            range: range_of(&self.wish, segment),
            wanted: self.wanted[&segment].clone(),
        });
        let segments: Vec<FoundSegment> = segments.collect();
        let core = Arc::clone(&self.core);
        let geometry = self.wish.geometry;
        let decode = move || {
            let (started, count) = (Instant::now(), segments.len().max(1));
            let key = core.key.as_ref();
            let decoded = decode_all(segments, &geometry, &core.decoder, key);
            (decoded, started.elapsed().div_f64(count as f64))
        };
        let (decoded, time) = self.core.pool.run(decode).await;
        let mut outcome = Ok(());
        for (segment, decoded) in numbers.into_iter().zip(decoded) {
            if let Err(error) = self.decoded(segment, decoded, time) {
                outcome = Err(RunError::Failed(error));
            }
        }
        outcome
    }

    fn decoded(
        &mut self,
        segment: u64,
        decoded: Decoded,
        time: Duration,
    ) -> Result<(), DownloadError> {
        match decoded {
            Decoded::Verified(piece) => {
                self.pieces.insert(segment, piece);
                if let Some(event) = self.events.remove(&segment) {
                    event.update(|event| event.decoding = Some(time));
                    event.end(true);
                }
                Ok(())
            }
            Decoded::BadBlocks { good, bad } => {
                for (share, corruption) in &bad {
                    self.core.report(share, corruption);
                }
                let good = good
                    .into_iter()
                    .map(|(share, block)| (share.number, (share, block)));
                self.blocks.insert(segment, good.collect());
                Ok(())
            }
            Decoded::BadCiphertext => Err(DownloadError::BadCiphertext {
                segment,
                storage_index: self.core.storage_index,
            }),
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
        let is_lacking = |(segment, found): (&u64, &BTreeMap<ShareNumber, _>)| {
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
                for block in blocks {
                    self.keep(share, block);
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

    fn keep(&mut self, share: &Arc<Share>, block: Block) {
        if let Some(found) = self.blocks.get_mut(&block.segment)
            && !share.is_bad(block.segment)
        {
            let found = found.entry(share.number);
            found.or_insert_with(|| (Arc::clone(share), block));
        }
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
