//! A URI extension block that is read and written again means the same.
#![no_main]

use tahoe_share::{EncodingParameters, SegmentGeometry, UriExtension};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(block) = UriExtension::parse(data) else {
        return;
    };
    assert_eq!(UriExtension::parse(&block.to_bytes()).as_ref(), Ok(&block));
    let (Some(k), Some(n), Some(size)) = (block.needed_shares, block.total_shares, block.size)
    else {
        return;
    };
    let Ok(encoding) = EncodingParameters::new(k, n) else {
        return;
    };
    if let Ok(geometry) = SegmentGeometry::with_segment_size(encoding, size, block.segment_size) {
        let _ = block.check_against(&geometry);
    }
});
