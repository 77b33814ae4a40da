//! The bodies of requests and answers.
//!
//! A message is a list of parts that are sent one after the other. Each function names the schema
//! (CDDL) of its message; the layout is that of `docs/protocols/storage-over-https.md`.

use super::cbor::{CborError, Reader, Writer};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tahoe_storage_api::{
    Allocation, MAX_READ_VECTORS, MAX_SHARES, MAX_TEST_VECTORS, ReadTestWrite,
    ReadTestWriteOutcome, ServerVersion, ShareNumber, ShareRange, TestVector, TestWriteVectors,
    WriteVector, check_advice,
};

/// Key of the version message's map of sizes, a byte string like the other keys there.
const PROTOCOL: &[u8] = b"http://allmydata.org/tahoe/protocols/storage/v1";
const APPLICATION_VERSION: &[u8] = b"application-version";
const SIZES: [&[u8]; 3] = [
    b"maximum-immutable-share-size",
    b"maximum-mutable-share-size",
    b"available-space",
];
/// Most keys of a version message: room for what later versions add.
const MAX_VERSION_KEYS: usize = 64;

/// What a client asks when it wants to upload shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRequest {
    /// Which shares.
    pub shares: BTreeSet<ShareNumber>,
    /// Bytes of each.
    pub share_size: u64,
}

/// Writes `{PROTOCOL: {sizes}, 'application-version': bstr}`.
pub fn encode_version(version: &ServerVersion) -> Vec<Bytes> {
    let mut writer = Writer::default();
    let sizes = [
        version.maximum_immutable_share_size,
        version.maximum_mutable_share_size,
        version.available_space,
    ];
    writer.put(|e| {
        e.map(2)?.bytes(PROTOCOL)?.map(3)?;
        for (key, size) in SIZES.into_iter().zip(sizes) {
            e.bytes(key)?.u64(size)?;
        }
        e.bytes(APPLICATION_VERSION)?
            .bytes(version.application_version.as_bytes())?
            .ok()
    });
    writer.finish()
}

/// Reads a version message; keys that later versions may add are passed over.
pub fn decode_version(message: &Bytes) -> Result<ServerVersion, CborError> {
    let mut sizes = [None; 3];
    let mut application = None;
    Reader::message(message, |reader| {
        reader.map(MAX_VERSION_KEYS, |reader| match reader.bytes()?.as_ref() {
            PROTOCOL => reader.map(MAX_VERSION_KEYS, |reader| {
                let key = reader.bytes()?;
                match SIZES.iter().position(|known| *known == key) {
                    Some(index) => sizes[index] = Some(reader.uint()?),
                    None => reader.skip()?,
                }
                Ok(())
            }),
            APPLICATION_VERSION => {
                application = Some(reader.bytes()?);
                Ok(())
            }
            _ => reader.skip(),
        })?;
        let (Some(application), [Some(immutable), Some(mutable), Some(space)]) =
            (&application, sizes)
        else {
            return Err(reader.expected("all keys of a version"));
        };
        Ok(ServerVersion {
            maximum_immutable_share_size: immutable,
            maximum_mutable_share_size: mutable,
            available_space: space,
            application_version: printable(&String::from_utf8_lossy(application)),
        })
    })
}

/// What a stranger says of itself, fit for a log or a page: 100 characters without controls.
fn printable(text: &str) -> String {
    let visible = text.chars().filter(|c| !c.is_control());
    visible.take(100).collect()
}

/// Writes `{share-numbers: #6.258([0*256 uint]), allocated-size: uint}`.
pub fn encode_allocation_request(shares: &BTreeSet<ShareNumber>, share_size: u64) -> Vec<Bytes> {
    let mut writer = Writer::default();
    writer.put(|e| e.map(2)?.str("share-numbers")?.ok());
    writer.set(shares.iter().map(|share| share.0));
    writer.put(|e| e.str("allocated-size")?.u64(share_size)?.ok());
    writer.finish()
}

/// Reads what [`encode_allocation_request`] writes.
pub fn decode_allocation_request(message: &Bytes) -> Result<AllocationRequest, CborError> {
    let mut request = AllocationRequest {
        shares: BTreeSet::new(),
        share_size: 0,
    };
    Reader::message(message, |reader| {
        reader.record(["share-numbers", "allocated-size"], |reader, key| {
            match key {
                0 => request.shares = share_numbers(reader)?,
                _ => request.share_size = reader.uint()?,
            }
            Ok(())
        })
    })?;
    Ok(request)
}

/// Writes `{already-have: set, allocated: set}`.
pub fn encode_allocation(allocation: &Allocation) -> Vec<Bytes> {
    let mut writer = Writer::default();
    writer.put(|e| e.map(2)?.str("already-have")?.ok());
    writer.set(allocation.already_have.iter().map(|share| share.0));
    writer.put(|e| e.str("allocated")?.ok());
    writer.set(allocation.allocated.iter().map(|share| share.0));
    writer.finish()
}

