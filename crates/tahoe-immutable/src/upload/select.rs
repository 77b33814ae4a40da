//! Finds servers for a file's shares, and the shares that servers hold already.
//!
//! The first 2N servers that may be uploaded to are asked what they hold; shares are placed
//! ([`place_shares`]) and room for them is asked for, which also renews the leases of those that
//! are there. A server that fails or has no room is left out and its shares find new homes, until
//! enough servers hold shares or no server is left to ask.

use super::abandoned::Unfinished;
use super::placement::{Candidates, place_shares, rehome};
use super::{Unhappy, UploadError};
use crate::ask::within;
use crate::happiness::{ShareMap, Shortfall, servers_of_happiness};
use crate::parameters::UploadParameters;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tahoe_crypto::{LeaseMaster, LeaseSecrets, ServerId, StorageIndex, UploadSecret};
use tahoe_storage_api::{Allocation, Server, ShareKind, ShareNumber, StorageError};

/// How long a server may think about which shares it has, and about room for new ones.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// What servers are selected for.
pub(super) struct Request<'a> {
    pub(super) storage_index: StorageIndex,
    pub(super) parameters: UploadParameters,
    /// Size of every share in bytes.
    pub(super) share_size: u64,
    pub(super) lease_master: &'a LeaseMaster,
    /// Copies of shares that are known to be no good: they count as missing.
    pub(super) spoilt: &'a BTreeSet<(ServerId, ShareNumber)>,
    /// When the selection is good enough.
    pub(super) completeness: Completeness,
}

/// When enough shares have servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completeness {
    /// As soon as the happiness is reached; shares may be placed anew for it.
    Happy,
    /// When all shares have one, or no server is left to ask; shares stay where they are.
    All,
}

impl Request<'_> {
    /// Leaves out the copies that are no good.
    fn good(&self, server: &ServerId, mut shares: BTreeSet<ShareNumber>) -> BTreeSet<ShareNumber> {
        if !self.spoilt.is_empty() {
            shares.retain(|share| !self.spoilt.contains(&(server.clone(), *share)));
        }
        shares
    }
}

/// Where the shares of an upload go.
#[derive(Debug)]
pub(super) struct Selection {
    /// Shares that servers have made room for.
    pub(super) allocated: Vec<AllocatedShare>,
    /// Shares that servers had before.
    pub(super) existing: ShareMap,
}

/// A share that a server waits for.
#[derive(Debug, Clone)]
pub(super) struct AllocatedShare {
    pub(super) server: Arc<Server>,
    pub(super) share: ShareNumber,
    pub(super) upload_secret: UploadSecret,
}

impl Selection {
    /// Where every share is or is going to be.
    pub(super) fn share_map(&self) -> ShareMap {
        let mut map = self.existing.clone();
        for AllocatedShare { server, share, .. } in &self.allocated {
            map.entry(*share).or_default().insert(server.id.clone());
        }
        map
    }
}

/// Selects servers among `servers`, which are in the permuted order.
///
/// `unfinished` learns of every share that a server has made room for.
pub(super) async fn select_servers(
    servers: Vec<Arc<Server>>,
    request: &Request<'_>,
    unfinished: &mut Unfinished,
) -> Result<Selection, UploadError> {
    let most = 2 * usize::from(request.parameters.shares_total());
    let servers = servers.into_iter().filter(|server| server.upload_permitted);
    let mut selector = Selector::new(servers.take(most), request);
    if selector.candidates.is_empty() {
        return Err(UploadError::NoServers);
    }
    selector.discover().await;
    let mut plan = match request.completeness {
        Completeness::Happy => {
            place_shares(&selector.placement(), request.parameters.shares_total())
        }
        Completeness::All => selector.keep_and_complete(),
    };
    let mut first_round = true;
    loop {
        selector.allocate(&plan, first_round, unfinished).await;
        let writable = selector.names(Standing::Writable);
        let happy = selector.happiness() >= request.parameters.shares_happy().into();
        let complete = selector.homeless.is_empty() || request.completeness == Completeness::Happy;
        if happy && complete {
            return Ok(selector.into_selection());
        }
        plan = rehome(&writable, &selector.share_map(), &selector.homeless);
        if plan.is_empty() && happy {
            return Ok(selector.into_selection());
        }
        if plan.is_empty() {
            return Err(UploadError::Unhappy(Box::new(selector.unhappy())));
        }
        first_round = false;
    }
}

