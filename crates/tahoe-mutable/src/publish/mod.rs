//! Writes a new version: encodes it, sends each share where the map or the permuted order says, and
//! succeeds if nobody else was writing and at least k shares are stored.

mod encode;
mod plan;
mod send;
mod waves;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tahoe_caps::MutableWriteCap;
use tahoe_crypto::hash::Hash;
use tahoe_crypto::{ServerId, StorageIndex};
use tahoe_storage_api::{Server, ShareNumber, WriteVector};
use tokio::time::{Instant, sleep_until};

use crate::core::Core;
use crate::error::PublishError;
use crate::servermap::{KnownShare, Servermap, ServermapMode, WriterSecrets};
use crate::status::{MutableStage, MutableStatus, Ongoing};

pub(crate) use encode::{Draft, Plaintext, SignedVersion};
use plan::{Plan, Target};
use send::{Message, Sent, ShareWrite};

/// Bytes that are sent in one message, unless a single share has more.
const MESSAGE_SIZE: u64 = 16 << 20;
/// Bytes of all shares of a version that are held in memory at once.
const MOST_AT_ONCE: u64 = 64 << 20;
/// How often shares are offered to other servers than those that failed.
const MOST_ROUNDS: usize = 4;
/// How long late servers are waited for at least.
const LEAST_PATIENCE: Duration = Duration::from_secs(5);
/// A transfer slower than so many bytes per second is late.
const SLOW: u64 = 64 << 10;
/// Late is what takes so many times as long as the slowest answer so far.
const LATE_FACTOR: u32 = 4;

/// One write of one file.
#[derive(Debug)]
pub(crate) struct Publish<'a> {
    pub(crate) core: &'a Core,
    pub(crate) cap: &'a MutableWriteCap,
    pub(crate) storage_index: StorageIndex,
    /// What is there; None if the file is new.
    pub(crate) map: Option<&'a Servermap>,
    /// Whether shares that lie nowhere are placed.
    pub(crate) placing: bool,
    pub(crate) ongoing: Ongoing,
}

/// A version that was written.
#[derive(Debug)]
pub(crate) struct Published {
    /// What is there now.
    pub(crate) map: Servermap,
    /// Whether every share was stored at the first attempt, so that the map is complete.
    pub(crate) complete: bool,
}

/// The encoded segments of all shares.
type EncodedShares = BTreeMap<ShareNumber, Vec<WriteVector>>;

/// What has become of the shares so far.
#[derive(Debug, Default)]
struct Progress {
    stored: BTreeMap<ServerId, BTreeSet<ShareNumber>>,
    failed: BTreeSet<ServerId>,
    surprised: bool,
    last_failure: Option<String>,
}

