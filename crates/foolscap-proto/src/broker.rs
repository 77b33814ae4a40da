//! One connection after negotiation: bytes in, events out.

use bytes::{Bytes, BytesMut};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

use crate::idle::{Idle, IdlePolicy, IdleStep};
use crate::references::{Gifts, OurObjects, PeerObjects};
use crate::vocabulary::Vocabulary;
use crate::{
    Arguments, Clid, Limits, Message, ProtocolError, Received, Refused, RemoteFailure, Slicer,
    Token, TokenDecoder, TubId, Unslicer, Value, Violation, WireReference,
};

/// The most bytes that may wait to be sent while a PING is still answered.
const PONG_BACKLOG: usize = 1 << 20;
/// The broker of either side.
const BROKER: Clid = Clid(0);

/// An object of ours that peers may hold.
pub trait LocalObject: Clone {
    /// Tells objects apart for as long as they live, such as an address.
    fn identity(&self) -> usize;
    /// The name of the interface that it offers.
    fn interface(&self) -> Option<String>;
    /// Its FURL.
    fn url(&self) -> Option<String>;
}

/// A reference that we send.
#[derive(Debug, Clone)]
pub enum Outgoing<T> {
    /// An object of ours.
    Ours(T),
    /// An object of the peer, given home.
    Peers(Clid),
    /// An object of a third tub.
    Gift {
        /// Tells gifts apart until [`Event::GiftFetched`].
        key: usize,
        /// Where it is.
        url: String,
    },
}

/// A reference that we received.
#[derive(Debug, Clone)]
pub enum Incoming<T> {
    /// An object of ours that came home.
    Ours(T),
    /// An object of the peer.
    Peers(Clid),
    /// An object of a third tub: to be fetched, and acknowledged with [`Broker::gift_fetched`].
    Gift {
        /// What is acknowledged.
        gift: u64,
        /// Where it is.
        url: String,
    },
}

/// What a connection is made of, once negotiated.
#[derive(Debug, Clone, Default)]
pub struct BrokerSettings {
    /// The words that both sides abbreviate.
    pub vocabulary: Vocabulary,
    /// What the peer can make us hold.
    pub limits: Limits,
    /// What its silence leads to.
    pub idle: IdlePolicy,
    /// Who the peer is; its references may not claim to be somebody else's.
    pub peer: Option<TubId>,
}

/// What the peer did.
#[derive(Debug)]
pub enum Event<T> {
    /// It calls a method of an object of ours.
    Call {
        /// For [`Broker::answer`] or [`Broker::fail`]; 0 if no answer is wanted.
        request: u64,
        /// Which object.
        target: T,
        /// Which method.
        method: String,
        /// With what.
        arguments: Arguments<Incoming<T>>,
    },
    /// It asks for the object of a name. Whoever knows the name may have it.
    LookUp {
        /// For [`Broker::answer`] or [`Broker::fail`].
        request: u64,
        /// The swissnum: a secret.
        name: String,
    },
    /// It answers a call of ours.
    Answered {
        /// The number that [`Broker::call`] gave.
        request: u64,
        /// What the method returned, or how it failed.
        result: Result<Value<Incoming<T>>, CallFailure>,
    },
    /// It has fetched a gift, so the reference needn't be kept for it.
    GiftFetched {
        /// Which.
        key: usize,
    },
}

/// How a call of ours failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallFailure {
    /// The method raised an exception.
    #[error(transparent)]
    Remote(#[from] RemoteFailure),
    /// The answer isn't acceptable.
    #[error("unacceptable answer: {0}")]
    Violation(Violation),
}

/// What an answer is for.
#[derive(Debug)]
enum Waiting {
    Caller,
    Decref(Clid),
}

/// One connection after negotiation. It owns neither socket nor clock.
#[derive(Debug)]
pub struct Broker<T> {
    decoder: TokenDecoder,
    unslicer: Unslicer,
    slicer: Slicer,
    ours: OurObjects<T>,
    peers: PeerObjects,
    gifts: Gifts,
    waiting: HashMap<u64, Waiting>,
    last_request: u64,
    /// Calls of the peer that wait for their answer.
    running: HashSet<u64>,
    limits: Limits,
    idle: Idle,
}

