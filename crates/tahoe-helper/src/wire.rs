//! How the helper's results look as values.

use bytes::Bytes;
use foolscap::{CopiedObject, Value};
use std::collections::{BTreeMap, BTreeSet};
use tahoe_crypto::{ServerId, UriExtensionHash};
use tahoe_encoding::base32;
use tahoe_share::UriExtension;
use tahoe_storage_api::ShareNumber;

/// The interface of a helper.
pub(crate) const HELPER: &str = "RIHelper.tahoe.allmydata.com";
/// The interface of an upload that a helper carries out.
pub(crate) const UPLOADER: &str = "RIUploadHelper.tahoe.allmydata.com";
/// The interface of a file that a client lets a helper read.
pub(crate) const UPLOADABLE: &str = "RIEncryptedUploadable.tahoe.allmydata.com";
/// The key of a helper's version dictionary that clients ask for.
pub(crate) const HELPER_VERSION: &str = "http://allmydata.org/tahoe/protocols/helper/v1";
/// The same of an upload.
pub(crate) const UPLOADER_VERSION: &str =
    "http://allmydata.org/tahoe/protocols/helper/chk-upload/v1";

/// The class of the results, by the name that both programs know.
const RESULTS: &str = "allmydata.upload.UploadResults.tahoe.allmydata.com";
/// The fields of a URI extension block that travel as numbers.
const NUMBERS: [&str; 5] = [
    "size",
    "segment_size",
    "num_segments",
    "needed_shares",
    "total_shares",
];
/// Most fields of a URI extension block, shares, and servers of a share that are read.
const MAX_ENTRIES: usize = 1000;

/// What came of an upload through a helper.
#[derive(Debug, Clone, PartialEq)]
pub struct HelperResults {
    /// Hash of the block below.
    pub uri_extension_hash: UriExtensionHash,
    /// The URI extension block.
    pub uri_extension: Vec<u8>,
    /// Where the shares are.
    pub share_map: BTreeMap<ShareNumber, BTreeSet<ServerId>>,
    /// How many different shares servers had before.
    pub preexisting_shares: u64,
    /// How many shares were stored.
    pub pushed_shares: u64,
    /// How many bytes the helper fetched for it; none if the file was stored already.
    pub ciphertext_fetched: Option<u64>,
    /// How many seconds the parts took, by name.
    pub timings: BTreeMap<String, f64>,
}

/// What a node says of the version of a service of its.
pub(crate) fn version_value(key: &'static str, application_version: &str) -> Value {
    let application = Bytes::copy_from_slice(application_version.as_bytes());
    Value::dict([
        (key, Value::Dict(Vec::new())),
        ("application-version", Value::Bytes(application)),
    ])
}

impl HelperResults {
    /// Writes them as the reference does.
    pub(crate) fn to_value(&self) -> Value {
        let id = |id: &ServerId| Value::bytes(id.as_str().as_bytes().to_vec());
        let share = |share: &ShareNumber| Value::from(share.0);
        let mut server_map = BTreeMap::<&ServerId, Vec<Value>>::new();
        for (number, servers) in &self.share_map {
            for server in servers {
                server_map.entry(server).or_default().push(share(number));
            }
        }
        let share_map = self.share_map.iter().map(|(number, servers)| {
            let servers = servers.iter().map(id).collect();
            (share(number), Value::Set(servers))
        });
        let server_map = server_map
            .into_iter()
            .map(|(server, shares)| (id(server), Value::Set(shares)));
        let timings = self.timings.iter();
        let timings = timings.map(|(name, time)| (Value::text(name), Value::Float(*time)));
        let hash = self.uri_extension_hash.as_bytes().to_vec();
        let fetched = self.ciphertext_fetched.map_or(Value::None, Value::from);
        let attributes = [
            ("timings", Value::Dict(timings.collect())),
            ("sharemap", Value::Dict(share_map.collect())),
            ("servermap", Value::Dict(server_map.collect())),
            ("file_size", self.size().map_or(Value::None, Value::from)),
            ("ciphertext_fetched", fetched),
            ("uri", Value::None),
            ("preexisting_shares", Value::from(self.preexisting_shares)),
            ("pushed_shares", Value::from(self.pushed_shares)),
            ("uri_extension_hash", Value::bytes(hash)),
            ("uri_extension_data", block_value(&self.uri_extension)),
        ];
        Value::Copied(Box::new(CopiedObject {
            class_name: RESULTS.to_owned(),
            attributes: attributes
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        }))
    }

    fn size(&self) -> Option<u64> {
        let fields = UriExtension::split(&self.uri_extension).ok()?;
        std::str::from_utf8(fields.get("size")?).ok()?.parse().ok()
    }

