//! Which server has which share of which version.

mod query;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tahoe_crypto::ServerId;
use tahoe_storage_api::{Server, ShareNumber};

use crate::version::{ShareHeader, Version};

pub(crate) use query::{WriterSecrets, read_range};
pub(crate) use survey::{Survey, Surveyed};

/// How hard servers are searched for shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServermapMode {
    /// All servers are asked.
    Check,
    /// Until one version can be recovered.
    Anything,
    /// Until k servers more than needed have answered and nothing newer is in sight.
    Read,
    /// Until as many servers as k in a row, behind those with shares, have none.
    Write,
    /// All servers are asked, and the private key is wanted.
    Repair,
}

/// A share with a valid signature on a server.
#[derive(Debug, Clone)]
pub(crate) struct KnownShare {
    pub(crate) server: Arc<Server>,
    pub(crate) number: ShareNumber,
    pub(crate) header: ShareHeader,
    /// The first bytes of the share as they were read; empty if they were let go.
    pub(crate) start: Bytes,
}

/// A share that is of no use.
#[derive(Debug, Clone)]
pub(crate) struct BadShare {
    pub(crate) server: Arc<Server>,
    /// Its first bytes, by which a writer recognises what it replaces.
    pub(crate) checkstring: Bytes,
}

pub(crate) type Place = (ServerId, ShareNumber);

/// What a search found. Every share in it has a valid signature of the file's key.
#[derive(Debug, Clone)]
pub struct Servermap {
    pub(crate) mode: ServermapMode,
    pub(crate) shares: BTreeMap<Place, KnownShare>,
    pub(crate) bad: BTreeMap<Place, BadShare>,
    pub(crate) reachable: BTreeSet<ServerId>,
    pub(crate) unreachable: BTreeSet<ServerId>,
    pub(crate) last_failure: Option<String>,
}

/// A place where a share of a version lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharePlace {
    /// Which server.
    pub server: ServerId,
    /// Which share.
    pub share: ShareNumber,
}

impl Servermap {
    pub(crate) fn new(mode: ServermapMode) -> Self {
        Self {
            mode,
            shares: BTreeMap::new(),
            bad: BTreeMap::new(),
            reachable: BTreeSet::new(),
            unreachable: BTreeSet::new(),
            last_failure: None,
        }
    }

    /// How it was made.
    pub fn mode(&self) -> ServermapMode {
        self.mode
    }

    /// The places of every version's shares.
    pub fn versions(&self) -> BTreeMap<Version, BTreeSet<SharePlace>> {
        let mut versions = BTreeMap::<Version, BTreeSet<SharePlace>>::new();
        for ((server, share), known) in &self.shares {
            let place = SharePlace {
                server: server.clone(),
                share: *share,
            };
            let places = versions.entry(known.header.version).or_default();
            places.insert(place);
        }
        versions
    }

    /// How many different shares each version has.
    fn share_counts(&self) -> BTreeMap<Version, usize> {
        let mut numbers = BTreeMap::<Version, BTreeSet<ShareNumber>>::new();
        for ((_, share), known) in &self.shares {
            let shares = numbers.entry(known.header.version).or_default();
            shares.insert(*share);
        }
        let counts = numbers.into_iter();
        counts.map(|(v, shares)| (v, shares.len())).collect()
    }

    /// How many different shares of a version there are.
    pub fn distinct_shares(&self, version: &Version) -> usize {
        self.share_counts().get(version).copied().unwrap_or(0)
    }

    /// Versions with at least k different shares.
    pub fn recoverable_versions(&self) -> BTreeSet<Version> {
        self.select_versions(|count, needed| count >= needed)
    }

    /// Versions with fewer than k different shares.
    pub fn unrecoverable_versions(&self) -> BTreeSet<Version> {
        self.select_versions(|count, needed| count < needed)
    }

    fn select_versions(&self, wanted: impl Fn(usize, usize) -> bool) -> BTreeSet<Version> {
        let counts = self.share_counts().into_iter();
        let selected = counts.filter(|(v, count)| wanted(*count, v.shares_needed.into()));
        selected.map(|(version, _)| version).collect()
    }

    /// The recoverable version with the highest sequence number; among several the one with the
    /// most shares, then the one with the greatest root hash.
    ///
    /// A write that was acknowledged has more shares than one that it collided with.
    pub fn best_recoverable_version(&self) -> Option<Version> {
        self.best_version_except(&BTreeSet::new())
    }

    /// As [`Self::best_recoverable_version`], but none of these.
    pub(crate) fn best_version_except(&self, unreadable: &BTreeSet<Version>) -> Option<Version> {
        let counts = self.share_counts().into_iter();
        let readable = counts.filter(|(version, count)| {
            *count >= usize::from(version.shares_needed) && !unreadable.contains(version)
        });
        let best = readable.max_by_key(|(v, count)| (v.sequence_number, *count, v.root_hash));
        best.map(|(version, _)| version)
    }

    /// The highest sequence number of any version; 0 if there is none.
    pub fn highest_sequence_number(&self) -> u64 {
        let numbers = self.shares.values();
        let numbers = numbers.map(|share| share.header.version.sequence_number);
        numbers.max().unwrap_or(0)
    }

    /// Versions newer than every recoverable one, with the number of their shares that were found.
    pub fn unrecoverable_newer_versions(&self) -> BTreeMap<Version, usize> {
        let best = self.best_recoverable_version();
        let best = best.map_or(0, |version| version.sequence_number);
        let counts = self.share_counts().into_iter();
        let newer = counts.filter(|(version, count)| {
            version.sequence_number > best && *count < usize::from(version.shares_needed)
        });
        newer.collect()
    }

    /// Whether two recoverable versions share a sequence number, so that writing one loses the
    /// other.
    pub fn needs_merge(&self) -> bool {
        let versions = self.recoverable_versions();
        let mut pairs = versions.iter().zip(versions.iter().skip(1));
        pairs.any(|(a, b)| a.sequence_number == b.sequence_number)
    }

    /// Servers that answered.
    pub fn reachable_servers(&self) -> &BTreeSet<ServerId> {
        &self.reachable
    }

    /// Servers that were asked and didn't answer, or broke the protocol.
    pub fn unreachable_servers(&self) -> &BTreeSet<ServerId> {
        &self.unreachable
    }

    /// Shares whose signature, hashes or contents are wrong.
    pub fn bad_shares(&self) -> impl Iterator<Item = SharePlace> {
        self.bad.keys().map(|(server, share)| SharePlace {
            server: server.clone(),
            share: *share,
        })
    }

    /// Lets go of what was read of the shares' contents.
    pub(crate) fn without_contents(mut self) -> Self {
        for share in self.shares.values_mut() {
            share.start = Bytes::new();
        }
        self
    }
}
