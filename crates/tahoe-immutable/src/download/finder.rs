//! Finds the shares of a file: asks servers, in the permuted order, which of them they have.
//!
//! At most ten questions are under way at a time; one that is overdue no longer counts, though its
//! answer is still welcome. Servers are asked only while a reader is hungry for shares.

use super::share::Share;
use crate::events::QuestionEvent;
use crate::status::DownloadStatus;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tahoe_crypto::StorageIndex;
use tahoe_storage_api::{Server, ServerDirectory, ShareKind};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Questions under way that aren't overdue.
const MOST_QUESTIONS: usize = 10;
/// When later servers are asked instead.
const OVERDUE: Duration = Duration::from_secs(10);
/// When an answer is no longer waited for.
const GIVE_UP: Duration = Duration::from_secs(60);

/// Finds shares and remembers them.
#[derive(Debug)]
pub(super) struct Finder {
    storage_index: StorageIndex,
    servers: Arc<dyn ServerDirectory>,
    status: Arc<DownloadStatus>,
    state: Mutex<State>,
    /// Counts the answers.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// When the servers were listed, if they were.
    started: Option<Instant>,
    hungry: bool,
    not_asked: VecDeque<Arc<Server>>,
    /// Questions under way, and how many of them aren't overdue.
    pending: usize,
    in_time: usize,
    shares: Vec<Arc<Share>>,
    last_failure: Option<String>,
    questions: JoinSet<()>,
    /// Counts the searches; answers to an earlier one don't count.
    generation: u64,
}

/// What is known of a file's shares.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) shares: Vec<Arc<Share>>,
    /// All servers were asked and have answered.
    pub(super) complete: bool,
    pub(super) last_failure: Option<String>,
}

impl Finder {
    pub(super) fn new(
        storage_index: StorageIndex,
        servers: Arc<dyn ServerDirectory>,
        status: Arc<DownloadStatus>,
    ) -> Self {
        Self {
            storage_index,
            servers,
            status,
            state: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when a server has answered or was given up.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What is known now.
    pub(super) fn found(&self) -> Found {
        let state = self.lock();
        Found {
            shares: state.shares.clone(),
            complete: state.started.is_some() && state.not_asked.is_empty() && state.pending == 0,
            last_failure: state.last_failure.clone(),
        }
    }

    pub(super) fn note_failure(&self, failure: String) {
        self.lock().last_failure = Some(failure);
    }

    /// Forgets everything and begins anew, unless the search began less than `age` ago; says
    /// whether it did.
    pub(super) fn restart_if_older(&self, age: Duration) -> bool {
        let mut state = self.lock();
        let old = state
            .started
            .is_some_and(|started| started.elapsed() >= age);
        if old {
            let generation = state.generation + 1;
            *state = State {
                generation,
                ..State::default()
            };
        }
        old
    }

    /// Asks more servers until one of them has shares.
    pub(super) fn look_for_more(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.started.is_none() {
            state.started = Some(Instant::now());
            state.not_asked = self.servers.servers_for(&self.storage_index).into();
        }
        state.hungry = true;
        self.ask(&mut state);
    }

    /// Asks as many servers as may be asked now.
    fn ask(self: &Arc<Self>, state: &mut State) {
        while state.questions.try_join_next().is_some() {}
        while state.hungry && state.in_time < MOST_QUESTIONS {
            let Some(server) = state.not_asked.pop_front() else {
                return;
            };
            state.pending += 1;
            state.in_time += 1;
            let question = Question {
                finder: Arc::downgrade(self),
                generation: state.generation,
                storage_index: self.storage_index,
                status: Arc::clone(&self.status),
                server,
            };
            state.questions.spawn(question.ask());
        }
    }
}

/// A server that is being asked; it doesn't keep the finder alive.
struct Question {
    finder: Weak<Finder>,
    generation: u64,
    storage_index: StorageIndex,
    status: Arc<DownloadStatus>,
    server: Arc<Server>,
}

impl Question {
    async fn ask(self) {
        let asked = Instant::now();
        let event = QuestionEvent::start(&self.server.id);
        let event = self.status.questions.begin(event);
        let service = Arc::clone(&self.server.service);
        let answer = service.list_shares(ShareKind::Immutable, &self.storage_index);
        let mut answer = std::pin::pin!(timeout(GIVE_UP, answer));
        let mut in_time = true;
        let answer = tokio::select! {
            answer = &mut answer => answer,
            () = sleep(OVERDUE) => {
                in_time = false;
                self.update(|finder, state| {
                    state.in_time -= 1;
                    finder.ask(state);
                });
                answer.await
            }
        };
        if let Ok(Ok(numbers)) = &answer {
            event.update(|event| event.shares = numbers.iter().copied().collect());
        }
        event.end(matches!(answer, Ok(Ok(_))));
        let server = &self.server;
        self.update(|finder, state| {
            state.pending -= 1;
            state.in_time -= usize::from(in_time);
            match answer {
                Ok(Ok(numbers)) => {
                    state.hungry &= numbers.is_empty();
                    let time = asked.elapsed();
                    let shares = numbers.into_iter();
                    let shares = shares.map(|n| Arc::new(Share::new(Arc::clone(server), n, time)));
                    state.shares.extend(shares);
                }
                Ok(Err(error)) => {
                    tracing::info!(server = %server.id.short(), %error, "could not ask for shares");
                    state.last_failure = Some(format!("from {}: {error}", server.id.short()));
                }
                Err(_) => tracing::info!(server = %server.id.short(), "no answer about shares"),
            }
            finder.ask(state);
        });
    }

    /// Changes the finder's state, if it still cares.
    fn update(&self, change: impl FnOnce(&Arc<Finder>, &mut State)) {
        let Some(finder) = self.finder.upgrade() else {
            return;
        };
        let mut state = finder.lock();
        if state.generation == self.generation {
            change(&finder, &mut state);
        }
        drop(state);
        finder.changes.send_modify(|count| *count += 1);
    }
}
