//! Every kind of call, with Python's foolscap as server and as client, and as master or not.

use super::echo::{Echo, Held};
use super::tubs::{PATIENCE, client, identity, identity_beside, server, until};
use foolscap::{
    Arguments, CallError, Furl, IdentityError, Reference, RemoteFailure, RemoteReference, Tub,
    TubIdentity, TubOptions, Value,
};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

fn oracle() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oracle/bin/python");
    let path = std::env::var_os("TAHOE_ORACLE_PYTHON").map_or(default, PathBuf::from);
    assert!(
        path.exists(),
        "{} isn't there: run `cargo xtask oracle`, or set TAHOE_ORACLE_PYTHON",
        path.display()
    );
    path
}

/// A port that nobody listens at now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Runs `peer.py`.
pub(crate) fn peer(arguments: &[&str]) -> Command {
    let mut command = Command::new(oracle());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peer.py");
    command.arg("-W").arg("ignore").arg(script).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.kill_on_drop(true);
    command
}

/// A Python tub with an object; it ends when this is dropped.
pub(crate) struct PythonServer {
    pub(crate) furl: Furl,
    _process: Child,
}

impl PythonServer {
    pub(crate) async fn start() -> Self {
        Self::start_by(&mut peer(&[])).await
    }

    async fn start_by(peer: &mut Command) -> Self {
        let port = free_port().to_string();
        let mut process = peer.args(["serve", &port]).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let furl = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let furl = furl.unwrap().unwrap().expect("a FURL");
        Self {
            furl: Furl::parse(&furl).unwrap(),
            _process: process,
        }
    }
}

fn values() -> Vec<Value> {
    let integers = [
        0,
        1,
        -1,
        (1 << 31) - 1,
        1 << 31,
        -(1 << 31),
        -(1 << 31) - 1,
        -(1 << 100),
    ];
    let mut values: Vec<Value> = integers.map(Value::Integer).into();
    let one = || Value::from(1);
    values.extend([
        Value::None,
        Value::Bool(true),
        Value::Bool(false),
        Value::Float(-2.5e300),
        Value::bytes(&b"list"[..]),
        Value::bytes((0..=255).collect::<Vec<u8>>()),
        Value::text("€😀"),
        Value::Decimal("1.25".to_owned()),
        Value::List(vec![one(), Value::List(vec![])]),
        Value::Tuple(vec![one(), Value::None]),
        Value::Set(vec![one()]),
        Value::FrozenSet(vec![Value::bytes(&b"a"[..])]),
        Value::Dict(vec![(Value::text("k"), Value::Tuple(vec![]))]),
        Value::bytes(vec![b'x'; 100_000]),
    ]);
    values
}

async fn call(echo: &RemoteReference, method: &str, arguments: &[Value]) -> Value {
    let arguments = Arguments::positional(arguments.to_vec());
    let answer = tokio::time::timeout(PATIENCE, echo.call(method, arguments));
    answer.await.expect("it doesn't hang").unwrap()
}

#[tokio::test]
async fn our_client_and_a_python_server() {
    let python = PythonServer::start().await;
    for master in [true, false] {
        let tub = client(identity_beside(python.furl.tub_id, master));
        let echo = tub.reference(&python.furl).await.unwrap();
        assert_eq!(
            tub.connection(python.furl.tub_id).unwrap().handler.unwrap(),
            "tcp"
        );
        for value in values() {
            assert_eq!(
                call(&echo, "echo", std::slice::from_ref(&value)).await,
                value
            );
        }
        let named = Arguments::positional([Value::from(1)]).with("b", 2);
        let back = echo.call("echo", named).await.unwrap();
        let both = back.as_sequence().unwrap();
        assert_eq!(both[1].entry("b"), Some(&Value::from(2)));
        copies(&echo).await;
        failures(&echo).await;
        sizes_and_order(&echo).await;
        references(&tub, &echo).await;
        tub.stop().await;
    }
}

