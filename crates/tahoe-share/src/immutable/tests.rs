use super::*;
use crate::{EncodingParameters, share_hash_chain};
use proptest::prelude::*;

fn geometry(k: u64, n: u64, size: u64, max: u64) -> SegmentGeometry {
    SegmentGeometry::for_upload(EncodingParameters::new(k, n).unwrap(), size, max).unwrap()
}

#[test]
fn parts_follow_each_other() {
    // Two segments: trees of 3 nodes. Ten shares: a path of 4 siblings and the leaf.
    let g = geometry(3, 10, 200_000, 131_072);
    let layout = ShareLayout::for_upload(&g).unwrap();
    assert_eq!(
        layout,
        ShareLayout {
            version: ShareVersion::V1,
            block_size: 43_691,
            data_size: 66_667,
            data: 0x24,
            plaintext_hash_tree: 0x24 + 66_667,
            crypttext_hash_tree: 0x24 + 66_667 + 96,
            block_hashes: 0x24 + 66_667 + 192,
            share_hashes: 0x24 + 66_667 + 288,
            uri_extension: 0x24 + 66_667 + 288 + 5 * 34,
        }
    );
    let header = layout.header();
    assert_eq!(header.len(), 0x24);
    assert_eq!(header[..8], [0, 0, 0, 1, 0, 0, 0xaa, 0xab]);
    assert_eq!(ShareLayout::parse(&header), Ok(layout));
    assert_eq!(layout.block_range(&g, 1), Ok(0x24 + 43_691..0x24 + 66_667));
    let size = layout.uri_extension + 4 + UriExtension::length_for(&g);
    assert_eq!(layout.allocated_size(&g), size);
}

#[test]
fn version_2_begins_where_32_bits_end() {
    // 1-of-1: the share's data is the file. One tree hash per area, one share hash.
    let overhead = 0x24 + 3 * 32 + 34;
    let most = u64::from(u32::MAX) - overhead;
    let last_v1 = ShareLayout::for_upload(&geometry(1, 1, most, u64::MAX)).unwrap();
    assert_eq!(last_v1.version, ShareVersion::V1);
    assert_eq!(last_v1.uri_extension, u64::from(u32::MAX));
    let first_v2 = ShareLayout::for_upload(&geometry(1, 1, most + 1, u64::MAX)).unwrap();
    assert_eq!(first_v2.version, ShareVersion::V2);
    assert_eq!(first_v2.data, 0x44);
    assert_eq!(first_v2.header().len(), 0x44);
    assert_eq!(ShareLayout::parse(&first_v2.header()), Ok(first_v2));
    assert_eq!(first_v2.uri_extension_length_range().unwrap().count(), 8);
}

#[test]
fn refuses_a_file_that_no_share_can_hold() {
    let g = geometry(1, 1, u64::MAX - 100, u64::MAX);
    assert_eq!(ShareLayout::for_upload(&g), Err(LayoutError::TooLarge));
    let many = geometry(1, 1, u64::MAX, 1);
    assert!(matches!(
        ShareLayout::for_upload(&many),
        Err(LayoutError::HashTree(_))
    ));
}

#[test]
fn trailer_fills_the_planned_space() {
    let g = geometry(2, 3, 25, 10);
    let layout = ShareLayout::for_upload(&g).unwrap();
    let segments = HashTree::from_leaves(&[[1; 32]; 3]).unwrap();
    let shares = HashTree::from_leaves(&[[2; 32]; 3]).unwrap();
    let chain = share_hash_chain(&shares, 1).unwrap();
    let block = vec![9; usize::try_from(UriExtension::length_for(&g)).unwrap()];
    let trailer = layout
        .trailer(&segments, &segments, &chain, &block)
        .unwrap();
    assert_eq!(
        layout.plaintext_hash_tree + trailer.len() as u64,
        layout.allocated_size(&g)
    );
    assert!(trailer[..7 * 32].iter().all(|b| *b == 0));
    let length_at = usize::try_from(layout.uri_extension - layout.plaintext_hash_tree).unwrap();
    let found = layout.uri_extension_range(&trailer[length_at..]).unwrap();
    assert_eq!(found.end, layout.allocated_size(&g));
    assert_eq!(trailer[length_at + 4..], block);

    let wrong = HashTree::from_leaves(&[[1; 32]; 5]).unwrap();
    assert!(layout.trailer(&wrong, &segments, &chain, &block).is_err());
    assert!(layout.trailer(&segments, &wrong, &chain, &block).is_err());
    assert!(layout.trailer(&segments, &segments, &[], &block).is_err());
}

