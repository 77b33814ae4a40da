//! The two segment files, who writes them, and when they are emptied.

use super::record::{self, HEADER_SIZE, Record, Sequence};
use crate::change::Change;
use crate::disk::{Disk, OpenFile, failed};
use crate::layout::Layout;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tahoe_storage_api::StorageError;

/// Largest size of a segment file in bytes.
const SEGMENT_SIZE: u64 = 4 << 20;
/// Size of a new segment file; it doubles when it is full.
const FIRST_SIZE: u64 = 64 << 10;
/// Longest payload that goes into a segment.
const LARGEST_PAYLOAD: usize = 256 << 10;
/// A checkpoint is made when nothing was committed for that long.
const IDLE_TIME: Duration = Duration::from_secs(2);

/// Makes changes durable before they are carried out.
#[derive(Debug)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
    checkpointer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<Disk>,
    layout: Layout,
    directory: PathBuf,
    state: Mutex<State>,
    /// A commit may go on: a batch is written, a segment is empty or needs nothing more to become
    /// so, everything is to end.
    changed: Condvar,
    /// The thread that makes checkpoints has something to do: a segment is full, everything is to
    /// end. It isn't woken by each commit.
    filled: Condvar,
    next_large: AtomicU64,
    /// Whether a thread makes the checkpoints; else a commit that needs one makes it itself.
    has_checkpointer: bool,
}

#[derive(Debug, Default)]
struct State {
    next_ticket: Ticket,
    /// Of the record that is written next.
    next_sequence: Sequence,
    waiting: VecDeque<Waiting>,
    /// Whether a thread is writing a batch.
    writing: bool,
    /// What became of records whose threads haven't noticed yet.
    settled: HashMap<Ticket, Settled>,
    active: usize,
    segments: [Segment; 2],
    /// Records committed so far.
    committed: u64,
    /// A write failed: what is on the disk is unknown, nothing may be acknowledged any more.
    broken: bool,
    stopping: bool,
}

/// Names a change that waits to be written.
type Ticket = u64;

/// What became of a record.
#[derive(Debug, Clone, Copy)]
enum Settled {
    /// It is durable, in this segment.
    Durable(usize),
    /// There was no room for it.
    NoSpace,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    elsewhere: Option<PathBuf>,
    pieces: Vec<Bytes>,
}

impl Waiting {
    fn size(&self) -> u64 {
        let payload: usize = self.pieces.iter().map(Bytes::len).sum();
        (HEADER_SIZE + payload) as u64
    }
}

#[derive(Debug, Default)]
struct Segment {
    /// Its file, unless a thread is writing to it or it hasn't been made.
    target: Option<Target>,
    /// Bytes that records take.
    used: u64,
    /// Records whose changes haven't been carried out yet.
    unfinished: usize,
    /// Files that records refer to.
    elsewhere: Vec<PathBuf>,
    /// Whether it waits for its checkpoint.
    full: bool,
}

/// The file of a segment.
#[derive(Debug, Clone)]
struct Target {
    file: Arc<OpenFile>,
    /// Bytes of the file whose blocks exist.
    size: u64,
}

/// A durable change that is to be carried out now.
///
/// Dropping it otherwise than by [`Self::done`] breaks the journal: the change would be there after
/// a restart but isn't now.
#[derive(Debug)]
pub(crate) struct Pending<'a> {
    shared: &'a Shared,
    segment: usize,
    done: bool,
}

impl Pending<'_> {
    /// Says that the change has been carried out.
    pub(crate) fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let segment = &mut state.segments[self.segment];
        segment.unfinished -= 1;
        let can_be_emptied = segment.full && segment.unfinished == 0;
        state.broken |= !self.done;
        let broken = state.broken;
        drop(state);
        if can_be_emptied || broken {
            self.shared.changed.notify_all();
        }
    }
}