    /// Reads results; none if they aren't any, with what isn't right.
    pub(crate) fn from_value(value: &Value) -> Result<Self, &'static str> {
        let Value::Copied(object) = value else {
            return Err("an object with results");
        };
        if object.class_name != RESULTS {
            return Err("an object of the class of results");
        }
        let number = |name| object.attribute(name).and_then(Value::as_integer::<u64>);
        let hash = object.attribute("uri_extension_hash");
        let hash = hash.and_then(Value::as_bytes).map(|hash| &hash[..]);
        let hash = hash.and_then(|hash| hash.try_into().ok());
        let block = object.attribute("uri_extension_data").and_then(block);
        let timings = object.attribute("timings").and_then(Value::as_dict);
        let timings = timings.unwrap_or_default().iter().take(MAX_ENTRIES);
        let timings = timings.filter_map(|(name, time)| match time {
            Value::Float(time) => Some((name.as_text()?.to_owned(), *time)),
            _ => None,
        });
        Ok(Self {
            uri_extension_hash: UriExtensionHash::from_bytes(hash.ok_or("a hash of 32 bytes")?),
            uri_extension: block.ok_or("a URI extension block")?,
            // Helpers before 1.3 put sentences there.
            share_map: object
                .attribute("sharemap")
                .map(share_map)
                .unwrap_or_default(),
            preexisting_shares: number("preexisting_shares").unwrap_or(0),
            pushed_shares: number("pushed_shares").unwrap_or(0),
            ciphertext_fetched: number("ciphertext_fetched"),
            timings: timings.collect(),
        })
    }
}

fn share_map(value: &Value) -> BTreeMap<ShareNumber, BTreeSet<ServerId>> {
    let entries = value.as_dict().unwrap_or_default().iter().take(MAX_ENTRIES);
    let entries = entries.filter_map(|(share, servers)| {
        let servers = servers.as_set()?.iter().take(MAX_ENTRIES);
        let servers = servers.filter_map(|server| {
            // Old helpers send tub ids as they are.
            let text = server.as_text().map(str::to_owned);
            let text = text.or_else(|| server.as_bytes().map(|id| base32::encode(id)));
            Some(ServerId::new(text?))
        });
        Some((ShareNumber(share.as_integer()?), servers.collect()))
    });
    entries.collect()
}

fn block_value(block: &[u8]) -> Value {
    let fields = UriExtension::split(block).unwrap_or_default().into_iter();
    let fields = fields.filter_map(|(key, value)| {
        let value = if NUMBERS.contains(&key.as_str()) {
            Value::Integer(std::str::from_utf8(&value).ok()?.parse().ok()?)
        } else {
            Value::bytes(value)
        };
        Some((Value::text(key), value))
    });
    Value::Dict(fields.collect())
}

/// Puts a block together as it was: its fields in the order of their names.
fn block(value: &Value) -> Option<Vec<u8>> {
    let entries = value.as_dict()?;
    if entries.len() > MAX_ENTRIES {
        return None;
    }
    let mut fields = BTreeMap::new();
    for (key, value) in entries {
        let value = match value {
            Value::Integer(number) => number.to_string().into_bytes(),
            other => other.as_bytes()?.to_vec(),
        };
        fields.insert(key.as_text()?.to_owned(), value);
    }
    Some(UriExtension::join(&fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> HelperResults {
        let block = b"crypttext_hash:3:\x00\xff,,needed_shares:1:3,size:4:1000,".to_vec();
        HelperResults {
            uri_extension_hash: UriExtensionHash::from_bytes([7; 32]),
            uri_extension: block,
            share_map: [(ShareNumber(2), BTreeSet::from([ServerId::new("v0-a")]))].into(),
            preexisting_shares: 1,
            pushed_shares: 9,
            ciphertext_fetched: Some(1000),
            timings: [("total".to_owned(), 0.5)].into(),
        }
    }

    #[test]
    fn results_survive_the_wire() {
        let value = results().to_value();
        assert_eq!(HelperResults::from_value(&value), Ok(results()));
        let Value::Copied(object) = value else {
            panic!("copied by value");
        };
        let data = object.attribute("uri_extension_data").unwrap();
        assert_eq!(data.entry("needed_shares"), Some(&Value::Integer(3)));
        assert_eq!(
            data.entry("crypttext_hash"),
            Some(&Value::bytes(&b"\x00\xff,"[..]))
        );
        assert_eq!(object.attribute("file_size"), Some(&Value::Integer(1000)));
    }

    #[test]
    fn what_is_no_result_is_named() {
        assert!(HelperResults::from_value(&Value::None).is_err());
        let Value::Copied(mut object) = results().to_value() else {
            panic!("copied by value");
        };
        object
            .attributes
            .retain(|(name, _)| name != "uri_extension_hash");
        let without = Value::Copied(object);
        assert_eq!(
            HelperResults::from_value(&without),
            Err("a hash of 32 bytes")
        );
    }

    #[test]
    fn sentences_of_old_helpers_are_left_out() {
        let map = Value::Dict(vec![(Value::from(1u8), Value::text("Placed on [x]"))]);
        assert!(share_map(&map).is_empty());
        let old = Value::Set(vec![Value::bytes(vec![0xff; 20])]);
        let map = share_map(&Value::Dict(vec![(Value::from(1u8), old)]));
        assert_eq!(map[&ShareNumber(1)].first().unwrap().as_str().len(), 32);
    }
}
