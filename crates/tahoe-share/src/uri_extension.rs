//! The URI extension block (UEB): what a reader of an immutable file must know beside its
//! capability, proved by the hash that the capability holds.
//!
//! It is a sequence of `key ":" netstring(value)`, sorted by key. Numbers are decimal, hashes are
//! raw bytes. Writers put in exactly the eleven keys below; the reader needs
//! `segment_size` and the two root hashes and ignores keys that it doesn't know, such as the
//! `plaintext_hash` of older files.

use std::collections::BTreeMap;

use tahoe_crypto::UriExtensionHash;
use tahoe_crypto::hash::{self, Hash};
use tahoe_encoding::netstring::{self, NetstringError};

use crate::geometry::{GeometryError, SegmentGeometry};

/// Readers refuse a block of this length or more; real ones have about 420 bytes.
pub const MAX_URI_EXTENSION_LENGTH: u64 = 2000;

/// The one erasure code of Tahoe, as `codec_name` spells it.
const CODEC_NAME: &[u8] = b"crs";

/// A URI extension block is malformed or contradicts the capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriExtensionError {
    /// At or above [`MAX_URI_EXTENSION_LENGTH`].
    #[error("URI extension block of {length} bytes is too long")]
    TooLong {
        /// In bytes.
        length: u64,
    },
    /// No key and colon where a field should begin, or a key that isn't text.
    #[error("bad key in URI extension block at byte {offset}")]
    BadKey {
        /// Where the field begins.
        offset: usize,
    },
    /// The value isn't a netstring.
    #[error("bad value in URI extension block")]
    BadNetstring(#[source] NetstringError),
    /// A key occurs twice.
    #[error("a key occurs twice in URI extension block at byte {offset}")]
    DuplicateKey {
        /// Where the second one begins.
        offset: usize,
    },
    /// A field that every reader needs is absent.
    #[error("URI extension block lacks {field}")]
    Missing {
        /// Its key.
        field: &'static str,
    },
    /// A value isn't of its field's type.
    #[error("URI extension block has a bad {field}")]
    BadValue {
        /// Its key.
        field: &'static str,
    },
    /// The sizes it states are impossible.
    #[error("URI extension block has impossible sizes")]
    Geometry(#[from] GeometryError),
    /// A field differs from what the capability and the segment size imply.
    #[error("{field} in URI extension block contradicts the capability")]
    Inconsistent {
        /// Its key.
        field: &'static str,
    },
}

/// `codec_params` and `tail_codec_params`: `<segment size>-<k>-<N>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecParameters {
    /// Bytes of the padded segment.
    pub segment_size: u64,
    /// k.
    pub shares_needed: u64,
    /// N.
    pub shares_total: u64,
}

impl CodecParameters {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut numbers = text.split(|b| *b == b'-').map(parse_decimal);
        let parameters = Self {
            segment_size: numbers.next()??,
            shares_needed: numbers.next()??,
            shares_total: numbers.next()??,
        };
        numbers.next().is_none().then_some(parameters)
    }

    pub(crate) fn to_text(self) -> String {
        let Self {
            segment_size,
            shares_needed,
            shares_total,
        } = self;
        format!("{segment_size}-{shares_needed}-{shares_total}")
    }
}

/// The parsed block; a field that a reader can do without is `None` if it is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriExtension {
    /// `codec_name`: always `crs`.
    pub codec_name: Option<Vec<u8>>,
    /// `codec_params`, of all segments but the last.
    pub codec_params: Option<CodecParameters>,
    /// `tail_codec_params`, of the last segment.
    pub tail_codec_params: Option<CodecParameters>,
    /// `size` of the file in bytes.
    pub size: Option<u64>,
    /// `segment_size` in bytes, a multiple of k.
    pub segment_size: u64,
    /// `num_segments`.
    pub num_segments: Option<u64>,
    /// `needed_shares`: k.
    pub needed_shares: Option<u64>,
    /// `total_shares`: N.
    pub total_shares: Option<u64>,
    /// `crypttext_hash`: hash over the whole ciphertext.
    pub crypttext_hash: Option<Hash>,
    /// `crypttext_root_hash`: root of the tree over the segments' ciphertext hashes.
    pub crypttext_root_hash: Hash,
    /// `share_root_hash`: root of the tree over the shares' block tree roots.
    pub share_root_hash: Hash,
    /// Every other key with its value.
    pub other: BTreeMap<String, Vec<u8>>,
}

