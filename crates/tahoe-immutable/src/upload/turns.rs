//! Lets uploads to one storage index wait for each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tahoe_crypto::StorageIndex;
use tokio::sync::OwnedMutexGuard;

type Turn = tokio::sync::Mutex<()>;

/// One turn at a time for each storage index.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<StorageIndex, Weak<Turn>>>);

impl Turns {
    /// Waits until no other upload to this storage index is under way.
    pub(super) async fn take(&self, storage_index: StorageIndex) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            match turns.get(&storage_index).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Arc::new(Turn::default());
                    turns.insert(storage_index, Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}
