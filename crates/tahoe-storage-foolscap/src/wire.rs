//! How the arguments and results of the storage calls look as values.

use bytes::Bytes;
use foolscap::{RemoteReference, Value};
use std::collections::BTreeMap;
use tahoe_crypto::{LeaseCancelSecret, LeaseRenewSecret, LeaseSecrets, StorageIndex, WriteEnabler};
use tahoe_storage_api::{
    ReadTestWrite, ReadTestWriteOutcome, ReadVector, ServerVersion, ShareKind, ShareNumber,
    SlotSecrets, TestVector, TestWriteVectors, WriteVector,
};

/// The interface of a storage server.
pub(crate) const SERVER: &str = "RIStorageServer.tahoe.allmydata.com";
/// The interface of an upload.
pub(crate) const WRITER: &str = "RIBucketWriter";
/// The interface of a share that is read.
pub(crate) const READER: &str = "RIBucketReader";

/// The key of the version dictionary under which the protocol's numbers are.
const PROTOCOL: &str = "http://allmydata.org/tahoe/protocols/storage/v1";
/// Longest piece of a share that is asked for at once, in bytes.
pub(crate) const MAX_PIECE: u64 = 8 << 20;
/// Largest length that the protocol can ask for.
pub(crate) const MAX_LENGTH: u64 = (1 << 31) - 1;

/// A value isn't what the call takes or returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

type Read<T> = Result<T, Malformed>;

/// Writes what a server says of itself.
pub(crate) fn version_value(version: &ServerVersion) -> Value {
    let numbers = [
        (
            "maximum-immutable-share-size",
            Value::from(version.maximum_immutable_share_size),
        ),
        (
            "maximum-mutable-share-size",
            Value::from(version.maximum_mutable_share_size),
        ),
        ("available-space", Value::from(version.available_space)),
        ("tolerates-immutable-read-overrun", Value::Bool(true)),
        (
            "delete-mutable-shares-with-zero-length-writev",
            Value::Bool(true),
        ),
        ("fills-holes-with-zero-bytes", Value::Bool(true)),
        ("prevents-read-past-end-of-share-data", Value::Bool(true)),
    ];
    let application = Bytes::copy_from_slice(version.application_version.as_bytes());
    Value::dict([
        (PROTOCOL, Value::dict(numbers)),
        ("application-version", Value::Bytes(application)),
    ])
}

/// Reads what a server says of itself; old servers leave things out.
pub(crate) fn version(value: &Value) -> Read<ServerVersion> {
    let numbers = value
        .entry(PROTOCOL)
        .ok_or(Malformed("the storage protocol's numbers"))?;
    let number = |name| numbers.entry(name).and_then(saturated);
    let application = value.entry("application-version").and_then(Value::as_text);
    let largest = number("maximum-immutable-share-size").unwrap_or(u64::from(u32::MAX));
    Ok(ServerVersion {
        maximum_immutable_share_size: largest,
        maximum_mutable_share_size: number("maximum-mutable-share-size").unwrap_or(2_000_000_000),
        available_space: number("available-space").unwrap_or(largest),
        application_version: application.unwrap_or("unknown").chars().take(200).collect(),
    })
}

/// Python says 2^64 where it knows no limit.
fn saturated(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(number) if *number >= 0 => Some(u64::try_from(*number).unwrap_or(u64::MAX)),
        _ => None,
    }
}

/// A byte string that isn't a secret.
fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(Bytes::copy_from_slice(bytes))
}

pub(crate) fn index_value(index: &StorageIndex) -> Value {
    bytes(index.as_bytes())
}

pub(crate) fn index(value: &Value) -> Read<StorageIndex> {
    fixed(value, "a storage index of 16 bytes").map(StorageIndex::from_bytes)
}

pub(crate) fn lease_values(lease: &LeaseSecrets) -> [Value; 2] {
    [
        bytes(lease.renew.as_bytes()),
        bytes(lease.cancel.as_bytes()),
    ]
}

pub(crate) fn lease(renew: &Value, cancel: &Value) -> Read<LeaseSecrets> {
    const SECRET: &str = "a lease secret of 32 bytes";
    Ok(LeaseSecrets {
        renew: LeaseRenewSecret::from_bytes(fixed(renew, SECRET)?),
        cancel: LeaseCancelSecret::from_bytes(fixed(cancel, SECRET)?),
    })
}

fn fixed<const N: usize>(value: &Value, what: &'static str) -> Read<[u8; N]> {
    let bytes = value.as_bytes().ok_or(Malformed(what))?;
    bytes[..].try_into().map_err(|_| Malformed(what))
}

pub(crate) fn share_value(share: ShareNumber) -> Value {
    Value::from(share.0)
}

