//! Small tasks that nobody waits for, with an owner nevertheless.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;

/// Tasks that end by themselves; those still running when the last clone is dropped are cancelled.
#[derive(Debug, Clone, Default)]
pub struct BackgroundTasks(Arc<Mutex<JoinSet<()>>>);

impl BackgroundTasks {
    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a task unless `most` are running, or the runtime is gone.
    pub fn spawn(&self, most: usize, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.lock();
        while tasks.try_join_next().is_some() {}
        if tasks.len() >= most {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            tasks.spawn_on(task, &runtime);
        }
    }

    /// Waits until no task is running.
    pub async fn settled(&self) {
        loop {
            let mut tasks = std::mem::take(&mut *self.lock());
            if tasks.is_empty() {
                return;
            }
            while tasks.join_next().await.is_some() {}
        }
    }
}
