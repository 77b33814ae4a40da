//! One bounded pool for hashing, ciphers, erasure code and the spool's file calls.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Runs work that would block the runtime, a fixed number of pieces at a time.
///
/// Clones share the bound. The threads are tokio's blocking threads.
#[derive(Debug, Clone)]
pub struct CpuPool {
    slots: Arc<Semaphore>,
    threads: usize,
    /// When the last piece of work ended, or the pool was made.
    last_end: Arc<Mutex<Instant>>,
}

impl CpuPool {
    /// Makes a pool that runs at most `threads` pieces of work at once.
    pub fn new(threads: NonZeroUsize) -> Self {
        let threads = threads.get();
        Self {
            slots: Arc::new(Semaphore::new(threads)),
            threads,
            last_end: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// For how long nothing has run; zero while something does.
    pub fn idle_for(&self) -> Duration {
        if self.slots.available_permits() < self.threads {
            return Duration::ZERO;
        }
        let last_end = self.last_end.lock();
        last_end.unwrap_or_else(PoisonError::into_inner).elapsed()
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
        let last_end = Arc::clone(&self.last_end);
        Running(tokio::task::spawn_blocking(move || {
            let result = work();
            *last_end.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
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
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_pool_is_idle_from_the_end_of_its_work_on() {
        const PAUSE: Duration = Duration::from_millis(5);
        let pool = CpuPool::new(NonZeroUsize::new(2).unwrap());
        std::thread::sleep(PAUSE);
        assert!(pool.idle_for() >= PAUSE);
        let (finish, finished) = std::sync::mpsc::channel::<()>();
        let work = pool.start(move || finished.recv()).await;
        std::thread::sleep(PAUSE);
        assert_eq!(pool.idle_for(), Duration::ZERO);
        let end = Instant::now();
        finish.send(()).unwrap();
        work.result().await.unwrap();
        assert!(pool.idle_for() <= end.elapsed());
    }
}