impl<T: LocalObject> Broker<T> {
    /// Begins a connection.
    pub fn new(settings: BrokerSettings, now: Instant) -> Self {
        let BrokerSettings {
            vocabulary,
            limits,
            idle,
            peer,
        } = settings;
        Self {
            decoder: TokenDecoder::new(&limits),
            unslicer: Unslicer::new(vocabulary, limits),
            slicer: Slicer::new(vocabulary),
            ours: OurObjects::new(limits.references),
            peers: PeerObjects::new(peer, limits.references),
            gifts: Gifts::default(),
            waiting: HashMap::new(),
            last_request: 0,
            running: HashSet::new(),
            limits,
            idle: Idle::new(idle, now),
        }
    }

    /// Takes received bytes; what they mean comes from [`Broker::poll_event`].
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.buffer().extend_from_slice(bytes);
        self.received(now);
    }

    /// Where received bytes may be put directly, if [`Broker::received`] is called afterwards.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.decoder.buffer()
    }

    /// Notes that bytes were received.
    pub fn received(&mut self, now: Instant) {
        self.idle.received(now);
    }

    /// When bytes were last received.
    pub fn last_received(&self) -> Instant {
        self.idle.last_received()
    }

    /// The next bytes to send.
    pub fn next_chunk(&mut self) -> Option<Bytes> {
        self.slicer.next_chunk()
    }

    /// How many bytes wait to be sent.
    pub fn pending_bytes(&self) -> usize {
        self.slicer.pending_bytes()
    }

    /// How many calls of ours wait for their answer.
    pub fn calls_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many calls of the peer wait for our answer.
    pub fn calls_running(&self) -> usize {
        self.running.len()
    }

    /// How many objects of ours the peer holds, and of the peer's we hold.
    pub fn references_held(&self) -> (usize, usize) {
        (self.ours.len(), self.peers.len())
    }

    /// The interface that the peer says one of its objects has.
    pub fn interface_of(&self, clid: Clid) -> Option<&str> {
        self.peers.object(clid)?.interface.as_deref()
    }

    /// The FURL that the peer says one of its objects has.
    pub fn url_of(&self, clid: Clid) -> Option<&str> {
        self.peers.object(clid)?.url.as_deref()
    }

    /// Sends what the passage of time asks for, and says until when there's nothing more.
    pub fn poll_idle(&mut self, now: Instant) -> IdleStep {
        let (step, ping) = self.idle.poll(now);
        if ping {
            self.slicer.ping(0);
        }
        step
    }

    /// Tells the peer why the connection is about to be closed.
    pub fn report(&mut self, error: &ProtocolError) {
        self.slicer.protocol_error(&error.to_string());
    }

    /// Calls a method of an object of the peer; the answer will carry the number returned.
    pub fn call(
        &mut self,
        target: Clid,
        method: &str,
        arguments: Arguments<Outgoing<T>>,
    ) -> Result<u64, Violation> {
        let arguments = self.wire_arguments(arguments)?;
        let request = self.begin(Waiting::Caller);
        self.send_call(request, target, method, &arguments);
        Ok(request)
    }

    /// Calls a method of an object of the peer without wanting to know what comes of it.
    pub fn call_only(
        &mut self,
        target: Clid,
        method: &str,
        arguments: Arguments<Outgoing<T>>,
    ) -> Result<(), Violation> {
        let arguments = self.wire_arguments(arguments)?;
        self.send_call(0, target, method, &arguments);
        Ok(())
    }

    /// Asks the peer for the object of a name; the answer will carry a reference.
    pub fn look_up(&mut self, name: &str) -> Result<u64, Violation> {
        let name = Value::Bytes(Bytes::copy_from_slice(name.as_bytes()));
        let arguments = Arguments::default().with("name", name);
        self.call(BROKER, "getReferenceByName", arguments)
    }

    /// Answers a call of the peer. If the value can't be sent, the call fails.
    pub fn answer(&mut self, request: u64, value: Value<Outgoing<T>>) {
        if request == 0 || !self.running.contains(&request) {
            return;
        }
        match value.try_map(&mut |reference| self.wire_reference(reference)) {
            Ok(value) => {
                self.running.remove(&request);
                self.slicer.answer(request, &value);
            }
            Err(violation) => self.fail(request, &RemoteFailure::violation(violation)),
        }
    }

    /// Lets a call of the peer fail.
    pub fn fail(&mut self, request: u64, failure: &RemoteFailure) {
        if self.running.remove(&request) {
            self.slicer.error(request, failure);
        }
    }

    /// Gives an object back to the peer, because nobody here uses it any longer.
    pub fn give_back(&mut self, clid: Clid) {
        if let Some(count) = self.peers.give_back(clid) {
            let arguments = Arguments::default()
                .with("clid", clid.0)
                .with("count", count);
            let request = self.begin(Waiting::Decref(clid));
            self.send_call(request, BROKER, "decref", &arguments);
        }
    }

    /// Tells the peer that its gift was fetched, or can't be.
    pub fn gift_fetched(&mut self, gift: u64) {
        if gift != 0 {
            let arguments = Arguments::default().with("count", 1).with("giftID", gift);
            self.send_call(0, BROKER, "decgift", &arguments);
        }
    }

    fn begin(&mut self, waiting: Waiting) -> u64 {
        self.last_request = self.last_request.wrapping_add(1);
        self.waiting.insert(self.last_request, waiting);
        self.last_request
    }

    fn send_call(&mut self, request: u64, target: Clid, method: &str, arguments: &Arguments) {
        let Arguments { positional, named } = arguments;
        self.slicer
            .call(request, target.0, method, positional, named);
    }

    fn wire_arguments(
        &mut self,
        arguments: Arguments<Outgoing<T>>,
    ) -> Result<Arguments, Violation> {
        arguments.try_map(&mut |reference| self.wire_reference(reference))
    }

    fn wire_reference(&mut self, reference: Outgoing<T>) -> Result<WireReference, Violation> {
        Ok(match reference {
            Outgoing::Ours(object) => {
                let (clid, first) = self.ours.send(object.identity(), object.clone())?;
                WireReference::Sender {
                    clid,
                    interface: first.then(|| object.interface().unwrap_or_default()),
                    url: object.url().filter(|_| first),
                }
            }
            Outgoing::Peers(clid) => WireReference::Receiver { clid },
            Outgoing::Gift { key, url } => WireReference::Third {
                gift: self.gifts.give(key),
                url,
            },
        })
    }

    /// Says what the peer did next; `None` until more bytes are received.
    ///
    /// An error means that the connection must be closed, after [`Broker::report`].
    pub fn poll_event(&mut self) -> Result<Option<Event<T>>, ProtocolError> {
        while let Some(token) = self.next_token()? {
            let received = match token {
                Token::Ping(number) => {
                    // Who doesn't read our PONGs can't make us hold ever more of them.
                    if self.pending_bytes() < PONG_BACKLOG {
                        self.slicer.pong(number);
                    }
                    continue;
                }
                Token::Pong(_) => continue,
                Token::Error(text) => return Err(ProtocolError::Reported(text)),
                token => self.unslicer.token(token)?,
            };
            let event = match received {
                None => None,
                Some(Received::Message(message)) => self.handle(message)?,
                Some(Received::Refused(refused)) => self.handle_refused(refused)?,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    fn next_token(&mut self) -> Result<Option<Token>, ProtocolError> {
        let is_stranger = self.ours.len() == 0 && self.waiting.is_empty();
        let largest = match is_stranger {
            true => self
                .limits
                .message_bytes
                .min(Limits::STRANGER_MESSAGE_BYTES),
            false => self.limits.message_bytes,
        };
        self.decoder.set_largest(largest);
        self.unslicer.set_message_bytes(largest);
        self.decoder.next_token()
    }

    fn handle(&mut self, message: Message) -> Result<Option<Event<T>>, ProtocolError> {
        match message {
            Message::Call {
                request,
                target,
                method,
                arguments,
            } => {
                self.admit(request)?;
                if Clid(target) == BROKER {
                    return self.handle_broker_call(request, &method, arguments);
                }
                self.handle_call(request, Clid(target), method, arguments)
            }
            Message::Answer { request, value } => match self.waiting.remove(&request) {
                Some(Waiting::Caller) => {
                    let value =
                        value.try_map(&mut |reference| self.reference_from_wire(reference))?;
                    let result = acceptable(value).map_err(CallFailure::Violation);
                    Ok(Some(Event::Answered { request, result }))
                }
                Some(Waiting::Decref(clid)) => {
                    self.peers.given_back(clid);
                    Ok(None)
                }
                None => Ok(None),
            },
            Message::Error { request, failure } => match self.waiting.remove(&request) {
                Some(Waiting::Caller) => {
                    let result = Err(CallFailure::Remote(failure));
                    Ok(Some(Event::Answered { request, result }))
                }
                Some(Waiting::Decref(_)) | None => Ok(None),
            },
        }
    }

    fn handle_refused(&mut self, refused: Refused) -> Result<Option<Event<T>>, ProtocolError> {
        match refused {
            Refused::Call {
                request,
                given_up: false,
                why,
            } if request != 0 => {
                self.admit(request)?;
                self.fail(request, &RemoteFailure::violation(why));
                Ok(None)
            }
            Refused::Answer { request, why } => match self.waiting.remove(&request) {
                Some(Waiting::Caller) => {
                    let result = Err(CallFailure::Violation(why));
                    Ok(Some(Event::Answered { request, result }))
                }
                Some(Waiting::Decref(_)) | None => Ok(None),
            },
            Refused::Call { .. } | Refused::Unknown { .. } => Ok(None),
        }
    }

    fn admit(&mut self, request: u64) -> Result<(), ProtocolError> {
        if request != 0 && !self.running.insert(request) {
            return Err(ProtocolError::RequestInUse(request));
        }
        Ok(())
    }

    fn handle_call(
        &mut self,
        request: u64,
        target: Clid,
        method: String,
        arguments: Arguments,
    ) -> Result<Option<Event<T>>, ProtocolError> {
        let Some(object) = self.ours.object(target).cloned() else {
            let why = Violation(format!("unknown CLID {}", target.0));
            return Ok(self.refuse(request, why));
        };
        if self.running.len() > self.limits.calls_in_progress {
            return Ok(self.refuse(request, Violation::new("too many calls in progress")));
        }
        let arguments = arguments.try_map(&mut |reference| self.reference_from_wire(reference))?;
        match arguments.try_map(&mut |reference| reference) {
            Ok(arguments) => Ok(Some(Event::Call {
                request,
                target: object,
                method,
                arguments,
            })),
            Err(violation) => Ok(self.refuse(request, violation)),
        }
    }

    fn handle_broker_call(
        &mut self,
        request: u64,
        method: &str,
        arguments: Arguments,
    ) -> Result<Option<Event<T>>, ProtocolError> {
        let numbers = |names: [&str; 2]| {
            let [id, count] = arguments.clone().take(names)?;
            Some((id, count.as_integer::<u64>()?))
        };
        match method {
            "getReferenceByName" => {
                let name = arguments.take(["name"]);
                let name = name.and_then(|[name]| Some(name.as_text()?.to_owned()));
                if let Some(name) = name {
                    return Ok(Some(Event::LookUp { request, name }));
                }
            }
            "decref" => {
                if let Some((clid, count)) = numbers(["clid", "count"]) {
                    let clid = Clid(clid.as_integer().unwrap_or(0));
                    self.ours.give_back(clid, count)?;
                    self.answer(request, Value::None);
                    return Ok(None);
                }
            }
            "decgift" => {
                if let Some((gift, count)) = numbers(["giftID", "count"]) {
                    let fetched = self.gifts.fetched(gift.as_integer().unwrap_or(0), count);
                    self.answer(request, Value::None);
                    return Ok(fetched.map(|key| Event::GiftFetched { key }));
                }
            }
            _ => {
                let why = Violation::new("method not defined in the broker's interface");
                return Ok(self.refuse(request, why));
            }
        }
        let why = Violation(format!("the arguments aren't those of {method}"));
        Ok(self.refuse(request, why))
    }

    fn refuse(&mut self, request: u64, why: Violation) -> Option<Event<T>> {
        self.fail(request, &RemoteFailure::violation(why));
        None
    }

    /// The outer error ends the connection, the inner one what the reference was in.
    ///
    /// All references of a message are counted, acceptable or not, because the peer counted them.
    fn reference_from_wire(
        &mut self,
        reference: WireReference,
    ) -> Result<Result<Incoming<T>, Violation>, ProtocolError> {
        Ok(match reference {
            WireReference::Sender {
                clid,
                interface,
                url,
            } => {
                self.peers.receive(clid, interface, url)?;
                Ok(Incoming::Peers(clid))
            }
            WireReference::Receiver { clid } => match self.ours.object(clid) {
                Some(object) => Ok(Incoming::Ours(object.clone())),
                None => Err(Violation(format!("unknown clid {}", clid.0))),
            },
            WireReference::Third { gift, url } => Ok(Incoming::Gift { gift, url }),
        })
    }
}

fn acceptable<T>(
    value: Value<Result<Incoming<T>, Violation>>,
) -> Result<Value<Incoming<T>>, Violation> {
    value.try_map(&mut |reference| reference)
}