impl Publish<'_> {
    /// Encodes the draft and sends it.
    pub(crate) async fn run(self, draft: Draft) -> Result<Published, PublishError> {
        let draft = Arc::new(draft);
        let (version, shares) = if draft.blocks_length()? <= MOST_AT_ONCE {
            let (version, shares) = self.encode(&draft).await?;
            (version, Some(shares))
        } else {
            let leaves = self.hash_blocks(&draft).await?;
            (self.sign(&draft, leaves).await?, None)
        };
        let setup = self.ongoing.status().during(MutableStage::Setup);
        let servers = self.core.directory.servers_for(&self.storage_index);
        let total = draft.shares_total();
        let mut plan = self
            .map
            .map(|m| plan::in_place(m, total))
            .unwrap_or_default();
        let mut todo = plan.clone();
        let mut progress = Progress::default();
        if self.placing {
            let new = plan::place_homeless(&plan, &servers, &progress.failed, total);
            let new = new.ok_or(PublishError::NotEnoughServers { last_failure: None })?;
            merge(&mut todo, &new);
            merge(&mut plan, &new);
        }
        drop(setup);
        for _ in 0..MOST_ROUNDS {
            let failed_before = progress.failed.len();
            match &shares {
                Some(shares) => {
                    self.send(&todo, &plan, &version, shares, &mut progress)
                        .await;
                }
                None => {
                    self.send_in_waves(&draft, &version, &todo, &plan, &mut progress)
                        .await?;
                }
            }
            if progress.surprised || progress.failed.len() == failed_before || !self.placing {
                break;
            }
            let more = plan::place_homeless(&plan, &servers, &progress.failed, total);
            todo = more.unwrap_or_default();
            merge(&mut plan, &todo);
        }
        let published = self.conclude(&draft, &plan, &version, progress)?;
        self.ongoing.has_stored(published.map.shares.keys());
        self.ongoing.succeeded();
        Ok(published)
    }

    fn status(&self) -> Arc<MutableStatus> {
        Arc::clone(self.ongoing.status())
    }

    async fn sign(
        &self,
        draft: &Arc<Draft>,
        leaves: Vec<Vec<Hash>>,
    ) -> Result<SignedVersion, PublishError> {
        let (draft, status) = (Arc::clone(draft), self.status());
        let sign = move || draft.sign(leaves, &status);
        self.core.pool.run(sign).await
    }

    async fn encode(
        &self,
        draft: &Arc<Draft>,
    ) -> Result<(SignedVersion, EncodedShares), PublishError> {
        let all: BTreeSet<ShareNumber> = draft.share_numbers().collect();
        let pieces = draft.pieces()?.into_iter().map(|segments| {
            let (draft, all, status) = (Arc::clone(draft), all.clone(), self.status());
            self.core.pool.run(move || {
                let blocks = draft.encode(segments.clone(), &all, &status)?;
                let hashes = draft.hash(segments.clone(), &blocks, &status)?;
                Ok::<_, PublishError>((segments.start, blocks, hashes))
            })
        });
        let pieces = try_join_all(pieces).await?;
        let mut leaves = vec![Vec::new(); draft.shares_total().into()];
        let mut blocks = Vec::new();
        for (start, stored, hashes) in pieces {
            for (leaves, hashes) in leaves.iter_mut().zip(hashes) {
                leaves.extend(hashes);
            }
            blocks.push((start, stored));
        }
        let version = self.sign(draft, leaves).await?;
        let mut shares = EncodedShares::new();
        for (number, sealed) in all.iter().zip(&version.shares) {
            let mut writes = vec![sealed.leading_write()];
            for (start, stored) in &blocks {
                let stored = stored.get(number).cloned().unwrap_or_default();
                writes.push(sealed.block_write(*start, stored)?);
            }
            writes.push(sealed.trailing_write());
            shares.insert(*number, writes);
        }
        Ok((version, shares))
    }

    async fn send(
        &self,
        todo: &Plan,
        plan: &Plan,
        version: &SignedVersion,
        shares: &EncodedShares,
        progress: &mut Progress,
    ) {
        let _pushing = self.ongoing.status().during(MutableStage::Push);
        let sends = todo.values().map(|target| {
            let ours = self.ours(&target.server.id, plan);
            let messages = messages(target, shares);
            async move {
                let mut answers = Vec::new();
                for message in messages {
                    let number = message.shares.keys().next();
                    let share = number.and_then(|n| version.shares.get(usize::from(n.0)));
                    let checkstring = share.map(|s| s.checkstring()).unwrap_or_default();
                    let sent = self.send_message(message, &checkstring, &ours);
                    answers.push(sent.await);
                }
                answers
            }
        });
        let longest = todo.values().map(|target| size_of(target, shares)).max();
        let mut patience = Patience::new(longest.unwrap_or(0));
        let mut sends: FuturesUnordered<_> = sends.collect();
        let mut waiting: BTreeSet<ServerId> = todo.keys().cloned().collect();
        while !waiting.is_empty() {
            tokio::select! {
                biased;
                Some(answers) = sends.next() => for (server, numbers, sent) in answers {
                    patience.answered();
                    waiting.remove(&server);
                    progress.note(server, numbers, sent);
                },
                () = patience.ends(), if progress.is_enough(version) => break,
                else => break,
            }
        }
        // Whatever they do with it, they are counted as lost.
        for server in waiting {
            let problem = "no answer in time".to_owned();
            self.ongoing.status().failed(&server, problem);
            progress.give_up(server);
        }
    }

    async fn send_message(
        &self,
        message: Message,
        checkstring: &Bytes,
        ours: &BTreeSet<ShareNumber>,
    ) -> (ServerId, BTreeSet<ShareNumber>, Sent) {
        let asked = Instant::now();
        let (storage_index, secrets) = (&self.storage_index, self.secrets());
        let answer = message.send(storage_index, secrets, checkstring, ours);
        let (server, numbers, sent) = answer.await;
        let status = self.ongoing.status();
        status.answered(&server, asked.elapsed());
        match &sent {
            Sent::Stored => {}
            Sent::Surprise => status.failed(&server, "shares of another writer".to_owned()),
            Sent::Failed(error) => status.failed(&server, error.to_string()),
        }
        (server, numbers, sent)
    }

    fn secrets(&self) -> WriterSecrets<'_> {
        WriterSecrets {
            write_key: &self.cap.write_key,
            lease_master: &self.core.lease_master,
        }
    }

    /// The shares of a server that are known, or are being written.
    fn ours(&self, id: &ServerId, plan: &Plan) -> BTreeSet<ShareNumber> {
        let planned = plan.get(id).into_iter().flat_map(|t| t.shares.keys());
        let known = self.map.into_iter().flat_map(|map| {
            let places = map.shares.keys().chain(map.bad.keys());
            places.filter(|(server, _)| server == id).map(|(_, n)| n)
        });
        planned.chain(known).copied().collect()
    }

    fn conclude(
        &self,
        draft: &Draft,
        plan: &Plan,
        version: &SignedVersion,
        progress: Progress,
    ) -> Result<Published, PublishError> {
        if progress.surprised {
            return Err(PublishError::UncoordinatedWrite);
        }
        let stored = progress.stored.values().flatten();
        let distinct: BTreeSet<ShareNumber> = stored.copied().collect();
        if distinct.len() < draft.geometry.encoding().shares_needed().into() {
            let last_failure = progress.last_failure;
            return Err(PublishError::NotEnoughServers { last_failure });
        }
        let mut map = Servermap::new(ServermapMode::Write);
        for (id, numbers) in progress.stored {
            let Some(target) = plan.get(&id) else {
                continue;
            };
            map.reachable.insert(id.clone());
            for number in numbers {
                let Some(sealed) = version.shares.get(usize::from(number.0)) else {
                    continue;
                };
                let share = KnownShare {
                    server: Arc::clone(&target.server),
                    number,
                    header: sealed.header,
                    start: Bytes::new(),
                };
                map.shares.insert((id.clone(), number), share);
            }
        }
        Ok(Published {
            map,
            complete: progress.failed.is_empty(),
        })
    }
}

