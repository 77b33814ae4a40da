//! Which connections a tub keeps: one with each peer.

use super::{Inner, REMEMBERED_PEERS, State};
use crate::connection::{Command, Description, Driver, Shared, Tools, lock};
use crate::negotiate::{Admission, Agreed, Me};
use crate::{ConnectionLost, TubId};
use foolscap_proto::BrokerSettings;
use foolscap_proto::negotiation::duplicate::{self, Existing};
use foolscap_proto::negotiation::{Hello, Negotiated, NegotiationError};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Decides over connections that came by one way.
pub(super) struct Admitting<'a> {
    pub(super) tub: &'a Arc<Inner>,
    /// The hint or the listener.
    pub(super) hint: &'a str,
    pub(super) handler: Option<String>,
}

/// A connection that is in the tub's table, and whose task is still to be started.
pub(super) type Admitted = (Arc<Shared>, mpsc::Receiver<Command>);

impl Admitting<'_> {
    fn connection(&self, peer: TubId, existing: Option<Existing>) -> Admitted {
        Shared::new(Description {
            peer,
            hint: self.hint.to_owned(),
            handler: self.handler.clone(),
            existing,
        })
    }
}

impl Admission for Admitting<'_> {
    type Admitted = Admitted;

    fn decide(&self, hello: &Hello) -> Result<(u64, Admitted), NegotiationError> {
        let peer = hello.tub_id;
        let mut state = lock(&self.tub.state);
        let live = state.connections.get(&peer);
        if let Some(existing) = live.filter(|connection| connection.why_lost().is_none()) {
            let incarnation = &self.tub.incarnation;
            let replaces = |known| duplicate::replaces(hello, known, incarnation);
            if !existing.existing().is_some_and(replaces) {
                return Err(NegotiationError::Duplicate);
            }
        }
        let sequence = state.sequences.get(&peer).map_or(1, |last| last + 1);
        remember(&mut state.sequences, peer, sequence);
        let existing = Existing {
            peer_incarnation: hello.incarnation.clone(),
            sequence,
        };
        let admitted = self.connection(peer, Some(existing));
        state.attach(&admitted.0);
        Ok((sequence, admitted))
    }

    fn decided(&self, negotiated: &Negotiated) -> Admitted {
        let admitted = self.connection(negotiated.peer, None);
        let mut state = lock(&self.tub.state);
        if let Some(last) = &negotiated.current_connection {
            remember(&mut state.last_connections, negotiated.peer, last.clone());
        }
        state.attach(&admitted.0);
        admitted
    }
}

/// Remembers something of a peer; when there are too many, something else is forgotten.
fn remember<T>(table: &mut HashMap<TubId, T>, peer: TubId, what: T) {
    if table.len() >= REMEMBERED_PEERS && !table.contains_key(&peer) {
        let other = table.keys().next().copied();
        other.and_then(|other| table.remove(&other));
    }
    table.insert(peer, what);
}

impl State {
    /// Makes this the connection with its peer, and tells whoever waits for one.
    fn attach(&mut self, connection: &Arc<Shared>) {
        let peer = connection.peer();
        if self.stopped {
            return connection.close(ConnectionLost::Stopped);
        }
        if let Some(old) = self.connections.insert(peer, Arc::clone(connection)) {
            old.close(ConnectionLost::Replaced);
        }
        if let Some(attempt) = self.attempts.remove(&peer) {
            attempt.succeed(connection);
        }
    }

    fn detach(&mut self, connection: &Arc<Shared>) {
        let peer = connection.peer();
        let current = self.connections.get(&peer);
        if current.is_some_and(|current| Arc::ptr_eq(current, connection)) {
            self.connections.remove(&peer);
        }
    }
}

impl Inner {
    pub(super) fn me(&self) -> Me<'_> {
        Me {
            tub_id: self.tub_id(),
            incarnation: &self.incarnation,
        }
    }

    /// Starts the task of a connection on which both sides agree.
    pub(super) fn start(self: &Arc<Self>, agreed: Agreed<Admitted>) {
        let Agreed {
            stream,
            negotiated,
            first,
            admitted: (shared, commands),
        } = agreed;
        let settings = BrokerSettings {
            vocabulary: negotiated.vocabulary,
            limits: self.options.limits,
            idle: self.options.idle,
            peer: Some(negotiated.peer),
        };
        let tools = Tools {
            tub: Arc::downgrade(self),
            names: Arc::clone(&self.names),
            accept_gifts: self.options.accept_gifts,
        };
        let begin = (first, negotiated.rest);
        let connection = Arc::clone(&shared);
        let driver = Driver::new(connection, commands, stream, settings, begin, tools);
        let tub = Arc::downgrade(self);
        let mut state = lock(&self.state);
        while state.drivers.try_join_next().is_some() {}
        if !state.stopped {
            state.drivers.spawn(async move {
                driver.run().await;
                if let Some(tub) = tub.upgrade() {
                    lock(&tub.state).detach(&shared);
                }
            });
        }
    }

    /// How many connections there are.
    pub(super) fn connection_count(&self) -> usize {
        lock(&self.state).connections.len()
    }
}
