//! The search for shares: whom to ask, whom to wait for, when enough is known.
//!
//! The rules are those of `ServermapUpdater` of Tahoe-LAFS 1.20, with a limit to the patience with
//! servers that hang.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tahoe_caps::MutableVerifyCap;
use tahoe_crypto::{RsaPublicKey, ServerId};
use tahoe_share::EncodingParameters;
use tahoe_share::mutable::MutableHeader;
use tahoe_storage_api::{Server, ShareNumber, StorageError};
use tokio::time::{Instant, sleep_until};

use super::query::{Query, WriterSecrets};
use super::{BadShare, KnownShare, Place, Servermap, ServermapMode};
use crate::core::Core;
use crate::status::{MutableKind, MutableStage, MutableStatus, Ongoing};
use crate::version::{ShareHeader, Version};

/// Questions under way beyond the first ones.
const MOST_IN_FLIGHT: usize = 5;
/// Bytes of a share that make up its longest checkstring.
const LONGEST_CHECKSTRING: usize = 57;
/// How long a reader waits for the last servers once it can read.
const READERS_PATIENCE: Duration = Duration::from_millis(500);
/// How long a writer waits for the last servers once it can read.
const WRITERS_PATIENCE: Duration = Duration::from_secs(5);
/// Late is what takes so many times as long as the slowest answer so far.
const LATE_FACTOR: u32 = 4;

/// A search for the shares of one file.
#[derive(Debug)]
pub(crate) struct Survey<'a> {
    pub(crate) core: &'a Core,
    pub(crate) cap: &'a MutableVerifyCap,
    pub(crate) mode: ServermapMode,
    pub(crate) writer: Option<WriterSecrets<'a>>,
    /// Bytes to read of each share.
    pub(crate) first_read: u64,
    /// Expected k and N.
    pub(crate) guess: EncodingParameters,
    /// What was known before: its servers are asked in any case, its bad shares stay bad.
    pub(crate) previous: Option<&'a Servermap>,
    /// The key, if it was seen before.
    pub(crate) public_key: Option<RsaPublicKey>,
}

/// What a search found.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub(crate) map: Servermap,
    /// The file's public key, if any share showed it.
    pub(crate) public_key: Option<RsaPublicKey>,
    pub(crate) status: Arc<MutableStatus>,
}

type Answer = (
    Arc<Server>,
    Duration,
    Result<Vec<(ShareNumber, Bytes)>, StorageError>,
);
type Question<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// How a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Empty,
    HasShares,
    Failed,
}

/// What to do after an answer.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Done,
    /// Keep so many questions under way, if there is still somebody to ask.
    Ask(usize),
}

struct State<'a> {
    survey: Survey<'a>,
    ongoing: Ongoing,
    map: Servermap,
    /// All servers in the permuted order.
    servers: Vec<Arc<Server>>,
    /// Not asked yet.
    extra: VecDeque<Arc<Server>>,
    /// Whom to wait for in any case.
    must_answer: BTreeSet<ServerId>,
    standings: BTreeMap<ServerId, Standing>,
    completed: usize,
    to_query: usize,
    valid: BTreeSet<Version>,
    started: Instant,
    slowest: Duration,
}

impl<'a> Survey<'a> {
    pub(crate) async fn run(self) -> Surveyed {
        let kind = MutableKind::Mapupdate(self.mode);
        let ongoing = self.core.begin(kind, self.cap.storage_index);
        let setup = ongoing.status().during(MutableStage::Setup);
        let mut state = State::new(self, ongoing);
        let mut questions = FuturesUnordered::<Question<'a>>::new();
        for server in state.first_servers() {
            questions.push(state.survey.question(server));
        }
        drop(setup);
        loop {
            match state.verdict(questions.len()) {
                Verdict::Done => break,
                Verdict::Ask(most) => {
                    while questions.len() < most
                        && let Some(server) = state.extra.pop_front()
                    {
                        questions.push(state.survey.question(server));
                    }
                }
            }
            if questions.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                Some((server, elapsed, answer)) = questions.next() => {
                    state.ongoing.status().answered(&server.id, elapsed);
                    state.answered(&server, answer).await;
                }
                () = sleep_until(state.patience_ends()), if state.can_read() => {
                    state.give_up_waiting();
                    break;
                }
            }
        }
        state.ongoing.succeeded();
        Surveyed {
            map: state.map,
            public_key: state.survey.public_key,
            status: Arc::clone(state.ongoing.status()),
        }
    }

    fn question(&self, server: Arc<Server>) -> Question<'a> {
        let (writer, length) = (self.writer, self.first_read);
        let storage_index = self.cap.storage_index;
        Box::pin(async move {
            let query = Query {
                server: &server,
                storage_index,
                length,
                writer,
            };
            let asked = Instant::now();
            let answer = query.ask().await;
            (server, asked.elapsed(), answer)
        })
    }
}