async fn copies(echo: &RemoteReference) {
    let list = || Value::List(vec![Value::from(1), Value::from(2)]);
    let shared = Value::List(vec![list(), list(), Value::Tuple(vec![list()])]);
    assert_eq!(call(echo, "shared", &[]).await, shared);
    let point = call(echo, "point", &[]).await;
    let Value::Copied(object) = &point else {
        panic!("{point:?}")
    };
    assert_eq!(object.class_name, "test.Point");
    assert_eq!(object.attribute("x"), Some(&Value::from(3)));
    assert_eq!(call(echo, "is_point", &[point]).await, Value::Bool(true));
}

async fn failures(echo: &RemoteReference) {
    let arguments = Arguments::positional([Value::text("because")]);
    let failure = match echo.call("fail", arguments).await {
        Err(CallError::Remote(failure)) => failure,
        other => panic!("{other:?}"),
    };
    assert_eq!(failure.type_name, "builtins.KeyError");
    assert!(failure.is("builtins.LookupError") && failure.message.contains("because"));
    assert!(failure.trace.contains("remote_fail"));
    let failed = async |method: &'static str| match echo.call(method, Arguments::default()).await {
        Err(CallError::Remote(RemoteFailure { type_name, .. })) => type_name,
        other => panic!("{method}: {other:?}"),
    };
    assert_eq!(failed("nosuch").await, "builtins.AttributeError");
    let unknown = call(echo, "unknown_copy", &[]).await;
    assert!(matches!(unknown.as_sequence().unwrap(), [Value::Copied(_)]));
    assert_eq!(
        call(echo, "echo", &[Value::from(1)]).await,
        Value::from(1),
        "it still works"
    );
}

async fn sizes_and_order(echo: &RemoteReference) {
    let large = Value::bytes(vec![b'x'; 20_000_000]);
    assert_eq!(
        call(echo, "length", &[large]).await,
        Value::from(20_000_000)
    );
    let large = call(echo, "large", &[Value::from(20_000_000)]).await;
    assert_eq!(large.as_bytes().unwrap().len(), 20_000_000);
    let slow = Arguments::positional([Value::Float(0.3)]);
    let slow = echo.start("wait", slow).await.unwrap();
    let mut slow = std::pin::pin!(slow.result());
    let five = [Value::from(5)];
    tokio::select! {
        biased;
        _ = &mut slow => panic!("it wasn't slow"),
        quick = call(echo, "echo", &five) => assert_eq!(quick, Value::from(5)),
    }
    slow.await.unwrap();
    for number in 0..200 {
        let arguments = Arguments::positional([Value::from(number)]);
        echo.call_only("note", arguments).await.unwrap();
    }
    let noted = call(echo, "noted", &[]).await;
    let last: Vec<Value> = (0..200).map(Value::from).collect();
    assert!(noted.as_sequence().unwrap().ends_with(&last));
}

async fn references(tub: &Tub, echo: &RemoteReference) {
    let held = Arc::new(Held::default());
    let value = Reference::value(Arc::clone(&held) as _);
    call(echo, "hold", std::slice::from_ref(&value)).await;
    assert_eq!(call(echo, "use", &[Value::from(4)]).await, Value::from(4));
    assert_eq!(
        call(echo, "same", &[value.clone(), value.clone()]).await,
        Value::Bool(true)
    );
    drop(value);
    assert!(Arc::strong_count(&held) > 1, "Python holds it");
    call(echo, "drop", &[]).await;
    until("Python gives it back", || Arc::strong_count(&held) == 1).await;
    let made = call(echo, "make", &[]).await;
    let Value::Reference(Reference::Remote(made)) = made else {
        panic!("{made:?}")
    };
    assert_eq!(call(&made, "add", &[Value::from(7)]).await, Value::from(7));
    let echo_value = Value::Reference(echo.clone().into());
    assert_eq!(call(echo, "mine", &[echo_value]).await, Value::Bool(true));
    let again = call(echo, "myself", &[]).await;
    assert_eq!(again, Value::Reference(echo.clone().into()));
    // Over the same connection, whoever asks.
    assert_eq!(call(echo, "connections", &[]).await, Value::from(1));
    let furl = Furl::parse(echo.url().unwrap()).unwrap();
    assert_eq!(tub.reference(&furl).await.unwrap(), *echo);
    assert_eq!(call(echo, "connections", &[]).await, Value::from(1));
}

