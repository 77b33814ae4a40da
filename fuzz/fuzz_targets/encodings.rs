//! What reads as base32 or as netstrings is written back to the same bytes.
#![no_main]

use tahoe_encoding::{base32, netstring};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(bytes) = base32::decode(text)
    {
        assert_eq!(base32::encode(&bytes), text);
    }
    let mut offset = 0;
    while let Ok((value, end)) = netstring::split(data, offset) {
        assert_eq!(netstring::encode(value), &data[offset..end]);
        offset = end;
    }
});
