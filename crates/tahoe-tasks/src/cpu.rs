//! One bounded pool for hashing, ciphers, erasure code and the spool's file calls.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Runs work that would block the runtime, a fixed number of pieces at a time.
///
/// Clones share the bound. The threads are tokio's blocking threads.
#[derive(Debug, Clone)]
pub struct CpuPool {
    slots: Arc<Semaphore>,
    threads: usize,
    begun: Arc<AtomicU64>,
}

impl CpuPool {
    /// Makes a pool that runs at most `threads` pieces of work at once.
    pub fn new(threads: NonZeroUsize) -> Self {
        let threads = threads.get();
        Self {
            slots: Arc::new(Semaphore::new(threads)),
            threads,
            begun: Arc::default(),
        }
    }

    /// How many pieces of work were begun since the pool was made, and how many of them run now.
    pub fn activity(&self) -> (u64, usize) {
        let running = self.threads.saturating_sub(self.slots.available_permits());
        (self.begun.load(Ordering::Relaxed), running)
    }

    /// How many pieces of work may run at once.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` and waits for its result. Once begun, it runs to its end even if the caller
    /// stops waiting.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.start(work).await.result().await
    }

    /// Waits for a free slot and begins `work`.
    pub async fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Running<T> {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.expect("the semaphore is never closed");
        self.begun.fetch_add(1, Ordering::Relaxed);
        Running(tokio::task::spawn_blocking(move || {
            let result = work();
            drop(slot);
            result
        }))
    }
}

/// Work that a [`CpuPool`] has begun.
#[derive(Debug)]
pub struct Running<T>(JoinHandle<T>);

impl<T> Running<T> {
    /// Waits for the result; a panic of the work goes on here.
    pub async fn result(self) -> T {
        match self.0.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn no_more_than_the_bound_runs_at_once() {
        let pool = CpuPool::new(NonZeroUsize::new(2).unwrap());
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = (0..20).map(|number| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            pool.run(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
                number
            })
        });
        let results = futures_util::future::join_all(work).await;
        assert_eq!(results, (0..20).collect::<Vec<_>>());
        assert_eq!(pool.activity(), (20, 0));
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }
}
