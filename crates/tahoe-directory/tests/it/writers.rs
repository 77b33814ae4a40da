//! Many writers of one directory: through one gateway, through two, and while servers fail.

use crate::grid::{Grid, empty, literal, name, names, new_child};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeSet;
use std::time::Duration;
use tahoe_caps::MutableFormat;
use tahoe_directory::{Directories, Directory, DirectoryError, EditError, Replace};
use tahoe_storage_api::testing::{Call, Fault};

async fn link(
    gateway: &Directories,
    directory: &Directory,
    at: &str,
) -> Result<(), DirectoryError> {
    let child = new_child(literal(at));
    gateway
        .link(directory, name(at), child, Replace::Nothing)
        .await
}

#[tokio::test]
async fn changes_through_one_gateway_are_merged() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    let directory = empty(&gateway).await;
    let before = grid.count(Call::ReadTestWrite);
    let texts: Vec<_> = (100..200).map(|number| number.to_string()).collect();
    let links = texts.iter().map(|at| link(&gateway, &directory, at));
    for result in join_all(links).await {
        result.unwrap();
    }
    assert_eq!(names(&gateway, &directory).await, texts);
    let publishes = (grid.count(Call::ReadTestWrite) - before) / 3;
    assert!(publishes <= 3, "{publishes} publishes for 100 changes");
}

#[tokio::test]
async fn one_refused_change_does_not_harm_the_others() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    let directory = empty(&gateway).await;
    link(&gateway, &directory, "taken").await.unwrap();
    let links = ["a", "taken", "b", "c"].map(|at| link(&gateway, &directory, at));
    let missing = gateway.unlink(&directory, name("missing"));
    let (linked, missing) = futures_util::future::join(join_all(links), missing).await;
    let refused: Vec<_> = linked.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, true, false, false]);
    assert!(matches!(
        missing,
        Err(DirectoryError::Edit(EditError::NoSuchChild(_)))
    ));
    assert_eq!(names(&gateway, &directory).await, ["a", "b", "c", "taken"]);
}

#[tokio::test]
async fn a_change_happens_even_if_nobody_waits_for_it() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    let directory = empty(&gateway).await;
    {
        let mut abandoned = Box::pin(link(&gateway, &directory, "x"));
        assert!(futures_util::poll!(&mut abandoned).is_pending());
    }
    link(&gateway, &directory, "y").await.unwrap();
    assert_eq!(names(&gateway, &directory).await, ["x", "y"]);
}

#[tokio::test]
async fn stopping_tells_those_who_wait() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    let directory = empty(&gateway).await;
    for faulty in &grid.faults {
        faulty.add(Fault::Hang.always());
    }
    let waiting = link(&gateway, &directory, "x");
    let (linked, ()) = futures_util::future::join(waiting, async {
        tokio::task::yield_now().await;
        gateway.stop().await;
    })
    .await;
    assert!(
        matches!(linked, Err(DirectoryError::Stopping)),
        "{linked:?}"
    );
    let late = link(&gateway, &directory, "y").await;
    assert!(matches!(late, Err(DirectoryError::Stopping)), "{late:?}");
}

/// Five writers on each of two gateways, each of which adds names one after the other and says which
/// were acknowledged, while at most one server at a time is gone.
async fn acknowledged_names_stay(seed: u64, format: MutableFormat) {
    const WRITERS: usize = 5;
    const NAMES: usize = 8;
    let grid = Grid::new(5, 2, 5);
    let gateways = [grid.gateway().await, grid.gateway().await];
    let created = gateways[0].create(format, None, Default::default());
    let directory = created.await.unwrap();
    let write = |gateway: usize, writer: usize| {
        let (gateway, directory) = (&gateways[gateway], &directory);
        async move {
            let mut acknowledged = BTreeSet::new();
            for number in 0..NAMES {
                let at = format!("{writer}-{number}");
                if link(gateway, directory, &at).await.is_ok() {
                    acknowledged.insert(at);
                }
            }
            acknowledged
        }
    };
    let writers = (0..2 * WRITERS).map(|writer| write(writer % 2, writer));
    let trouble = async {
        let mut random = StdRng::seed_from_u64(seed);
        loop {
            let victim = random.random_range(0..grid.faults.len());
            grid.faults[victim].add(Fault::Vanish.always());
            tokio::time::sleep(Duration::from_millis(random.random_range(1..80))).await;
            grid.faults[victim].heal();
            tokio::time::sleep(Duration::from_millis(random.random_range(1..80))).await;
        }
    };
    let acknowledged = tokio::select! {
        acknowledged = join_all(writers) => acknowledged,
        () = trouble => unreachable!("it goes on for ever"),
    };
    grid.faults.iter().for_each(|faulty| faulty.heal());
    let acknowledged: BTreeSet<_> = acknowledged.into_iter().flatten().collect();
    let listed: BTreeSet<_> = names(&grid.gateway().await, &directory)
        .await
        .into_iter()
        .collect();
    let lost: Vec<_> = acknowledged.difference(&listed).collect();
    assert!(
        lost.is_empty(),
        "seed {seed}: {lost:?} were acknowledged and are not there"
    );
    let most = 2 * WRITERS * NAMES;
    assert!(
        acknowledged.len() * 2 > most,
        "seed {seed}: only {} acknowledged",
        acknowledged.len()
    );
}

#[tokio::test(start_paused = true)]
async fn acknowledged_names_stay_while_servers_fail() {
    for seed in 0..4 {
        acknowledged_names_stay(seed, MutableFormat::Sdmf).await;
    }
    acknowledged_names_stay(4, MutableFormat::Mdmf).await;
}
