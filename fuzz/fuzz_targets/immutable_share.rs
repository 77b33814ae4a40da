//! A header of an immutable share is written back to the same bytes, and whatever it says, asking
//! for its parts and describing it never fails otherwise than by an error.
#![no_main]

use tahoe_share::describe::ImmutableDescription;
use tahoe_share::immutable::ShareLayout;
use tahoe_share::{EncodingParameters, SegmentGeometry, TreeShape, parse_share_hash_chain};

libfuzzer_sys::fuzz_target!(|share: &[u8]| {
    if let Ok(layout) = ShareLayout::parse(share) {
        let header = layout.header();
        assert_eq!(header, &share[..header.len()]);
        let encoding = EncodingParameters::new(3, 10).expect("1 ≤ 3 ≤ 10");
        let g = SegmentGeometry::with_segment_size(encoding, layout.data_size, 3 << 18);
        let shape = g.map(|g| TreeShape::new(g.segment_count()));
        if let (Ok(g), Ok(Ok(shape))) = (g, shape) {
            let _ = layout.block_range(&g, g.segment_count() - 1);
            let _ = layout.block_hash_range(&shape, shape.node_count() - 1);
            let _ = layout.crypttext_hash_tree_range(&shape);
        }
    }
    let _ = parse_share_hash_chain(share);
    let described = ImmutableDescription::read(&mut |range| {
        let end = range.end.min(share.len() as u64);
        Ok(share[range.start.min(end) as usize..end as usize].to_vec())
    });
    let _ = described.map(|d| (d.contents(None), d.section_offsets(12)));
});