/// The three hashes of a block that are known only once a file is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHashes {
    /// Hash over the whole ciphertext.
    pub crypttext_hash: Hash,
    /// Root of the tree over the segments' ciphertext hashes.
    pub crypttext_root_hash: Hash,
    /// Root of the tree over the shares' block tree roots.
    pub share_root_hash: Hash,
}

impl UriExtension {
    /// Describes a freshly encoded file.
    pub fn new(geometry: &SegmentGeometry, hashes: FileHashes) -> Self {
        let (k, n) = (
            geometry.shares_needed().into(),
            geometry.shares_total().into(),
        );
        let parameters = |segment_size| CodecParameters {
            segment_size,
            shares_needed: k,
            shares_total: n,
        };
        Self {
            codec_name: Some(CODEC_NAME.to_vec()),
            codec_params: Some(parameters(geometry.segment_size())),
            tail_codec_params: Some(parameters(geometry.padded_tail_segment_size())),
            size: Some(geometry.file_size()),
            segment_size: geometry.segment_size(),
            num_segments: Some(geometry.segment_count()),
            needed_shares: Some(k),
            total_shares: Some(n),
            crypttext_hash: Some(hashes.crypttext_hash),
            crypttext_root_hash: hashes.crypttext_root_hash,
            share_root_hash: hashes.share_root_hash,
            other: BTreeMap::new(),
        }
    }

    /// Bytes that the block of a file will have, which is known before it is encoded.
    pub fn length_for(geometry: &SegmentGeometry) -> u64 {
        let none = FileHashes {
            crypttext_hash: [0; 32],
            crypttext_root_hash: [0; 32],
            share_root_hash: [0; 32],
        };
        Self::new(geometry, none).to_bytes().len() as u64
    }

    /// Reads a block. The caller has compared its hash with the capability.
    pub fn parse(bytes: &[u8]) -> Result<Self, UriExtensionError> {
        let mut fields = split_fields(bytes)?;
        Ok(Self {
            codec_name: fields.remove("codec_name"),
            codec_params: fields.take("codec_params", CodecParameters::parse)?,
            tail_codec_params: fields.take("tail_codec_params", CodecParameters::parse)?,
            size: fields.take("size", parse_decimal)?,
            segment_size: fields.require("segment_size", parse_decimal)?,
            num_segments: fields.take("num_segments", parse_decimal)?,
            needed_shares: fields.take("needed_shares", parse_decimal)?,
            total_shares: fields.take("total_shares", parse_decimal)?,
            crypttext_hash: fields.take("crypttext_hash", parse_hash)?,
            crypttext_root_hash: fields.require("crypttext_root_hash", parse_hash)?,
            share_root_hash: fields.require("share_root_hash", parse_hash)?,
            other: fields.0,
        })
    }