#[tokio::test]
async fn a_python_client_and_our_server() {
    // The order of the tub ids is left to chance in one, and so are both orders in the long run;
    // the other test has them both for certain.
    for _ in 0..2 {
        let (tub, furl) = server(identity(), TubOptions::default(), Echo::new()).await;
        let port = free_port().to_string();
        let output = peer(&["drive", &port, furl.to_text().as_str()]).output();
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .unwrap()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", output.status);
        assert_eq!(output.stdout, b"ok\n");
        tub.stop().await;
    }
}

/// A tub from before 2048 bits were usual, as server and as client.
#[tokio::test]
async fn a_python_tub_with_a_key_of_1024_bits() {
    let pem = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/short-rsa.pem");
    let python = PythonServer::start_by(peer(&[]).env("TUB_PEM", &pem)).await;
    let tub = client(identity());
    let echo = tub.reference(&python.furl).await.unwrap();
    assert_eq!(call(&echo, "echo", &[Value::from(5)]).await, Value::from(5));
    tub.stop().await;

    let (tub, furl) = server(identity(), TubOptions::default(), Echo::new()).await;
    let port = free_port().to_string();
    let mut driving = peer(&["drive", &port, furl.to_text().as_str()]);
    let output = driving.env("TUB_PEM", &pem).output();
    let output = tokio::time::timeout(PATIENCE, output).await;
    let output = output.unwrap().unwrap();
    assert_eq!(output.stdout, b"ok\n", "{output:?}");
    tub.stop().await;

    // We can't sign with such a key ourselves.
    let refused = TubIdentity::from_pem(&std::fs::read(pem).unwrap());
    assert!(matches!(refused, Err(IdentityError::ShortKey(1024))));
}

#[tokio::test]
async fn two_tubs_that_connect_to_each_other_keep_one_connection() {
    let python = PythonServer::start().await;
    for master in [true, false] {
        let echo = Echo::new();
        let identity = identity_beside(python.furl.tub_id, master);
        let (tub, furl) = server(identity, TubOptions::default(), echo).await;
        let theirs = tub.reference(&python.furl).await.unwrap();
        // Python connects to us over the connection that is there.
        let furl = Value::text(furl.to_text().as_str());
        let ours = call(&theirs, "fetch", &[furl]).await;
        assert!(
            matches!(ours, Value::Reference(Reference::Local(_))),
            "it comes home"
        );
        assert_eq!(call(&theirs, "connections", &[]).await, Value::from(1));
        tub.stop().await;
    }
}

/// The example programs do what the README says, with each other in both directions.
#[tokio::test]
async fn the_examples_speak_with_each_other() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let python = || {
        let mut command = Command::new(oracle());
        command
            .arg("-W")
            .arg("ignore")
            .arg(examples.join("adder.py"));
        command
    };
    let rust = || {
        // Cargo builds examples before it runs tests, into a folder beside theirs.
        let test = std::env::current_exe().unwrap();
        Command::new(test.ancestors().nth(2).unwrap().join("examples/adder"))
    };
    for (mut server, mut client) in [(python(), rust()), (rust(), python())] {
        let mut serving = server.arg("serve").stdout(Stdio::piped());
        serving = serving.kill_on_drop(true);
        let mut serving = serving.spawn().unwrap();
        let mut lines = BufReader::new(serving.stdout.take().unwrap()).lines();
        let furl = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let furl = furl.unwrap().unwrap().expect("a FURL");
        let output = client.args(["call", furl.trim()]).output();
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1 + 2 = 3\n");
        serving.kill().await.unwrap();
    }
}
