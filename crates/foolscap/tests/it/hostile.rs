//! Peers that want to do harm.

use super::echo::Echo;
use super::tubs::{PATIENCE, client, identity, server, until};
use foolscap::{Arguments, ConnectError, Furl, Limits, Tub, TubId, TubOptions, Value};
use foolscap_proto::negotiation::http;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

async fn dial(furl: &Furl) -> TcpStream {
    let address = furl.hints[0].strip_prefix("tcp:").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// What the other side says until it closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes));
    // It may reset the connection too.
    drop(read.await.expect("it is cut off"));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn what_isn_t_foolscap_is_cut_off() {
    let options = TubOptions {
        negotiation_timeout: Duration::from_secs(2),
        ..TubOptions::default()
    };
    let (tub, furl) = server(identity(), options, Echo::new()).await;
    let stranger = http::request(&TubId::from_bytes([7; 20]), "x");
    for (bytes, answer) in [
        (
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            "500 Internal Server Error: not right",
        ),
        (
            &[b'x'; 10_000],
            "500 Internal Server Error: Header too long",
        ),
        (&stranger, "unknown TubID"),
        (b"", ""),
    ] {
        let mut stream = dial(&furl).await;
        stream.write_all(bytes).await.unwrap();
        let said = rest(stream).await;
        assert!(said.contains(answer), "{said:?}");
    }
    let mut stream = dial(&furl).await;
    let ours = http::request(&furl.tub_id, "x");
    stream.write_all(&ours).await.unwrap();
    stream
        .write_all(b"this isn't TLS, and no handshake will come of it")
        .await
        .unwrap();
    let said = rest(stream).await;
    assert!(said.starts_with("HTTP/1.1 101"), "{said:?}");
    tub.stop().await;
}

#[tokio::test]
async fn a_server_that_isn_t_who_it_should_be_is_refused() {
    let (tub, furl) = server(identity(), TubOptions::default(), Echo::new()).await;
    let other = identity().tub_id();
    let impostor = Furl {
        tub_id: other,
        ..furl.clone()
    };
    let victim = client(identity());
    let error = victim.reference(&impostor).await.unwrap_err();
    assert!(error.to_string().contains("unknown TubID"), "{error}");
    // One that claims to be the other, but lacks its certificate.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hint = format!("tcp:{}", listener.local_addr().unwrap());
    let lies = tokio::spawn(async move {
        let (mut from, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = from.read(&mut request).await.unwrap();
        assert!(request[..length].starts_with(foolscap::REQUEST_START));
        let mut to = dial(&furl).await;
        to.write_all(&http::request(&furl.tub_id, "x"))
            .await
            .unwrap();
        let relayed = tokio::io::copy_bidirectional(&mut from, &mut to).await;
        drop(relayed);
    });
    let relayed = Furl {
        hints: vec![hint],
        ..impostor
    };
    let error = victim.reference(&relayed).await.unwrap_err();
    assert!(
        error.to_string().contains("connected to the wrong Tub"),
        "{error}"
    );
    lies.await.unwrap();
    victim.stop().await;
    tub.stop().await;
}

#[tokio::test]
async fn too_many_connections_are_refused() {
    let options = TubOptions {
        max_connections: 3,
        ..TubOptions::default()
    };
    let (tub, furl) = server(identity(), options, Echo::new()).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = client(identity());
        client.reference(&furl).await.unwrap();
        clients.push(client);
    }
    let late = client(identity());
    assert!(matches!(
        late.reference(&furl).await,
        Err(ConnectError::Shared(_))
    ));
    clients.pop().unwrap().stop().await;
    let (id, tub_id) = (late.tub_id(), furl.tub_id);
    until("there is room again", || tub.connection(id).is_none()).await;
    let connected = tokio::time::timeout(PATIENCE, async {
        while late.reference(&furl).await.is_err() {}
    });
    connected.await.unwrap();
    assert!(late.connection(tub_id).is_some());
    for client in clients {
        client.stop().await;
    }
    late.stop().await;
    tub.stop().await;
}

#[tokio::test]
async fn messages_past_the_limit_end_the_connection_and_nothing_else() {
    let options = TubOptions {
        limits: Limits {
            message_bytes: 100_000,
            ..Limits::default()
        },
        ..TubOptions::default()
    };
    let (tub, furl) = server(identity(), options, Echo::new()).await;
    let greedy = client(identity());
    let modest = client(identity());
    let kept = modest.reference(&furl).await.unwrap();
    let mut deep = Value::None;
    for _ in 0..200 {
        deep = Value::List(vec![deep]);
    }
    let wide = Value::List(vec![Value::from(1); 10_000]);
    for harmful in [Value::bytes(vec![0; 200_000]), deep, wide] {
        let echo = greedy.reference(&furl).await.unwrap();
        let arguments = Arguments::positional([harmful]);
        let refused = echo.call("echo", arguments).await.unwrap_err();
        assert!(
            refused.to_string().contains("protocol was broken"),
            "{refused}"
        );
        let lost = echo.disconnected().await;
        assert!(lost.to_string().contains("the peer reported"), "{lost}");
    }
    let still = kept
        .call("echo", Arguments::positional([Value::from(1)]))
        .await;
    assert_eq!(still.unwrap(), Value::from(1));
    greedy.stop().await;
    modest.stop().await;
    tub.stop().await;
}

/// Objects that a peer makes us hold go away with it.
#[tokio::test]
async fn references_past_the_limit_are_refused() {
    let options = TubOptions {
        limits: Limits {
            references: 50,
            ..Limits::default()
        },
        ..TubOptions::default()
    };
    let (tub, furl) = server(identity(), options, Echo::new()).await;
    let greedy = Tub::new(identity(), TubOptions::default()).unwrap();
    let echo = greedy.reference(&furl).await.unwrap();
    let mut made = Vec::new();
    let refused = loop {
        match echo.call("make", Arguments::default()).await {
            Ok(one) => made.push(one),
            Err(error) => break error,
        }
    };
    assert!(
        refused.to_string().contains("too many references"),
        "{refused}"
    );
    assert_eq!(made.len(), 49, "and the echo");
    drop(made);
    let again = tokio::time::timeout(PATIENCE, async {
        while echo.call("make", Arguments::default()).await.is_err() {}
    });
    again.await.expect("what was given back may be had again");
    greedy.stop().await;
    tub.stop().await;
}
