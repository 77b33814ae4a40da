//! What a hostile introducer, and hostile nodes, can do and what not.

use crate::grid::{Node, client_tub, introducer, serve, signed, wait_until};
use async_trait::async_trait;
use foolscap::{Arguments, Call, CallError, Reference, Referenceable, RemoteFailure, Value};
use std::sync::{Arc, Mutex};
use tahoe_introducer::{IntroducerLimits, SignedAnnouncement};

const V2: &str = "http://allmydata.org/tahoe/protocols/introducer/v2";

/// An introducer that says what it likes.
struct Liar {
    version: Value,
    says: Mutex<Vec<Value>>,
}

#[async_trait]
impl Referenceable for Liar {
    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        match call.method.as_str() {
            "get_version" => Ok(self.version.clone()),
            "subscribe_v2" => {
                let subscriber = call.arguments.positional[0].as_reference().cloned();
                let says = std::mem::take(&mut *self.says.lock().unwrap());
                if let Some(Reference::Remote(subscriber)) = subscriber {
                    for lie in says {
                        let arguments = Arguments::positional([lie]);
                        // What the client thinks of it doesn't matter to a liar.
                        drop(subscriber.call("announce_v2", arguments).await);
                    }
                }
                Ok(Value::None)
            }
            _ => Ok(Value::None),
        }
    }
}

fn value(announcement: &SignedAnnouncement) -> Value {
    let (message, signature, key) = announcement.parts();
    tuple(message, signature.as_bytes(), key.as_bytes())
}

fn tuple(message: &[u8], signature: &[u8], key: &[u8]) -> Value {
    Value::Tuple(
        [message, signature, key]
            .map(|part| Value::bytes(part.to_vec()))
            .into(),
    )
}

async fn hear(version: Value, says: Vec<Value>) -> (Node, foolscap::Tub) {
    let says = Mutex::new(says);
    let served = serve(Arc::new(Liar { version, says })).await;
    (
        Node::start(&served.furl, vec![signed(9, "own", 1)]),
        served.tub,
    )
}

fn speaks_v2() -> Value {
    Value::dict([(V2, Value::Dict(Vec::new()))])
}

