//! Mutable slots.

use super::{Store, bad, malformed};
use crate::failure::to_remote;
use crate::wire;
use foolscap::{Call, RemoteFailure, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use tahoe_storage_api::{MAX_READ_VECTORS, ShareNumber, StorageService};

/// Reads the same ranges of several shares, all of one version; none named means all.
pub(super) async fn readv(
    service: &dyn StorageService,
    call: Call,
) -> Result<Value, RemoteFailure> {
    let arguments = call.arguments.take(["storage_index", "shares", "readv"]);
    let [index, shares, vectors] = arguments.ok_or_else(bad)?;
    let index = wire::index(&index).map_err(malformed)?;
    let wanted: BTreeSet<ShareNumber> = wire::sequence(&shares)
        .and_then(wire::numbers)
        .map_err(malformed)?;
    let vectors = wire::read_vectors(&vectors).map_err(malformed)?;
    if vectors.len() > MAX_READ_VECTORS {
        return Err(RemoteFailure::violation("too many read vectors"));
    }
    let slot = service.read_slot(&index, &wanted, &vectors).await;
    let slot = slot.map_err(|error| to_remote(&error))?;
    Ok(wire::data_by_share_value(slot))
}

/// Tests, reads and writes as one step.
pub(super) async fn change(store: &Store, call: Call) -> Result<Value, RemoteFailure> {
    let names = ["storage_index", "secrets", "tw_vectors", "r_vector"];
    let [index, secrets, vectors, reads] = call.arguments.take(names).ok_or_else(bad)?;
    let index = wire::index(&index).map_err(malformed)?;
    let secrets = wire::slot_secrets(&secrets).map_err(malformed)?;
    let change = wire::change(&vectors, &reads).map_err(malformed)?;
    change.check_limits().map_err(|error| to_remote(&error))?;
    let service = Arc::clone(&store.service);
    let outcome = store.run(async move {
        let outcome = service.read_test_write(&index, &secrets, change);
        outcome.await
    });
    let outcome = outcome.await?;
    outcome
        .map(wire::outcome_value)
        .map_err(|error| to_remote(&error))
}
