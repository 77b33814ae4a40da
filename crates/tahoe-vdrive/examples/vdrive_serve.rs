//! Serves a drive by itself: `vdrive_serve PORT DIRECTORY [POSTGRESQL-PARAMETERS]`.
//!
//! The tub's identity, and without PostgreSQL the drive, are kept in the directory; servers that
//! are to be one another's substitutes have the same identity. Prints the two FURLs of the root,
//! without keys, and serves until its input ends.
#![expect(clippy::print_stdout, reason = "printing is what it does")]

use foolscap::{Tub, TubIdentity, TubOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use tahoe_vdrive::VdriveServer;
use tahoe_vdrive::store::Store;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: vdrive_serve PORT DIRECTORY [POSTGRESQL-PARAMETERS]".into());
    };
    let directory = Path::new(&directory);
    let store = match arguments.next() {
        Some(parameters) => Store::open_postgres(&parameters).await?,
        None => Store::open_sqlite(&directory.join("vdrive.sqlite")).await?,
    };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let port = listener.local_addr()?.port();
    let options = TubOptions {
        location: vec![format!("tcp:127.0.0.1:{port}")],
        ..TubOptions::default()
    };
    let tub = Tub::new(identity(&directory.join("node.pem"))?, options)?;
    let server = VdriveServer::start(store, &tub, Arc::new(SystemTime::now)).await?;
    tub.listen(listener);
    let (read_write, read_only) = server.furls();
    println!("{}\n{}", *read_write.to_text(), *read_only.to_text());
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    server.stop().await;
    tub.stop().await;
    Ok(())
}

fn identity(path: &Path) -> Result<TubIdentity> {
    if path.exists() {
        return Ok(TubIdentity::from_pem(&std::fs::read(path)?)?);
    }
    let identity = TubIdentity::generate()?;
    std::fs::write(path, identity.to_pem().as_bytes())?;
    Ok(identity)
}