/// Reads what [`encode_allocation`] writes.
pub fn decode_allocation(message: &Bytes) -> Result<Allocation, CborError> {
    let mut allocation = Allocation::default();
    Reader::message(message, |reader| {
        reader.record(["already-have", "allocated"], |reader, key| {
            match key {
                0 => allocation.already_have = share_numbers(reader)?,
                _ => allocation.allocated = share_numbers(reader)?,
            }
            Ok(())
        })
    })?;
    Ok(allocation)
}

/// Writes `{required: [0* {begin: uint, end: uint}]}`.
pub fn encode_missing(missing: &[Range<u64>]) -> Vec<Bytes> {
    let mut writer = Writer::default();
    writer.put(|e| {
        e.map(1)?.str("required")?.array(missing.len() as u64)?;
        for range in missing {
            e.map(2)?.str("begin")?.u64(range.start)?;
            e.str("end")?.u64(range.end)?;
        }
        Ok(())
    });
    writer.finish()
}

/// Reads what [`encode_missing`] writes; each range must be one, and they must ascend.
pub fn decode_missing(message: &Bytes) -> Result<Vec<Range<u64>>, CborError> {
    let mut missing: Vec<Range<u64>> = Vec::new();
    Reader::message(message, |reader| {
        reader.record(["required"], |reader, _| {
            reader.array(usize::MAX, |reader| {
                let error = reader.expected("ascending range");
                let mut bounds = [0; 2];
                reader.record(["begin", "end"], |reader, key| {
                    bounds[key] = reader.uint()?;
                    Ok(())
                })?;
                let after = missing.last().map_or(0, |last| last.end);
                if bounds[0] >= bounds[1] || bounds[0] < after {
                    return Err(error);
                }
                missing.push(bounds[0]..bounds[1]);
                Ok(())
            })
        })
    })?;
    Ok(missing)
}

/// Writes `#6.258([0*256 uint])`.
pub fn encode_shares(shares: &BTreeSet<ShareNumber>) -> Vec<Bytes> {
    let mut writer = Writer::default();
    writer.set(shares.iter().map(|share| share.0));
    writer.finish()
}

/// Reads what [`encode_shares`] writes.
pub fn decode_shares(message: &Bytes) -> Result<BTreeSet<ShareNumber>, CborError> {
    Reader::message(message, share_numbers)
}

/// Writes `{reason: tstr}`.
pub fn encode_advice(reason: &str) -> Vec<Bytes> {
    let mut writer = Writer::default();
    writer.put(|e| e.map(1)?.str("reason")?.str(reason)?.ok());
    writer.finish()
}

/// Reads `{reason: tstr .size (1..32765)}`.
pub fn decode_advice(message: &Bytes) -> Result<String, CborError> {
    let mut reason = String::new();
    Reader::message(message, |reader| {
        reader.record(["reason"], |reader, _| {
            let error = reader.expected("reason of 1 to 32765 bytes");
            reason = reader.text()?.into_owned();
            check_advice(&reason).map_err(|_| error)
        })
    })?;
    Ok(reason)
}

/// Writes a change of a slot:
///
/// ```text
/// {"test-write-vectors": {0*256 N: {"test": [0*30 {offset, size, specimen}],
///                                   "write": [* {offset, data}], "new-length": uint / null}},
///  "read-vector": [0*30 {offset, size}]}
/// ```
pub fn encode_change(change: &ReadTestWrite) -> Vec<Bytes> {
    let mut writer = Writer::default();
    let shares = change.vectors.len() as u64;
    writer.put(|e| e.map(2)?.str("test-write-vectors")?.map(shares)?.ok());
    for (share, vectors) in &change.vectors {
        writer.put(|e| e.u8(share.0)?.map(3)?.str("test")?.ok());
        writer.put(|e| e.array(vectors.tests.len() as u64)?.ok());
        for test in &vectors.tests {
            writer.put(|e| {
                e.map(3)?.str("offset")?.u64(test.offset)?;
                e.str("size")?.u64(test.size)?.str("specimen")?.ok()
            });
            writer.bytes(&test.specimen);
        }
        let writes = vectors.writes.len() as u64;
        writer.put(|e| e.str("write")?.array(writes)?.ok());
        for write in &vectors.writes {
            writer.put(|e| {
                e.map(2)?.str("offset")?.u64(write.offset)?;
                e.str("data")?.ok()
            });
            writer.bytes(&write.data);
        }
        writer.put(|e| {
            e.str("new-length")?;
            match vectors.new_length {
                Some(length) => e.u64(length)?.ok(),
                None => e.null()?.ok(),
            }
        });
    }
    writer.put(|e| {
        e.str("read-vector")?.array(change.reads.len() as u64)?;
        for read in &change.reads {
            e.map(2)?.str("offset")?.u64(read.offset)?;
            e.str("size")?.u64(read.length)?;
        }
        Ok(())
    });
    writer.finish()
}

