//! Calls of the peer, from their arrival to their answer.

use crate::connection::Shared;
use crate::object::LocalHandle;
use crate::tub::{Inner, Names};
use crate::{
    Arguments, Call, CallError, Caller, ConnectError, Furl, Reference, Referenceable,
    RemoteFailure, RemoteReference, Value,
};
use foolscap_proto::{Incoming, Violation};
use futures_util::FutureExt as _;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use tokio::task::JoinSet;

/// How many bytes of arguments may be held for calls that haven't returned; more aren't read.
const MAX_ARGUMENT_BYTES: usize = 64 << 20;
/// Most references to third tubs' objects in one message.
const MAX_GIFTS: usize = 100;

/// What became of a call.
pub(super) type Outcome = Result<Value, RemoteFailure>;

/// A call that waits for its turn.
struct Delivery {
    request: u64,
    target: Arc<dyn Referenceable>,
    method: String,
    arguments: foolscap_proto::Arguments<Incoming<LocalHandle>>,
    cost: usize,
}

/// What a task of a connection has done.
pub(super) enum Finished {
    /// A call has returned.
    Call {
        request: u64,
        cost: usize,
        outcome: Outcome,
    },
    /// A call's gifts were fetched, or can't be: it may begin now.
    Ready { call: ReadyCall, gifts: Vec<u64> },
    /// An answer's gifts were fetched.
    Answer {
        reply: super::Reply,
        result: Result<Value, CallError>,
        gifts: Vec<u64>,
    },
}

/// A call whose arguments are complete.
pub(super) struct ReadyCall {
    request: u64,
    cost: usize,
    target: Arc<dyn Referenceable>,
    method: String,
    arguments: Result<Arguments, CallError>,
}

type CallFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Calls of the peer that wait or run.
pub(super) struct Deliveries {
    queue: VecDeque<Delivery>,
    /// Set while a call's gifts are fetched: the ones after it have to wait.
    blocked: bool,
    cost: usize,
    tub: Weak<Inner>,
    names: Arc<Names>,
    accept_gifts: bool,
    pub(super) running: JoinSet<Finished>,
}

impl Deliveries {
    pub(super) fn new(tub: Weak<Inner>, names: Arc<Names>, accept_gifts: bool) -> Self {
        Self {
            queue: VecDeque::new(),
            blocked: false,
            cost: 0,
            tub,
            names,
            accept_gifts,
            running: JoinSet::new(),
        }
    }

    /// Says whether more may be read from the peer.
    pub(super) fn has_room(&self) -> bool {
        self.cost < MAX_ARGUMENT_BYTES
    }

    pub(super) fn push(
        &mut self,
        request: u64,
        target: LocalHandle,
        method: String,
        arguments: foolscap_proto::Arguments<Incoming<LocalHandle>>,
    ) {
        let cost = arguments.cost();
        self.cost = self.cost.saturating_add(cost);
        self.queue.push_back(Delivery {
            request,
            target: target.object,
            method,
            arguments,
            cost,
        });
    }

    /// Begins the next call, if one may; returns it if it has returned at once.
    pub(super) fn begin_next(
        &mut self,
        shared: &Arc<Shared>,
        refs: &Refs<'_>,
    ) -> Option<Option<(u64, Outcome)>> {
        if self.blocked {
            return None;
        }
        let delivery = self.queue.pop_front()?;
        let mut gifts = Vec::new();
        let arguments = delivery.arguments.try_map(&mut |reference| {
            Ok::<_, std::convert::Infallible>(refs.pending(reference, &mut gifts))
        });
        let Ok(arguments) = arguments;
        let call = ReadyCall {
            request: delivery.request,
            cost: delivery.cost,
            target: delivery.target,
            method: delivery.method,
            arguments: Ok(Arguments::default()),
        };
        if gifts.is_empty() {
            let arguments = arguments.try_map(&mut |pending| pending.settled());
            let arguments = arguments.map_err(CallError::from);
            return Some(self.begin(ReadyCall { arguments, ..call }, shared));
        }
        self.blocked = true;
        let fetch = Fetch::new(Weak::clone(&self.tub), self.accept_gifts, gifts);
        self.running.spawn(async move {
            let gifts = fetch.numbers();
            let arguments = match fetch.all().await {
                Ok(fetched) => arguments
                    .try_map(&mut |pending| pending.with(&fetched))
                    .map_err(CallError::from),
                Err(error) => Err(error),
            };
            let call = ReadyCall { arguments, ..call };
            Finished::Ready { call, gifts }
        });
        Some(None)
    }

    /// Begins a call whose gifts were fetched, so the ones after it may come.
    pub(super) fn unblock(
        &mut self,
        call: ReadyCall,
        shared: &Arc<Shared>,
    ) -> Option<(u64, Outcome)> {
        self.blocked = false;
        self.begin(call, shared)
    }