    /// Writes the block.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut fields = Fields(self.other.clone());
        fields.put("codec_name", self.codec_name.clone());
        fields.put_text(
            "codec_params",
            self.codec_params.map(CodecParameters::to_text),
        );
        let tail = self.tail_codec_params.map(CodecParameters::to_text);
        fields.put_text("tail_codec_params", tail);
        for (key, number) in [
            ("size", self.size),
            ("segment_size", Some(self.segment_size)),
            ("num_segments", self.num_segments),
            ("needed_shares", self.needed_shares),
            ("total_shares", self.total_shares),
        ] {
            fields.put_text(key, number.map(|n| n.to_string()));
        }
        fields.put("crypttext_hash", self.crypttext_hash.map(|h| h.to_vec()));
        fields.put(
            "crypttext_root_hash",
            Some(self.crypttext_root_hash.to_vec()),
        );
        fields.put("share_root_hash", Some(self.share_root_hash.to_vec()));
        Self::join(&fields.0)
    }

    /// The fields of a block by name, whatever they are.
    pub fn split(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, UriExtensionError> {
        Ok(split_fields(bytes)?.0)
    }

    /// Makes a block of these fields.
    pub fn join(fields: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, value) in fields {
            bytes.extend_from_slice(key.as_bytes());
            bytes.push(b':');
            netstring::push(&mut bytes, value);
        }
        bytes
    }

    /// Hashes a block as the capability does.
    pub fn hash_of(bytes: &[u8]) -> UriExtensionHash {
        UriExtensionHash::from_bytes(hash::uri_extension(bytes))
    }

    /// Refuses redundant fields that contradict the sizes derived from the capability and this
    /// block's `segment_size`.
    ///
    /// The reference does so when it verifies a file; its downloader takes no notice of them.
    pub fn check_against(&self, geometry: &SegmentGeometry) -> Result<(), UriExtensionError> {
        let none = FileHashes {
            crypttext_hash: [0; 32],
            crypttext_root_hash: [0; 32],
            share_root_hash: [0; 32],
        };
        let right = Self::new(geometry, none);
        agrees("codec_name", &self.codec_name, &right.codec_name)?;
        agrees("codec_params", &self.codec_params, &right.codec_params)?;
        agrees(
            "tail_codec_params",
            &self.tail_codec_params,
            &right.tail_codec_params,
        )?;
        agrees("size", &self.size, &right.size)?;
        agrees(
            "segment_size",
            &Some(self.segment_size),
            &Some(right.segment_size),
        )?;
        agrees("num_segments", &self.num_segments, &right.num_segments)?;
        agrees("needed_shares", &self.needed_shares, &right.needed_shares)?;
        agrees("total_shares", &self.total_shares, &right.total_shares)
    }
}

fn agrees<T: PartialEq>(
    field: &'static str,
    stated: &Option<T>,
    right: &Option<T>,
) -> Result<(), UriExtensionError> {
    if stated.is_none() || stated == right {
        return Ok(());
    }
    Err(UriExtensionError::Inconsistent { field })
}

/// Values by key.
struct Fields(BTreeMap<String, Vec<u8>>);

impl Fields {
    fn remove(&mut self, field: &'static str) -> Option<Vec<u8>> {
        self.0.remove(field)
    }

    fn take<T>(
        &mut self,
        field: &'static str,
        parse: fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, UriExtensionError> {
        let Some(value) = self.remove(field) else {
            return Ok(None);
        };
        let parsed = parse(&value).ok_or(UriExtensionError::BadValue { field })?;
        Ok(Some(parsed))
    }

    fn require<T>(
        &mut self,
        field: &'static str,
        parse: fn(&[u8]) -> Option<T>,
    ) -> Result<T, UriExtensionError> {
        self.take(field, parse)?
            .ok_or(UriExtensionError::Missing { field })
    }

    fn put(&mut self, field: &'static str, value: Option<Vec<u8>>) {
        if let Some(value) = value {
            self.0.insert(field.to_owned(), value);
        }
    }

    fn put_text(&mut self, field: &'static str, value: Option<String>) {
        self.put(field, value.map(String::into_bytes));
    }
}

fn split_fields(bytes: &[u8]) -> Result<Fields, UriExtensionError> {
    let length = bytes.len() as u64;
    if length >= MAX_URI_EXTENSION_LENGTH {
        return Err(UriExtensionError::TooLong { length });
    }
    let mut fields = BTreeMap::new();
    let mut offset: usize = 0;
    while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
        let bad_key = UriExtensionError::BadKey { offset };
        let colon = rest.iter().position(|b| *b == b':').ok_or(bad_key)?;
        let key = rest.get(..colon).ok_or(bad_key)?;
        let key = String::from_utf8(key.to_vec()).map_err(|_| bad_key)?;
        let value_at = offset.saturating_add(colon).saturating_add(1);
        let (value, end) =
            netstring::split(bytes, value_at).map_err(UriExtensionError::BadNetstring)?;
        if fields.insert(key, value.to_vec()).is_some() {
            return Err(UriExtensionError::DuplicateKey { offset });
        }
        offset = end;
    }
    Ok(Fields(fields))
}

fn parse_decimal(text: &[u8]) -> Option<u64> {
    let digits_only = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits_only)?;
    text.parse().ok()
}

fn parse_hash(value: &[u8]) -> Option<Hash> {
    value.try_into().ok()
}

#[cfg(test)]
mod tests;