/// Reads what [`encode_change`] writes; data shares the message's memory.
pub fn decode_change(message: &Bytes) -> Result<ReadTestWrite, CborError> {
    let mut change = ReadTestWrite::default();
    Reader::message(message, |reader| {
        reader.record(["test-write-vectors", "read-vector"], |reader, key| {
            if key == 1 {
                return reader.array(MAX_READ_VECTORS, |reader| {
                    change.reads.push(read_vector(reader)?);
                    Ok(())
                });
            }
            reader.map(MAX_SHARES, |reader| {
                let share = share_number(reader)?;
                let error = reader.expected("another share number");
                let vectors = test_write_vectors(reader)?;
                let old = change.vectors.insert(share, vectors);
                old.map_or(Ok(()), |_| Err(error))
            })
        })
    })?;
    Ok(change)
}

fn test_write_vectors(reader: &mut Reader<'_>) -> Result<TestWriteVectors, CborError> {
    let mut vectors = TestWriteVectors::default();
    reader.record(["test", "write", "new-length"], |reader, key| match key {
        0 => reader.array(MAX_TEST_VECTORS, |reader| {
            vectors.tests.push(test_vector(reader)?);
            Ok(())
        }),
        1 => reader.array(usize::MAX, |reader| {
            vectors.writes.push(write_vector(reader)?);
            Ok(())
        }),
        _ => {
            vectors.new_length = reader.uint_or_null()?;
            Ok(())
        }
    })?;
    Ok(vectors)
}

fn test_vector(reader: &mut Reader<'_>) -> Result<TestVector, CborError> {
    let (mut offset, mut size, mut specimen) = (0, 0, Bytes::new());
    reader.record(["offset", "size", "specimen"], |reader, key| {
        match key {
            0 => offset = reader.uint()?,
            1 => size = reader.uint()?,
            _ => specimen = reader.bytes()?,
        }
        Ok(())
    })?;
    Ok(TestVector {
        offset,
        size,
        specimen,
    })
}

fn write_vector(reader: &mut Reader<'_>) -> Result<WriteVector, CborError> {
    let (mut offset, mut data) = (0, Bytes::new());
    reader.record(["offset", "data"], |reader, key| {
        match key {
            0 => offset = reader.uint()?,
            _ => data = reader.bytes()?,
        }
        Ok(())
    })?;
    Ok(WriteVector { offset, data })
}

fn read_vector(reader: &mut Reader<'_>) -> Result<ShareRange, CborError> {
    let (mut offset, mut length) = (0, 0);
    reader.record(["offset", "size"], |reader, key| {
        match key {
            0 => offset = reader.uint()?,
            _ => length = reader.uint()?,
        }
        Ok(())
    })?;
    Ok(ShareRange { offset, length })
}

/// Writes `{"success": bool, "data": {0*256 N: [0* bstr]}}`.
pub fn encode_outcome(outcome: &ReadTestWriteOutcome) -> Vec<Bytes> {
    let mut writer = Writer::default();
    let shares = outcome.data.len() as u64;
    writer.put(|e| {
        e.map(2)?.str("success")?.bool(outcome.success)?;
        e.str("data")?.map(shares)?.ok()
    });
    for (share, reads) in &outcome.data {
        writer.put(|e| e.u8(share.0)?.array(reads.len() as u64)?.ok());
        for read in reads {
            writer.bytes(read);
        }
    }
    writer.finish()
}

/// Reads what [`encode_outcome`] writes; data shares the message's memory.
pub fn decode_outcome(message: &Bytes) -> Result<ReadTestWriteOutcome, CborError> {
    let mut success = false;
    let mut data = BTreeMap::new();
    Reader::message(message, |reader| {
        reader.record(["success", "data"], |reader, key| {
            if key == 0 {
                success = reader.bool()?;
                return Ok(());
            }
            reader.map(MAX_SHARES, |reader| {
                let share = share_number(reader)?;
                let error = reader.expected("another share number");
                let mut reads = Vec::new();
                reader.array(MAX_READ_VECTORS, |reader| {
                    reads.push(reader.bytes()?);
                    Ok(())
                })?;
                let old = data.insert(share, reads);
                old.map_or(Ok(()), |_| Err(error))
            })
        })
    })?;
    Ok(ReadTestWriteOutcome { success, data })
}

fn share_number(reader: &mut Reader<'_>) -> Result<ShareNumber, CborError> {
    let error = reader.expected("share number from 0 to 255");
    let number = u8::try_from(reader.uint()?).map_err(|_| error)?;
    Ok(ShareNumber(number))
}

fn share_numbers(reader: &mut Reader<'_>) -> Result<BTreeSet<ShareNumber>, CborError> {
    let mut shares = BTreeSet::new();
    reader.set(MAX_SHARES, |reader| {
        shares.insert(share_number(reader)?);
        Ok(())
    })?;
    Ok(shares)
}

#[cfg(test)]
mod tests;