impl<'a> State<'a> {
    fn new(survey: Survey<'a>, ongoing: Ongoing) -> Self {
        let servers = survey.core.directory.servers_for(&survey.cap.storage_index);
        let (k, n) = (survey.guess.shares_needed(), survey.guess.shares_total());
        let to_query = match survey.mode {
            ServermapMode::Check | ServermapMode::Repair => servers.len(),
            ServermapMode::Write => usize::from(n) + usize::from(k),
            ServermapMode::Read | ServermapMode::Anything => 2 * usize::from(k),
        };
        let mut map = Servermap::new(survey.mode);
        let mut valid = BTreeSet::new();
        if let Some(previous) = survey.previous {
            map.bad = previous.bad.clone();
            valid.extend(previous.shares.values().map(|share| share.header.version));
        }
        Self {
            extra: servers.iter().cloned().collect(),
            servers,
            must_answer: BTreeSet::new(),
            standings: BTreeMap::new(),
            completed: 0,
            to_query,
            valid,
            started: Instant::now(),
            slowest: Duration::ZERO,
            map,
            survey,
            ongoing,
        }
    }

    /// Servers that had shares before, and as many others as the mode wants.
    fn first_servers(&mut self) -> Vec<Arc<Server>> {
        let known = self.survey.previous.into_iter().flat_map(|map| &map.shares);
        let known: BTreeSet<&ServerId> = known.map(|((server, _), _)| server).collect();
        let (mut first, rest): (Vec<_>, Vec<_>) = self
            .extra
            .drain(..)
            .partition(|server| known.contains(&server.id));
        self.must_answer = first.iter().map(|server| server.id.clone()).collect();
        self.extra = rest.into();
        while first.len() < self.to_query
            && let Some(server) = self.extra.pop_front()
        {
            first.push(server);
        }
        first
    }

    async fn answered(
        &mut self,
        server: &Arc<Server>,
        answer: Result<Vec<(ShareNumber, Bytes)>, StorageError>,
    ) {
        self.completed += 1;
        self.slowest = self.started.elapsed();
        self.must_answer.remove(&server.id);
        let shares = match answer {
            Ok(shares) => shares,
            Err(error) => {
                tracing::info!(server = %server.id.short(), %error, "no answer to a mutable query");
                self.map.last_failure = Some(format!("from {}: {error}", server.id.short()));
                self.map.unreachable.insert(server.id.clone());
                self.standings.insert(server.id.clone(), Standing::Failed);
                self.ongoing.status().failed(&server.id, error.to_string());
                return;
            }
        };
        self.map.reachable.insert(server.id.clone());
        let mut standing = Standing::Empty;
        for (number, start) in shares {
            match self.examine(&start).await {
                Ok(header) => {
                    self.add_share(server, number, header, start);
                    if standing == Standing::Empty {
                        standing = Standing::HasShares;
                    }
                }
                Err(reason) => {
                    let problem = format!("share {number}: {reason}");
                    self.ongoing.status().failed(&server.id, problem);
                    self.add_bad_share(server, number, &start, reason);
                    standing = Standing::Failed;
                }
            }
        }
        self.standings.insert(server.id.clone(), standing);
    }

    fn add_share(
        &mut self,
        server: &Arc<Server>,
        number: ShareNumber,
        header: ShareHeader,
        start: Bytes,
    ) {
        let place: Place = (server.id.clone(), number);
        if let Some(bad) = self.map.bad.get(&place) {
            if header.header.checkstring().starts_with(&bad.checkstring) {
                return;
            }
            // Somebody replaced it since it was found bad.
            self.map.bad.remove(&place);
        }
        let server = Arc::clone(server);
        let share = KnownShare {
            server,
            number,
            header,
            start,
        };
        self.map.shares.insert(place, share);
    }

    fn add_bad_share(
        &mut self,
        server: &Arc<Server>,
        number: ShareNumber,
        start: &Bytes,
        reason: String,
    ) {
        self.map.last_failure = Some(format!("share {number} of {}: {reason}", server.id.short()));
        let core = self.survey.core;
        core.report_corrupt(server, &self.survey.cap.storage_index, number, reason);
        let length = match start.first() {
            Some(1) => LONGEST_CHECKSTRING.min(41),
            _ => LONGEST_CHECKSTRING,
        };
        let bad = BadShare {
            server: Arc::clone(server),
            checkstring: start.slice(..start.len().min(length)),
        };
        self.map.bad.insert((server.id.clone(), number), bad);
    }

