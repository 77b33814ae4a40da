//! Several writers at once, and how few calls one makes.

use crate::grid::{FORMATS, Grid, content};
use futures_util::future::join_all;
use std::convert::Infallible;
use tahoe_caps::MutableFormat;
use tahoe_mutable::PublishError;
use tahoe_storage_api::testing::Call;

#[tokio::test]
async fn concurrent_modifications_through_one_gateway_all_stay() {
    for format in FORMATS {
        let grid = Grid::new(5);
        let gateway = grid.gateway().await;
        let cap = gateway.create(format, None, content(0, 0)).await.unwrap();
        let writers = (0..20_u8).map(|number| {
            gateway.modify(&cap, move |old| {
                Ok::<_, Infallible>(Some([old, &[number]].concat()))
            })
        });
        for result in join_all(writers).await {
            result.unwrap();
        }
        let (version, mut read) = gateway
            .read_all(&cap.to_read())
            .await
            .map(|(version, read)| (version, read.to_vec()))
            .unwrap();
        read.sort_unstable();
        assert_eq!(read, (0..20).collect::<Vec<u8>>());
        assert_eq!(version.sequence_number, 21);
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_modifications_through_two_gateways_all_stay() {
    let grid = Grid::new(5);
    let gateways = [grid.gateway().await, grid.gateway().await];
    let cap = gateways[0]
        .create(MutableFormat::Sdmf, None, content(0, 0))
        .await
        .unwrap();
    let writers = (0..20_u8).map(|number| {
        let gateway = &gateways[usize::from(number % 2)];
        gateway.modify(&cap, move |old| {
            let new = [old, &[number]].concat();
            Ok::<_, Infallible>((!old.contains(&number)).then_some(new))
        })
    });
    for result in join_all(writers).await {
        result.unwrap();
    }
    let (_, read) = gateways[1].read_all(&cap.to_read()).await.unwrap();
    let mut read = read.to_vec();
    read.sort_unstable();
    assert_eq!(read, (0..20).collect::<Vec<u8>>());
}

#[tokio::test]
async fn creating_with_a_key_that_is_in_use_collides() {
    let grid = Grid::new(5);
    let gateway = grid.gateway().await;
    let key = crate::grid::KEY.clone();
    for format in FORMATS {
        let created = gateway
            .create(format, Some(key.clone()), content(9, 0))
            .await;
        match format {
            MutableFormat::Sdmf => drop(created.unwrap()),
            MutableFormat::Mdmf => {
                assert!(matches!(created, Err(PublishError::UncoordinatedWrite)));
            }
        }
    }
}

#[tokio::test]
async fn a_busy_writer_needs_one_call_for_each_server_and_a_reader_too() {
    let grid = Grid::new(5);
    let gateway = grid.gateway().await;
    let cap = gateway
        .create(MutableFormat::Sdmf, None, content(10_240, 0))
        .await
        .unwrap();
    assert_eq!(grid.count(Call::ReadTestWrite), 5);
    gateway.overwrite(&cap, content(10_240, 1)).await.unwrap();
    assert_eq!(grid.count(Call::ReadTestWrite), 10);
    let append = |old: &[u8]| Ok::<_, Infallible>(Some([old, b"more"].concat()));
    gateway.modify(&cap, append).await.unwrap();
    assert_eq!(grid.count(Call::ReadTestWrite), 15);
    gateway.read_all(&cap.to_read()).await.unwrap();
    let calls = (grid.count(Call::ReadShare), grid.count(Call::ListShares));
    assert_eq!(calls, (5, 0));
}
