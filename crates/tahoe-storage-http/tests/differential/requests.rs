//! Requests that several tests make.

use super::support::raw::Raw;
use minicbor::Encoder;
use minicbor::data::Tag;

pub(crate) const A: &str = "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const B: &str = "/storage/v1/immutable/bbbbbbbbbbbbbbbbbbbbbbbbba";
pub(crate) const SLOT: &str = "/storage/v1/mutable/ccccccccccccccccccccccccca";

pub(crate) fn cbor(
    write: impl FnOnce(
        &mut Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes)).unwrap();
    bytes
}

pub(crate) fn allocation(shares: &[u64], size: u64) -> Vec<u8> {
    cbor(|e| {
        e.map(2)?.str("share-numbers")?;
        e.tag(Tag::new(258))?;
        e.array(shares.len() as u64)?;
        for share in shares {
            e.u64(*share)?;
        }
        e.str("allocated-size")?.u64(size)?.ok()
    })
}

pub(crate) fn advice(reason: &str) -> Vec<u8> {
    cbor(|e| e.map(1)?.str("reason")?.str(reason)?.ok())
}

pub(crate) fn get(path: impl Into<String>) -> Raw {
    Raw::new("GET", path)
}

pub(crate) fn with_lease(request: Raw) -> Raw {
    request
        .secret("lease-renew-secret", &[1; 32])
        .secret("lease-cancel-secret", &[2; 32])
}

pub(crate) fn allocate(index: &str, body: Vec<u8>) -> Raw {
    with_lease(Raw::new("POST", index))
        .secret("upload-secret", &[3; 20])
        .body(body)
}

pub(crate) fn patch(share: &str, range: &str, body: &[u8]) -> Raw {
    Raw::new("PATCH", share)
        .secret("upload-secret", &[3; 20])
        .header("Content-Range", range)
        .body(body)
}
