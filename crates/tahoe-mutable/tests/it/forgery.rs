//! Servers that keep old versions, forge, swap or spoil shares: refused, reported, worked around.

use crate::grid::{FORMATS, Grid, content, storage_index};
use std::convert::Infallible;
use tahoe_caps::{MutableFormat, MutableWriteCap};
use tahoe_mutable::{MutableFiles, PublishError, ReadError, ServermapMode};
use tahoe_share::mutable::MutableHeader;

/// A file of two segments in MDMF on five servers, two shares each, 3-of-10.
async fn stored(format: MutableFormat) -> (Grid, MutableFiles, MutableWriteCap, bytes::Bytes) {
    let grid = Grid::new(5);
    let gateway = grid.gateway().await;
    let contents = content(200_000, 1);
    let cap = gateway
        .create(format, None, contents.clone())
        .await
        .unwrap();
    (grid, gateway, cap, contents)
}

#[tokio::test]
async fn old_versions_on_fewer_than_k_shares_do_not_roll_a_file_back() {
    for format in FORMATS {
        let (grid, gateway, cap, _) = stored(format).await;
        let index = storage_index(&cap);
        let old = grid.all_shares(&index);
        let new = content(150_000, 2);
        gateway.overwrite(&cap, new.clone()).await.unwrap();
        for (place, share) in old.iter().filter(|((server, _), _)| *server == 0) {
            grid.replace_share(&index, *place, share.clone());
        }
        let fresh = grid.gateway().await;
        let (version, read) = fresh.read_all(&cap.to_read()).await.unwrap();
        assert_eq!((version.sequence_number, read), (2, new.clone()));
        let verify_cap = cap.to_read().to_verify();
        let map = fresh.servermap(&verify_cap, ServermapMode::Check).await;
        assert_eq!(map.unrecoverable_versions().len(), 1);
        assert!(map.unrecoverable_newer_versions().is_empty());

        // The next write brings the old shares up to date, too.
        let newest = content(10, 3);
        fresh.overwrite(&cap, newest.clone()).await.unwrap();
        let map = fresh.servermap(&verify_cap, ServermapMode::Check).await;
        assert_eq!(map.versions().len(), 1);
        assert_eq!(map.highest_sequence_number(), 3);
        // A gateway that remembers version 2 notices.
        let (_, read) = gateway.read_all(&cap.to_read()).await.unwrap();
        assert_eq!(read, newest);
    }
}

#[tokio::test]
async fn a_remembered_version_is_not_taken_back_by_one_old_server() {
    let (grid, gateway, cap, _) = stored(MutableFormat::Sdmf).await;
    let index = storage_index(&cap);
    let old = grid.all_shares(&index);
    let new = content(100, 2);
    gateway.overwrite(&cap, new.clone()).await.unwrap();
    for (place, share) in old.iter().filter(|((server, _), _)| *server == 3) {
        grid.replace_share(&index, *place, share.clone());
    }
    let (_, read) = gateway.read_all(&cap.to_read()).await.unwrap();
    assert_eq!(read, new);
    let append = |old: &[u8]| Ok::<_, Infallible>(Some([old, b"!"].concat()));
    let modified = gateway.modify(&cap, append).await.unwrap();
    assert_eq!(modified.contents, [&new[..], b"!"].concat());
}

#[tokio::test]
async fn forged_headers_and_signatures_are_refused_and_reported() {
    for format in FORMATS {
        let forgeries = [raise_sequence_number, spoil_signature, spoil_root_hash];
        for (number, forge) in forgeries.into_iter().enumerate() {
            let (grid, _, cap, contents) = stored(format).await;
            let index = storage_index(&cap);
            // On seven of ten shares: three good ones are left.
            for (place, share) in grid.all_shares(&index).into_iter().take(7) {
                let mut share = share.to_vec();
                forge(&mut share);
                grid.replace_share(&index, place, share.into());
            }
            let fresh = grid.gateway().await;
            let (version, read) = fresh.read_all(&cap.to_read()).await.unwrap();
            assert_eq!((version.sequence_number, read), (1, contents));
            fresh.advisories_settled().await;
            // A version that is known to be genuine needs no second signature.
            if number != 1 {
                let advised = grid.advisories();
                assert!(advised.contains("signature is invalid"), "{advised}");
            }
            let map = fresh
                .servermap(&cap.to_read().to_verify(), ServermapMode::Check)
                .await;
            if number != 1 {
                assert_eq!(map.bad_shares().count(), 7);
            }
            assert_eq!(map.highest_sequence_number(), 1);
        }
    }
}

