//! Through a SOCKS proxy, as to onion services.

use super::echo::Echo;
use super::tubs::{identity, server};
use foolscap::{ConnectError, Furl, HintHandlers, SocksHandler, Tub, TubOptions};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that knows one onion service, and refuses the rest.
async fn proxy(service: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { relay(stream, service).await });
        }
    });
    address
}

async fn relay(mut client: TcpStream, service: SocketAddr) -> std::io::Result<()> {
    let mut greeting = [0; 3];
    client.read_exact(&mut greeting).await?;
    assert_eq!(greeting, [5, 1, 0]);
    client.write_all(&[5, 0]).await?;
    let mut request = [0; 5];
    client.read_exact(&mut request).await?;
    assert_eq!(
        request[..4],
        [5, 1, 0, 3],
        "names are the proxy's to resolve"
    );
    let mut target = vec![0; usize::from(request[4]) + 2];
    client.read_exact(&mut target).await?;
    if target != b"abcd.onion\x00\x50" {
        return client.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    }
    client.write_all(&[5, 0, 0, 3, 2, b'h', b'i', 0, 0]).await?;
    let mut service = TcpStream::connect(service).await?;
    tokio::io::copy_bidirectional(&mut client, &mut service).await?;
    Ok(())
}

#[tokio::test]
async fn hints_are_followed_by_the_handler_of_their_kind() {
    let (tub, furl) = server(identity(), TubOptions::default(), Echo::new()).await;
    let service = furl.hints[0].strip_prefix("tcp:").unwrap().parse().unwrap();
    let proxy = proxy(service).await;
    let socks = Arc::new(SocksHandler::new("127.0.0.1", proxy.port(), "tor"));
    let to = |hint: &str| Furl {
        hints: vec![hint.to_owned()],
        ..furl.clone()
    };
    // With tcp through the proxy too, nothing is connected to directly.
    for kind in ["tor", "tcp"] {
        let handlers = HintHandlers::none().with(kind, Arc::clone(&socks) as _);
        let options = TubOptions {
            handlers,
            ..TubOptions::default()
        };
        let client = Tub::new(identity(), options).unwrap();
        let reference = client
            .reference(&to(&format!("{kind}:abcd.onion:80")))
            .await;
        let status = reference.unwrap().connection();
        assert_eq!(status.hint, format!("{kind}:abcd.onion:80"));
        assert_eq!(status.handler.as_deref(), Some("tor"));
        client.stop().await;
        let refused = |hint: String| {
            let client = client_with(kind, &socks);
            let furl = to(&hint);
            async move {
                let error = client.reference(&furl).await.unwrap_err();
                assert!(matches!(error, ConnectError::Shared(_)));
                client.stop().await;
                error.to_string()
            }
        };
        let other = refused(format!("{kind}:other.onion:80")).await;
        assert!(other.contains("host unreachable"), "{other}");
        let unknown = refused("i2p:abc.i2p".to_owned()).await;
        assert!(unknown.contains("no handler registered"), "{unknown}");
        let malformed = refused(format!("{kind}:abc.onion:http")).await;
        assert!(malformed.contains("bad hint"), "{malformed}");
    }
    tub.stop().await;
}

fn client_with(kind: &str, socks: &Arc<SocksHandler>) -> Tub {
    let handlers = HintHandlers::none().with(kind, Arc::clone(socks) as _);
    let options = TubOptions {
        handlers,
        ..TubOptions::default()
    };
    Tub::new(identity(), options).unwrap()
}
