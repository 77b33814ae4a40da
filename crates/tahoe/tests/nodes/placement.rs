//! Both programs put the same share on the same server, with the same bytes and leases.

use crate::{ours, python, share_files};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use tahoe_test_support::{Encoding, Grid, Program, Random, sample};

/// What lies on the servers' disks: shares by path.
type Stored = BTreeMap<PathBuf, Vec<u8>>;

#[test]
fn the_same_share_on_the_same_server() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nodes/ordered_tahoe.py");
    let ordered_python = Program::python_script(script);
    let encodings = [(1, 1, 2), (3, 4, 4), (3, 2, 10)];
    let encodings = encodings.map(|(needed, happy, total)| Encoding {
        needed,
        happy,
        total,
    });
    let servers = [&ours(), &python(), &ours(), &ours()];
    let mut grid = Grid::create(&servers, &[&ours(), &ordered_python], encodings[0]);
    grid.share_secrets();
    grid.start_servers();
    let mut random = Random::new(11);
    for encoding in encodings {
        grid.set_encoding(encoding);
        for _ in 0..4 {
            let contents = sample(random.number(), 56 + random.below(20_000));
            let capability = upload_with_both(&grid, &contents);
            scatter(&grid, &mut random);
            assert_eq!(upload_with_both(&grid, &contents), capability);
        }
    }
    // One server takes nothing new from now on, but has shares of old files.
    grid.servers[2].stop();
    grid.servers[2].set("storage", "readonly", "true");
    grid.servers[2].start();
    grid.set_encoding(encodings[2]);
    for _ in 0..4 {
        let contents = sample(random.number(), 56 + random.below(20_000));
        let capability = upload_with_both(&grid, &contents);
        scatter(&grid, &mut random);
        assert_eq!(upload_with_both(&grid, &contents), capability);
    }
}

/// Uploads through each gateway, beginning with the same shares on the servers, and compares what is
/// on them then: paths and bytes, leases included.
fn upload_with_both(grid: &Grid, contents: &[u8]) -> String {
    let before = stored(grid);
    let capability = grid.gateway(0).put(contents);
    let by_ours = timeless(grid);
    restore(grid, &before);
    assert_eq!(grid.gateway(1).put(contents), capability);
    let by_python = timeless(grid);
    let paths = |stored: &Stored| stored.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&by_ours), paths(&by_python), "{capability}");
    for (path, bytes) in by_ours {
        assert!(
            bytes == by_python[&path],
            "{} of {capability}",
            path.display()
        );
    }
    capability
}

fn stored(grid: &Grid) -> Stored {
    let files = share_files(grid).into_iter();
    files
        .map(|(_, file)| (file.path.clone(), file.bytes()))
        .collect()
}

fn timeless(grid: &Grid) -> Stored {
    let files = share_files(grid).into_iter();
    files
        .map(|(_, file)| (file.path.clone(), file.timeless_bytes()))
        .collect()
}

/// Brings the servers' disks back to an earlier state.
fn restore(grid: &Grid, before: &Stored) {
    grid.delete_shares();
    for (path, bytes) in before {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Loses some shares and moves some to other servers.
fn scatter(grid: &Grid, random: &mut Random) {
    for (_, share) in share_files(grid) {
        let server = &grid.servers[random.below(grid.servers.len())];
        match random.below(3) {
            0 => share.delete(),
            1 => {
                let bytes = share.bytes();
                share.delete();
                let index = &share.storage_index;
                let folder = server
                    .directory()
                    .join("storage/shares")
                    .join(&index[..2])
                    .join(index);
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(share.share_number.to_string()), bytes).unwrap();
            }
            _ => {}
        }
    }
}