    /// Checks a share's signature; says in words what is wrong with it.
    async fn examine(&mut self, start: &Bytes) -> Result<ShareHeader, String> {
        let header = ShareHeader::parse(start).map_err(|error| error.to_string())?;
        if self.valid.contains(&header.version) {
            return Ok(header);
        }
        let key = self.public_key(start, &header.header)?;
        let signature = header.header.signature_range();
        let signature = signature.ok().and_then(|range| slice(start, range));
        let signature = signature.ok_or("share ends before its signature does")?;
        let prefix = header.header.signed_prefix();
        let status = Arc::clone(self.ongoing.status());
        let verify = move || {
            let _verifying = status.during(MutableStage::Verify);
            key.verify(&prefix, &signature)
        };
        let verified = self.survey.core.pool.run(verify).await;
        verified.map_err(|_| "signature is invalid".to_owned())?;
        self.valid.insert(header.version);
        Ok(header)
    }

    /// The file's key: the one that is known, or the share's if its fingerprint is the capability's.
    fn public_key(
        &mut self,
        start: &Bytes,
        header: &MutableHeader,
    ) -> Result<RsaPublicKey, String> {
        if let Some(key) = &self.survey.public_key {
            return Ok(key.clone());
        }
        let key = header.public_key_range();
        let key = key.ok().and_then(|range| slice(start, range));
        let key = key.ok_or("share ends before its public key does")?;
        let key = RsaPublicKey::from_der(key.to_vec());
        if key.fingerprint() != self.survey.cap.fingerprint {
            return Err("pubkey doesn't match fingerprint".to_owned());
        }
        Ok(self.survey.public_key.insert(key).clone())
    }

    fn can_read(&self) -> bool {
        !self.map.recoverable_versions().is_empty()
            && self.map.unrecoverable_newer_versions().is_empty()
    }

    /// When servers that haven't answered are no longer waited for.
    fn patience_ends(&self) -> Instant {
        let patience = match self.survey.mode {
            ServermapMode::Read | ServermapMode::Anything => READERS_PATIENCE,
            ServermapMode::Write => WRITERS_PATIENCE,
            ServermapMode::Check | ServermapMode::Repair => Duration::from_secs(3600),
        };
        self.started + patience.max(self.slowest * LATE_FACTOR)
    }

    /// Counts everybody who was asked and hasn't answered as unreachable.
    fn give_up_waiting(&mut self) {
        let unasked: BTreeSet<_> = self.extra.iter().map(|server| server.id.clone()).collect();
        let late = self.servers.iter().map(|server| &server.id);
        let late = late.filter(|id| !self.standings.contains_key(*id) && !unasked.contains(*id));
        for id in late {
            let problem = "no answer in time".to_owned();
            self.ongoing.status().failed(id, problem);
            self.map.unreachable.insert(id.clone());
        }
    }

    fn verdict(&self, outstanding: usize) -> Verdict {
        if !self.must_answer.is_empty() {
            return Verdict::Ask(0);
        }
        if outstanding == 0 && self.extra.is_empty() {
            return Verdict::Done;
        }
        match self.survey.mode {
            ServermapMode::Check | ServermapMode::Repair => Verdict::Ask(usize::MAX),
            ServermapMode::Anything if !self.map.recoverable_versions().is_empty() => Verdict::Done,
            ServermapMode::Anything => Verdict::Ask(MOST_IN_FLIGHT),
            ServermapMode::Read => {
                if self.completed >= self.to_query && self.can_read() {
                    Verdict::Done
                } else {
                    Verdict::Ask(MOST_IN_FLIGHT)
                }
            }
            ServermapMode::Write => self.writers_verdict(),
        }
    }

    /// A writer wants all shares, so it asks on until k servers in a row have none.
    fn writers_verdict(&self) -> Verdict {
        if self.map.recoverable_versions().is_empty() {
            return Verdict::Ask(MOST_IN_FLIGHT);
        }
        let boundary = usize::from(self.survey.guess.shares_needed());
        let (mut found, mut empty, mut waiting) = (false, 0, 0);
        for server in &self.servers {
            match self.standings.get(&server.id) {
                Some(Standing::Failed) => {}
                Some(Standing::HasShares) => {
                    found = true;
                    empty = 0;
                }
                Some(Standing::Empty) if found => {
                    empty += 1;
                    if empty >= boundary {
                        return match waiting {
                            0 => Verdict::Done,
                            waiting => Verdict::Ask(waiting),
                        };
                    }
                }
                Some(Standing::Empty) => {}
                None => waiting += 1,
            }
        }
        Verdict::Ask(MOST_IN_FLIGHT)
    }
}

/// A part of what was read, if it was read.
fn slice(start: &Bytes, range: std::ops::Range<u64>) -> Option<Bytes> {
    let (from, to) = (
        usize::try_from(range.start).ok()?,
        usize::try_from(range.end).ok()?,
    );
    (from <= to && to <= start.len()).then(|| start.slice(from..to))
}
