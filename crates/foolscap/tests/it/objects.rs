//! Objects between tubs of ours.

use super::echo::{Echo, Held};
use super::tubs::{client, identity, server, until};
use async_trait::async_trait;
use foolscap::{
    Arguments, Call, CallError, ConnectError, ConnectionLost, Furl, Reference, Referenceable,
    RemoteFailure, Swissnum, TubOptions, Value,
};
use std::sync::Arc;
use tokio::sync::Notify;

#[tokio::test]
async fn an_object_is_named_and_unnamed() {
    let (tub, furl) = server(identity(), TubOptions::default(), Echo::new()).await;
    let object: Arc<dyn Referenceable> = Echo::new();
    let name = || Some(Swissnum::new("named").unwrap());
    let named = tub.register(Arc::clone(&object), name()).unwrap();
    assert!(named.to_text().ends_with("/named"));
    assert_eq!(
        tub.register(Arc::clone(&object), None).unwrap(),
        named,
        "it keeps its name"
    );
    assert!(
        tub.register(Echo::new(), name()).is_err(),
        "the name is taken"
    );
    let other = client(identity());
    let reference = other.reference(&named).await.unwrap();
    tub.unregister(&object);
    let sum = reference.call("echo", Arguments::positional([Value::from(1)]));
    assert_eq!(sum.await.unwrap(), Value::from(1), "who has it keeps it");
    let unknown = other.reference(&named).await.unwrap_err();
    let ConnectError::LookUp(CallError::Remote(failure)) = &unknown else {
        panic!("{unknown:?}")
    };
    assert_eq!(failure.type_name, "builtins.KeyError");
    assert!(
        !format!("{unknown:?}").contains("named"),
        "the name is a secret"
    );
    assert!(matches!(
        tub.reference(&furl).await,
        Err(ConnectError::OwnTub)
    ));
    let nowhere = Furl {
        tub_id: identity().tub_id(),
        hints: vec![],
        ..furl
    };
    assert!(matches!(
        other.reference(&nowhere).await,
        Err(ConnectError::Shared(_))
    ));
    other.stop().await;
    tub.stop().await;
}

#[tokio::test]
async fn what_goes_wrong_in_a_method_is_told() {
    let (tub, furl) = server(identity(), TubOptions::default(), Echo::new()).await;
    let other = client(identity());
    let echo = other.reference(&furl).await.unwrap();
    let panicked = echo.call("panic", Arguments::default()).await.unwrap_err();
    assert!(
        matches!(panicked, CallError::Remote(RemoteFailure { .. })),
        "{panicked}"
    );
    let unknown = echo.call("nosuch", Arguments::default()).await.unwrap_err();
    assert!(unknown.to_string().contains("not defined"), "{unknown}");
    let still = echo.call("echo", Arguments::positional([Value::from(1)]));
    assert_eq!(still.await.unwrap(), Value::from(1));
    other.stop().await;
    let lost = echo.call("echo", Arguments::default()).await.unwrap_err();
    assert!(
        matches!(lost, CallError::Lost(ConnectionLost::Stopped)),
        "{lost}"
    );
    tub.stop().await;
}

#[tokio::test]
async fn references_are_counted_and_dropped() {
    let echo = Echo::new();
    let (tub, furl) = server(identity(), TubOptions::default(), Arc::clone(&echo) as _).await;
    let other = client(identity());
    let remote = other.reference(&furl).await.unwrap();
    let held = Arc::new(Held::default());
    let value = || Reference::value(Arc::clone(&held) as _);
    for _ in 0..3 {
        let arguments = Arguments::positional([value()]);
        remote.call("hold", arguments).await.unwrap();
    }
    let same = Arguments::positional([value(), value()]);
    assert_eq!(remote.call("same", same).await.unwrap(), Value::Bool(true));
    remote.call("drop", Arguments::default()).await.unwrap();
    until("it is given back", || Arc::strong_count(&held) == 1).await;
    // While the connection lasts the other side keeps it; afterwards it doesn't.
    let arguments = Arguments::positional([value()]);
    remote.call("hold", arguments).await.unwrap();
    assert!(Arc::strong_count(&held) > 1);
    remote.close_connection();
    until("it is let go", || Arc::strong_count(&held) == 1).await;
    let held_there = echo.held.lock().unwrap().clone();
    assert!(matches!(held_there, Some(Reference::Remote(remote)) if !remote.is_connected()));
    other.stop().await;
    tub.stop().await;
}