impl Journal {
    /// Opens an empty journal; with `checkpoints` a thread empties it from time to time.
    pub(crate) fn open(
        disk: &Arc<Disk>,
        layout: &Layout,
        checkpoints: bool,
    ) -> Result<Self, StorageError> {
        let directory = layout.journal();
        disk.make_directories(&directory)?;
        disk.sync_directory(layout.incoming())?;
        let shared = Arc::new(Shared {
            disk: Arc::clone(disk),
            layout: layout.clone(),
            directory,
            state: Mutex::default(),
            changed: Condvar::new(),
            filled: Condvar::new(),
            next_large: AtomicU64::new(0),
            has_checkpointer: checkpoints,
        });
        shared.make_segments()?;
        let worker = Arc::clone(&shared);
        let spawn = || {
            let thread = std::thread::Builder::new().name("storage journal".to_owned());
            thread.spawn(move || worker.run_checkpoints())
        };
        let checkpointer = checkpoints.then(spawn).transpose();
        let checkpointer = checkpointer.map_err(failed("start a thread for", &shared.directory))?;
        Ok(Self {
            shared,
            checkpointer: Mutex::new(checkpointer),
        })
    }

    /// Reads the changes that a crashed server left, in order.
    pub(crate) fn recover(layout: &Layout) -> Result<Vec<Change>, StorageError> {
        let directory = layout.journal();
        let mut runs = Vec::new();
        for number in 0..2 {
            let path = segment_path(&directory, number);
            match std::fs::read(&path) {
                Ok(bytes) => runs.push(record::read_all(&bytes.into())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("read", &path)(error)),
            }
        }
        runs.retain(|run| !run.is_empty());
        runs.sort_by_key(|run| run.first().map(|record| record.sequence));
        let records = runs.iter().flatten();
        let changes = records.map(|record| read_change(&directory, record));
        changes.collect()
    }

    /// Makes a change durable, together with others that wait.
    pub(crate) fn commit(&self, change: &Change) -> Result<Pending<'_>, StorageError> {
        let mut pieces = change.encode();
        let mut elsewhere = None;
        if pieces.iter().map(Bytes::len).sum::<usize>() > LARGEST_PAYLOAD {
            let (path, name) = self.shared.write_elsewhere(&pieces)?;
            pieces = vec![name];
            elsewhere = Some(path);
        }
        let mut state = self.shared.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push_back(Waiting {
            ticket,
            elsewhere,
            pieces,
        });
        loop {
            match state.settled.remove(&ticket) {
                Some(Settled::Durable(segment)) => {
                    return Ok(Pending {
                        shared: &self.shared,
                        segment,
                        done: false,
                    });
                }
                Some(Settled::NoSpace) => return Err(StorageError::NoSpace),
                None => {}
            }
            if state.broken {
                return Err(self.shared.broken());
            }
            state = if state.writing {
                self.shared.wait(state)
            } else {
                self.shared.write_batch(state)
            };
        }
    }

    /// Syncs all that was committed and carried out, and empties the journal.
    ///
    /// Only for a journal whose thread has ended or was never started.
    pub(crate) fn checkpoint(&self) -> Result<(), StorageError> {
        let shared = &self.shared;
        let mut state = shared.lock();
        while !state.broken {
            if let Some(full) = state.segments.iter().position(|segment| segment.full) {
                state = shared.empty(state, full);
            } else if state.writing || !state.waiting.is_empty() {
                state = shared.wait(state);
            } else if state.segments[state.active].used > 0 {
                state.rotate();
            } else {
                return Ok(());
            }
        }
        Err(shared.broken())
    }

    /// Says whether a write failed, so that nothing is acknowledged any more.
    #[cfg(test)]
    pub(crate) fn is_broken(&self) -> bool {
        self.shared.lock().broken
    }

    /// Ends cleanly: everything is synced and the journal removed.
    pub(crate) fn close(&self) -> Result<(), StorageError> {
        self.stop();
        self.checkpoint()?;
        let shared = &self.shared;
        shared.disk.remove_tree(&shared.directory)?;
        shared.disk.sync_directory(shared.layout.incoming())
    }

    fn stop(&self) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        self.shared.filled.notify_all();
        let thread = self.checkpointer.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread panicked");
        }
    }
}

impl Drop for Journal {
    /// Ends as a crash would, but for the thread, which is awaited.
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    /// Lets the active segment wait for its checkpoint and makes the other one active.
    fn rotate(&mut self) {
        self.segments[self.active].full = true;
        self.active = 1 - self.active;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let woken = self.changed.wait(state);
        woken.unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self) -> StorageError {
        let source = io::Error::other("an earlier write failed; the server must be restarted");
        failed("write", &self.directory)(source)
    }