/// It can invent servers, and keep silent about others; it can change no word of a server.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_introducer_can_only_invent_servers_and_withhold_them() {
    let real = signed(1, "real", 5);
    let (message, signature, key) = real.parts();
    let mut changed = message.to_vec();
    let at = message
        .windows(4)
        .position(|window| window == b"real")
        .unwrap();
    changed[at] = b'R';
    let other_key = signed(2, "x", 1);
    let (_, other_signature, other_key) = other_key.parts();
    let says = [
        // A word changed; somebody else's name; somebody else's signature.
        tuple(&changed, signature.as_bytes(), key.as_bytes()),
        tuple(message, signature.as_bytes(), other_key.as_bytes()),
        tuple(message, other_signature.as_bytes(), key.as_bytes()),
        // Nothing signed at all, and nonsense.
        Value::Tuple(vec![
            Value::bytes(message.to_vec()),
            Value::None,
            Value::None,
        ]),
        Value::Tuple(Vec::new()),
        Value::Integer(7),
        tuple(b"{}", b"v0-", b"v0-"),
        tuple(&vec![b' '; 1 << 20], signature.as_bytes(), key.as_bytes()),
        // The truth, and what it replaced.
        value(&real),
        value(&signed(1, "older", 4)),
        // An invented server.
        value(&signed(3, "invented", 1)),
    ];
    let mut batches: Vec<Value> = says.map(|lie| Value::Set(vec![lie])).into();
    batches.push(Value::None);
    batches.push(Value::Set(vec![value(&signed(4, "last", 1))]));
    let (node, _tub) = hear(speaks_v2(), batches).await;
    let last = || node.ears.nicknames().contains(&"last".to_owned());
    wait_until("all is said", last).await;
    assert_eq!(node.ears.nicknames(), ["invented", "last", "real"]);
    assert!(node.client.status().is_connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_introducer_of_another_version_is_shown_as_a_failure() {
    let nothing = || Value::Dict(Vec::new());
    let old = Value::dict([(
        "http://allmydata.org/tahoe/protocols/introducer/v1",
        nothing(),
    )]);
    for version in [old, Value::None] {
        let (node, _tub) = hear(version, Vec::new()).await;
        let failed = || {
            node.client
                .status()
                .problem
                .is_some_and(|p| p.contains("version 2"))
        };
        wait_until("it says why", failed).await;
        let status = node.client.status();
        assert!(!status.is_connected);
        assert!(
            status.summary.starts_with("failure: "),
            "{}",
            status.summary
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_announcements_are_refused_and_the_numbers_are_bounded() {
    let limits = IntroducerLimits {
        announcements: 2,
        announcement_bytes: 1000,
        subscribers: 3,
        subscribers_per_connection: 2,
    };
    let service = introducer(limits);
    let served = serve(Arc::new(service.clone())).await;
    let tub = client_tub();
    let introducer = tub.reference(&served.furl).await.unwrap();
    let publish = async |announcement: Value| {
        let canary = Reference::value(Arc::new(Silent));
        let arguments = Arguments::positional([announcement, canary]);
        match introducer.call("publish_v2", arguments).await {
            Ok(_) => "published".to_owned(),
            Err(CallError::Remote(failure)) => failure.type_name,
            Err(other) => other.to_string(),
        }
    };
    let good = signed(1, "a", 2);
    let (message, signature, key) = good.parts();
    let forged = tuple(b"{}", signature.as_bytes(), key.as_bytes());
    assert_eq!(publish(forged).await, "allmydata.crypto.error.BadSignature");
    let unsigned = tuple(message, b"", b"");
    let unknown = "allmydata.introducer.common.UnknownKeyError";
    assert_eq!(publish(unsigned).await, unknown);
    assert_eq!(publish(Value::Integer(1)).await, "builtins.ValueError");
    assert_eq!(publish(value(&good)).await, "published");
    assert_eq!(publish(value(&signed(1, "older", 1))).await, "published");
    assert_eq!(
        service.announcements()[0].nickname,
        "a",
        "but nobody is told"
    );
    assert_eq!(publish(value(&signed(2, "b", 1))).await, "published");
    let violation = "foolscap.tokens.Violation";
    assert_eq!(publish(value(&signed(3, "c", 1))).await, violation);
    let long = "x".repeat(1000);
    assert_eq!(publish(value(&signed(1, &long, 9))).await, violation);
    assert_eq!(service.announcements().len(), 2);

    let subscribe = async |subscriber: Value, name: &str| {
        let information = Value::dict([("nickname", Value::text("n"))]);
        let name = Value::bytes(name.to_owned());
        let arguments = Arguments::positional([subscriber, name, information]);
        introducer.call("subscribe_v2", arguments).await.is_ok()
    };
    let subscriber = || Reference::value(Arc::new(Silent) as Arc<dyn Referenceable>);
    assert!(!subscribe(Value::None, "storage").await);
    assert!(!subscribe(subscriber(), &"x".repeat(101)).await);
    assert!(subscribe(subscriber(), "storage").await);
    assert!(subscribe(subscriber(), "storage").await);
    assert!(!subscribe(subscriber(), "storage").await, "two are enough");
    assert_eq!(service.subscribers().len(), 2);
    let unknown = introducer.call("publish", Arguments::positional([])).await;
    assert!(matches!(unknown, Err(CallError::Remote(_))));
    tub.stop().await;
    wait_until("they are forgotten", || service.subscribers().is_empty()).await;
    served.tub.stop().await;
    service.stop().await;
}

/// Takes everything and says nothing.
struct Silent;

#[async_trait]
impl Referenceable for Silent {
    async fn call(&self, _: Call) -> Result<Value, RemoteFailure> {
        Ok(Value::None)
    }
}
