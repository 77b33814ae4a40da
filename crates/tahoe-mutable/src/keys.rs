//! RSA keys made ahead of need.
//!
//! Making one takes tens of milliseconds of processor time. Threads of low priority keep some ready,
//! so that creating a file usually costs none; the more were missing once, the more are kept. As long as
//! half of them are left, they work only while nothing else does.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tahoe_crypto::{RsaError, RsaPrivateKey};
use tahoe_tasks::CpuPool;

/// How much more the making of keys yields to everything else: the most a process can.
const NICENESS: i32 = 19;
/// Threads that make keys.
const MAKERS: usize = 2;
/// They make them when no other work was done for so long. Beside other work one of them does, and only when half of
/// the stock is used up: even at the lowest priority it slows that down (docs/performance.md).
const REST: Duration = Duration::from_millis(10);
/// How many more keys are kept for each that was asked for when none was ready.
const MORE_FOR_EACH_MISSING: usize = 4;

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
    /// Notified for each key that was taken, and at the end.
    changed: Condvar,
    most: usize,
    /// The pool of the work that has precedence.
    cpu: CpuPool,
}

#[derive(Debug, Default)]
struct Stock {
    keys: VecDeque<RsaPrivateKey>,
    wanted: usize,
    /// Keys that are being made.
    coming: usize,
    closed: bool,
}

impl RsaKeyPool {
    /// Begins with keys that nobody has used, and makes more in threads of its own if any are wanted.
    /// Keys that are wanted at once, and nothing else, are made on the CPU pool.
    pub fn start(
        cpu: &CpuPool,
        wanted: ReadyKeys,
        unused: Vec<RsaPrivateKey>,
    ) -> std::io::Result<Self> {
        let pool = Self {
            shared: Arc::new(Shared::new(cpu, wanted, unused)),
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
    pub fn without_stock(cpu: &CpuPool) -> Self {
        let none = ReadyKeys {
            at_first: 0,
            most: 0,
        };
        Self {
            shared: Arc::new(Shared::new(cpu, none, Vec::new())),
        }
    }

    /// How many keys are ready.
    pub fn ready(&self) -> usize {
        self.shared.lock().keys.len()
    }

    /// Takes a key; makes one if none is ready.
    pub async fn take(&self) -> Result<RsaPrivateKey, RsaError> {
        let ready = self.shared.lock().take(self.shared.most);
        self.shared.changed.notify_one();
        match ready {
            Some(key) => Ok(key),
            None => self.shared.cpu.run(RsaPrivateKey::generate).await,
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
        if key.is_none() {
            self.wanted = self.wanted.saturating_add(MORE_FOR_EACH_MISSING).min(most);
        }
        key
    }

    fn is_full(&self) -> bool {
        self.keys.len() + self.coming >= self.wanted
    }

    /// Whether a key is to be made even beside other work.
    fn is_low(&self) -> bool {
        self.coming == 0 && self.keys.len() <= self.wanted / 2
    }
}

impl Shared {
    fn new(cpu: &CpuPool, wanted: ReadyKeys, unused: Vec<RsaPrivateKey>) -> Self {
        let stock = Stock {
            wanted: wanted.at_first.max(unused.len()).min(wanted.most),
            keys: unused.into(),
            ..Stock::default()
        };
        Self {
            stock: Mutex::new(stock),
            changed: Condvar::new(),
            most: wanted.most,
            cpu: cpu.clone(),
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
            if stock.closed {
                return false;
            }
            if stock.is_low() || self.cpu.idle_for() >= REST {
                stock.coming += 1;
                return true;
            }
            drop(stock);
            thread::sleep(REST);
            stock = self.lock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;
    use std::time::Instant;

    fn started(cpu: &CpuPool, at_first: usize, most: usize) -> RsaKeyPool {
        RsaKeyPool::start(cpu, ReadyKeys { at_first, most }, Vec::new()).unwrap()
    }

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
        let pool = started(&cpu, 2, 5);
        filled(&pool, 2).await;
        let first = pool.take().await.unwrap();
        let second = pool.take().await.unwrap();
        assert_ne!(first.as_pkcs8_der(), second.as_pkcs8_der());
        filled(&pool, 2).await;
        assert_eq!(pool.shared.lock().wanted, 2, "none was missing");
        while pool.shared.lock().wanted < 5 {
            pool.take().await.unwrap();
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
    async fn beside_other_work_keys_are_made_only_when_few_are_left() {
        let cpu = CpuPool::new(NonZeroUsize::MIN);
        let pool = started(&cpu, 8, 8);
        filled(&pool, 8).await;
        let (finish, finished) = std::sync::mpsc::channel::<()>();
        let work = cpu.start(move || finished.recv()).await;
        for _ in 0..3 {
            pool.take().await.unwrap();
        }
        tokio::time::sleep(4 * REST).await;
        assert_eq!(pool.ready(), 5, "a key was made beside other work");
        pool.take().await.unwrap();
        filled(&pool, 5).await;
        finish.send(()).unwrap();
        work.result().await.unwrap();
        filled(&pool, 8).await;
    }

    #[tokio::test]
    async fn keys_that_were_not_used_come_first() {
        let cpu = CpuPool::new(NonZeroUsize::MIN);
        let unused = RsaPrivateKey::generate().unwrap();
        let wanted = ReadyKeys {
            at_first: 1,
            most: 1,
        };
        let pool = RsaKeyPool::start(&cpu, wanted, vec![unused.clone()]).unwrap();
        let taken = pool.take().await.unwrap();
        assert_eq!(taken.as_pkcs8_der(), unused.as_pkcs8_der());
    }

    #[tokio::test]
    async fn a_pool_without_stock_makes_keys_on_demand() {
        let cpu = CpuPool::new(NonZeroUsize::MIN);
        let pool = RsaKeyPool::without_stock(&cpu);
        pool.take().await.unwrap();
        assert_eq!(pool.ready(), 0);
    }
}