#[tokio::test]
async fn a_writer_replaces_forged_shares() {
    for format in FORMATS {
        let (grid, _, cap, _) = stored(format).await;
        let index = storage_index(&cap);
        for (place, share) in grid.all_shares(&index).into_iter().take(4) {
            let mut share = share.to_vec();
            raise_sequence_number(&mut share);
            grid.replace_share(&index, place, share.into());
        }
        let fresh = grid.gateway().await;
        let new = content(99, 4);
        fresh.overwrite(&cap, new.clone()).await.unwrap();
        let other = grid.gateway().await;
        let (version, read) = other.read_all(&cap.to_read()).await.unwrap();
        assert_eq!((version.sequence_number, read), (2, new));
        let map = other
            .servermap(&cap.to_read().to_verify(), ServermapMode::Check)
            .await;
        assert_eq!((map.versions().len(), map.bad_shares().count()), (1, 0));
    }
}

#[tokio::test]
async fn a_forged_share_everywhere_is_no_file() {
    for format in FORMATS {
        let (grid, gateway, cap, _) = stored(format).await;
        let index = storage_index(&cap);
        for (place, share) in grid.all_shares(&index) {
            let mut share = share.to_vec();
            spoil_signature(&mut share);
            // Also the sequence number, so that nobody who knows the version is fooled.
            raise_sequence_number(&mut share);
            grid.replace_share(&index, place, share.into());
        }
        for reader in [&gateway, &grid.gateway().await] {
            let read = reader.read_all(&cap.to_read()).await;
            assert!(matches!(read, Err(ReadError::Unrecoverable)), "{read:?}");
            let written = reader.overwrite(&cap, content(1, 0)).await;
            let refused = Err(PublishError::Read(ReadError::Unrecoverable));
            assert_eq!(
                format!("{written:?}"),
                format!("{:?}", refused as Result<(), _>)
            );
        }
    }
}

#[tokio::test]
async fn swapped_shares_and_shares_of_other_files_are_worked_around() {
    for format in FORMATS {
        let (grid, gateway, cap, contents) = stored(format).await;
        let index = storage_index(&cap);
        let other = gateway.create(format, None, content(200_000, 9)).await;
        let others = grid.all_shares(&storage_index(&other.unwrap()));
        let shares = grid.all_shares(&index);
        // Three shares in each other's places, three of another file, four as they should be.
        for turn in 0..3 {
            let (place, wrong) = (shares[turn].0, &shares[(turn + 1) % 3].1);
            grid.replace_share(&index, place, wrong.clone());
            grid.replace_share(&index, shares[turn + 3].0, others[turn].1.clone());
        }
        let fresh = grid.gateway().await;
        let (_, read) = fresh.read_all(&cap.to_read()).await.unwrap();
        assert!(read == contents);
        fresh.advisories_settled().await;
        let advised = grid.advisories();
        let refused = ["pubkey doesn't match fingerprint", "signature is invalid"];
        let foreign = advised
            .lines()
            .filter(|line| refused.iter().any(|r| line.ends_with(r)));
        assert_eq!(foreign.count(), 3, "{advised}");
    }
}

#[tokio::test]
async fn any_spoilt_byte_is_worked_around_or_refused() {
    for format in FORMATS {
        let (grid, _, cap, contents) = stored(format).await;
        let index = storage_index(&cap);
        let shares = grid.all_shares(&index);
        let length = shares[0].1.len();
        let step = length / 40;
        for at in (0..3000).step_by(97).chain((3000..length).step_by(step)) {
            // All but three shares are spoilt at the same place.
            for (place, share) in &shares[..7] {
                let mut share = share.to_vec();
                if let Some(byte) = share.get_mut(at) {
                    *byte ^= 0x40;
                }
                grid.replace_share(&index, *place, share.into());
            }
            let fresh = grid.gateway().await;
            let (_, read) = fresh.read_all(&cap.to_read()).await.unwrap();
            assert!(read == contents, "{format:?} {at}");
        }
    }
}