    /// Makes both segment files now, so that a disk that fills up later still takes small changes.
    ///
    /// On a disk that is full already they are made when there is room.
    fn make_segments(&self) -> Result<(), StorageError> {
        for number in 0..2 {
            match self.make_segment(number) {
                Ok(target) => self.lock().segments[number].target = Some(target),
                Err(StorageError::NoSpace) => {
                    tracing::warn!("there is no room for the storage journal");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes a payload that is too large for a segment; returns its path and what to refer by.
    fn write_elsewhere(&self, pieces: &[Bytes]) -> Result<(PathBuf, Bytes), StorageError> {
        let number = self.next_large.fetch_add(1, Ordering::Relaxed);
        let path = large_path(&self.directory, number);
        let write = || {
            let file = self.disk.create_file(&path)?;
            let mut offset = 0;
            for piece in pieces {
                self.disk.write_at(&file, offset, piece)?;
                offset += piece.len() as u64;
            }
            self.disk.sync_file(&file)?;
            self.disk.sync_directory(&self.directory)
        };
        let written: Result<(), StorageError> = write();
        if let Err(error) = written {
            if let Err(error) = self.disk.remove_file(&path) {
                tracing::warn!(%error, "a part of a record is left until the next start");
            }
            return Err(error);
        }
        Ok((path, number.to_be_bytes().to_vec().into()))
    }

    /// Writes the records that wait, as many as fit the active segment, and makes them durable.
    fn write_batch<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.writing = true;
        let room = SEGMENT_SIZE - state.segments[state.active].used;
        if state
            .waiting
            .front()
            .is_some_and(|first| first.size() > room)
        {
            // Only now is the other segment needed.
            let other = 1 - state.active;
            while state.segments[other].full && !state.broken && !state.stopping {
                state = if self.has_checkpointer {
                    self.wait(state)
                } else {
                    self.empty(state, other)
                };
            }
            if state.segments[1 - state.active].full {
                state.broken = true;
            } else {
                state.rotate();
            }
        }
        if !state.broken {
            state = self.write_to_active(state);
        }
        state.writing = false;
        self.changed.notify_all();
        if state.segments.iter().any(|segment| segment.full) {
            self.filled.notify_all();
        }
        state
    }

    fn write_to_active<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let number = state.active;
        let segment = &mut state.segments[number];
        let (mut target, start) = (segment.target.take(), segment.used);
        let mut batch = Vec::new();
        let mut end = start;
        while let Some(next) = state.waiting.front()
            && end + next.size() <= SEGMENT_SIZE
        {
            end += next.size();
            batch.extend(state.waiting.pop_front());
        }
        let first = state.next_sequence;
        drop(state);
        let mut bytes = Vec::with_capacity(usize::try_from(end - start).unwrap_or(0));
        for (sequence, record) in (first..).zip(&batch) {
            let elsewhere = record.elsewhere.is_some();
            record::push(&mut bytes, sequence, elsewhere, &record.pieces);
        }
        let written = self.write_segment(number, &mut target, start, &bytes);
        let mut state = self.lock();
        state.segments[number].target = target;
        match written {
            Ok(()) => {
                state.next_sequence += batch.len() as u64;
                state.committed += batch.len() as u64;
                let segment = &mut state.segments[number];
                segment.used = end;
                segment.unfinished += batch.len();
                let elsewhere = batch.iter().filter_map(|record| record.elsewhere.clone());
                segment.elsewhere.extend(elsewhere);
                let settled = batch.iter().map(|r| (r.ticket, Settled::Durable(number)));
                state.settled.extend(settled);
            }
            Err(StorageError::NoSpace) => {
                let settled = batch.iter().map(|record| (record.ticket, Settled::NoSpace));
                state.settled.extend(settled);
                // What the file has room for can be used again after a checkpoint.
                if state.segments[number].used > 0 && !state.segments[1 - number].full {
                    state.rotate();
                }
            }
            Err(error) => {
                tracing::error!(%error, "the storage journal can't be written");
                state.broken = true;
            }
        }
        state
    }

    /// Writes to a segment file, which is made or grown if need be, and syncs it.
    fn write_segment(
        &self,
        number: usize,
        target: &mut Option<Target>,
        start: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        let end = start + bytes.len() as u64;
        if target.is_none() {
            *target = Some(self.make_segment(number)?);
        }
        let Some(target) = target else {
            return Err(self.broken());
        };
        if target.size < end {
            let mut size = target.size;
            while size < end {
                size = (size * 2).min(SEGMENT_SIZE);
            }
            self.write_zeros(&target.file, target.size..size)?;
            target.size = size;
        }
        self.disk.write_at(&target.file, start, bytes)?;
        self.disk.sync_file(&target.file)
    }

    fn make_segment(&self, number: usize) -> Result<Target, StorageError> {
        let path = segment_path(&self.directory, number);
        let file = match self.disk.create_file(&path) {
            // An earlier attempt failed on the way.
            Err(_) if path.exists() => self.disk.open_file(&path)?,
            file => file?,
        };
        self.write_zeros(&file, 0..FIRST_SIZE)?;
        self.disk.sync_file(&file)?;
        self.disk.sync_directory(&self.directory)?;
        Ok(Target {
            file: Arc::new(file),
            size: FIRST_SIZE,
        })
    }

    fn write_zeros(&self, file: &OpenFile, range: Range<u64>) -> Result<(), StorageError> {
        let zeros = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
        self.disk.write_at(file, range.start, &zeros)
    }

    /// Makes checkpoints until the journal ends: of full segments, and when nothing happens.
    fn run_checkpoints(&self) {
        let mut state = self.lock();
        let mut committed = state.committed;
        while !state.stopping && !state.broken {
            if let Some(full) = state.segments.iter().position(|segment| segment.full) {
                state = self.empty(state, full);
                continue;
            }
            let (woken, timeout) = self
                .filled
                .wait_timeout(state, IDLE_TIME)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            let idle = state.committed == committed && !state.writing && state.waiting.is_empty();
            if timeout.timed_out() && idle && state.segments[state.active].used > 0 {
                state.rotate();
            }
            committed = state.committed;
        }
    }

    /// Makes a checkpoint of a full segment, once all its changes have been carried out.
    fn empty<'a>(&'a self, state: MutexGuard<'a, State>, number: usize) -> MutexGuard<'a, State> {
        let mut state = state;
        while state.segments[number].unfinished > 0 && !state.broken {
            state = self.wait(state);
        }
        if state.broken {
            return state;
        }
        let target = state.segments[number].target.clone();
        let elsewhere = std::mem::take(&mut state.segments[number].elsewhere);
        drop(state);
        let emptied = self.forget(target.as_ref(), &elsewhere);
        let mut state = self.lock();
        match emptied {
            Ok(()) => {
                let segment = &mut state.segments[number];
                segment.used = 0;
                segment.full = false;
            }
            Err(error) => {
                tracing::error!(%error, "changes can't be synced; the journal keeps them");
                state.broken = true;
            }
        }
        self.changed.notify_all();
        state
    }

    /// Syncs what a segment's records changed, then makes the segment read as empty.
    fn forget(&self, target: Option<&Target>, elsewhere: &[PathBuf]) -> Result<(), StorageError> {
        self.disk.sync_all(self.layout.shares())?;
        if let Some(target) = target {
            self.disk.write_at(&target.file, 0, &[0; HEADER_SIZE])?;
            self.disk.sync_file(&target.file)?;
        }
        for path in elsewhere {
            self.disk.remove_file(path)?;
        }
        Ok(())
    }
}

fn segment_path(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("segment-{number}"))
}

fn large_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("large-{number}"))
}

fn read_change(directory: &Path, record: &Record) -> Result<Change, StorageError> {
    let corrupt = || StorageError::CorruptContainer {
        reason: "the storage journal holds an impossible record".to_owned(),
    };
    let mut payload = Bytes::clone(&record.payload);
    if record.elsewhere {
        let number = payload[..].try_into().map_err(|_| corrupt())?;
        let path = large_path(directory, u64::from_be_bytes(number));
        payload = std::fs::read(&path).map_err(failed("read", &path))?.into();
    }
    Change::decode(&payload).map_err(|_| corrupt())
}