fn v1_header(fields: [u32; 9]) -> Vec<u8> {
    fields.iter().flat_map(|f| f.to_be_bytes()).collect()
}

#[test]
fn refuses_unknown_versions() {
    for version in [0, 3, u32::MAX] {
        let header = v1_header([version, 1, 1, 0x24, 0x25, 0x45, 0x65, 0x85, 0xa7]);
        assert_eq!(
            ShareLayout::parse(&header),
            Err(LayoutError::UnknownVersion { version })
        );
    }
}

#[test]
fn refuses_cut_headers() {
    let v1 = ShareLayout::for_upload(&geometry(3, 10, 1000, 1000)).unwrap();
    let v2 = ShareLayout::with_version(ShareVersion::V2, &geometry(3, 10, 1000, 1000)).unwrap();
    for header in [v1.header(), v2.header()] {
        for length in 0..header.len() {
            assert!(matches!(
                ShareLayout::parse(&header[..length]),
                Err(LayoutError::Truncated(_))
            ));
        }
    }
}

#[test]
fn refuses_tables_that_end_before_they_begin() {
    let backwards = v1_header([1, 1, 1, 0x24, 0x25, 0x45, 0x85, 0x65, 0xa7]);
    assert!(matches!(
        ShareLayout::parse(&backwards),
        Err(LayoutError::BadBlockHashes { .. })
    ));
    let backwards = v1_header([1, 1, 1, 0x24, 0x25, 0x45, 0x65, 0x85, 0x84]);
    assert!(matches!(
        ShareLayout::parse(&backwards),
        Err(LayoutError::BadShareHashes { .. })
    ));
}

#[test]
fn refuses_tables_of_broken_hashes() {
    let half = v1_header([1, 1, 1, 0x24, 0x25, 0x45, 0x65, 0x75, 0x97]);
    assert!(matches!(
        ShareLayout::parse(&half),
        Err(LayoutError::BadBlockHashes { .. })
    ));
    let half = v1_header([1, 1, 1, 0x24, 0x25, 0x45, 0x65, 0x85, 0xa6]);
    assert!(matches!(
        ShareLayout::parse(&half),
        Err(LayoutError::BadShareHashChain(_))
    ));
    let endless = v1_header([1, 1, 1, 0x24, 0x25, 0x45, 0x65, 0x85, 0x85 + 34 * 512]);
    assert!(matches!(
        ShareLayout::parse(&endless),
        Err(LayoutError::BadShareHashChain(_))
    ));
}

#[test]
fn refuses_a_ridiculous_uri_extension() {
    let layout = ShareLayout::for_upload(&geometry(3, 10, 1000, 1000)).unwrap();
    assert!(layout.uri_extension_range(&1999u32.to_be_bytes()).is_ok());
    assert_eq!(
        layout.uri_extension_range(&2000u32.to_be_bytes()),
        Err(LayoutError::RidiculousUriExtension { length: 2000 })
    );
    assert!(layout.uri_extension_range(&[0; 3]).is_err());
}

proptest! {
    #[test]
    fn every_layout_reads_back(
        k in 1u64..=256, extra in 0u64..256, size in 1u64.., max in 1u64..,
    ) {
        let g = SegmentGeometry::for_upload(
            EncodingParameters::new(k, (k + extra).min(256)).unwrap(), size, max,
        );
        if let Ok(Ok(layout)) = g.map(|g| ShareLayout::for_upload(&g)) {
            prop_assert_eq!(ShareLayout::parse(&layout.header()), Ok(layout));
        }
    }

    #[test]
    fn strange_headers_never_panic(
        version in 1u32..=2, mut fields: [u64; 8], same: bool, size in 1u64.., segment: u64,
    ) {
        if same {
            fields[5] = fields[4].saturating_add(32);
            fields[6] = fields[5].saturating_add(34);
        }
        let mut header = version.to_be_bytes().to_vec();
        header.extend(fields.iter().flat_map(|f| f.to_be_bytes()));
        if let Ok(layout) = ShareLayout::parse(&header) {
            prop_assert_eq!(&layout.header()[..], &header[..layout.header().len()]);
            let g = geometry(3, 10, size / 2, 1 << 20);
            let shape = TreeShape::new(8).unwrap();
            let _ = layout.block_range(&g, segment).is_ok();
            let _ = layout.block_hash_range(&shape, segment % 15).is_ok();
            let _ = layout.crypttext_hash_tree_range(&shape).is_ok();
            let _ = layout.uri_extension_range(&segment.to_be_bytes()).is_ok();
        }
    }
}
