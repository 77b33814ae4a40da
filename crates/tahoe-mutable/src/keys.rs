//! RSA keys made ahead of need.
//!
//! Making one takes tens of milliseconds of processor time. A thread of low priority keeps a few
//! ready, so that creating a file usually costs none.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tahoe_crypto::{RsaError, RsaPrivateKey};
use tahoe_tasks::CpuPool;

/// How much more the making of keys yields to everything else: the most a process can.
const NICENESS: i32 = 19;

/// How many keys are kept ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyKeys {
    /// Until the first is taken: a node that never makes a mutable file needn't make many keys.
    pub at_first: usize,
    /// From then on; about three kilobytes each.
    pub in_use: usize,
}

/// A bounded stock of fresh keys. The thread that fills it ends with the pool, after the key that
/// it is making.
#[derive(Debug)]
pub struct RsaKeyPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    stock: Mutex<Stock>,
    changed: Condvar,
    wanted: ReadyKeys,
}

#[derive(Debug, Default)]
struct Stock {
    keys: VecDeque<RsaPrivateKey>,
    in_use: bool,
    closed: bool,
}

impl RsaKeyPool {
    /// Begins to make keys, in a thread of its own unless none are wanted.
    pub fn start(wanted: ReadyKeys) -> std::io::Result<Self> {
        if wanted.in_use == 0 {
            return Ok(Self::without_stock());
        }
        let shared = Arc::new(Shared::new(wanted));
        let filler = Arc::clone(&shared);
        thread::Builder::new()
            .name("rsa-keys".to_owned())
            .spawn(move || filler.fill())?;
        Ok(Self { shared })
    }

    /// Keeps no keys: each is made when it is asked for.
    pub fn without_stock() -> Self {
        let none = ReadyKeys {
            at_first: 0,
            in_use: 0,
        };
        Self {
            shared: Arc::new(Shared::new(none)),
        }
    }

    /// How many keys are ready.
    pub fn ready(&self) -> usize {
        self.shared.lock().keys.len()
    }

    /// Takes a key; makes one on the pool if none is ready.
    pub async fn take(&self, pool: &CpuPool) -> Result<RsaPrivateKey, RsaError> {
        let ready = {
            let mut stock = self.shared.lock();
            stock.in_use = true;
            stock.keys.pop_front()
        };
        self.shared.changed.notify_one();
        match ready {
            Some(key) => Ok(key),
            None => pool.run(RsaPrivateKey::generate).await,
        }
    }
}

impl Drop for RsaKeyPool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn new(wanted: ReadyKeys) -> Self {
        Self {
            stock: Mutex::default(),
            changed: Condvar::new(),
            wanted,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self) {
        // On Linux this concerns the calling thread alone. Without it keys are made all the same.
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "keys are made at normal priority");
        }
        while self.wait_for_room() {
            match RsaPrivateKey::generate() {
                Ok(key) => self.lock().keys.push_back(key),
                Err(error) => {
                    tracing::error!(%error, "no more RSA keys are made ahead");
                    return;
                }
            }
        }
    }

    /// Waits until a key is wanted; false once nobody will want any.
    fn wait_for_room(&self) -> bool {
        let stock = self.lock();
        let full = |stock: &mut Stock| {
            let wanted = match stock.in_use {
                true => self.wanted.in_use,
                false => self.wanted.at_first,
            };
            !stock.closed && stock.keys.len() >= wanted
        };
        let stock = self.changed.wait_while(stock, full);
        !stock.unwrap_or_else(PoisonError::into_inner).closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn keys_are_different_and_the_stock_is_filled_again() {
        let cpu = CpuPool::new(NonZeroUsize::MIN);
        let wanted = ReadyKeys {
            at_first: 1,
            in_use: 3,
        };
        let pool = RsaKeyPool::start(wanted).unwrap();
        let first = pool.take(&cpu).await.unwrap();
        let second = pool.take(&cpu).await.unwrap();
        assert_ne!(first.as_pkcs8_der(), second.as_pkcs8_der());
        let deadline = Instant::now() + Duration::from_secs(60);
        while pool.ready() < 3 {
            assert!(Instant::now() < deadline, "no key is made");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let shared = Arc::clone(&pool.shared);
        drop(pool);
        while Arc::strong_count(&shared) > 1 {
            assert!(Instant::now() < deadline, "the thread goes on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_pool_without_stock_makes_keys_on_demand() {
        let cpu = CpuPool::new(NonZeroUsize::MIN);
        let pool = RsaKeyPool::without_stock();
        pool.take(&cpu).await.unwrap();
        assert_eq!(pool.ready(), 0);
    }
}