pub(crate) fn share(value: &Value) -> Read<ShareNumber> {
    let number = value
        .as_integer()
        .ok_or(Malformed("a share number from 0 to 255"))?;
    Ok(ShareNumber(number))
}

pub(crate) fn kind_value(kind: ShareKind) -> Value {
    bytes(kind.as_str().as_bytes())
}

pub(crate) fn kind(value: &Value) -> Read<ShareKind> {
    match value.as_text() {
        Some("immutable") => Ok(ShareKind::Immutable),
        Some("mutable") => Ok(ShareKind::Mutable),
        _ => Err(Malformed("\"immutable\" or \"mutable\"")),
    }
}

pub(crate) fn number(value: &Value) -> Read<u64> {
    value
        .as_integer()
        .ok_or(Malformed("a number that isn't negative"))
}

pub(crate) fn numbers<'a, C: FromIterator<ShareNumber>>(
    values: impl IntoIterator<Item = &'a Value>,
) -> Read<C> {
    values.into_iter().map(share).collect()
}

/// A dict from share numbers to something; no share twice.
pub(crate) fn by_share<'a, T>(
    value: &'a Value,
    read: impl Fn(&'a Value) -> Read<T>,
) -> Read<BTreeMap<ShareNumber, T>> {
    let entries = value.as_dict().ok_or(Malformed("a dict by share number"))?;
    let mut all = BTreeMap::new();
    for (key, value) in entries {
        if all.insert(share(key)?, read(value)?).is_some() {
            return Err(Malformed("each share once"));
        }
    }
    Ok(all)
}

pub(crate) fn reference(value: &Value) -> Read<RemoteReference> {
    let remote = value.as_reference().and_then(foolscap::Reference::remote);
    remote.cloned().ok_or(Malformed("a reference"))
}

pub(crate) fn sequence(value: &Value) -> Read<&[Value]> {
    value.as_sequence().ok_or(Malformed("a list"))
}

fn tuple<'a, const N: usize>(value: &'a Value, what: &'static str) -> Read<&'a [Value; N]> {
    sequence(value)?.try_into().map_err(|_| Malformed(what))
}

pub(crate) fn read_vectors_value(vectors: &[ReadVector]) -> Value {
    let pair = |vector: &ReadVector| {
        let length = vector.length.min(MAX_LENGTH);
        Value::Tuple(vec![Value::from(vector.offset), Value::from(length)])
    };
    Value::List(vectors.iter().map(pair).collect())
}

pub(crate) fn read_vectors(value: &Value) -> Read<Vec<ReadVector>> {
    let vector = |value| {
        let [offset, length] = tuple(value, "(offset, length)")?;
        let (offset, length) = (number(offset)?, number(length)?);
        Ok(ReadVector { offset, length })
    };
    sequence(value)?.iter().map(vector).collect()
}

/// The bytes that a read answers with.
pub(crate) fn data(value: &Value) -> Read<Bytes> {
    value.as_bytes().cloned().ok_or(Malformed("bytes"))
}

pub(crate) fn data_list(value: &Value) -> Read<Vec<Bytes>> {
    sequence(value)?.iter().map(data).collect()
}

pub(crate) fn data_by_share_value(data: BTreeMap<ShareNumber, Vec<Bytes>>) -> Value {
    let entry = |(share, pieces): (ShareNumber, Vec<Bytes>)| {
        let pieces = pieces.into_iter().map(Value::Bytes).collect();
        (share_value(share), Value::List(pieces))
    };
    Value::Dict(data.into_iter().map(entry).collect())
}

pub(crate) fn slot_secrets_value(secrets: &SlotSecrets) -> Value {
    let [renew, cancel] = lease_values(&secrets.lease);
    Value::Tuple(vec![bytes(secrets.write_enabler.as_bytes()), renew, cancel])
}

pub(crate) fn slot_secrets(value: &Value) -> Read<SlotSecrets> {
    let [enabler, renew, cancel] = tuple(value, "(write enabler, renew secret, cancel secret)")?;
    let enabler = fixed(enabler, "a write enabler of 32 bytes")?;
    Ok(SlotSecrets {
        write_enabler: WriteEnabler::from_bytes(enabler),
        lease: lease(renew, cancel)?,
    })
}

