//! What every storage service promises, one function per promise.
//!
//! Each function takes a service and [`Expectations`], uses storage indexes of its own, and panics
//! where the promise is broken. [`conformance_tests!`](crate::conformance_tests) makes a test of
//! each of them; [`run_all`] runs them one after the other on one service.
//!
//! ```
//! # // The functions are public; this shows the shape of a test suite.
//! use tahoe_storage_api::testing::{MemoryStore, conformance};
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let expected = conformance::Expectations::default();
//! conformance::run_all(&MemoryStore::default(), &expected).await;
//! # });
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a broken promise is reported by a panic: these are the bodies of tests"
)]
#![allow(
    clippy::single_range_in_vec_init,
    reason = "lists of missing byte ranges are meant"
)]

mod immutable;
mod mutable;
mod shared;
mod states;

pub use immutable::*;
pub use mutable::*;
pub use shared::*;
pub use states::*;

use crate::{
    Allocation, ReadTestWrite, ReadTestWriteOutcome, ShareKind, ShareNumber, ShareRange,
    SlotSecrets, StorageError, StorageService, TestVector, TestWriteVectors, WriteProgress,
    WriteVector,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tahoe_crypto::{
    LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, StorageIndex, UploadSecret, WriteEnabler,
    hash,
};

/// Where implementations may differ.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// Storage indexes and secrets are derived from it; one store needs another for each run.
    pub seed: u64,
    /// A repeated allocation with the same upload secret names the same shares again.
    ///
    /// The specification demands it. Tahoe-LAFS 1.20 names them in neither set.
    pub allocation_repeats: bool,
    /// A share isn't listed or read as one of the other kind, and neither kind of change touches
    /// shares of the other. Tahoe-LAFS 1.20 fails such calls or lists the share.
    pub kinds_are_separate: bool,
    /// A change that would write past the largest share size has no effect at all. Tahoe-LAFS 1.20
    /// keeps what it wrote before it noticed.
    pub oversized_change_is_atomic: bool,
    /// The error for a wrong write enabler says who recorded the right one. HTTP doesn't carry it.
    pub bad_write_enabler_names_recorder: bool,
    /// Most bytes of a corruption advisory's reason that get through.
    pub longest_advice: usize,
}

impl Default for Expectations {
    /// What our own store does when it is asked directly.
    fn default() -> Self {
        Self {
            seed: 0,
            allocation_repeats: true,
            kinds_are_separate: true,
            oversized_change_is_atomic: true,
            bad_write_enabler_names_recorder: true,
            longest_advice: crate::MAX_ADVICE_LENGTH,
        }
    }
}

/// Calls a macro with the names of all promises, after any tokens given to it.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_promise {
    ($callback:ident $(, $argument:tt)*) => {
        $crate::$callback! {
            $($argument)*
            a_share_exists_once_it_is_complete
            progress_names_what_is_missing
            writing_the_same_bytes_again_is_harmless
            other_bytes_are_a_conflict
            writes_stay_inside_the_share
            an_upload_obeys_only_its_secret
            shares_that_are_there_are_reported
            an_upload_in_progress_is_not_given_to_another
            a_repeated_allocation_names_the_same_shares
            concurrent_allocations_give_a_share_once
            an_aborted_share_may_be_uploaded_again
            aborting_needs_an_upload_in_progress
            reads_end_where_the_share_ends
            the_size_of_a_share_is_known
            all_256_shares_fit_one_storage_index
            a_large_share_comes_back_whole
            pieces_of_a_share_may_be_written_concurrently
            a_slot_is_made_by_the_first_change
            tests_compare_what_is_there
            a_missing_share_tests_as_empty
            a_failed_test_changes_nothing
            tests_of_all_shares_must_hold
            reads_see_the_state_before_the_change
            writes_happen_in_order
            holes_are_filled_with_zeros
            an_empty_write_extends_a_share
            a_new_length_only_shortens
            what_was_cut_off_does_not_come_back
            a_new_length_of_zero_deletes
            a_named_share_is_made_without_writes
            only_the_write_enabler_changes_a_slot
            a_deleted_slot_takes_another_write_enabler
            too_many_vectors_are_refused
            no_share_grows_past_the_limit
            concurrent_changes_are_serialised
            unknown_shares_are_not_found
            storage_indexes_are_independent
            a_lease_needs_a_share
            advice_needs_a_share
            kinds_do_not_mix
            the_version_is_plausible
        }
    };
}

