//! Reads a range: runs of segments, fetched ahead, delivered in order.

use super::core::Core;
use super::run::{RunError, WantedBytes, read_run};
use super::share::Wish;
use crate::error::DownloadError;
use crate::events::{Ongoing, ReadEvent};
use bytes::Bytes;
use futures_core::Stream;
use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tahoe_share::{DEFAULT_MAX_SEGMENT_SIZE, SegmentGeometry};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Runs that are fetched while another one is delivered.
const RUNS_AHEAD: usize = 2;
/// Most bytes of a run, unless a single segment has more.
const RUN_SIZE: u64 = 4 * 1024 * 1024;
/// Most bytes of a run from one share, unless a single block has more.
const READ_SIZE: u64 = 1024 * 1024;
/// Segments whose hashes are fetched together.
const HASHES_AHEAD: u64 = 1024;
/// Pieces that wait for the consumer.
const QUEUE_LENGTH: usize = 1;

/// The bytes of a range of a file, a piece per segment.
///
/// It ends after the last byte or the first error. Every byte has been checked against the
/// capability.
#[derive(Debug)]
pub struct ReadStream {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Ready(Option<Bytes>),
    Running {
        pieces: mpsc::Receiver<Result<Bytes, DownloadError>>,
        _reader: Task<()>,
    },
}

/// A task that is cancelled when nobody waits for it any more.
#[derive(Debug)]
struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Waits for the result; a panic goes on here.
    async fn result(&mut self) -> T {
        match (&mut self.0).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ReadStream {
    pub(super) fn ready(content: Bytes) -> Self {
        let content = Some(content).filter(|content| !content.is_empty());
        Self {
            source: Source::Ready(content),
        }
    }

    /// Reads a range that isn't empty and lies in the file.
    pub(super) fn start(core: Arc<Core>, range: Range<u64>) -> Self {
        let (queue, pieces) = mpsc::channel(QUEUE_LENGTH);
        let event = core.status.reads.begin(ReadEvent::start(range.clone()));
        let reader = Task::spawn(async move {
            let read = read(&core, range, &queue, &event).await;
            event.end(read.is_ok());
            if let Err(error) = read {
                // The consumer may have gone.
                let _gone = queue.send(Err(error)).await.is_err();
            }
        });
        Self {
            source: Source::Running {
                pieces,
                _reader: reader,
            },
        }
    }

    /// Waits for the next piece.
    pub async fn next_piece(&mut self) -> Option<Result<Bytes, DownloadError>> {
        match &mut self.source {
            Source::Ready(content) => content.take().map(Ok),
            Source::Running { pieces, .. } => pieces.recv().await,
        }
    }
}

impl Stream for ReadStream {
    type Item = Result<Bytes, DownloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.source {
            Source::Ready(content) => Poll::Ready(content.take().map(Ok)),
            Source::Running { pieces, .. } => pieces.poll_recv(cx),
        }
    }
}

type RunningRun = Task<Result<Vec<Bytes>, RunError>>;

async fn read(
    core: &Arc<Core>,
    range: Range<u64>,
    queue: &mpsc::Sender<Result<Bytes, DownloadError>>,
    event: &Ongoing<ReadEvent>,
) -> Result<(), DownloadError> {
    let mut plan = Plan::new(core, range.clone())?;
    let mut running = VecDeque::<RunningRun>::new();
    let mut known = core.facts_known();
    loop {
        // Before the segment size is known for certain, one run is risk enough.
        let most = if *known.borrow_and_update() {
            1 + RUNS_AHEAD
        } else {
            1
        };
        while running.len() < most
            && let Some((wish, wanted)) = plan.next_run()
        {
            running.push_back(Task::spawn(read_run(Arc::clone(core), wish, wanted)));
        }
        let Some(first) = running.front_mut() else {
            return Ok(());
        };
        let result = tokio::select! {
            result = first.result() => result,
            changed = known.changed() => {
                changed.expect("the sender lives as long as the file");
                continue;
            }
        };
        running.pop_front();
        match result {
            Ok(pieces) => {
                for piece in pieces {
                    let length = piece.len() as u64;
                    core.status.delivered(length);
                    event.update(|event| event.delivered += length);
                    if queue.send(Ok(piece)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            // Only the first run can find that out, and nothing has been delivered yet.
            Err(RunError::OtherGeometry) => {
                running.clear();
                plan = Plan::new(core, range.clone())?;
            }
            Err(RunError::Failed(error)) => return Err(error),
        }
    }
}

/// Cuts a range into runs.
struct Plan {
    geometry: SegmentGeometry,
    /// Bytes of the file.
    range: Range<u64>,
    /// Not yet in a run.
    segments: Range<u64>,
    /// Segments of the next run.
    run_length: u64,
}

impl Plan {
    /// Plans with the file's geometry, or with the usual one if it isn't known.
    fn new(core: &Core, range: Range<u64>) -> Result<Self, DownloadError> {
        let geometry = match core.geometry() {
            Some(geometry) => geometry,
            None => SegmentGeometry::for_upload(
                core.promise.encoding,
                core.promise.file_size,
                DEFAULT_MAX_SEGMENT_SIZE,
            )?,
        };
        Ok(Self {
            segments: geometry.segments_of(range.clone()),
            geometry,
            range,
            run_length: 1,
        })
    }

    /// The first run is one segment long, so that the first byte comes soon; the next are longer.
    fn next_run(&mut self) -> Option<(Wish, Vec<WantedBytes>)> {
        let longest = (RUN_SIZE / self.geometry.segment_size())
            .min(READ_SIZE / self.geometry.block_size())
            .max(1);
        let start = self.segments.start;
        let end = self.segments.end.min(start + self.run_length);
        self.segments.start = end;
        self.run_length = (2 * self.run_length).min(longest);
        let hashes_end = self.segments.end.min(start + HASHES_AHEAD).max(end);
        let wish = Wish {
            geometry: self.geometry,
            segments: start..end,
            hashes: start..hashes_end,
        };
        let wanted = (start..end).map(|segment| self.wanted_bytes(segment));
        let wanted: Vec<WantedBytes> = wanted.collect();
        (!wanted.is_empty()).then_some((wish, wanted))
    }

    fn wanted_bytes(&self, segment: u64) -> WantedBytes {
        let place = self.geometry.segment_range(segment);
        let place = place.expect("only existing segments are planned");
        let in_segment = |offset: u64| {
            let offset = offset.clamp(place.start, place.end) - place.start;
            usize::try_from(offset).expect("a segment fits in memory")
        };
        WantedBytes {
            segment,
            bytes: in_segment(self.range.start)..in_segment(self.range.end),
        }
    }
}