/// What a candidate is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It accepts shares of the wanted size, as far as it said.
    Writable,
    /// It doesn't, but may hold some.
    ReadOnly,
    /// It didn't answer, or refused room.
    Failed,
}

struct Candidate {
    server: Arc<Server>,
    standing: Standing,
    lease: LeaseSecrets,
    upload_secret: UploadSecret,
}

/// How servers answered the wish for room.
#[derive(Debug, Default, Clone, Copy)]
struct Statistics {
    queries: usize,
    good: usize,
    full: usize,
    error: usize,
}

struct Selector<'a> {
    request: &'a Request<'a>,
    /// In the permuted order.
    candidates: Vec<Candidate>,
    /// What each server had before, in the permuted order.
    existing: Vec<(ServerId, BTreeSet<ShareNumber>)>,
    /// What each server has made room for.
    allocated: BTreeMap<ServerId, BTreeSet<ShareNumber>>,
    /// Shares without a server.
    homeless: BTreeSet<ShareNumber>,
    /// Servers that hold something, as far as it counts for the error message: writable servers
    /// that weren't asked for room don't.
    with_shares: BTreeSet<ServerId>,
    statistics: Statistics,
    last_failure: Option<String>,
}

impl<'a> Selector<'a> {
    fn new(servers: impl Iterator<Item = Arc<Server>>, request: &'a Request<'a>) -> Self {
        let candidates = servers.map(|server| Candidate {
            standing: if server.version.maximum_immutable_share_size >= request.share_size {
                Standing::Writable
            } else {
                Standing::ReadOnly
            },
            lease: request
                .lease_master
                .lease_secrets(&request.storage_index, &server.tub_id),
            upload_secret: request
                .lease_master
                .upload_secret(&request.storage_index, &server.tub_id),
            server,
        });
        let numbers = 0..request.parameters.shares_total();
        Self {
            request,
            candidates: candidates.collect(),
            existing: Vec::new(),
            allocated: BTreeMap::new(),
            homeless: numbers
                .filter_map(|n| u8::try_from(n).ok().map(ShareNumber))
                .collect(),
            with_shares: BTreeSet::new(),
            statistics: Statistics::default(),
            last_failure: None,
        }
    }

    /// Asks every candidate which shares it has.
    async fn discover(&mut self) {
        let storage_index = &self.request.storage_index;
        let questions = self.candidates.iter().map(|candidate| {
            let service = &candidate.server.service;
            within(
                ANSWER_TIMEOUT,
                service.list_shares(ShareKind::Immutable, storage_index),
            )
        });
        let answers = join_all(questions).await;
        for (candidate, answer) in self.candidates.iter_mut().zip(answers) {
            let id = &candidate.server.id;
            match answer.map(|shares| self.request.good(id, shares)) {
                Ok(shares) if shares.is_empty() => {}
                Ok(shares) => {
                    if candidate.standing == Standing::ReadOnly {
                        self.with_shares.insert(id.clone());
                        self.homeless.retain(|share| !shares.contains(share));
                    }
                    self.existing.push((id.clone(), shares));
                }
                Err(error) => {
                    candidate.standing = Standing::Failed;
                    self.last_failure = Some(describe(&candidate.server, &error));
                }
            }
        }
    }

    fn names(&self, standing: Standing) -> Vec<ServerId> {
        let candidates = self.candidates.iter();
        let matching = candidates.filter(|candidate| candidate.standing == standing);
        matching.map(|c| c.server.id.clone()).collect()
    }

