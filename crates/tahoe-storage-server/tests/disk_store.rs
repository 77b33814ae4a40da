//! The disk store keeps the promises of a storage service, also over restarts.

mod support;

use support::TestStore;
use tahoe_storage_api::StorageService as _;
use tahoe_storage_api::testing::conformance::{self, Expectations};

mod promises {
    use super::*;
    tahoe_storage_api::conformance_tests!(TestStore::open(), Expectations::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_directory_keeps_all_promises_over_restarts() {
    let mut store = TestStore::open().await;
    for seed in 0..4 {
        let expected = Expectations {
            seed,
            ..Expectations::default()
        };
        conformance::run_all(&*store, &expected).await;
        store = if seed % 2 == 0 {
            store.reopen_cleanly().await
        } else {
            store.reopen_after_crash().await
        };
    }
}

#[tokio::test]
async fn keeps_the_promises_of_special_states() {
    let expected = Expectations::default();
    let store = TestStore::open_with(|config| config.read_only = true).await;
    conformance::a_read_only_server_changes_only_slots(&*store, &expected).await;
    let free = TestStore::open().await.version().await.unwrap();
    let free = free.available_space;
    let store = TestStore::open_with(|config| config.reserved_space = free / 2).await;
    conformance::a_full_server_takes_what_fits(&*store, &expected, free / 2).await;
}
