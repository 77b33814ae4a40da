//! Servers that hang, vanish, are full, or lose their answers; other writers in between.

use crate::grid::{FORMATS, Grid, KEY, content, storage_index};
use futures_util::future::join;
use std::convert::Infallible;
use std::time::Duration;
use tahoe_caps::MutableFormat;
use tahoe_mutable::{ModifyError, PublishError, ServermapMode};
use tahoe_storage_api::testing::{Call, Fault};

#[tokio::test(start_paused = true)]
async fn shares_of_a_failing_server_go_to_others() {
    for (format, fault) in FORMATS
        .into_iter()
        .flat_map(|format| [Fault::NoSpace, Fault::Vanish, Fault::Hang].map(|f| (format, f)))
    {
        let grid = Grid::new(4);
        grid.faults[1].add(fault.on(Call::ReadTestWrite));
        let gateway = grid.gateway().await;
        let contents = content(1000, 0);
        let cap = gateway
            .create(format, None, contents.clone())
            .await
            .unwrap();
        let places = grid.places(&storage_index(&cap)).await;
        assert_eq!(places.len(), 10);
        assert!(places.iter().all(|(server, _)| *server != 1));
        let (_, read) = gateway.read_all(&cap.to_read()).await.unwrap();
        assert_eq!(read, contents);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_harms_nobody() {
    for format in FORMATS {
        let grid = Grid::new(5);
        let gateway = grid.gateway().await;
        let cap = gateway.create(format, None, content(10, 0)).await.unwrap();
        grid.faults[2].add(Fault::LoseAnswer.on(Call::ReadTestWrite).times(1));
        gateway.overwrite(&cap, content(10, 1)).await.unwrap();
        for number in 2..5 {
            let contents = content(10, number);
            gateway.overwrite(&cap, contents.clone()).await.unwrap();
            let fresh = grid.gateway().await;
            let (version, read) = fresh.read_all(&cap.to_read()).await.unwrap();
            assert_eq!((version.sequence_number, read), (number + 1, contents));
        }
    }
}

#[tokio::test]
async fn no_servers_is_an_error() {
    let grid = Grid::new(0);
    let gateway = grid.gateway().await;
    let created = gateway
        .create(MutableFormat::Sdmf, Some(KEY.clone()), content(1, 0))
        .await;
    let none = matches!(created, Err(PublishError::NotEnoughServers { .. }));
    assert!(none, "{created:?}");
}

#[tokio::test(start_paused = true)]
async fn servers_that_take_fewer_than_k_shares_are_an_error() {
    let grid = Grid::new(5);
    for faulty in &grid.faults {
        faulty.add(Fault::NoSpace.on(Call::ReadTestWrite));
    }
    let gateway = grid.gateway().await;
    let created = gateway
        .create(MutableFormat::Mdmf, Some(KEY.clone()), content(1, 0))
        .await;
    let Err(PublishError::NotEnoughServers { last_failure }) = created else {
        panic!("{created:?}");
    };
    assert!(last_failure.unwrap().contains("no space left"));
}

#[tokio::test(start_paused = true)]
async fn a_writer_who_is_overtaken_is_told_and_a_modification_begins_again() {
    let grid = Grid::new(5);
    let (slow, fast) = (grid.gateway().await, grid.gateway().await);
    let cap = slow
        .create(MutableFormat::Sdmf, None, content(0, 0))
        .await
        .unwrap();
    fast.read_all(&cap.to_read()).await.unwrap();
    let append = |byte: u8| move |old: &[u8]| Ok::<_, Infallible>(Some([old, &[byte]].concat()));
    // The slow one reads at once but its first writes take a second; the fast one begins later.
    let one = async {
        for faulty in &grid.faults[..3] {
            faulty.add(
                Fault::Delay(Duration::from_secs(1))
                    .on(Call::ReadTestWrite)
                    .times(1),
            );
        }
        slow.modify(&cap, append(1)).await
    };
    let two = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        fast.modify(&cap, append(2)).await
    };
    let (one, two) = join(one, two).await;
    one.unwrap();
    two.unwrap();
    let (_, read) = fast.read_all(&cap.to_read()).await.unwrap();
    let mut read = read.to_vec();
    read.sort_unstable();
    read.dedup();
    assert_eq!(read, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn overwriting_over_and_over_by_two_gateways_never_fails_in_turns() {
    let grid = Grid::new(3);
    let gateways = [grid.gateway().await, grid.gateway().await];
    let cap = gateways[0]
        .create(MutableFormat::Mdmf, None, content(5, 0))
        .await
        .unwrap();
    for number in 1..12_u64 {
        let gateway = &gateways[usize::try_from(number % 2).unwrap()];
        let written = gateway.overwrite(&cap, content(9, number)).await.unwrap();
        assert_eq!(written.version.sequence_number, number + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_that_may_be_whole_elsewhere_is_not_undone() {
    let grid = Grid::new(6);
    let all: Vec<u8> = (0..6).collect();
    let gateway = grid.gateway_to(&all, 3, 6).await;
    let cap = gateway
        .create(MutableFormat::Sdmf, None, content(10, 1))
        .await
        .unwrap();
    let places = grid.places(&storage_index(&cap)).await;
    let home = |share| {
        places
            .iter()
            .find(|(_, number)| *number == share)
            .unwrap()
            .0
    };
    let homes: Vec<usize> = (0..6).map(home).collect();
    // The servers of shares 3 to 5 miss the second version; its shares go to the others.
    for server in &homes[3..] {
        grid.faults[*server].add(Fault::Vanish.always());
    }
    gateway.overwrite(&cap, content(10, 2)).await.unwrap();
    for server in &homes[3..] {
        grid.faults[*server].heal();
    }
    // Two of those that have it are out of sight.
    let seen: Vec<u8> = homes[2..]
        .iter()
        .map(|s| u8::try_from(*s).unwrap())
        .collect();
    let half_blind = grid.gateway_to(&seen, 3, 6).await;
    let change = |_: &[u8]| Ok::<_, Infallible>(Some(b"undone".to_vec()));
    let refused = half_blind.modify(&cap, change).await;
    let newer = matches!(
        refused,
        Err(ModifyError::Publish(PublishError::NewerVersionUnreadable {
            newer: 2,
            ..
        }))
    );
    assert!(newer, "{refused:?}");
    let seeing = grid.gateway_to(&all, 3, 6).await;
    let (version, read) = seeing.read_all(&cap.to_read()).await.unwrap();
    assert_eq!((version.sequence_number, read), (2, content(10, 2)));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_died_half_way_does_not_block_the_next() {
    let grid = Grid::new(5);
    let gateway = grid.gateway().await;
    let cap = gateway
        .create(MutableFormat::Sdmf, None, content(10, 1))
        .await
        .unwrap();
    // Only one server, with two of ten shares, gets the second version before the writer dies.
    for faulty in &grid.faults[1..] {
        faulty.add(Fault::Hang.on(Call::ReadTestWrite));
    }
    let write = gateway.overwrite(&cap, content(10, 2));
    tokio::time::timeout(Duration::from_secs(5), write)
        .await
        .unwrap_err();
    for faulty in &grid.faults {
        faulty.heal();
    }
    let fresh = grid.gateway().await;
    let map = fresh
        .servermap(&cap.to_read().to_verify(), ServermapMode::Check)
        .await;
    assert_eq!(map.unrecoverable_newer_versions().len(), 1);
    let append = |old: &[u8]| Ok::<_, Infallible>(Some([old, b"!"].concat()));
    let modified = fresh.modify(&cap, append).await.unwrap();
    assert_eq!(modified.version.sequence_number, 3);
    assert_eq!(modified.contents, [&content(10, 1)[..], b"!"].concat());
}
