//! What is told of searches, publishes and readings: their stages, servers and shares.

use crate::grid::{Grid, KEY, content, storage_index};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tahoe_caps::MutableFormat;
use tahoe_mutable::{
    MutableFacts, MutableFiles, MutableKind, MutableStage, MutableStatus, PublishError,
    ServermapMode, Version,
};
use tahoe_storage_api::ShareNumber;
use tahoe_storage_api::testing::{Call, Fault};

/// How much longer the slow server of a test takes.
const DELAY: Duration = Duration::from_millis(30);

type Seen = Arc<Mutex<Vec<Arc<MutableStatus>>>>;

async fn watched(grid: &Grid) -> (MutableFiles, Seen) {
    let seen = Seen::default();
    let list = Arc::clone(&seen);
    let observer = move |status: &Arc<MutableStatus>| list.lock().unwrap().push(Arc::clone(status));
    (grid.watched_gateway(Arc::new(observer)).await, seen)
}

/// The only operation since this was called last.
fn only(seen: &Seen) -> (MutableKind, MutableFacts) {
    let mut seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let status = seen.pop().unwrap();
    assert!(!status.is_active());
    (status.kind(), status.facts())
}

/// The stages are these, and none took longer than the whole.
fn has_stages(facts: &MutableFacts, stages: &[MutableStage]) {
    let measured: Vec<_> = facts.stages.keys().copied().collect();
    assert_eq!(measured, stages);
    let total = facts.total.unwrap();
    assert!(
        facts.stages.values().all(|time| *time <= total),
        "{facts:?}"
    );
    assert!(
        facts.stages.values().any(|time| !time.is_zero()),
        "{facts:?}"
    );
}

#[tokio::test]
async fn a_publish_tells_its_stages_and_where_its_shares_are() {
    let grid = Grid::new(5);
    grid.faults[3].add(Fault::Delay(DELAY).on(Call::ReadTestWrite));
    let (gateway, seen) = watched(&grid).await;
    let contents = content(300_000, 0);
    let format = MutableFormat::Mdmf;
    let created = gateway.create(format, Some(KEY.clone()), contents).await;
    let (kind, facts) = only(&seen);
    let MutableKind::Publish(transfer) = kind else {
        panic!("{kind:?}");
    };
    assert_eq!(
        (transfer.size_bytes, transfer.length_bytes),
        (300_000, 300_000)
    );
    assert_eq!(transfer.encoding.shares_needed(), 3);
    has_stages(
        &facts,
        &[
            MutableStage::Setup,
            MutableStage::Encrypt,
            MutableStage::Encode,
            MutableStage::Hash,
            MutableStage::Pack,
            MutableStage::Sign,
            MutableStage::Push,
        ],
    );
    assert!(facts.stages[&MutableStage::Sign] <= facts.stages[&MutableStage::Pack]);
    assert!(facts.stages[&MutableStage::Push] >= DELAY);
    assert_eq!(facts.servers.len(), 5);
    let slow = &facts.servers[&grid.server(3).await.id];
    assert!(slow.times.len() == 1 && slow.times[0] >= DELAY && slow.problem.is_none());
    let mut places = grid.places(&storage_index(&created.unwrap())).await;
    places.sort_by_key(|(_, share)| *share);
    for (server, share) in places {
        let id = grid.server(server.try_into().unwrap()).await.id;
        assert!(facts.sharemap[&ShareNumber(share)].contains(&id));
    }
    assert_eq!(facts.sharemap.len(), 10);
}

#[tokio::test]
async fn a_publish_that_fails_tells_what_was_wrong_with_servers() {
    let grid = Grid::new(2);
    for faulty in &grid.faults {
        faulty.add(Fault::NoSpace.on(Call::ReadTestWrite));
    }
    let (gateway, seen) = watched(&grid).await;
    let format = MutableFormat::Sdmf;
    let created = gateway.create(format, Some(KEY.clone()), content(10, 0));
    let error = created.await.unwrap_err();
    assert!(matches!(error, PublishError::NotEnoughServers { .. }));
    let (_, facts) = only(&seen);
    assert_eq!((facts.success, facts.sharemap.len()), (Some(false), 0));
    assert!(facts.servers.values().all(|s| s.problem.is_some()));
    assert_eq!(facts.servers.len(), 2);
}