    fn placement(&self) -> Candidates {
        Candidates {
            writable: self.names(Standing::Writable),
            read_only: self.names(Standing::ReadOnly),
            existing: self.existing.clone(),
        }
    }

    /// Leaves every share where it is and finds servers for those that nobody has.
    ///
    /// Shares that exist are planned too: asking for them renews their leases.
    fn keep_and_complete(&mut self) -> BTreeMap<ShareNumber, ServerId> {
        let existing = self.existing_map();
        self.homeless.retain(|share| !existing.contains_key(share));
        let writable = self.names(Standing::Writable);
        let mut plan = rehome(&writable, &existing, &self.homeless);
        for (share, servers) in existing {
            let holder = servers.into_iter().find(|server| writable.contains(server));
            plan.extend(holder.map(|server| (share, server)));
        }
        plan
    }

    /// Asks for room as planned. In the first round read-only servers are asked too, for nothing:
    /// that renews the leases on what they have.
    async fn allocate(
        &mut self,
        plan: &BTreeMap<ShareNumber, ServerId>,
        first_round: bool,
        unfinished: &mut Unfinished,
    ) {
        self.homeless.retain(|share| !plan.contains_key(share));
        let mut asked = Vec::new();
        for (number, candidate) in self.candidates.iter().enumerate() {
            let id = &candidate.server.id;
            let planned = plan.iter().filter(|(_, server)| *server == id);
            let shares: BTreeSet<ShareNumber> = planned.map(|(share, _)| *share).collect();
            match candidate.standing {
                Standing::Writable if shares.is_empty() => {}
                // Asking it again would only cost time.
                Standing::Failed if first_round => self.statistics.failed(),
                Standing::ReadOnly if !first_round => {}
                Standing::Failed => {}
                Standing::Writable | Standing::ReadOnly => asked.push((number, shares)),
            }
        }
        let Request {
            storage_index,
            share_size,
            ..
        } = self.request;
        let candidates = &self.candidates;
        let questions = asked.iter().map(|(number, shares)| {
            let candidate = &candidates[*number];
            let allocation = candidate.server.service.allocate_shares(
                storage_index,
                shares,
                *share_size,
                &candidate.lease,
                &candidate.upload_secret,
            );
            within(ANSWER_TIMEOUT, allocation)
        });
        let answers = join_all(questions).await;
        for ((number, shares), answer) in asked.into_iter().zip(answers) {
            self.allocated(number, &shares, answer);
        }
        unfinished.expect(self.allocated_shares());
    }

    /// Takes note of how a server answered the wish for `asked`.
    fn allocated(
        &mut self,
        number: usize,
        asked: &BTreeSet<ShareNumber>,
        answer: Result<Allocation, StorageError>,
    ) {
        let candidate = &mut self.candidates[number];
        let id = candidate.server.id.clone();
        let Allocation {
            already_have,
            mut allocated,
        } = match answer {
            Ok(allocation) => allocation,
            Err(error) => {
                self.statistics.failed();
                self.last_failure = Some(describe(&candidate.server, &error));
                candidate.standing = Standing::Failed;
                self.homeless.extend(asked);
                return;
            }
        };
        let already_have = self.request.good(&id, already_have);
        // A server can't make us send what we didn't offer.
        allocated.retain(|share| asked.contains(share));
        if !(allocated.is_empty() && already_have.is_empty()) {
            self.with_shares.insert(id.clone());
        }
        let mut progress = !allocated.is_empty();
        for share in &already_have {
            progress |= self.homeless.remove(share) || asked.contains(share);
        }
        let here = |share: &&ShareNumber| already_have.contains(share) || allocated.contains(share);
        let refused: BTreeSet<ShareNumber> = asked.iter().filter(|s| !here(s)).copied().collect();
        if !refused.is_empty() {
            candidate.standing = Standing::Failed;
        }
        self.homeless.extend(refused);
        self.statistics.answered(progress);
        if !allocated.is_empty() {
            let shares = self.allocated.entry(id.clone()).or_default();
            shares.extend(allocated);
        }
        self.note_existing(id, already_have);
    }

