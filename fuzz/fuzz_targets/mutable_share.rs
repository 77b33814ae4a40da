//! A header of a mutable share is written back to the same bytes, and whatever it says, taking the
//! share apart and describing it never fails otherwise than by an error.
#![no_main]

use tahoe_share::describe::MutableDescription;
use tahoe_share::mutable::{MutableGeometry, MutableHeader, SdmfShare};

libfuzzer_sys::fuzz_target!(|share: &[u8]| {
    match MutableHeader::parse(share) {
        Ok(MutableHeader::Sdmf(header)) => {
            assert_eq!(header.to_bytes(), &share[..0x6b]);
            assert_eq!(header.signed_prefix(), &share[..0x4b]);
        }
        Ok(MutableHeader::Mdmf(header)) => {
            assert_eq!(header.to_bytes(), &share[..0x7b]);
            assert_eq!(header.signed_prefix(), &share[..0x3b]);
        }
        Err(_) => {}
    }
    let _ = SdmfShare::parse(share);
    if let Ok(header) = MutableHeader::parse(share)
        && let Ok(geometry) = MutableGeometry::of(&header)
    {
        let last = geometry.segment_count().saturating_sub(1);
        let parts = [
            header.public_key_range(),
            header.signature_range(),
            header.share_hash_chain_range(),
            header.encrypted_private_key_range(),
            header.block_hash_tree_range(&geometry),
            header.block_range(&geometry, 0),
            header.block_range(&geometry, last),
        ];
        assert!(parts.into_iter().flatten().all(|part| part.start <= part.end));
    }
    let described = MutableDescription::read(&mut |range| {
        let end = range.end.min(share.len() as u64);
        Ok(share[range.start.min(end) as usize..end as usize].to_vec())
    });
    let _ = described.map(|d| (d.contents(None), d.section_offsets(468)));
});
