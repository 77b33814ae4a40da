//! The storage protocol: paths, ranges, NURLs and CBOR messages; what decodes encodes to the same.
#![no_main]

// Only these modules: the crate around them would bring TLS and HTTP with it.
#[allow(dead_code, unreachable_pub, reason = "a part of the module is of use here")]
#[path = "../../crates/tahoe-storage-http/src/nurl.rs"]
mod nurl;
#[allow(dead_code, unreachable_pub, reason = "a part of the module is of use here")]
#[path = "../../crates/tahoe-storage-http/src/wire/mod.rs"]
mod wire;

use bytes::Bytes;
use nurl::{Nurl, Swissnum};
use wire::{messages, ranges, route::Route};

fn again<T: PartialEq, E>(
    message: &Bytes,
    decode: fn(&Bytes) -> Result<T, E>,
    encode: impl Fn(&T) -> Vec<Bytes>,
) {
    if let Ok(first) = decode(message) {
        let encoded = Bytes::from(encode(&first).concat());
        assert!(decode(&encoded).is_ok_and(|second| second == first));
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let message = Bytes::copy_from_slice(input);
    again(&message, messages::decode_version, messages::encode_version);
    again(&message, messages::decode_allocation, messages::encode_allocation);
    again(&message, messages::decode_shares, messages::encode_shares);
    again(&message, messages::decode_missing, |missing| messages::encode_missing(missing));
    again(&message, messages::decode_advice, |reason| messages::encode_advice(reason));
    again(&message, messages::decode_change, messages::encode_change);
    again(&message, messages::decode_outcome, messages::encode_outcome);
    let _ = messages::decode_allocation_request(&message).is_ok();
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = (Route::parse(text), ranges::parse_range(text), ranges::parse_content_range(text));
    if let Ok(nurl) = text.parse::<Nurl>() {
        assert!(nurl.to_text().parse::<Nurl>() == Ok(nurl));
    }
});