    fn note_existing(&mut self, id: ServerId, shares: BTreeSet<ShareNumber>) {
        let known = self.existing.iter_mut().find(|(server, _)| *server == id);
        match known {
            Some((_, known)) => known.extend(shares),
            None if shares.is_empty() => {}
            None => self.existing.push((id, shares)),
        }
    }

    fn existing_map(&self) -> ShareMap {
        let mut map = ShareMap::new();
        for (server, shares) in &self.existing {
            for share in shares {
                map.entry(*share).or_default().insert(server.clone());
            }
        }
        map
    }

    fn share_map(&self) -> ShareMap {
        let mut map = self.existing_map();
        for (server, shares) in &self.allocated {
            for share in shares {
                map.entry(*share).or_default().insert(server.clone());
            }
        }
        map
    }

    fn happiness(&self) -> usize {
        servers_of_happiness(&self.share_map())
    }

    fn allocated_shares(&self) -> Vec<AllocatedShare> {
        let mut allocated = Vec::new();
        for candidate in &self.candidates {
            let shares = self.allocated.get(&candidate.server.id);
            for share in shares.into_iter().flatten() {
                allocated.push(AllocatedShare {
                    server: Arc::clone(&candidate.server),
                    share: *share,
                    upload_secret: candidate.upload_secret.clone(),
                });
            }
        }
        allocated
    }

    fn into_selection(self) -> Selection {
        Selection {
            allocated: self.allocated_shares(),
            existing: self.existing_map(),
        }
    }

    fn unhappy(&self) -> Unhappy {
        let parameters = &self.request.parameters;
        let upload = self.request.storage_index.abbreviated();
        let shortfall = Shortfall {
            servers_with_shares: self.with_shares.len(),
            happiness: self.happiness(),
            shares_needed: parameters.shares_needed(),
            shares_happy: parameters.shares_happy(),
        };
        let mut text = format!(
            "server selection failed for upload {upload}: {shortfall} ({}), merged={}",
            self.progress(),
            self.placed_shares()
        );
        if let Some(failure) = &self.last_failure {
            // Writing to a string can't fail.
            let _ = write!(text, " (last failure {failure})");
        }
        Unhappy { shortfall, text }
    }

    /// The summary that users of Tahoe know from its error messages.
    fn progress(&self) -> String {
        let total = self.request.parameters.shares_total();
        let homeless = self.homeless.len();
        let placed = if homeless == 0 {
            format!("placed all {total} shares, ")
        } else {
            let placed = usize::from(total) - homeless;
            format!("placed {placed} shares out of {total} total ({homeless} homeless), ")
        };
        let Statistics {
            queries,
            good,
            full,
            error,
        } = self.statistics;
        format!(
            "{placed}want to place shares on at least {happy} servers such that any {needed} of \
             them have enough shares to recover the file, sent {queries} queries to {queries} \
             servers, {good} queries placed some shares, {bad} placed none (of which {full} \
             placed none due to the server being full and {error} placed none due to an error)",
            happy = self.request.parameters.shares_happy(),
            needed = self.request.parameters.shares_needed(),
            bad = full + error,
        )
    }

    fn placed_shares(&self) -> String {
        let map = self.share_map();
        let shares = map.iter().map(|(share, servers)| {
            let servers: Vec<String> = servers.iter().map(ServerId::short).collect();
            format!("sh{share}: {}", servers.join("+"))
        });
        shares.collect::<Vec<_>>().join(", ")
    }
}

impl Statistics {
    fn failed(&mut self) {
        self.queries += 1;
        self.error += 1;
    }

    fn answered(&mut self, progress: bool) {
        self.queries += 1;
        if progress {
            self.good += 1;
        } else {
            self.full += 1;
        }
    }
}

fn describe(server: &Server, error: &StorageError) -> String {
    format!("from {}: {error}", server.id.short())
}
