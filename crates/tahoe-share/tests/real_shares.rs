//! Reads shares that a real Tahoe-LAFS node made (`vectors/share/real.json`) and checks what can
//! be checked without a key: hashes, proofs, layouts, and what `debug dump-share` says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::Range;

use serde::Deserialize;
use tahoe_crypto::hash::{self, Hash};
use tahoe_share::describe::{ImmutableDescription, MutableDescription};
use tahoe_share::immutable::ShareLayout;
use tahoe_share::mutable::{MdmfHeader, MutableHeader, SdmfShare, SignedFields};
use tahoe_share::{
    EncodingParameters, HashTree, IncompleteHashTree, SegmentGeometry, TreeShape, UriExtension,
    parse_share_hash_chain,
};

#[derive(Deserialize)]
struct RealShare {
    name: String,
    cap: String,
    storage_index: String,
    share_number: u64,
    payload: String,
    dump_share: Vec<String>,
}

impl RealShare {
    fn payload(&self) -> Vec<u8> {
        data_encoding::BASE64
            .decode(self.payload.as_bytes())
            .unwrap()
    }

    /// The fields of the capability after the kind.
    fn cap_fields(&self) -> Vec<&str> {
        self.cap.split(':').skip(2).collect()
    }
}

fn real_shares(kind: &str) -> Vec<RealShare> {
    let text = include_str!("../../../vectors/share/real.json");
    let all: Vec<RealShare> = serde_json::from_str(text).unwrap();
    let chosen: Vec<RealShare> = all
        .into_iter()
        .filter(|s| s.name.starts_with(kind))
        .collect();
    assert!(!chosen.is_empty());
    chosen
}

fn part(payload: &[u8], range: Range<u64>) -> &[u8] {
    &payload[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
}

fn read_from(payload: &[u8]) -> impl FnMut(Range<u64>) -> std::io::Result<Vec<u8>> + '_ {
    |range| {
        let end = range.end.min(payload.len() as u64);
        Ok(part(payload, range.start.min(end)..end).to_vec())
    }
}

