//! References to objects of third tubs.

use super::echo::{Echo, Held};
use super::python::PythonServer;
use super::tubs::{PATIENCE, client, identity, server, until};
use foolscap::{Arguments, Reference, RemoteReference, Swissnum, Tub, TubOptions, Value};
use std::sync::Arc;

async fn call(target: &RemoteReference, method: &str, argument: Option<Value>) -> Value {
    let arguments = Arguments::positional(argument);
    let answer = tokio::time::timeout(PATIENCE, target.call(method, arguments)).await;
    answer.expect("it doesn't hang").unwrap()
}

/// Gives `to` a reference to an object that lives in neither tub, and lets it be used there.
async fn give(carol: &RemoteReference, to: &RemoteReference) {
    let gift = Value::Reference(Reference::Remote(carol.clone()));
    call(to, "hold", Some(gift)).await;
    assert_eq!(call(to, "use", Some(Value::from(3))).await, Value::from(3));
    assert_eq!(call(to, "use", Some(Value::from(3))).await, Value::from(6));
    call(to, "drop", None).await;
}

#[tokio::test]
async fn gifts_are_fetched_by_python_and_by_us() {
    let held = Arc::new(Held::default());
    let (carols, furl) = server(identity(), TubOptions::default(), Arc::clone(&held) as _).await;
    let python = PythonServer::start().await;
    let alice = client(identity());
    let carol = alice.reference(&furl).await.unwrap();
    let bob = alice.reference(&python.furl).await.unwrap();
    give(&carol, &bob).await;
    // Python gives it back: an answer that holds a gift.
    let text = Value::text(furl.to_text().as_str());
    let fetched = call(&bob, "fetch", Some(text)).await;
    assert_eq!(fetched, Value::Reference(carol.clone().into()));
    alice.stop().await;
    carols.stop().await;
}

#[tokio::test]
async fn gifts_between_tubs_of_ours() {
    let held = Arc::new(Held::default());
    let (carols, furl) = server(identity(), TubOptions::default(), Arc::clone(&held) as _).await;
    let (bobs, bob) = server(identity(), TubOptions::default(), Echo::new()).await;
    let alice = client(identity());
    let carol = alice.reference(&furl).await.unwrap();
    let bob = alice.reference(&bob).await.unwrap();
    give(&carol, &bob).await;
    drop(carol);
    let name = Swissnum::new("elsewhere").unwrap();
    let second = carols
        .register(Arc::new(Held::default()), Some(name))
        .unwrap();
    let second = alice.reference(&second).await.unwrap();
    let back = call(&bob, "echo", Some(Value::Reference(second.clone().into()))).await;
    assert_eq!(back, Value::Reference(second.into()), "there and back");
    alice.stop().await;
    bobs.stop().await;
    carols.stop().await;
    until("nobody holds it", || Arc::strong_count(&held) == 1).await;
}

#[tokio::test]
async fn gifts_may_be_prohibited() {
    let (carols, furl) = server(identity(), TubOptions::default(), Arc::new(Held::default())).await;
    let options = TubOptions {
        accept_gifts: false,
        ..TubOptions::default()
    };
    let (bobs, bob) = server(identity(), options, Echo::new()).await;
    let alice = Tub::new(identity(), TubOptions::default()).unwrap();
    let carol = alice.reference(&furl).await.unwrap();
    let bob = alice.reference(&bob).await.unwrap();
    let gift = Arguments::positional([Value::Reference(carol.into())]);
    let refused = bob.call("hold", gift).await.unwrap_err();
    assert!(refused.to_string().contains("prohibited"), "{refused}");
    assert_eq!(
        call(&bob, "echo", Some(Value::from(1))).await,
        Value::from(1)
    );
    alice.stop().await;
    bobs.stop().await;
    carols.stop().await;
}