/// How long the last servers are waited for once enough others have stored their shares.
struct Patience {
    started: Instant,
    least: Duration,
    slowest: Duration,
}

impl Patience {
    fn new(bytes: u64) -> Self {
        Self {
            started: Instant::now(),
            least: LEAST_PATIENCE + Duration::from_secs(bytes / SLOW),
            slowest: Duration::ZERO,
        }
    }

    fn answered(&mut self) {
        self.slowest = self.started.elapsed();
    }

    async fn ends(&self) {
        sleep_until(self.started + self.least.max(self.slowest * LATE_FACTOR)).await;
    }
}

impl Progress {
    /// Whether the version could be read if nobody else answered.
    fn is_enough(&self, version: &SignedVersion) -> bool {
        let stored: BTreeSet<&ShareNumber> = self.stored.values().flatten().collect();
        let first = version.shares.first();
        let needed = first.map_or(0, |share| share.header.version.shares_needed);
        stored.len() >= usize::from(needed)
    }

    fn give_up(&mut self, server: ServerId) {
        self.last_failure = Some(format!("from {}: no answer in time", server.short()));
        self.failed.insert(server);
    }

    fn note(&mut self, server: ServerId, numbers: BTreeSet<ShareNumber>, sent: Sent) {
        match sent {
            Sent::Stored => self.stored.entry(server).or_default().extend(numbers),
            Sent::Surprise => {
                tracing::info!(server = %server.short(), "somebody else writes this file too");
                self.surprised = true;
            }
            Sent::Failed(error) => {
                tracing::info!(server = %server.short(), %error, "could not write mutable shares");
                self.last_failure = Some(format!("from {}: {error}", server.short()));
                self.failed.insert(server);
            }
        }
    }
}

fn size_of(target: &Target, shares: &EncodedShares) -> u64 {
    let writes = target.shares.keys().filter_map(|share| shares.get(share));
    writes.flatten().map(|write| write.data.len() as u64).sum()
}

/// Cuts what a server is sent into messages; usually it is one.
fn messages(target: &Target, shares: &EncodedShares) -> Vec<Message> {
    let mut messages = Vec::<Message>::new();
    let mut size = 0;
    for (number, expected) in &target.shares {
        let Some(writes) = shares.get(number) else {
            continue;
        };
        let length: u64 = writes.iter().map(|write| write.data.len() as u64).sum();
        let share = ShareWrite {
            expected: expected.clone(),
            writes: writes.clone(),
        };
        size += length;
        match messages.last_mut() {
            Some(message) if size <= MESSAGE_SIZE => {
                message.shares.insert(*number, share);
            }
            _ => {
                size = length;
                messages.push(Message {
                    server: Arc::clone(&target.server),
                    shares: BTreeMap::from([(*number, share)]),
                });
            }
        }
    }
    messages
}

fn merge(plan: &mut Plan, more: &Plan) {
    for (id, target) in more {
        let server: &Arc<Server> = &target.server;
        let entry = plan.entry(id.clone()).or_insert_with(|| Target {
            server: Arc::clone(server),
            shares: BTreeMap::new(),
        });
        entry.shares.extend(target.shares.clone());
    }
}