#[tokio::test]
async fn a_search_and_a_reading_tell_their_stages_and_bad_servers() {
    let grid = Grid::new(10);
    let (writer, contents) = (grid.gateway().await, content(1_000_000, 0));
    let created = writer.create(MutableFormat::Mdmf, Some(KEY.clone()), contents);
    let cap = created.await.unwrap();
    grid.faults[4].add(Fault::Delay(DELAY).on(Call::ListShares));
    let (gateway, seen) = watched(&grid).await;
    let verify_cap = cap.to_read().to_verify();
    let map = gateway.servermap(&verify_cap, ServermapMode::Check);
    assert_eq!(map.await.reachable_servers().len(), 10);
    let (_, facts) = only(&seen);
    has_stages(&facts, &[MutableStage::Setup, MutableStage::Verify]);
    assert_eq!(facts.servers.len(), 10);
    let slow = &facts.servers[&grid.server(4).await.id];
    assert!(slow.times[0] >= DELAY, "{slow:?}");

    // Blocks lie behind what a search reads.
    let open = gateway.open(&cap.to_read()).await.unwrap();
    for faulty in &grid.faults[..7] {
        let block = Fault::FlipBits(200_000..200_001);
        faulty.add(block.on(Call::ReadShare));
    }
    seen.lock().unwrap().clear();
    let mut stream = open.read(0..900_000);
    let mut length = 0;
    while let Some(piece) = stream.next_piece().await.unwrap() {
        length += piece.len();
    }
    drop(stream);
    assert_eq!(length, 900_000);
    let mut seen = std::mem::take(&mut *seen.lock().unwrap());
    seen.retain(|status| matches!(status.kind(), MutableKind::Retrieve(_)));
    let MutableKind::Retrieve(transfer) = seen[0].kind() else {
        panic!("{seen:?}");
    };
    assert_eq!(
        (transfer.size_bytes, transfer.length_bytes),
        (1_000_000, 900_000)
    );
    let facts = seen[0].facts();
    has_stages(
        &facts,
        &[
            MutableStage::Fetch,
            MutableStage::Verify,
            MutableStage::Decode,
            MutableStage::Decrypt,
        ],
    );
    let bad = facts.servers.values().filter(|s| s.problem.is_some());
    assert!(bad.count() >= 1, "{facts:?}");
    let good = facts.servers.values().filter(|s| s.problem.is_none());
    assert!(good.count() >= 3, "{facts:?}");
}

#[tokio::test]
async fn a_writers_search_tells_where_the_private_key_was() {
    let grid = Grid::new(5);
    let (writer, format) = (grid.gateway().await, MutableFormat::Sdmf);
    let created = writer.create(format, Some(KEY.clone()), content(10, 0));
    let cap = created.await.unwrap();
    let (gateway, seen) = watched(&grid).await;
    for (number, is_searched_for) in [(1, true), (2, false)] {
        gateway.overwrite(&cap, content(10, number)).await.unwrap();
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        let searched = seen.iter().find_map(|s| s.facts().private_key_from);
        assert_eq!(searched.is_some(), is_searched_for, "{seen:?}");
    }
}

#[tokio::test]
async fn a_long_reading_keeps_few_times_of_each_server() {
    let grid = Grid::new(3);
    let (gateway, seen) = watched(&grid).await;
    let size = 24_000_000;
    let format = MutableFormat::Mdmf;
    let created = gateway.create(format, Some(KEY.clone()), content(size, 0));
    let cap = created.await.unwrap().to_read();
    seen.lock().unwrap().clear();
    let everything = |version: &Version| 0..version.data_length;
    let read = gateway.read(&cap, everything, |_| async {});
    let (_, mut stream, ()) = read.await.unwrap();
    while stream.next_piece().await.unwrap().is_some() {}
    drop(stream);
    let (_, facts) = only(&seen);
    let all = facts.servers.values();
    assert!(all.clone().all(|answers| answers.times.len() <= 16));
    assert!(
        all.map(|answers| answers.more).sum::<u64>() > 0,
        "{facts:?}"
    );
}