/// Makes a test of every promise for the service that an expression makes.
///
/// The first argument is an async block that returns whatever owns the service: anything that
/// derefs to a `StorageService`. The second makes the [`Expectations`]. Needs `tokio` with macros.
///
/// ```text
/// conformance_tests!(async { Arc::new(MemoryStore::default()) }, Expectations::default());
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($service:expr, $expected:expr) => {
        $crate::for_each_promise!(__conformance_test, ($service), ($expected));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_test {
    (($service:expr) ($expected:expr) $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let service = $service.await;
                $crate::testing::conformance::$name(&*service, &$expected).await;
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __call_each_promise {
    (($service:ident) ($expected:ident) $($name:ident)*) => {
        $( $name($service, $expected).await; )*
    };
}

/// Runs every function on one service.
pub async fn run_all(service: &dyn StorageService, expected: &Expectations) {
    crate::for_each_promise!(__call_each_promise, (service), (expected));
}

/// Derives the names and secrets of one test.
pub(crate) struct Names<'a> {
    seed: u64,
    test: &'a str,
}

impl<'a> Names<'a> {
    pub(crate) fn new(expected: &Expectations, test: &'a str) -> Self {
        let seed = expected.seed;
        Self { seed, test }
    }

    fn derive<const N: usize>(&self, what: &str) -> [u8; N] {
        let text = format!("{} {} {what}", self.seed, self.test);
        let hash = hash::tagged(b"storage conformance", text.as_bytes());
        *hash.first_chunk().expect("a name has at most 32 bytes")
    }

    pub(crate) fn index(&self, what: &str) -> StorageIndex {
        StorageIndex::from_bytes(self.derive(what))
    }

    pub(crate) fn lease(&self, who: &str) -> LeaseSecrets {
        LeaseSecrets {
            renew: LeaseRenewSecret::from_bytes(self.derive(&format!("renew {who}"))),
            cancel: LeaseCancelSecret::from_bytes(self.derive(&format!("cancel {who}"))),
        }
    }

    pub(crate) fn upload(&self, who: &str) -> UploadSecret {
        UploadSecret::from_bytes(self.derive(&format!("upload {who}")))
    }

    pub(crate) fn slot(&self, who: &str) -> SlotSecrets {
        SlotSecrets {
            write_enabler: WriteEnabler::from_bytes(self.derive(&format!("enabler {who}"))),
            lease: self.lease(who),
        }
    }
}

pub(crate) const WHOLE: ShareRange = ShareRange {
    offset: 0,
    length: 1 << 32,
};

pub(crate) fn range(offset: u64, length: u64) -> ShareRange {
    ShareRange { offset, length }
}

pub(crate) fn numbers(numbers: impl IntoIterator<Item = u8>) -> BTreeSet<ShareNumber> {
    numbers.into_iter().map(ShareNumber).collect()
}

/// Asks for shares in the name of `who`.
pub(crate) async fn ask_for(
    service: &dyn StorageService,
    names: &Names<'_>,
    who: &str,
    index: &StorageIndex,
    shares: impl IntoIterator<Item = u8>,
    size: u64,
) -> Result<Allocation, StorageError> {
    let (lease, secret) = (names.lease(who), names.upload(who));
    service
        .allocate_shares(index, &numbers(shares), size, &lease, &secret)
        .await
}

/// Uploads one complete immutable share.
pub(crate) async fn put(
    service: &dyn StorageService,
    names: &Names<'_>,
    index: &StorageIndex,
    share: u8,
    data: &'static [u8],
) {
    let size = u64::try_from(data.len()).expect("test data is small");
    let allocation = ask_for(service, names, "put", index, [share], size).await;
    assert_allocation_of(&allocation.expect("allocate"), [share]);
    let (secret, data) = (names.upload("put"), Bytes::from_static(data));
    let progress = service
        .write_share(index, ShareNumber(share), &secret, 0, data)
        .await;
    assert_eq!(progress.expect("write"), WriteProgress::Complete);
}

/// Reads a whole share.
pub(crate) async fn whole(
    service: &dyn StorageService,
    kind: ShareKind,
    index: &StorageIndex,
    share: u8,
) -> Result<Bytes, StorageError> {
    let share = ShareNumber(share);
    service.read_share(kind, index, share, WHOLE).await
}

/// What one share of a slot undergoes.
#[derive(Debug, Default)]
pub(crate) struct Change {
    vectors: BTreeMap<ShareNumber, TestWriteVectors>,
    reads: Vec<ShareRange>,
}

impl Change {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn vectors(&mut self, share: u8) -> &mut TestWriteVectors {
        self.vectors.entry(ShareNumber(share)).or_default()
    }

    pub(crate) fn name(mut self, share: u8) -> Self {
        self.vectors(share);
        self
    }

    pub(crate) fn write(mut self, share: u8, offset: u64, data: &[u8]) -> Self {
        self.vectors(share).writes.push(WriteVector {
            offset,
            data: Bytes::copy_from_slice(data),
        });
        self
    }

    pub(crate) fn test(mut self, share: u8, offset: u64, size: u64, specimen: &[u8]) -> Self {
        self.vectors(share).tests.push(TestVector {
            offset,
            size,
            specimen: Bytes::copy_from_slice(specimen),
        });
        self
    }

    pub(crate) fn new_length(mut self, share: u8, length: u64) -> Self {
        self.vectors(share).new_length = Some(length);
        self
    }

    pub(crate) fn read(mut self, offset: u64, length: u64) -> Self {
        self.reads.push(range(offset, length));
        self
    }

    pub(crate) async fn ask(
        self,
        service: &dyn StorageService,
        index: &StorageIndex,
        secrets: &SlotSecrets,
    ) -> Result<ReadTestWriteOutcome, StorageError> {
        let change = ReadTestWrite {
            vectors: self.vectors,
            reads: self.reads,
        };
        service.read_test_write(index, secrets, change).await
    }

    /// Makes the change and expects its tests to hold.
    pub(crate) async fn apply(
        self,
        service: &dyn StorageService,
        index: &StorageIndex,
        secrets: &SlotSecrets,
    ) -> ReadTestWriteOutcome {
        let outcome = self.ask(service, index, secrets).await;
        let outcome = outcome.expect("read-test-write");
        assert!(outcome.success, "the tests hold");
        outcome
    }
}

/// Compares which shares were allocated, whatever is there already.
pub(crate) fn assert_allocation_of(found: &Allocation, allocated: impl IntoIterator<Item = u8>) {
    assert_eq!(found.allocated, numbers(allocated), "allocated");
}

/// Compares both sets of an allocation.
pub(crate) fn assert_allocation(
    found: &Allocation,
    already_have: impl IntoIterator<Item = u8>,
    allocated: impl IntoIterator<Item = u8>,
) {
    assert_eq!(found.already_have, numbers(already_have), "already have");
    assert_allocation_of(found, allocated);
}
