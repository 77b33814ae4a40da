//! Through the SAM bridge of an I2P router, played by the test.

use super::echo::Echo;
use super::tubs::{identity, server};
use foolscap::{Arguments, Furl, HintHandlers, SamHandler, Tub, TubOptions, Value};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// What was asked of the bridge, line by line, with session ids replaced.
type Lines = Arc<Mutex<Vec<String>>>;

/// A bridge that knows one destination.
async fn bridge(service: SocketAddr) -> (SocketAddr, Lines) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let lines = Lines::default();
    let seen = Arc::clone(&lines);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move { serve(stream, service, &seen).await });
        }
    });
    (address, lines)
}

async fn serve(stream: TcpStream, service: SocketAddr, seen: &Lines) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let words = line.split_whitespace();
        let words = words.map(|word| word.split_once("ID=foolscap-").map_or(word, |_| "ID=x"));
        let line = words.collect::<Vec<_>>().join(" ");
        let answer = match line.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["HELLO", "VERSION"] => "HELLO REPLY RESULT=OK VERSION=3.1",
            ["SESSION", "CREATE"] => "SESSION STATUS RESULT=OK DESTINATION=private",
            ["NAMING", "LOOKUP"] if line.contains("unknown") => {
                "NAMING REPLY RESULT=KEY_NOT_FOUND NAME=unknown.i2p"
            }
            ["NAMING", "LOOKUP"] => "NAMING REPLY RESULT=OK NAME=it VALUE=Q~-=",
            ["STREAM", "CONNECT"] => "STREAM STATUS RESULT=OK",
            _ => "nonsense",
        };
        let is_stream = answer.starts_with("STREAM");
        seen.lock().await.push(line);
        stream.write_all(format!("{answer}\n").as_bytes()).await?;
        if is_stream {
            let mut service = TcpStream::connect(service).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut service).await?;
            return Ok(());
        }
    }
}

fn client(bridge: SocketAddr) -> Tub {
    let sam = Arc::new(SamHandler::new("127.0.0.1", bridge.port()));
    let options = TubOptions {
        handlers: HintHandlers::none().with("i2p", sam),
        ..TubOptions::default()
    };
    Tub::new(identity(), options).unwrap()
}

#[tokio::test]
async fn destinations_are_reached_through_the_bridge() {
    let (tub, furl) = server(identity(), TubOptions::default(), Echo::new()).await;
    let service = furl.hints[0].strip_prefix("tcp:").unwrap().parse().unwrap();
    let (address, lines) = bridge(service).await;
    let to = |hint: &str| Furl {
        hints: vec![hint.to_owned()],
        ..furl.clone()
    };
    for (hint, port) in [("i2p:abc.b32.i2p", ""), ("i2p:abc.b32.i2p:7", " TO_PORT=7")] {
        let client = client(address);
        let reference = client.reference(&to(hint)).await.unwrap();
        assert_eq!(reference.connection().handler.as_deref(), Some("i2p"));
        let answer = reference
            .call("echo", Arguments::positional([Value::from(1)]))
            .await;
        assert_eq!(answer.unwrap(), Value::from(1));
        client.stop().await;
        let lines = std::mem::take(&mut *lines.lock().await);
        let expected = [
            "HELLO VERSION MIN=3.0 MAX=3.2".to_owned(),
            "SESSION CREATE STYLE=STREAM ID=x DESTINATION=TRANSIENT SIGNATURE_TYPE=7".to_owned(),
            "NAMING LOOKUP NAME=abc.b32.i2p".to_owned(),
            "HELLO VERSION MIN=3.0 MAX=3.2".to_owned(),
            format!("STREAM CONNECT ID=x DESTINATION=Q~-= SILENT=false{port}"),
        ];
        assert_eq!(lines, expected);
    }
    let client = client(address);
    let error = client.reference(&to("i2p:unknown.i2p")).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("it doesn't know the destination"), "{error}");
    client.stop().await;
    tub.stop().await;
}

#[tokio::test]
async fn a_bridge_that_talks_nonsense_is_left() {
    let (tub, furl) = server(identity(), TubOptions::default(), Echo::new()).await;
    for answer in [&b"SSH-2.0-x\r\n"[..], &[b'x'; 10_000], b"\xff\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer).await.unwrap();
            // Whoever connected leaves.
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest).await);
        });
        let client = client(address);
        let hints = vec!["i2p:abc.i2p".to_owned()];
        let furl = Furl {
            hints,
            ..furl.clone()
        };
        let error = client.reference(&furl).await.unwrap_err().to_string();
        assert!(error.contains("it doesn't speak SAM 3"), "{error}");
        client.stop().await;
        serving.await.unwrap();
    }
    tub.stop().await;
}
