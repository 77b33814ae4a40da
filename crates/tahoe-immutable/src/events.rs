//! What the reads of one file did and when, for whoever shows it.
//!
//! Of each kind only the latest events are kept.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tahoe_crypto::ServerId;
use tahoe_storage_api::ShareNumber;
use tokio::time::Instant;

/// Most events of a kind that are kept.
const MOST_KEPT: usize = 500;

/// When something began and ended, and whether it worked.
#[derive(Debug, Clone, Copy)]
pub struct EventTimes {
    /// When it began.
    pub started: Instant,
    /// When it ended; none while it goes on.
    pub finished: Option<Instant>,
    /// Whether it worked; none while it goes on, and if nobody wanted it any more.
    pub success: Option<bool>,
}

impl EventTimes {
    fn start() -> Self {
        Self {
            started: Instant::now(),
            finished: None,
            success: None,
        }
    }
}

/// Somebody reads a range of the file.
#[derive(Debug, Clone)]
pub struct ReadEvent {
    /// Which bytes.
    pub range: Range<u64>,
    /// When.
    pub times: EventTimes,
    /// How many bytes were handed on.
    pub delivered: u64,
}

/// A segment is fetched and decoded.
#[derive(Debug, Clone)]
pub struct SegmentEvent {
    /// Its number.
    pub segment: u64,
    /// When.
    pub times: EventTimes,
    /// Which bytes of the file it holds.
    pub range: Range<u64>,
    /// Its part of the time that decoding and deciphering its run took.
    pub decoding: Option<Duration>,
}

/// A server is asked which shares it has.
#[derive(Debug, Clone)]
pub struct QuestionEvent {
    /// The server.
    pub server: ServerId,
    /// When.
    pub times: EventTimes,
    /// What it has.
    pub shares: Vec<ShareNumber>,
}

/// A part of a share is fetched.
#[derive(Debug, Clone)]
pub struct RequestEvent {
    /// From which server.
    pub server: ServerId,
    /// Of which share.
    pub share: ShareNumber,
    /// Which bytes of it.
    pub range: Range<u64>,
    /// When.
    pub times: EventTimes,
    /// How many bytes came.
    pub received: Option<u64>,
}

/// The latest events of all kinds, each kind in the order in which they began.
#[derive(Debug, Clone, Default)]
pub struct DownloadEvents {
    /// Reads.
    pub reads: Vec<ReadEvent>,
    /// Segments.
    pub segments: Vec<SegmentEvent>,
    /// Questions about shares.
    pub questions: Vec<QuestionEvent>,
    /// Requests for parts of shares.
    pub requests: Vec<RequestEvent>,
}

/// Keeps the latest events of one kind.
#[derive(Debug)]
struct Latest<T> {
    events: VecDeque<T>,
    /// How many were dropped before the first.
    dropped: u64,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self {
            events: VecDeque::new(),
            dropped: 0,
        }
    }
}

impl<T> Latest<T> {
    fn push(&mut self, event: T) -> u64 {
        if self.events.len() == MOST_KEPT {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(event);
        self.dropped + self.events.len() as u64 - 1
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let index = number.checked_sub(self.dropped)?;
        self.events.get_mut(usize::try_from(index).ok()?)
    }
}

/// A list of events of one kind that those who cause them share.
#[derive(Debug)]
pub(crate) struct Recorder<T>(Arc<Mutex<Latest<T>>>);

impl<T> Default for Recorder<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Event> Recorder<T> {
    fn lock(&self) -> MutexGuard<'_, Latest<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that something begins.
    pub(crate) fn begin(&self, event: T) -> Ongoing<T> {
        let number = self.lock().push(event);
        Ongoing {
            list: Self(Arc::clone(&self.0)),
            number,
        }
    }

    /// The events that are kept.
    pub(crate) fn events(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.lock().events.iter().cloned().collect()
    }
}

/// What begins and ends.
pub(crate) trait Event {
    fn times(&mut self) -> &mut EventTimes;
}

macro_rules! event {
    ($($name:ident),*) => {
        $(impl Event for $name {
            fn times(&mut self) -> &mut EventTimes {
                &mut self.times
            }
        })*
    };
}
event!(ReadEvent, SegmentEvent, QuestionEvent, RequestEvent);

/// Something that goes on. If it is dropped, nobody wanted it any more.
#[derive(Debug)]
pub(crate) struct Ongoing<T: Event> {
    list: Recorder<T>,
    number: u64,
}

impl<T: Event> Ongoing<T> {
    /// Records how far it is.
    pub(crate) fn update(&self, change: impl FnOnce(&mut T)) {
        if let Some(event) = self.list.lock().get_mut(self.number) {
            change(event);
        }
    }

    /// Records that it ended.
    pub(crate) fn end(self, success: bool) {
        self.update(|event| {
            let times = event.times();
            times.finished = Some(Instant::now());
            times.success = Some(success);
        });
    }
}

impl<T: Event> Drop for Ongoing<T> {
    fn drop(&mut self) {
        self.update(|event| {
            let times = event.times();
            times.finished = times.finished.or_else(|| Some(Instant::now()));
        });
    }
}

impl ReadEvent {
    pub(crate) fn start(range: Range<u64>) -> Self {
        Self {
            range,
            times: EventTimes::start(),
            delivered: 0,
        }
    }
}

impl SegmentEvent {
    pub(crate) fn start(segment: u64, range: Range<u64>) -> Self {
        Self {
            segment,
            times: EventTimes::start(),
            range,
            decoding: None,
        }
    }
}

impl QuestionEvent {
    pub(crate) fn start(server: &ServerId) -> Self {
        Self {
            server: server.clone(),
            times: EventTimes::start(),
            shares: Vec::new(),
        }
    }
}

impl RequestEvent {
    pub(crate) fn start(server: &ServerId, share: ShareNumber, range: &Range<u64>) -> Self {
        Self {
            server: server.clone(),
            share,
            range: range.clone(),
            times: EventTimes::start(),
            received: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_and_find_their_end() {
        let recorder = Recorder::<ReadEvent>::default();
        let first = recorder.begin(ReadEvent::start(0..1));
        let second = recorder.begin(ReadEvent::start(1..2));
        for number in 2..=MOST_KEPT as u64 {
            drop(recorder.begin(ReadEvent::start(number..number + 1)));
        }
        // It isn't kept any more.
        first.end(true);
        second.update(|event| event.delivered = 7);
        second.end(false);
        let events = recorder.events();
        assert_eq!(events.len(), MOST_KEPT);
        assert_eq!((events[0].range.clone(), events[0].delivered), (1..2, 7));
        assert_eq!(events[0].times.success, Some(false));
        assert!(events[0].times.finished.is_some());
        assert!(events[1].times.finished.is_some(), "nobody wanted it");
        assert_eq!(events[1].times.success, None);
    }
}
