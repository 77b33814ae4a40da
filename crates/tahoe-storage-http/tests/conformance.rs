//! The promises of a storage service, kept over HTTPS.

mod support;

use std::sync::Arc;
use support::served;
use tahoe_storage_api::testing::MemoryStore;
use tahoe_storage_api::testing::conformance::{self, Expectations};

/// What HTTPS changes.
fn expected() -> Expectations {
    Expectations {
        bad_write_enabler_names_recorder: false,
        // The body of an advisory may have 32 768 bytes; 11 of them are around the reason.
        longest_advice: 32_757,
        ..Expectations::default()
    }
}

tahoe_storage_api::conformance_tests!(
    async { served(Arc::new(MemoryStore::default())).await },
    expected()
);

#[tokio::test]
async fn a_read_only_server_changes_only_slots() {
    let store = Arc::new(MemoryStore::default());
    store.set_read_only(true);
    let service = served(store).await;
    conformance::a_read_only_server_changes_only_slots(&*service, &expected()).await;
}

#[tokio::test]
async fn a_full_server_takes_what_fits() {
    let store = Arc::new(MemoryStore::default());
    store.set_available_space(100_000);
    let service = served(store).await;
    conformance::a_full_server_takes_what_fits(&*service, &expected(), 100_000).await;
}
