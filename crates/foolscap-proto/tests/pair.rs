//! Two brokers joined by a wire that delays, cuts and chops what they send, under virtual time.
#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use bytes::Bytes;
use foolscap_proto::{
    Arguments, Broker, BrokerSettings, CallFailure, Clid, Event, IdlePolicy, IdleStep, Incoming,
    Limits, LocalObject, Outgoing, ProtocolError, RemoteFailure, Value,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// An object that a test shows to the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object(usize);

impl LocalObject for Object {
    fn identity(&self) -> usize {
        self.0
    }
    fn interface(&self) -> Option<String> {
        Some(format!("RIObject{}", self.0))
    }
    fn url(&self) -> Option<String> {
        None
    }
}

struct Side {
    broker: Broker<Object>,
    /// What is on its way to this side, and when it arrives.
    inbox: VecDeque<(Instant, Bytes)>,
    lost: Option<ProtocolError>,
}

/// Two sides, the time, and how long bytes take from one to the other.
struct Pair {
    sides: [Side; 2],
    now: Instant,
    latency: Duration,
    cut: bool,
}

impl Pair {
    fn new(settings: BrokerSettings) -> Self {
        let now = Instant::now();
        let side = || Side {
            broker: Broker::new(settings.clone(), now),
            inbox: VecDeque::new(),
            lost: None,
        };
        Self {
            sides: [side(), side()],
            now,
            latency: Duration::from_millis(50),
            cut: false,
        }
    }

    /// Puts what each side has to say on the wire, a few bytes at a time.
    fn send(&mut self, piece: usize) {
        for from in 0..2 {
            while let Some(mut chunk) = self.sides[from].broker.next_chunk() {
                while !chunk.is_empty() && !self.cut {
                    let part = chunk.split_to(piece.min(chunk.len()));
                    let arrives = self.now + self.latency;
                    self.sides[1 - from].inbox.push_back((arrives, part));
                }
                if self.cut {
                    break;
                }
            }
        }
    }

    /// Lets time pass and gives each side what has arrived; returns what they say of it.
    fn advance(&mut self, by: Duration) -> [Vec<Event<Object>>; 2] {
        self.now += by;
        let now = self.now;
        let mut events = [Vec::new(), Vec::new()];
        for (side, events) in self.sides.iter_mut().zip(&mut events) {
            while side.inbox.front().is_some_and(|(at, _)| *at <= now) {
                let (_, bytes) = side.inbox.pop_front().unwrap();
                side.broker.receive(&bytes, now);
                loop {
                    match side.broker.poll_event() {
                        Ok(Some(event)) => events.push(event),
                        Ok(None) => break,
                        Err(error) => {
                            side.lost = Some(error);
                            break;
                        }
                    }
                }
            }
        }
        events
    }

    /// Sends, and waits until it has arrived.
    fn exchange(&mut self) -> [Vec<Event<Object>>; 2] {
        self.send(3);
        self.advance(self.latency)
    }

    fn broker(&mut self, side: usize) -> &mut Broker<Object> {
        &mut self.sides[side].broker
    }
}

fn vocabulary() -> BrokerSettings {
    BrokerSettings {
        vocabulary: foolscap_proto::vocabulary::Vocabulary::numbered(1).unwrap(),
        ..BrokerSettings::default()
    }
}

/// Side 0 gets a reference to object 7 of side 1, by name.
fn referenced(pair: &mut Pair) -> Clid {
    let asked = pair.broker(0).look_up("seven").unwrap();
    let [none, at_one] = pair.exchange();
    assert!(none.is_empty());
    let [Event::LookUp { request, name }] = &at_one[..] else {
        panic!("{at_one:?}")
    };
    assert_eq!(name, "seven");
    pair.broker(1)
        .answer(*request, Value::Reference(Outgoing::Ours(Object(7))));
    let [mut at_zero, _] = pair.exchange();
    let Some(Event::Answered { request, result }) = at_zero.pop() else {
        panic!("{at_zero:?}")
    };
    assert_eq!(request, asked);
    match result.unwrap() {
        Value::Reference(Incoming::Peers(clid)) => clid,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reference_is_called_given_home_and_given_back() {
    let mut pair = Pair::new(vocabulary());
    let seven = referenced(&mut pair);
    assert_eq!(pair.broker(0).interface_of(seven), Some("RIObject7"));
    let arguments = Arguments::positional([
        Value::Reference(Outgoing::Peers(seven)),
        Value::Reference(Outgoing::Ours(Object(3))),
    ]);
    let asked = pair.broker(0).call(seven, "greet", arguments).unwrap();
    let [_, mut at_one] = pair.exchange();
    let Some(Event::Call {
        request,
        target,
        method,
        arguments,
    }) = at_one.pop()
    else {
        panic!("{at_one:?}")
    };
    assert_eq!((target, method.as_str()), (Object(7), "greet"));
    let [home, theirs] = arguments.take(["home", "theirs"]).unwrap();
    assert!(matches!(home, Value::Reference(Incoming::Ours(Object(7)))));
    let Value::Reference(Incoming::Peers(three)) = theirs else {
        panic!("{theirs:?}")
    };
    assert_eq!(pair.broker(1).calls_running(), 1);
    pair.broker(1)
        .fail(request, &RemoteFailure::new("builtins.KeyError", "no"));
    let [at_zero, _] = pair.exchange();
    let [
        Event::Answered {
            request,
            result: Err(CallFailure::Remote(failure)),
        },
    ] = &at_zero[..]
    else {
        panic!("{at_zero:?}")
    };
    assert_eq!((*request, failure.message.as_str()), (asked, "no"));
    assert_eq!(pair.broker(1).references_held(), (1, 1));
    pair.broker(0).give_back(seven);
    pair.broker(1).give_back(three);
    pair.exchange();
    pair.exchange();
    for side in 0..2 {
        assert_eq!(pair.broker(side).references_held(), (0, 0));
        assert_eq!(pair.broker(side).calls_waiting(), 0);
    }
}

#[test]
fn a_reference_that_comes_again_while_it_is_given_back_stays() {
    let mut pair = Pair::new(vocabulary());
    let seven = referenced(&mut pair);
    pair.broker(0).give_back(seven);
    pair.send(100);
    // Before that arrives, side 1 sends the object once more.
    let mut call = pair.broker(0).look_up("again").unwrap();
    pair.send(100);
    let [_, at_one] = pair.advance(pair.latency);
    let [Event::LookUp { request, .. }] = &at_one[..] else {
        panic!("{at_one:?}")
    };
    pair.broker(1)
        .answer(*request, Value::Reference(Outgoing::Ours(Object(7))));
    let [at_zero, _] = pair.exchange();
    let [
        Event::Answered {
            request,
            result: Ok(Value::Reference(Incoming::Peers(again))),
        },
    ] = &at_zero[..]
    else {
        panic!("{at_zero:?}")
    };
    assert_eq!(*request, std::mem::take(&mut call));
    assert_eq!(pair.broker(0).interface_of(*again), Some("RIObject7"));
}

#[test]
fn gifts_are_kept_until_fetched() {
    let mut pair = Pair::new(vocabulary());
    let seven = referenced(&mut pair);
    let url = "pb://somewhere".to_owned();
    let gift = Value::Reference(Outgoing::Gift { key: 99, url });
    let arguments = Arguments::positional([gift]);
    pair.broker(0).call_only(seven, "take", arguments).unwrap();
    let [_, at_one] = pair.exchange();
    let [
        Event::Call {
            request: 0,
            arguments,
            ..
        },
    ] = &at_one[..]
    else {
        panic!("{at_one:?}")
    };
    let Value::Reference(Incoming::Gift { gift, url }) = &arguments.positional[0] else {
        panic!("{arguments:?}")
    };
    assert_eq!(url, "pb://somewhere");
    pair.broker(1).gift_fetched(*gift);
    let [at_zero, _] = pair.exchange();
    assert!(matches!(at_zero[..], [Event::GiftFetched { key: 99 }]));
}

#[test]
fn a_cut_wire_is_noticed_in_time() {
    let mut settings = vocabulary();
    settings.idle = IdlePolicy {
        ping_after: Some(Duration::from_secs(2)),
        disconnect_after: Some(Duration::from_secs(5)),
    };
    let mut pair = Pair::new(settings);
    let second = Duration::from_secs(1);
    let step = |pair: &mut Pair| {
        let now = pair.now;
        let steps = pair.sides.each_mut().map(|side| side.broker.poll_idle(now));
        pair.exchange();
        pair.advance(second - pair.latency);
        steps
    };
    for _ in 0..60 {
        for step in step(&mut pair) {
            assert!(
                matches!(step, IdleStep::Wait(Some(_))),
                "PINGs are answered"
            );
        }
    }
    pair.cut = true;
    let mut waited = 0;
    while step(&mut pair) != [IdleStep::Disconnect; 2] {
        waited += 1;
        assert!(waited < 8, "silence is noticed");
    }
    assert!(waited >= 4, "but not too early");
}

#[test]
fn hostile_peers_hit_limits() {
    let mut settings = vocabulary();
    settings.limits = Limits {
        message_bytes: 10_000,
        calls_in_progress: 3,
        references: 100,
        ..Limits::default()
    };
    // A million references.
    let mut pair = Pair::new(settings.clone());
    let seven = referenced(&mut pair);
    for object in 0..200 {
        let reference = Value::Reference(Outgoing::Ours(Object(1000 + object)));
        let sent = pair
            .broker(0)
            .call_only(seven, "m", Arguments::positional([reference]));
        assert_eq!(sent.is_ok(), object < 100, "we don't do it either");
    }
    // More calls at once than allowed: the rest fails, the connection stays.
    let mut pair = Pair::new(settings.clone());
    let seven = referenced(&mut pair);
    for _ in 0..5 {
        let arguments = Arguments::default();
        pair.broker(0).call(seven, "slow", arguments).unwrap();
    }
    let [_, at_one] = pair.exchange();
    assert_eq!(at_one.len(), 3);
    let [at_zero, _] = pair.exchange();
    assert_eq!(at_zero.len(), 2, "two are refused at once");
    // A message that is too large.
    let mut pair = Pair::new(settings.clone());
    let seven = referenced(&mut pair);
    let large = Value::bytes(vec![0; 20_000]);
    let arguments = Arguments::positional([large]);
    pair.broker(0).call(seven, "m", arguments).unwrap();
    pair.send(1000);
    pair.advance(pair.latency);
    let limit = 10_000;
    let too_large = ProtocolError::MessageTooLarge { limit };
    assert_eq!(pair.sides[1].lost, Some(too_large.clone()));
    pair.broker(1).report(&too_large);
    pair.exchange();
    assert!(matches!(
        &pair.sides[0].lost,
        Some(ProtocolError::Reported(_))
    ));
    // A stranger, who can only look up names, with a long one.
    let mut pair = Pair::new(vocabulary());
    pair.broker(0).look_up(&"x".repeat(70_000)).unwrap();
    pair.send(1000);
    pair.advance(pair.latency);
    let limit = Limits::STRANGER_MESSAGE_BYTES;
    let too_large = ProtocolError::MessageTooLarge { limit };
    assert_eq!(pair.sides[1].lost, Some(too_large));
    // Endless PINGs whose PONGs nobody reads.
    let mut pair = Pair::new(settings);
    let now = pair.now;
    for _ in 0..100 {
        pair.broker(1).receive(&[0x8e; 100_000], now);
        assert!(pair.broker(1).poll_event().unwrap().is_none());
    }
    assert!(pair.broker(1).pending_bytes() <= 1 << 21);
}

#[test]
fn what_nobody_asked_for_is_ignored() {
    let mut pair = Pair::new(vocabulary());
    let seven = referenced(&mut pair);
    pair.broker(0).answer(77, Value::None);
    assert_eq!(pair.broker(0).pending_bytes(), 0);
    let mut stray = foolscap_proto::Slicer::default();
    stray.answer(1234, &Value::None);
    stray.call(9, 4711, "m", &[], &[]);
    let now = pair.now;
    while let Some(chunk) = stray.next_chunk() {
        pair.broker(1).receive(&chunk, now);
    }
    assert!(pair.broker(1).poll_event().unwrap().is_none());
    // The unknown object's call was answered with an error, and the connection still works.
    let asked = pair
        .broker(0)
        .call(seven, "m", Arguments::default())
        .unwrap();
    let [_, at_one] = pair.exchange();
    assert!(matches!(&at_one[..], [Event::Call { request, .. }] if *request == asked));
}
