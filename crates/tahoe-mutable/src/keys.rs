//! RSA keys made ahead of need.
//!
//! Making one takes tens of milliseconds of processor time. Threads of low priority keep some ready,
//! so that creating a file usually costs none; the more were missing once, the more are kept.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tahoe_crypto::{RsaError, RsaPrivateKey};
use tahoe_tasks::CpuPool;

/// How much more the making of keys yields to everything else: the most a process can.
const NICENESS: i32 = 19;
/// Threads that make keys, so that a stock that was used up at once is soon there again.
const MAKERS: usize = 2;
/// While half of the stock is left, more are made only when nobody has taken one for so long: whoever takes
/// several one after the other needs the processor for what he does with them.
const REST: Duration = Duration::from_millis(100);
/// How many more keys are kept for each that was asked for when none was ready.
const MORE_FOR_EACH_MISSING: usize = 2;

/// How many keys are kept ready; each takes about three kilobytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyKeys {
    /// Until more are needed: a node that hardly makes mutable files needn't make many keys.
    pub at_first: usize,
    /// The stock grows with each key that wasn't ready when it was asked for, up to this.
    pub most: usize,
}

/// A bounded stock of fresh keys. The threads that fill it end with the pool, after the key that
/// each of them is making.
#[derive(Debug)]
pub struct RsaKeyPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    stock: Mutex<Stock>,
    changed: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct Stock {
    keys: VecDeque<RsaPrivateKey>,
    wanted: usize,
    /// Keys that are being made.
    coming: usize,
    last_taken: Option<Instant>,
    closed: bool,
}

impl RsaKeyPool {
    /// Begins with keys that nobody has used, and makes more in threads of its own if any are wanted.
    pub fn start(wanted: ReadyKeys, unused: Vec<RsaPrivateKey>) -> std::io::Result<Self> {
        let pool = Self {
            shared: Arc::new(Shared::new(wanted, unused)),
        };
        for _ in 0..MAKERS.min(wanted.most) {
            let maker = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name("rsa-keys".to_owned())
                .spawn(move || maker.make())?;
        }
        Ok(pool)
    }

    /// Keeps no keys: each is made when it is asked for.
    pub fn without_stock() -> Self {
        let none = ReadyKeys {
            at_first: 0,
            most: 0,
        };
        Self {
            shared: Arc::new(Shared::new(none, Vec::new())),
        }
    }

    /// How many keys are ready.
    pub fn ready(&self) -> usize {
        self.shared.lock().keys.len()
    }

    /// Takes a key; makes one on the pool if none is ready.
    pub async fn take(&self, pool: &CpuPool) -> Result<RsaPrivateKey, RsaError> {
        let ready = self.shared.lock().take(self.shared.most);
        self.shared.changed.notify_all();
        match ready {
            Some(key) => Ok(key),
            None => pool.run(RsaPrivateKey::generate).await,
        }
    }

    /// Makes no more keys, and gives away those that were not used.
    pub fn close(&self) -> Vec<RsaPrivateKey> {
        let mut stock = self.shared.lock();
        stock.closed = true;
        self.shared.changed.notify_all();
        std::mem::take(&mut stock.keys).into()
    }
}

impl Drop for RsaKeyPool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Stock {
    fn take(&mut self, most: usize) -> Option<RsaPrivateKey> {
        let key = self.keys.pop_front();
        self.last_taken = Some(Instant::now());
        if key.is_none() {
            self.wanted = self.wanted.saturating_add(MORE_FOR_EACH_MISSING).min(most);
        }
        key
    }

    fn is_full(&self) -> bool {
        self.keys.len() + self.coming >= self.wanted
    }

    /// How much longer no keys are made.
    fn rest(&self) -> Option<Duration> {
        let needs_none_now = !self.closed && self.keys.len() > self.wanted / 2;
        let since = self.last_taken.filter(|_| needs_none_now)?.elapsed();
        REST.checked_sub(since).filter(|rest| !rest.is_zero())
    }
}

impl Shared {
    fn new(wanted: ReadyKeys, unused: Vec<RsaPrivateKey>) -> Self {
        let stock = Stock {
            wanted: wanted.at_first.max(unused.len()).min(wanted.most),
            keys: unused.into(),
            ..Stock::default()
        };
        Self {
            stock: Mutex::new(stock),
            changed: Condvar::new(),
            most: wanted.most,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self) {
        // On Linux this concerns the calling thread alone. Without it keys are made all the same.
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "keys are made at normal priority");
        }
        while self.wait_for_room() {
            let made = RsaPrivateKey::generate();
            let mut stock = self.lock();
            stock.coming -= 1;
            match made {
                Ok(key) if !stock.closed => stock.keys.push_back(key),
                Ok(_) => return,
                Err(error) => {
                    tracing::error!(%error, "no more RSA keys are made ahead");
                    return;
                }
            }
        }
    }

    /// Waits until one more key is wanted; false once nobody will want any.
    fn wait_for_room(&self) -> bool {
        let full = |stock: &mut Stock| !stock.closed && stock.is_full();
        let mut stock = self.lock();
        loop {
            let woken = self.changed.wait_while(stock, full);
            stock = woken.unwrap_or_else(PoisonError::into_inner);
            let Some(rest) = stock.rest() else {
                break;
            };
            let woken = self.changed.wait_timeout(stock, rest);
            (stock, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
        stock.coming += 1;
        !stock.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    /// Waits until the stock is as large as this.
    async fn filled(pool: &RsaKeyPool, wanted: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while pool.ready() < wanted {
            assert!(Instant::now() < deadline, "no key is made");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn the_stock_grows_with_need_and_its_keys_are_different() {
        let cpu = CpuPool::new(NonZeroUsize::MIN);
        let wanted = ReadyKeys {
            at_first: 2,
            most: 5,
        };
        let pool = RsaKeyPool::start(wanted, Vec::new()).unwrap();
        filled(&pool, 2).await;
        let first = pool.take(&cpu).await.unwrap();
        let second = pool.take(&cpu).await.unwrap();
        assert_ne!(first.as_pkcs8_der(), second.as_pkcs8_der());
        filled(&pool, 2).await;
        assert_eq!(pool.shared.lock().wanted, 2, "none was missing");
        while pool.shared.lock().wanted < 5 {
            pool.take(&cpu).await.unwrap();
        }
        filled(&pool, 5).await;
        let shared = Arc::clone(&pool.shared);
        let unused = pool.close();
        assert_eq!((unused.len(), pool.ready()), (5, 0));
        drop(pool);
        let deadline = Instant::now() + Duration::from_secs(60);
        while Arc::strong_count(&shared) > 1 {
            assert!(Instant::now() < deadline, "the threads go on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(shared.lock().keys.len(), 0);
    }

    #[tokio::test]
    async fn keys_that_were_not_used_come_first() {
        let cpu = CpuPool::new(NonZeroUsize::MIN);
        let unused = RsaPrivateKey::generate().unwrap();
        let wanted = ReadyKeys {
            at_first: 1,
            most: 1,
        };
        let pool = RsaKeyPool::start(wanted, vec![unused.clone()]).unwrap();
        let taken = pool.take(&cpu).await.unwrap();
        assert_eq!(taken.as_pkcs8_der(), unused.as_pkcs8_der());
    }

    #[tokio::test]
    async fn a_pool_without_stock_makes_keys_on_demand() {
        let cpu = CpuPool::new(NonZeroUsize::MIN);
        let pool = RsaKeyPool::without_stock();
        pool.take(&cpu).await.unwrap();
        assert_eq!(pool.ready(), 0);
    }
}