#[tokio::test]
async fn too_few_good_blocks_are_an_error_that_counts_them() {
    for format in FORMATS {
        let (grid, _, cap, _) = stored(format).await;
        let index = storage_index(&cap);
        for (place, share) in grid.all_shares(&index).into_iter().take(8) {
            let mut share = share.to_vec();
            let header = MutableHeader::parse(&share).unwrap();
            let data = match header {
                MutableHeader::Sdmf(header) => header.share_data_range().unwrap(),
                MutableHeader::Mdmf(header) => header.share_data_range().unwrap(),
            };
            // In MDMF this is the salt of the first block.
            share[usize::try_from(data.start).unwrap() + 3] ^= 1;
            grid.replace_share(&index, place, share.into());
        }
        let fresh = grid.gateway().await;
        let error = fresh.read_all(&cap.to_read()).await.unwrap_err();
        let ReadError::NotEnoughShares {
            bad_shares,
            remaining_shares,
            needed,
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!((*bad_shares, *remaining_shares, *needed), (8, 2, 3));
        fresh.advisories_settled().await;
        let advised = grid.advisories();
        let spoilt = ["corrupt hashes", "block hash tree failure"];
        let reported = advised
            .lines()
            .filter(|line| spoilt.iter().any(|s| line.contains(s)));
        assert_eq!(reported.count(), 8, "{advised}");
    }
}

#[tokio::test]
async fn an_older_version_is_read_if_no_newer_one_can_be() {
    let (grid, gateway, cap, old) = stored(MutableFormat::Mdmf).await;
    let index = storage_index(&cap);
    let shares = grid.all_shares(&index);
    gateway.overwrite(&cap, content(200_000, 2)).await.unwrap();
    for (number, (place, share)) in grid.all_shares(&index).into_iter().enumerate() {
        if number < 5 {
            grid.replace_share(&index, place, shares[number].1.clone());
        } else {
            let mut share = share.to_vec();
            share[0x877 + 100] ^= 1;
            grid.replace_share(&index, place, share.into());
        }
    }
    let (version, read) = grid.gateway().await.read_all(&cap.to_read()).await.unwrap();
    assert_eq!((version.sequence_number, read), (1, old));
}

#[tokio::test]
async fn a_spoilt_private_key_is_taken_from_another_share() {
    for format in FORMATS {
        let (grid, _, cap, _) = stored(format).await;
        let index = storage_index(&cap);
        let shares = grid.all_shares(&index);
        let spoil = |count: usize| {
            for (place, share) in shares.iter().take(count) {
                let mut share = share.to_vec();
                let header = MutableHeader::parse(&share).unwrap();
                let key = header.encrypted_private_key_range().unwrap();
                share[usize::try_from(key.start).unwrap() + 50] ^= 1;
                grid.replace_share(&index, *place, share.into());
            }
        };
        spoil(9);
        let fresh = grid.gateway().await;
        fresh.overwrite(&cap, content(5, 5)).await.unwrap();
        for (place, share) in &shares {
            grid.replace_share(&index, *place, share.clone());
        }
        spoil(10);
        let refused = grid.gateway().await.overwrite(&cap, content(5, 5)).await;
        assert!(
            matches!(refused, Err(PublishError::NoPrivateKey)),
            "{refused:?}"
        );
        let (_, read) = grid.gateway().await.read_all(&cap.to_read()).await.unwrap();
        assert_eq!(read.len(), 200_000, "readers need no private key");
    }
}

fn raise_sequence_number(share: &mut [u8]) {
    share[8] += 1;
}

fn spoil_root_hash(share: &mut [u8]) {
    share[0x0a] ^= 1;
}

fn spoil_signature(share: &mut [u8]) {
    let header = MutableHeader::parse(share).unwrap();
    let signature = header.signature_range().unwrap();
    share[usize::try_from(signature.start).unwrap()] ^= 1;
}
