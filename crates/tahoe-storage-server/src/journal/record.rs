//! One record: a header with a checksum, then the spelled change or the name of a file with it.

use blake2::{Blake2b256, Digest as _};
use bytes::Bytes;
use tahoe_encoding::{Reader, UnexpectedEnd};

/// Size of a record's header in bytes.
pub(super) const HEADER_SIZE: usize = 60;
const MAGIC: &[u8; 4] = b"TSJ1";

/// Which record it is: ascending without gaps, over all segments.
pub(super) type Sequence = u64;

/// A record as it was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) sequence: Sequence,
    /// Whether the payload names a file that has the change.
    pub(super) elsewhere: bool,
    pub(super) payload: Bytes,
}

/// Appends a record.
///
/// ```text
/// big-endian
///  0x00   4  magic     "TSJ1"
///  0x04   8  sequence  u64
///  0x0c   4  kind      u32, 0: the payload is a change, 1: it names a file with the change
///  0x10   8  length    u64, of the payload
///  0x18   4  zero
///  0x1c  32  checksum  BLAKE2b-256 of the fields before it and the payload
///  0x3c   …  payload
/// ```
pub(super) fn push(out: &mut Vec<u8>, sequence: Sequence, elsewhere: bool, pieces: &[Bytes]) {
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let mut fields = Vec::with_capacity(28);
    fields.extend_from_slice(MAGIC);
    fields.extend(sequence.to_be_bytes());
    fields.extend(u32::from(elsewhere).to_be_bytes());
    fields.extend((length as u64).to_be_bytes());
    fields.extend([0; 4]);
    let mut checksum = Blake2b256::new_with_prefix(&fields);
    pieces.iter().for_each(|piece| checksum.update(piece));
    out.reserve(HEADER_SIZE + length);
    out.extend(fields);
    out.extend(checksum.finalize());
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
}

/// Reads the records of a segment up to the first that isn't whole or doesn't follow.
pub(super) fn read_all(segment: &Bytes) -> Vec<Record> {
    let mut reader = Reader::new(segment);
    let mut records: Vec<Record> = Vec::new();
    while let Ok(Some(record)) = read_one(&mut reader, segment) {
        let follows = |last: &Record| last.sequence.checked_add(1) == Some(record.sequence);
        if !records.last().is_none_or(follows) {
            break;
        }
        records.push(record);
    }
    records
}

fn read_one(reader: &mut Reader<'_>, segment: &Bytes) -> Result<Option<Record>, UnexpectedEnd> {
    let fields = reader.bytes(28)?;
    let checksum: [u8; 32] = reader.array()?;
    let mut field = Reader::new(fields);
    let (magic, sequence, kind) = (field.array()?, field.u64()?, field.u32()?);
    let length = usize::try_from(field.u64()?).unwrap_or(usize::MAX);
    if magic != *MAGIC || kind > 1 {
        return Ok(None);
    }
    let payload = reader.bytes(length)?;
    let found = Blake2b256::new_with_prefix(fields).chain_update(payload);
    if found.finalize()[..] != checksum[..] {
        return Ok(None);
    }
    Ok(Some(Record {
        sequence,
        elsewhere: kind == 1,
        payload: segment.slice_ref(payload),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(first: Sequence, payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for (sequence, payload) in (first..).zip(payloads) {
            let (start, end) = payload.split_at(payload.len() / 2);
            let pieces = [start, end].map(Bytes::copy_from_slice);
            push(&mut out, sequence, sequence % 2 == 1, &pieces);
        }
        out
    }

    #[test]
    fn stale_records_behind_newer_ones_are_not_read() {
        let mut bytes = segment(10, &vec![vec![1; 100]; 5]);
        let newer = segment(20, &vec![vec![2; 100]; 2]);
        bytes[..newer.len()].copy_from_slice(&newer);
        let records = read_all(&bytes.into());
        let sequences: Vec<_> = records.iter().map(|record| record.sequence).collect();
        assert_eq!(sequences, [20, 21]);
    }

    proptest! {
        #[test]
        fn whole_records_come_back(payloads: Vec<Vec<u8>>, first in 0u64..1 << 60, tail: Vec<u8>) {
            let mut bytes = segment(first, &payloads);
            bytes.extend(tail);
            let records = read_all(&bytes.into());
            prop_assert_eq!(records.len(), payloads.len());
            for ((sequence, payload), record) in (first..).zip(payloads).zip(records) {
                let expected = Record { sequence, elsewhere: sequence % 2 == 1, payload: payload.into() };
                prop_assert_eq!(record, expected);
            }
        }

        #[test]
        fn damage_ends_the_records_where_it_is(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..6),
            position: prop::sample::Index,
            flip in 1u8..,
        ) {
            let mut bytes = segment(1, &payloads);
            let position = position.index(bytes.len());
            bytes[position] ^= flip;
            let mut end = 0;
            let before = payloads.iter().take_while(|payload| {
                end += HEADER_SIZE + payload.len();
                end <= position
            });
            let before = before.count();
            prop_assert_eq!(read_all(&bytes.into()).len(), before);
        }

        #[test]
        fn anything_can_be_read(bytes: Vec<u8>) {
            prop_assert!(read_all(&bytes.into()).is_empty());
        }
    }
}
