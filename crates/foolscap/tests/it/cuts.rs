//! Connections that are cut, come back, or come twice.

use super::echo::Echo;
use super::python::PythonServer;
use super::tubs::{PATIENCE, client, identity, identity_beside, server, until};
use foolscap::{
    Arguments, Furl, IdlePolicy, ReconnectState, Referenceable, Tub, TubOptions, Value,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a wire does with the bytes that it is given.
#[derive(Clone, Copy, PartialEq)]
enum Wire {
    Whole,
    /// Nothing passes, and nobody is told.
    Silent,
    /// Connections end.
    Cut,
}

/// A relay between a hint and the tub behind it.
async fn wire(to: &Furl) -> (Furl, watch::Sender<Wire>) {
    let address = to.hints[0].strip_prefix("tcp:").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hint = format!("tcp:{}", listener.local_addr().unwrap());
    let (state, states) = watch::channel(Wire::Whole);
    tokio::spawn(async move {
        while let Ok((inside, _)) = listener.accept().await {
            let mut states = states.clone();
            if *states.borrow() == Wire::Cut {
                continue;
            }
            let Ok(outside) = TcpStream::connect(&address).await else {
                continue;
            };
            tokio::spawn(async move {
                let (mut inside, mut outside) = (inside, outside);
                loop {
                    let now = *states.borrow_and_update();
                    let relay = tokio::io::copy_bidirectional(&mut inside, &mut outside);
                    tokio::select! {
                        _ = states.changed() => {}
                        _ = relay, if now == Wire::Whole => return,
                    }
                    if *states.borrow() == Wire::Cut {
                        return;
                    }
                }
            });
        }
    });
    let furl = Furl {
        hints: vec![hint],
        ..to.clone()
    };
    (furl, state)
}

async fn works(reference: &foolscap::RemoteReference) {
    let arguments = Arguments::positional([Value::from(1)]);
    let back = tokio::time::timeout(PATIENCE, reference.call("echo", arguments)).await;
    assert_eq!(back.unwrap().unwrap(), Value::from(1));
}

async fn comes_back(tub: &Tub, furl: &Furl) {
    let (furl, state) = wire(furl).await;
    let connected = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connected);
    let reconnector = tub.connect_to(furl, move |_reference| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(())
    });
    until("it connects", || reconnector.reference().is_some()).await;
    let first = reconnector.reference().unwrap();
    works(&first).await;
    state.send_replace(Wire::Cut);
    first.disconnected().await;
    let waits = || matches!(reconnector.status().state, ReconnectState::Waiting { .. });
    until("it waits", waits).await;
    until("it fails", || reconnector.status().last_failure.is_some()).await;
    state.send_replace(Wire::Whole);
    reconnector.reset();
    until("it reconnects", || reconnector.reference().is_some()).await;
    works(&reconnector.reference().unwrap()).await;
    assert_eq!(connected.load(Ordering::SeqCst), 2);
    assert!(reconnector.status().last_failure.is_none());
    reconnector.stop();
    let stopped = || matches!(reconnector.status().state, ReconnectState::Stopped);
    until("it stops", stopped).await;
}

#[tokio::test]
async fn a_cut_connection_comes_back() {
    let (tub, furl) = server(identity(), TubOptions::default(), Echo::new()).await;
    let other = client(identity());
    comes_back(&other, &furl).await;
    other.stop().await;
    tub.stop().await;
}

#[tokio::test]
async fn a_cut_connection_with_python_comes_back() {
    let python = PythonServer::start().await;
    for master in [true, false] {
        let other = client(identity_beside(python.furl.tub_id, master));
        comes_back(&other, &python.furl).await;
        other.stop().await;
    }
}

#[tokio::test]
async fn a_silent_wire_is_noticed() {
    let idle = IdlePolicy {
        ping_after: Some(Duration::from_millis(100)),
        disconnect_after: Some(Duration::from_secs(20)),
    };
    let python = PythonServer::start().await;
    let (furl, state) = wire(&python.furl).await;
    let options = TubOptions {
        idle,
        ..TubOptions::default()
    };
    let other = Tub::new(identity(), options).unwrap();
    let reference = other.reference(&furl).await.unwrap();
    // Nobody calls, and yet something is received: PINGs are answered.
    let since = reference.connection().last_received;
    let later = since + Duration::from_secs(1);
    until("PONGs come", || {
        reference.connection().last_received > later
    })
    .await;
    works(&reference).await;
    state.send_replace(Wire::Silent);
    let lost = tokio::time::timeout(PATIENCE, reference.disconnected()).await;
    assert!(matches!(lost.unwrap(), foolscap::ConnectionLost::Silent));
    other.stop().await;
}

/// A client whose old connection is dead without the server's knowing takes a new one.
#[tokio::test]
async fn a_new_connection_replaces_a_dead_one() {
    let (tub, furl) = server(identity(), TubOptions::default(), Echo::new()).await;
    for master in [true, false] {
        let identity = identity_beside(furl.tub_id, master);
        let (wired, state) = wire(&furl).await;
        let first = client(identity.clone());
        let old = first.reference(&wired).await.unwrap();
        works(&old).await;
        state.send_replace(Wire::Silent);
        // The same tub in another run of its program, as after a crash.
        let second = client(identity);
        let new = second.reference(&furl).await.unwrap();
        works(&new).await;
        assert_eq!(
            tub.connection(second.tub_id()).map(|c| c.tub_id),
            Some(second.tub_id())
        );
        second.stop().await;
        first.stop().await;
    }
    tub.stop().await;
}

#[tokio::test]
async fn tubs_that_connect_at_the_same_time_keep_one_connection() {
    for _ in 0..10 {
        let objects: [Arc<dyn Referenceable>; 2] = [Echo::new(), Echo::new()];
        let [one, other] = objects;
        let (one, one_furl) = server(identity(), TubOptions::default(), one).await;
        let (other, other_furl) = server(identity(), TubOptions::default(), other).await;
        let both = tokio::join!(one.reference(&other_furl), other.reference(&one_furl));
        // Either may have got a connection that the other's replaced; asked again, both work.
        drop(both);
        for (tub, furl) in [(&one, &other_furl), (&other, &one_furl)] {
            let reference = tokio::time::timeout(PATIENCE, async {
                loop {
                    if let Ok(reference) = tub.reference(furl).await {
                        let arguments = Arguments::positional([Value::from(1)]);
                        if reference.call("echo", arguments).await.is_ok() {
                            return reference;
                        }
                    }
                }
            });
            works(&reference.await.unwrap()).await;
        }
        one.stop().await;
        other.stop().await;
    }
}