    /// Runs a call to the first place where it has to wait, and from there on in a task.
    fn begin(&mut self, call: ReadyCall, shared: &Arc<Shared>) -> Option<(u64, Outcome)> {
        let ReadyCall {
            request,
            cost,
            target,
            method,
            arguments,
        } = call;
        let arguments = match arguments {
            Ok(arguments) => arguments,
            Err(error) => {
                self.returned(cost);
                return Some((request, Err(RemoteFailure::violation(error))));
            }
        };
        let caller = Caller(Arc::clone(shared));
        let call = Call {
            method,
            arguments,
            caller,
        };
        let mut future: CallFuture = Box::pin(async move {
            let run = AssertUnwindSafe(target.call(call)).catch_unwind().await;
            run.unwrap_or_else(|_| Err(RemoteFailure::new("foolscap.Bug", "the method panicked")))
        });
        // Polling here, one call after the other, is what keeps their order.
        let mut context = Context::from_waker(Waker::noop());
        match future.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => {
                self.returned(cost);
                Some((request, outcome))
            }
            Poll::Pending => {
                self.running.spawn(async move {
                    let outcome = future.await;
                    Finished::Call {
                        request,
                        cost,
                        outcome,
                    }
                });
                None
            }
        }
    }

    /// Notes that a call needs its arguments no longer.
    pub(super) fn returned(&mut self, cost: usize) {
        self.cost = self.cost.saturating_sub(cost);
    }

    /// Passes an answer on, once its gifts were fetched.
    pub(super) fn answer(
        &mut self,
        reply: super::Reply,
        value: foolscap_proto::Value<Incoming<LocalHandle>>,
        refs: &Refs<'_>,
    ) {
        let mut gifts = Vec::new();
        let value = value.try_map(&mut |reference| {
            Ok::<_, std::convert::Infallible>(refs.pending(reference, &mut gifts))
        });
        let Ok(value) = value;
        if gifts.is_empty() {
            let value = value.try_map(&mut |pending| pending.settled());
            drop(reply.send(value.map_err(CallError::from)));
            return;
        }
        let fetch = Fetch::new(Weak::clone(&self.tub), self.accept_gifts, gifts);
        self.running.spawn(async move {
            let gifts = fetch.numbers();
            let result = match fetch.all().await {
                Ok(fetched) => value
                    .try_map(&mut |pending| pending.with(&fetched))
                    .map_err(CallError::from),
                Err(error) => Err(error),
            };
            Finished::Answer {
                reply,
                result,
                gifts,
            }
        });
    }

    /// The object of a name.
    pub(super) fn look_up(&self, name: &str) -> Result<LocalHandle, RemoteFailure> {
        let Some(object) = self.names.object(name) else {
            let start: String = name.chars().take(2).collect();
            let text = format!("\"unable to find reference for name starting with '{start}'\"");
            return Err(RemoteFailure::new("builtins.KeyError", text));
        };
        let names = Arc::clone(&self.names);
        Ok(LocalHandle { object, names })
    }
}

/// Makes live references of received ones.
pub(super) struct Refs<'a> {
    /// Makes the reference to an object of the peer.
    pub(super) remote: &'a dyn Fn(foolscap_proto::Clid) -> RemoteReference,
}

/// A reference that may still have to be fetched.
enum Pending {
    Ready(Reference),
    /// The gift of this place in the list.
    Gift(usize),
}

impl Pending {
    fn settled(self) -> Result<Reference, Violation> {
        self.with(&[])
    }

    fn with(self, fetched: &[Reference]) -> Result<Reference, Violation> {
        match self {
            Self::Ready(reference) => Ok(reference),
            Self::Gift(place) => {
                let fetched = fetched.get(place).cloned();
                fetched.ok_or_else(|| Violation::new("too many gifts in one message"))
            }
        }
    }
}

impl Refs<'_> {
    fn pending(&self, reference: Incoming<LocalHandle>, gifts: &mut Vec<(u64, String)>) -> Pending {
        match reference {
            Incoming::Ours(handle) => Pending::Ready(Reference::Local(handle.object)),
            Incoming::Peers(clid) => Pending::Ready(Reference::Remote((self.remote)(clid))),
            Incoming::Gift { gift, url } => {
                gifts.push((gift, url));
                Pending::Gift(gifts.len() - 1)
            }
        }
    }
}

/// References to third tubs' objects, to be fetched.
struct Fetch {
    tub: Weak<Inner>,
    accept: bool,
    gifts: Vec<(u64, String)>,
}

impl Fetch {
    fn new(tub: Weak<Inner>, accept: bool, gifts: Vec<(u64, String)>) -> Self {
        Self { tub, accept, gifts }
    }

    fn numbers(&self) -> Vec<u64> {
        self.gifts.iter().map(|(gift, _)| *gift).collect()
    }

    async fn all(&self) -> Result<Vec<Reference>, CallError> {
        if !self.accept {
            return Err(Violation::new("gifts are prohibited in this Tub").into());
        }
        if self.gifts.len() > MAX_GIFTS {
            return Err(Violation::new("too many gifts in one message").into());
        }
        let mut fetched = Vec::new();
        for (_, url) in &self.gifts {
            fetched.push(self.one(url).await?);
        }
        Ok(fetched)
    }

    async fn one(&self, url: &str) -> Result<Reference, CallError> {
        let furl = Furl::parse(url).map_err(|_| Violation::new("a gift that can't be reached"))?;
        let gone = || CallError::Gift(Arc::new(ConnectError::Stopped));
        let tub = self.tub.upgrade().ok_or_else(gone)?;
        if furl.tub_id == tub.tub_id() {
            let object = tub.names().object(furl.swissnum.as_str());
            let object = object.ok_or_else(|| Violation::new("a gift that isn't ours"))?;
            return Ok(Reference::Local(object));
        }
        // Not `tub.reference` itself: its future would hold this one.
        let reference = Inner::reference(tub, furl).await;
        reference
            .map(Reference::Remote)
            .map_err(|error| CallError::Gift(Arc::new(error)))
    }
}