/// Waits until it is told to go on, and notes how far it came.
struct Slow {
    begun: Notify,
    dropped: Arc<Notify>,
}

#[async_trait]
impl Referenceable for Slow {
    async fn call(&self, _call: Call) -> Result<Value, RemoteFailure> {
        struct OnDrop(Arc<Notify>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let _on_drop = OnDrop(Arc::clone(&self.dropped));
        self.begun.notify_one();
        std::future::pending().await
    }
}

#[tokio::test]
async fn calls_in_flight_fail_when_the_connection_is_lost() {
    let slow = Arc::new(Slow {
        begun: Notify::new(),
        dropped: Arc::default(),
    });
    let (tub, furl) = server(identity(), TubOptions::default(), Arc::clone(&slow) as _).await;
    let other = client(identity());
    let remote = other.reference(&furl).await.unwrap();
    let waiting = remote.start("m", Arguments::default()).await.unwrap();
    slow.begun.notified().await;
    let disconnected = remote.disconnected();
    tub.stop().await;
    assert!(matches!(waiting.result().await, Err(CallError::Lost(_))));
    disconnected.await;
    assert!(!remote.is_connected());
    slow.dropped.notified().await;
    other.stop().await;
}

#[tokio::test]
async fn many_callers_share_one_connection() {
    let (tub, furl) = server(identity(), TubOptions::default(), Echo::new()).await;
    let other = client(identity());
    let callers = (0..50).map(|number| {
        let (other, furl) = (other.clone(), furl.clone());
        async move {
            let echo = other.reference(&furl).await.unwrap();
            let arguments = Arguments::positional([Value::from(number)]);
            let back = echo.call("echo", arguments).await.unwrap();
            assert_eq!(back, Value::from(number));
            echo.connection().since
        }
    });
    let since = futures_util::future::join_all(callers).await;
    assert!(
        since.windows(2).all(|pair| pair[0] == pair[1]),
        "one connection"
    );
    other.stop().await;
    tub.stop().await;
}

/// Calls back the object that it is given and keeps no reference to it.
struct Teller;

#[async_trait]
impl Referenceable for Teller {
    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        let listener = call.arguments.positional.first();
        let listener = listener.and_then(Value::as_reference);
        let listener = listener.and_then(Reference::remote).unwrap().clone();
        drop(call);
        for number in 0..5 {
            let arguments = Arguments::positional([Value::from(number)]);
            listener.call_only("hear", arguments).await.unwrap();
        }
        Ok(Value::None)
    }
}

/// Counts what it hears.
#[derive(Default)]
struct Listener(std::sync::atomic::AtomicUsize);

#[async_trait]
impl Referenceable for Listener {
    async fn call(&self, _: Call) -> Result<Value, RemoteFailure> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(Value::None)
    }
}

#[tokio::test]
async fn calls_reach_an_object_whose_reference_is_dropped_at_once() {
    let (_tub, furl) = server(identity(), TubOptions::default(), Arc::new(Teller)).await;
    let other = client(identity());
    let teller = other.reference(&furl).await.unwrap();
    let listener = Arc::new(Listener::default());
    let value = Reference::value(Arc::clone(&listener) as Arc<dyn Referenceable>);
    let told = teller.call("tell", Arguments::positional([value]));
    told.await.unwrap();
    let heard = || listener.0.load(std::sync::atomic::Ordering::SeqCst);
    until("all five calls arrived", || heard() == 5).await;
}
