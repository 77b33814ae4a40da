//! Those who haven't shown yet that they belong here.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long the log says nothing more about strangers who had to go.
const SILENCE: Duration = Duration::from_secs(60);

/// Connections whose peers haven't proved anything yet: if there are too many, the one that has
/// been here longest makes room for the next.
///
/// So whoever opens connections without end keeps out nobody who says at once what he wants. Clones
/// are the same.
#[derive(Debug, Clone)]
pub struct Strangers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next_number: u64,
    /// In the order in which they came.
    strangers: VecDeque<(u64, Arc<Notify>)>,
    /// How many had to go since the log said so.
    gone: u64,
    told: Option<Instant>,
}

/// One of them, until it is dropped: then it has gone, or belongs here.
#[derive(Debug)]
pub struct Stranger {
    shared: Arc<Shared>,
    number: u64,
    go: Arc<Notify>,
}

impl Strangers {
    /// At most so many at once.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Shared {
            most,
            waiting: Mutex::default(),
        }))
    }

    /// Takes one in.
    pub fn admit(&self) -> Stranger {
        let mut waiting = self.0.lock();
        if waiting.strangers.len() >= self.0.most {
            waiting.dismiss_oldest();
        }
        let number = waiting.next_number;
        waiting.next_number += 1;
        let go = Arc::new(Notify::new());
        waiting.strangers.push_back((number, Arc::clone(&go)));
        Stranger {
            shared: Arc::clone(&self.0),
            number,
            go,
        }
    }

    /// Makes the one that has been here longest go; false if there is none.
    pub fn make_room(&self) -> bool {
        self.0.lock().dismiss_oldest()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn dismiss_oldest(&mut self) -> bool {
        let Some((_, oldest)) = self.strangers.pop_front() else {
            return false;
        };
        oldest.notify_one();
        self.gone += 1;
        if self.told.is_none_or(|told| told.elapsed() >= SILENCE) {
            tracing::warn!(
                connections = self.gone,
                "too many connections that prove nothing: the oldest are closed"
            );
            self.gone = 0;
            self.told = Some(Instant::now());
        }
        true
    }
}

impl Stranger {
    /// Ends when the stranger must go; never once it is dropped.
    pub fn must_go(&self) -> impl Future<Output = ()> + Send + use<> {
        let go = Arc::clone(&self.go);
        async move { go.notified().await }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        let place = waiting
            .strangers
            .binary_search_by_key(&self.number, |(number, _)| *number);
        if let Ok(place) = place {
            waiting.strangers.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    async fn goes(must_go: impl Future<Output = ()>) -> bool {
        timeout(Duration::from_millis(1), must_go).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_makes_room_and_who_is_known_stays() {
        let strangers = Strangers::new(2);
        let known = strangers.admit();
        let known_must_go = known.must_go();
        drop(known);
        let (first, second) = (strangers.admit(), strangers.admit());
        assert!(!goes(first.must_go()).await, "there is room for two");
        let third = strangers.admit();
        assert!(goes(first.must_go()).await);
        assert!(strangers.make_room());
        assert!(goes(second.must_go()).await);
        assert!(!goes(third.must_go()).await);
        drop(third);
        assert!(!strangers.make_room(), "nobody is left");
        assert!(!goes(known_must_go).await);
    }
}
