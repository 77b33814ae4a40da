//! Adds numbers for others, or lets others add: `adder serve`, `adder call FURL`.
//!
//! `adder.py` is the same program with Python's foolscap.
#![expect(clippy::print_stdout, reason = "a program for the command line")]

use foolscap::{
    Arguments, Call, Furl, Referenceable, RemoteFailure, Tub, TubIdentity, TubOptions, Value,
};
use std::sync::Arc;
use tokio::net::TcpListener;

struct Adder;

#[async_trait::async_trait]
impl Referenceable for Adder {
    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        match (call.method.as_str(), call.arguments.take(["a", "b"])) {
            ("add", Some([Value::Integer(a), Value::Integer(b)])) => Ok(Value::Integer(a + b)),
            _ => Err(RemoteFailure::violation("add(a, b) of two integers")),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve().await,
        ["call", furl] => call(furl).await,
        _ => Err("usage: adder serve | adder call FURL".into()),
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let location = vec![format!("tcp:{}", listener.local_addr()?)];
    let options = TubOptions {
        location,
        ..TubOptions::default()
    };
    let tub = Tub::new(TubIdentity::generate()?, options)?;
    println!(
        "{}",
        tub.register(Arc::new(Adder), None)?.to_text().as_str()
    );
    tub.listen(listener);
    tokio::signal::ctrl_c().await?;
    tub.stop().await;
    Ok(())
}

async fn call(furl: &str) -> Result<(), Box<dyn std::error::Error>> {
    let tub = Tub::new(TubIdentity::generate()?, TubOptions::default())?;
    let adder = tub.reference(&Furl::parse(furl)?).await?;
    let arguments = Arguments::default().with("a", 1).with("b", 2);
    match adder.call("add", arguments).await? {
        Value::Integer(sum) => println!("1 + 2 = {sum}"),
        other => println!("the answer isn't a number: {other:?}"),
    }
    tub.stop().await;
    Ok(())
}
