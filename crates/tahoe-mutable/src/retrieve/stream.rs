//! The bytes of a range of a version, a few segments ahead of the reader.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tahoe_share::mutable::MutableGeometry;
use tokio::task::JoinHandle;

use super::Retrieval;
use crate::error::ReadError;
use crate::status::Ongoing;

/// Bytes of the segments that are fetched together, unless a single one is larger.
const BATCH_SIZE: u64 = 1 << 20;
/// Batches that are fetched while another one is delivered.
const BATCHES_AHEAD: usize = 2;
/// Largest file that is read into memory at once, in bytes.
pub const MOST_BYTES_AT_ONCE: u64 = 256 << 20;

/// The bytes of a range of a mutable file. Every byte has been checked against the capability.
///
/// It ends after the last byte or the first error. Dropping it ends the reading.
#[derive(Debug)]
pub struct ReadStream {
    source: Option<Arc<Retrieval>>,
    /// What is left of the range behind what was asked for.
    rest: Range<u64>,
    batches: VecDeque<Batch>,
    pieces: VecDeque<Bytes>,
    /// Bytes that were handed on, of how many.
    delivered: u64,
    length: u64,
    ongoing: Ongoing,
}

/// Some segments on their way, and which of their bytes are wanted.
#[derive(Debug)]
struct Batch {
    task: JoinHandle<Result<Vec<Bytes>, ReadError>>,
    wanted: Range<u64>,
    /// Where the first segment lies in the file.
    start: u64,
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ReadStream {
    /// Delivers what is at hand of a version.
    pub(crate) fn ready(source: &Retrieval, contents: Bytes) -> Self {
        let mut stream = Self::new(source, contents.len() as u64);
        stream
            .pieces
            .extend(Some(contents).filter(|contents| !contents.is_empty()));
        stream
    }

    /// Reads a range that lies in the file.
    pub(crate) fn start(source: Arc<Retrieval>, range: Range<u64>) -> Self {
        let mut stream = Self::new(&source, range.end - range.start);
        stream.source = Some(source);
        stream.rest = range;
        stream
    }

    fn new(source: &Retrieval, length: u64) -> Self {
        let ongoing = source.begin(length);
        if length == 0 {
            ongoing.succeeded();
        }
        Self {
            source: None,
            rest: 0..0,
            batches: VecDeque::new(),
            pieces: VecDeque::new(),
            delivered: 0,
            length,
            ongoing,
        }
    }

    /// Waits for the next piece; none after the last.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        let piece = self.fetch_piece().await?;
        if let Some(piece) = &piece {
            self.delivered += piece.len() as u64;
            self.ongoing.has_done(self.delivered, self.length);
            // Who knows the length needn't ask for what comes after the last piece.
            if self.delivered >= self.length {
                self.ongoing.succeeded();
            }
        }
        Ok(piece)
    }

    async fn fetch_piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(Some(piece));
            }
            self.read_ahead();
            let Some(batch) = self.batches.front_mut() else {
                return Ok(None);
            };
            let result = match (&mut batch.task).await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime is shutting down, and this task with it.
                    Err(_) => std::future::pending().await,
                },
            };
            let finished = self.batches.pop_front();
            match (result, finished) {
                (Ok(segments), Some(batch)) => self.pieces.extend(batch.cut(segments)),
                (Err(error), _) => {
                    self.rest = 0..0;
                    self.batches.clear();
                    return Err(error);
                }
                (Ok(_), None) => {}
            }
        }
    }

    /// Waits until the first piece is there, which shows that the version can be read.
    pub(crate) async fn wait_for_first(&mut self) -> Result<(), ReadError> {
        if let Some(piece) = self.fetch_piece().await? {
            self.pieces.push_front(piece);
        }
        Ok(())
    }

    fn read_ahead(&mut self) {
        let Some(source) = &self.source else { return };
        while !self.rest.is_empty() && self.batches.len() <= BATCHES_AHEAD {
            let geometry = source.geometry();
            let segments = geometry.segments_of(self.rest.clone());
            let most = (BATCH_SIZE / geometry.segment_size().max(1)).max(1);
            let end = segments.end.min(segments.start + most);
            let range_of = |segment| {
                let range = geometry.segment_range(segment);
                range.expect("the range lies in the file")
            };
            let (start, stop) = (range_of(segments.start).start, range_of(end - 1).end);
            let wanted = self.rest.start..self.rest.end.min(stop);
            self.rest.start = wanted.end;
            let (source, segments) = (Arc::clone(source), segments.start..end);
            let status = Arc::clone(self.ongoing.status());
            let task = tokio::spawn(async move { source.segments(segments, &status).await });
            self.batches.push_back(Batch {
                task,
                wanted,
                start,
            });
        }
    }
}

impl Batch {
    /// Keeps the wanted bytes of the segments.
    fn cut(&self, segments: Vec<Bytes>) -> Vec<Bytes> {
        let mut start = self.start;
        let mut pieces = Vec::new();
        for segment in segments {
            let end = start + segment.len() as u64;
            let (from, to) = (self.wanted.start.max(start), self.wanted.end.min(end));
            if from < to {
                let inside = |at: u64| usize::try_from(at - start);
                if let (Ok(from), Ok(to)) = (inside(from), inside(to)) {
                    pieces.push(segment.slice(from..to));
                }
            }
            start = end;
        }
        pieces
    }
}

/// Bytes in memory that reading this range takes, at most: some batches of segments, which of SDMF
/// files are the whole file, and the blocks that they are decoded from.
pub(crate) fn memory_of_stream(geometry: &MutableGeometry, range: Range<u64>) -> u64 {
    let segments = geometry.segments_of(range);
    let bytes = (segments.end - segments.start).saturating_mul(geometry.segment_size());
    let batch = BATCH_SIZE.max(geometry.segment_size());
    let ahead = BATCHES_AHEAD as u64 + 1;
    bytes.min(batch.saturating_mul(ahead)).saturating_mul(2)
}

/// Puts a stream of `size` bytes together.
pub(crate) async fn collect(mut stream: ReadStream, size: u64) -> Result<Bytes, ReadError> {
    let most = MOST_BYTES_AT_ONCE;
    if size > most {
        return Err(ReadError::TooLargeForMemory { size, most });
    }
    let Some(first) = stream.next_piece().await? else {
        return Ok(Bytes::new());
    };
    if first.len() as u64 == size {
        return Ok(first);
    }
    let mut bytes = BytesMut::from(first);
    while let Some(piece) = stream.next_piece().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}
