//! Files whose shares don't fit in memory together: they are written a few shares at a time.

use crate::grid::{Grid, content};
use std::io::Write as _;
use tahoe_caps::MutableFormat;
use tahoe_mutable::{Contents, PublishError};
use tahoe_storage_api::testing::{Call, Fault};

/// All ten shares of 3-of-10 together have 70 MB.
const SIZE: usize = 21_000_000;

fn file_of(bytes: &[u8]) -> Contents {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Contents::from_file(file, bytes.len() as u64)
}

#[tokio::test]
async fn a_large_file_is_created_overwritten_and_updated() {
    let grid = Grid::new(5);
    let gateway = grid.gateway().await;
    let mut expected = content(SIZE, 0).to_vec();
    let cap = gateway
        .create(MutableFormat::Mdmf, None, file_of(&expected))
        .await
        .unwrap();
    assert!(grid.count(Call::ReadTestWrite) > 10, "not at once");
    let (_, read) = grid.gateway().await.read_all(&cap.to_read()).await.unwrap();
    assert!(read == expected);

    expected = content(SIZE + 1000, 1).to_vec();
    let written = gateway.overwrite(&cap, file_of(&expected)).await.unwrap();
    assert_eq!(written.version.sequence_number, 2);
    let (_, read) = grid.gateway().await.read_all(&cap.to_read()).await.unwrap();
    assert!(read == expected);

    let data = content(SIZE, 2);
    gateway.update(&cap, 500_000, file_of(&data)).await.unwrap();
    expected.truncate(500_000);
    expected.extend_from_slice(&data);
    let (version, read) = grid.gateway().await.read_all(&cap.to_read()).await.unwrap();
    assert_eq!(version.sequence_number, 3);
    assert!(read == expected);
}

#[tokio::test]
async fn a_large_file_survives_a_server_that_fails_while_it_is_written() {
    let grid = Grid::new(5);
    let gateway = grid.gateway().await;
    grid.faults[2].add(Fault::Vanish.on(Call::ReadTestWrite).after(3));
    let contents = content(SIZE, 0);
    let cap = gateway
        .create(MutableFormat::Mdmf, None, file_of(&contents))
        .await
        .unwrap();
    let (_, read) = grid.gateway().await.read_all(&cap.to_read()).await.unwrap();
    assert!(read == contents);
}

#[tokio::test]
async fn an_sdmf_file_has_a_largest_size() {
    let grid = Grid::new(1);
    let size = 256 << 20;
    let contents = Contents::from_file(tempfile::tempfile().unwrap(), size + 1);
    let created = grid
        .gateway()
        .await
        .create(MutableFormat::Sdmf, None, contents)
        .await;
    assert!(matches!(created, Err(PublishError::TooLarge { most, .. }) if most == size));
}