#[test]
fn immutable_shares_prove_every_block() {
    for real in real_shares("chk") {
        let payload = real.payload();
        let fields = real.cap_fields();
        let number = |index: usize| fields[index].parse::<u64>().unwrap();
        let layout = ShareLayout::parse(&payload).unwrap();

        let length = part(&payload, layout.uri_extension_length_range().unwrap());
        let block = part(&payload, layout.uri_extension_range(length).unwrap());
        assert_eq!(UriExtension::hash_of(block).to_string(), fields[1]);
        let block = UriExtension::parse(block).unwrap();
        let encoding = EncodingParameters::new(number(2), number(3)).unwrap();
        let geometry =
            SegmentGeometry::with_segment_size(encoding, number(4), block.segment_size).unwrap();
        block.check_against(&geometry).unwrap();
        assert_eq!(ShareLayout::for_upload(&geometry).unwrap(), layout);
        assert_eq!(layout.allocated_size(&geometry), payload.len() as u64);

        let chain = parse_share_hash_chain(part(&payload, layout.share_hashes_range())).unwrap();
        let shares = TreeShape::new(number(3)).unwrap();
        let mut shares = IncompleteHashTree::new(shares, block.share_root_hash);
        shares
            .add_hashes(chain.into_iter().map(|(node, hash)| (node.into(), hash)))
            .unwrap();
        let root = *shares.leaf(real.share_number).unwrap();

        let shape = TreeShape::new(geometry.segment_count()).unwrap();
        let mut blocks = IncompleteHashTree::new(shape, root);
        for segment in 0..geometry.segment_count() {
            let data = part(&payload, layout.block_range(&geometry, segment).unwrap());
            let needed = blocks.needed_hashes(segment).unwrap();
            let hashes = needed.into_iter().map(|node| {
                let at = layout.block_hash_range(&shape, node).unwrap();
                (node, part(&payload, at).try_into().unwrap())
            });
            blocks.add_leaf(segment, hash::block(data), hashes).unwrap();
        }
        let crypttext = part(&payload, layout.crypttext_hash_tree_range(&shape).unwrap());
        assert_eq!(crypttext[..32], block.crypttext_root_hash);
        let unused = part(
            &payload,
            layout.plaintext_hash_tree..layout.crypttext_hash_tree,
        );
        assert!(unused.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn immutable_shares_are_described_alike() {
    for real in real_shares("chk") {
        let payload = real.payload();
        let description = ImmutableDescription::read(&mut read_from(&payload)).unwrap();
        let after_key = real
            .cap
            .split_once(":CHK:")
            .unwrap()
            .1
            .split_once(':')
            .unwrap()
            .1;
        let verify_cap = format!("URI:CHK-Verifier:{}:{after_key}", real.storage_index);
        let data_offset = 12;
        let found = format!(
            "{}\n Section Offsets:\n{:>20}: {data_offset}\n{}",
            description.contents(Some(&verify_cap)),
            "share data",
            description.section_offsets(data_offset),
        );
        let found: Vec<&str> = found.lines().collect();
        assert_eq!(found, real.dump_share[..found.len()], "{}", real.name);
        let leases = &real.dump_share[found.len()];
        assert!(leases.starts_with("              leases: "), "{leases}");
    }
}

fn check_mutable_description(format: &str, data_offset: u64, verify_kind: &str) {
    for real in real_shares(&format.to_lowercase()) {
        let payload = real.payload();
        let description = MutableDescription::read(&mut read_from(&payload)).unwrap();
        let fingerprint = description.fingerprint.to_string();
        assert_eq!(fingerprint, real.cap_fields()[1]);
        let verify_cap = format!("{verify_kind}{}:{fingerprint}", real.storage_index);
        let contents = description.contents(Some(&verify_cap));
        let contents = format!(" {format} contents:\n{contents}\n Section Offsets:\n");
        let contents: Vec<&str> = contents.lines().collect();
        assert_eq!(contents, real.dump_share[..contents.len()], "{}", real.name);
        // Two lines about the container stand before the payload's offsets, one after them.
        let offsets = description.section_offsets(data_offset);
        let offsets: Vec<&str> = offsets.lines().collect();
        let first = contents.len() + 2;
        assert_eq!(offsets, real.dump_share[first..first + offsets.len()]);
        assert!(real.dump_share[first + offsets.len()].contains("extra leases: "));
    }
}

#[test]
fn sdmf_shares_are_described_alike() {
    check_mutable_description("SDMF", 468, "URI:SSK-Verifier:");
}

#[test]
fn mdmf_shares_are_described_alike() {
    check_mutable_description("MDMF", 468, "URI:MDMF-Verifier:");
}

/// Proves a mutable share's block hash tree against its root hash.
fn check_mutable_proof(real: &RealShare, signed: &SignedFields, chain: &[u8], root: Hash) {
    let chain = parse_share_hash_chain(chain).unwrap();
    let shape = TreeShape::new(signed.shares_total.into()).unwrap();
    let mut shares = IncompleteHashTree::new(shape, signed.root_hash);
    let hashes = chain.into_iter().map(|(node, hash)| (node.into(), hash));
    shares.add_leaf(real.share_number, root, hashes).unwrap();
}

/// The root of the block hash tree of a file without blocks.
fn root_of_nothing() -> Hash {
    hash::tagged(b"Merkle tree empty leaf", b"0")
}

#[test]
fn sdmf_shares_prove_their_block() {
    for real in real_shares("sdmf") {
        let payload = real.payload();
        let share = SdmfShare::parse(&payload).unwrap();
        let root = if share.share_data.is_empty() {
            root_of_nothing()
        } else {
            hash::block(share.share_data)
        };
        assert_eq!(share.block_hash_tree, [root], "{}", real.name);
        let chain = part(&payload, share.header.share_hash_chain_range().unwrap());
        check_mutable_proof(&real, &share.header.signed, chain, root);
    }
}

#[test]
fn mdmf_shares_prove_their_blocks() {
    for real in real_shares("mdmf") {
        let payload = real.payload();
        let header = MdmfHeader::parse(&payload).unwrap();
        let data = part(&payload, header.share_data_range().unwrap());
        let k = u64::from(header.signed.shares_needed);
        let salt_and_block = usize::try_from(16 + header.signed.segment_size / k).unwrap();
        let leaves: Vec<Hash> = data.chunks(salt_and_block).map(hash::block).collect();
        let nodes = match HashTree::from_leaves(&leaves) {
            Ok(tree) => tree.nodes().to_vec(),
            Err(_) => vec![root_of_nothing()],
        };
        let stored = part(&payload, header.block_hash_tree_range().unwrap());
        assert_eq!(stored, nodes.as_flattened(), "{}", real.name);
        let chain = part(&payload, header.share_hash_chain_range().unwrap());
        check_mutable_proof(&real, &header.signed, chain, nodes[0]);
    }
}

#[test]
fn sdmf_shares_come_apart() {
    for real in real_shares("sdmf") {
        let payload = real.payload();
        let share = SdmfShare::parse(&payload).unwrap();
        assert_eq!(share.header.end, payload.len() as u64);
        assert_eq!(share.header.to_bytes(), payload[..0x6b]);
        assert_eq!((share.public_key.len(), share.signature.len()), (294, 256));
        assert_eq!(share.block_hash_tree.len(), 1);
        let k = u64::from(share.header.signed.shares_needed);
        let block_size = share.header.signed.segment_size / k;
        assert_eq!(share.share_data.len() as u64, block_size);
    }
}

#[test]
fn mdmf_shares_have_the_documented_places() {
    for real in real_shares("mdmf") {
        let payload = real.payload();
        let MutableHeader::Mdmf(header) = MutableHeader::parse(&payload).unwrap() else {
            panic!("{} is not MDMF", real.name);
        };
        assert_eq!(header.to_bytes(), payload[..0x7b]);
        assert_eq!(
            (header.encrypted_private_key, header.share_data),
            (0x7b, 0x877)
        );
        assert_eq!(header.end, payload.len() as u64);
    }
}