pub(crate) fn vectors_value(vectors: BTreeMap<ShareNumber, TestWriteVectors>) -> Value {
    let test = |test: TestVector| {
        let range = [Value::from(test.offset), Value::from(test.size)];
        let comparison = [bytes(b"eq"), Value::Bytes(test.specimen)];
        Value::Tuple(range.into_iter().chain(comparison).collect())
    };
    let write = |write: WriteVector| {
        Value::Tuple(vec![Value::from(write.offset), Value::Bytes(write.data)])
    };
    let entry = |(share, vectors): (ShareNumber, TestWriteVectors)| {
        let vectors = vec![
            Value::List(vectors.tests.into_iter().map(test).collect()),
            Value::List(vectors.writes.into_iter().map(write).collect()),
            vectors.new_length.map_or(Value::None, Value::from),
        ];
        (share_value(share), Value::Tuple(vectors))
    };
    Value::Dict(vectors.into_iter().map(entry).collect())
}

/// Reads a change of a slot; the only comparison that there is, is `eq`.
pub(crate) fn change(vectors: &Value, reads: &Value) -> Read<ReadTestWrite> {
    Ok(ReadTestWrite {
        vectors: by_share(vectors, test_write_vectors)?,
        reads: read_vectors(reads)?,
    })
}

fn test_write_vectors(value: &Value) -> Read<TestWriteVectors> {
    let [tests, writes, new_length] = tuple(value, "(tests, writes, new length)")?;
    let test = |value| {
        let [offset, size, operator, specimen] = tuple(value, "a test of four parts")?;
        if operator.as_text() != Some("eq") {
            return Err(Malformed("the operator eq"));
        }
        Ok(TestVector {
            offset: number(offset)?,
            size: number(size)?,
            specimen: data(specimen)?,
        })
    };
    let write = |value| {
        let [offset, bytes] = tuple(value, "(offset, data)")?;
        let (offset, data) = (number(offset)?, data(bytes)?);
        Ok(WriteVector { offset, data })
    };
    Ok(TestWriteVectors {
        tests: sequence(tests)?.iter().map(test).collect::<Read<_>>()?,
        writes: sequence(writes)?.iter().map(write).collect::<Read<_>>()?,
        new_length: match new_length {
            Value::None => None,
            length => Some(number(length)?),
        },
    })
}

pub(crate) fn outcome_value(outcome: ReadTestWriteOutcome) -> Value {
    let data = data_by_share_value(outcome.data);
    Value::Tuple(vec![Value::Bool(outcome.success), data])
}

pub(crate) fn outcome(value: &Value) -> Read<ReadTestWriteOutcome> {
    let [success, data] = tuple(value, "(success, data)")?;
    Ok(ReadTestWriteOutcome {
        success: success.as_bool().ok_or(Malformed("a bool"))?,
        data: by_share(data, data_list)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_survive_and_old_ones_are_completed() {
        let newest = ServerVersion {
            maximum_immutable_share_size: u64::MAX,
            maximum_mutable_share_size: 5,
            available_space: 0,
            application_version: "x/1".to_owned(),
        };
        assert_eq!(version(&version_value(&newest)), Ok(newest));
        let old = Value::dict([(PROTOCOL, Value::dict::<&str>([]))]);
        let old = version(&old).unwrap();
        assert_eq!(old.maximum_immutable_share_size, (1 << 32) - 1);
        assert_eq!(old.application_version, "unknown");
        let endless = Value::dict([("available-space", Value::Integer(1 << 64))]);
        let endless = version(&Value::dict([(PROTOCOL, endless)])).unwrap();
        assert_eq!(endless.available_space, u64::MAX);
        assert!(version(&Value::None).is_err());
    }

    #[test]
    fn changes_survive_and_others_are_refused() {
        let vectors = TestWriteVectors {
            tests: vec![TestVector {
                offset: 1,
                size: 2,
                specimen: Bytes::from_static(b"ab"),
            }],
            writes: vec![WriteVector {
                offset: 1 << 40,
                data: Bytes::from_static(b"x"),
            }],
            new_length: Some(0),
        };
        let all = BTreeMap::from([(ShareNumber(255), vectors)]);
        let reads = vec![ReadVector {
            offset: 0,
            length: 9,
        }];
        let value = vectors_value(all.clone());
        let read = change(&value, &read_vectors_value(&reads)).unwrap();
        assert_eq!((read.vectors, read.reads), (all, reads));
        let Value::Dict(mut twice) = value.clone() else {
            panic!("a dict")
        };
        twice.extend(twice.clone());
        let none = Value::List(vec![]);
        assert!(change(&Value::Dict(twice), &none).is_err());
        assert!(change(&Value::dict([("1", Value::None)]), &none).is_err());
        assert!(change(&value, &Value::None).is_err());
        assert!(share(&Value::from(256)).is_err());
        assert!(number(&Value::from(-1)).is_err());
        assert!(index(&bytes(&[0; 15])).is_err());
        assert!(kind(&bytes(b"other")).is_err());
    }
}
