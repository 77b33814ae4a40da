//! What `tahoe debug dump-share` tells of a share's payload, in the reference's words and columns.
//!
//! The lines about the container around the payload (leases, write enabler) are printed by whoever
//! knows containers; so is the verify capability, which is passed in as text.

use std::fmt::Write as _;
use std::io;
use std::ops::Range;

use tahoe_crypto::{Fingerprint, UriExtensionHash};
use tahoe_encoding::base32;

use crate::immutable::{LayoutError, ShareLayout};
use crate::mutable::{MutableHeader, MutableLayoutError};
use crate::share_hash_chain::{check_chain_length, parse_share_hash_chain};
use crate::uri_extension::{UriExtension, UriExtensionError};

/// Longest public key that is read; an RSA key of 2048 bits has 294 bytes.
const MAX_PUBLIC_KEY_LENGTH: u64 = 65_536;

/// Fetches bytes of a share's payload: all of the range, or those before the end of the share.
pub type ReadRange<'a> = dyn FnMut(Range<u64>) -> io::Result<Vec<u8>> + 'a;

/// A share can't be described.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescribeError {
    /// Its bytes can't be read.
    #[error("can't read the share")]
    Read(#[from] io::Error),
    /// It has no layout of an immutable share.
    #[error("not an immutable share")]
    Layout(#[from] LayoutError),
    /// Its URI extension block is malformed.
    #[error("bad URI extension block")]
    UriExtension(#[from] UriExtensionError),
    /// It has no layout of a mutable share.
    #[error("not a mutable share")]
    MutableLayout(#[from] MutableLayoutError),
    /// Its public key is longer than any.
    #[error("public key of {length} bytes")]
    RidiculousPublicKey {
        /// In bytes.
        length: u64,
    },
}

/// What an immutable share says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImmutableDescription {
    /// Where its parts lie.
    pub layout: ShareLayout,
    /// Its URI extension block.
    pub uri_extension: UriExtension,
    /// Bytes of that block.
    pub uri_extension_length: u64,
    /// Hash of that block, which the capability holds.
    pub uri_extension_hash: UriExtensionHash,
}

impl ImmutableDescription {
    /// Reads the header and the URI extension block.
    pub fn read(read: &mut ReadRange<'_>) -> Result<Self, DescribeError> {
        let layout = ShareLayout::parse(&read(0..ShareLayout::MAX_HEADER_LENGTH)?)?;
        let length = read(layout.uri_extension_length_range()?)?;
        let block = read(layout.uri_extension_range(&length)?)?;
        Ok(Self {
            layout,
            uri_extension: UriExtension::parse(&block)?,
            uri_extension_length: block.len() as u64,
            uri_extension_hash: UriExtension::hash_of(&block),
        })
    }

    /// The lines from the version to the sizes.
    pub fn contents(&self, verify_cap: Option<&str>) -> String {
        let mut text = String::new();
        line(&mut text, "version", self.layout.version.number());
        self.push_sizes(&mut text);
        text.push('\n');
        self.push_codec(&mut text);
        text.push('\n');
        self.push_hashes(&mut text);
        self.push_leftover(&mut text);
        if let Some(verify_cap) = verify_cap {
            line(&mut text, "verify-cap", verify_cap);
        }
        text.push_str("\n Size of data within the share:\n");
        let layout = &self.layout;
        let between = |start: u64, end: u64| i128::from(end).saturating_sub(i128::from(start));
        line(
            &mut text,
            "data",
            between(layout.data, layout.plaintext_hash_tree),
        );
        line(&mut text, "uri-extension", self.uri_extension_length);
        let validation = between(layout.plaintext_hash_tree, layout.uri_extension);
        line(&mut text, "validation", validation);
        text
    }

    fn push_sizes(&self, text: &mut String) {
        let block = &self.uri_extension;
        for (name, number) in [
            ("file_size", block.size),
            ("num_segments", block.num_segments),
            ("segment_size", Some(block.segment_size)),
            ("needed_shares", block.needed_shares),
            ("total_shares", block.total_shares),
        ] {
            if let Some(number) = number {
                line(text, name, number);
            }
        }
    }

    fn push_codec(&self, text: &mut String) {
        let block = &self.uri_extension;
        if let Some(name) = &block.codec_name {
            line(text, "codec_name", String::from_utf8_lossy(name));
        }
        for (name, parameters) in [
            ("codec_params", block.codec_params),
            ("tail_codec_params", block.tail_codec_params),
        ] {
            if let Some(parameters) = parameters {
                line(text, name, parameters.to_text());
            }
        }
    }

    fn push_hashes(&self, text: &mut String) {
        let block = &self.uri_extension;
        for name in PLAINTEXT_HASHES {
            if let Some(hash) = block.other.get(name) {
                line(text, name, base32::encode(hash));
            }
        }
        if let Some(hash) = &block.crypttext_hash {
            line(text, "crypttext_hash", base32::encode(hash));
        }
        line(
            text,
            "crypttext_root_hash",
            base32::encode(&block.crypttext_root_hash),
        );
        line(
            text,
            "share_root_hash",
            base32::encode(&block.share_root_hash),
        );
        line(text, "UEB_hash", self.uri_extension_hash);
    }

    fn push_leftover(&self, text: &mut String) {
        let mut leftover = self.uri_extension.other.clone();
        leftover.retain(|key, _| !PLAINTEXT_HASHES.contains(&key.as_str()));
        if !leftover.is_empty() {
            text.push_str("\nLEFTOVER:\n");
        }
        for (key, value) in &leftover {
            if key.contains("hash") {
                line(text, key, base32::encode(value));
            } else {
                line(text, key, String::from_utf8_lossy(value));
            }
        }
    }

    /// The lines of the offsets of all parts; `data_offset` is where the payload begins in the
    /// container.
    pub fn section_offsets(&self, data_offset: u64) -> String {
        let layout = &self.layout;
        let mut text = String::new();
        for (name, offset) in [
            ("block data", layout.data),
            ("plaintext_hash_tree", layout.plaintext_hash_tree),
            ("crypttext_hash_tree", layout.crypttext_hash_tree),
            ("block_hashes", layout.block_hashes),
            ("share_hashes", layout.share_hashes),
            ("uri_extension", layout.uri_extension),
        ] {
            let offset = u128::from(offset).saturating_add(data_offset.into());
            push(
                &mut text,
                format_args!("  {name:>20}: {offset}   (0x{offset:x})"),
            );
        }
        text
    }
}

/// Hashes that old writers put in and nobody reads.
const PLAINTEXT_HASHES: [&str; 2] = ["plaintext_hash", "plaintext_root_hash"];

/// What a mutable share says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutableDescription {
    /// Signed fields and offsets.
    pub header: MutableHeader,
    /// Of the public key; the verify capability holds it.
    pub fingerprint: Fingerprint,
    /// Node numbers of the share hash chain, ascending.
    share_hash_nodes: Vec<u16>,
    encrypted_private_key_length: u64,
    public_key_length: u64,
    signature_length: u64,
    block_hash_count: u64,
}

impl MutableDescription {
    /// Reads the header, the public key and the share hash chain.
    pub fn read(read: &mut ReadRange<'_>) -> Result<Self, DescribeError> {
        let header = MutableHeader::parse(&read(0..MutableHeader::MAX_LENGTH)?)?;
        let parts = match &header {
            MutableHeader::Sdmf(header) => [
                header.encrypted_private_key_range()?,
                header.public_key_range()?,
                header.signature_range()?,
                header.share_hash_chain_range()?,
                header.block_hash_tree_range()?,
            ],
            MutableHeader::Mdmf(header) => [
                header.encrypted_private_key_range()?,
                header.public_key_range()?,
                header.signature_range()?,
                header.share_hash_chain_range()?,
                header.block_hash_tree_range()?,
            ],
        };
        let [private_key, public_key, signature, chain, block_hashes] = parts;
        let length = |range: &Range<u64>| range.end.saturating_sub(range.start);
        if length(&public_key) > MAX_PUBLIC_KEY_LENGTH {
            let length = length(&public_key);
            return Err(DescribeError::RidiculousPublicKey { length });
        }
        check_chain_length(length(&chain)).map_err(MutableLayoutError::from)?;
        let chain = parse_share_hash_chain(&read(chain)?).map_err(MutableLayoutError::from)?;
        let mut share_hash_nodes: Vec<u16> = chain.into_iter().map(|(node, _)| node).collect();
        share_hash_nodes.sort_unstable();
        share_hash_nodes.dedup();
        Ok(Self {
            header,
            encrypted_private_key_length: length(&private_key),
            public_key_length: length(&public_key),
            signature_length: length(&signature),
            block_hash_count: length(&block_hashes).div_ceil(32),
            fingerprint: Fingerprint::from_public_key_der(&read(public_key)?),
            share_hash_nodes,
        })
    }

    /// The lines from the sequence number to the verify capability.
    pub fn contents(&self, verify_cap: Option<&str>) -> String {
        let mut text = String::new();
        let signed = self.header.signed();
        let mut field = |name: &str, value: &dyn std::fmt::Display| {
            push(&mut text, format_args!("  {name}: {value}"));
        };
        field("seqnum", &signed.sequence_number);
        field("root_hash", &base32::encode(&signed.root_hash));
        if let MutableHeader::Sdmf(header) = &self.header {
            field("IV", &base32::encode(&header.salt));
        }
        field("required_shares", &signed.shares_needed);
        field("total_shares", &signed.shares_total);
        field("segsize", &signed.segment_size);
        field("datalen", &signed.data_length);
        for (name, length) in [
            ("enc_privkey", self.encrypted_private_key_length),
            ("pubkey", self.public_key_length),
            ("signature", self.signature_length),
        ] {
            field(name, &format_args!("{length} bytes"));
        }
        field("share_hash_chain", &self.share_hash_nodes_text());
        field(
            "block_hash_tree",
            &format_args!("{} nodes", self.block_hash_count),
        );
        if let Some(verify_cap) = verify_cap {
            field("verify-cap", &verify_cap);
        }
        text
    }

    /// Node numbers in ascending order: of the numbers for MDMF, of their digits for SDMF.
    fn share_hash_nodes_text(&self) -> String {
        let mut texts: Vec<String> = self.share_hash_nodes.iter().map(u16::to_string).collect();
        if matches!(self.header, MutableHeader::Sdmf(_)) {
            texts.sort_unstable();
        }
        texts.join(",")
    }

    /// The lines of the offsets of all parts; `data_offset` is where the payload begins in the
    /// container. The two formats differ in their columns.
    pub fn section_offsets(&self, data_offset: u64) -> String {
        let mut text = String::new();
        for (name, offset) in self.offsets() {
            let offset = u128::from(offset).saturating_add(data_offset.into());
            let place = format_args!("{offset}   (0x{offset:x})");
            match self.header {
                MutableHeader::Sdmf(_) => push(&mut text, format_args!("  {name:>20}: {place}")),
                MutableHeader::Mdmf(_) => push(&mut text, format_args!("    {name:.20}: {place}")),
            }
        }
        text
    }

    fn offsets(&self) -> Vec<(&'static str, u64)> {
        let mut offsets = vec![("seqnum", 1), ("root_hash", 9)];
        match &self.header {
            MutableHeader::Sdmf(header) => offsets.extend([
                ("signature", header.signature.into()),
                ("share_hash_chain", header.share_hash_chain.into()),
                ("block_hash_tree", header.block_hash_tree.into()),
                ("block data", header.share_data.into()),
                ("enc_privkey", header.encrypted_private_key),
                ("end of share data", header.end),
            ]),
            MutableHeader::Mdmf(header) => offsets.extend([
                ("enc_privkey", header.encrypted_private_key),
                ("share_hash_chain", header.share_hash_chain),
                ("signature", header.signature),
                ("pubkey", header.public_key),
                ("end of pubkey", header.public_key_end),
                ("block data", header.share_data),
                ("block_hash_tree", header.block_hash_tree),
                ("end of share data", header.end),
            ]),
        }
        offsets
    }
}

/// Appends a name, right-aligned in 20 columns, and a value.
fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    push(text, format_args!("{name:>20}: {value}"));
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string never fails");
}

#[cfg(test)]
mod tests;
