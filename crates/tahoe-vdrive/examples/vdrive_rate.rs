//! Measures a drive in SQLite, over TLS on the loopback interface, clients and server in this
//! process: `vdrive_rate [CLIENTS [SECONDS [ENTRIES]]]`.
//!
//! Each client makes one change after the other for some seconds: the rate of those acknowledged.
//! Then one directory gets many entries and is listed in pages.
#![expect(clippy::print_stdout, reason = "printing is what it does")]

use foolscap::{Tub, TubIdentity, TubOptions};
use futures_util::{StreamExt as _, stream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tahoe_tasks::CpuPool;
use tahoe_vdrive::store::Store;
use tahoe_vdrive::{
    CapText, Directory, Drive, DriveFurl, DriveOptions, EntryName, Metadata, Replace, VdriveServer,
};
use tokio::net::TcpListener;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// As long as a capability of an immutable file.
const CAP: &str = "URI:CHK:aaaaaaaaaaaaaaaaaaaaaaaaaa:\
                   bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb:3:10:123456789";
/// Changes on their way at once while a directory is filled.
const AT_ONCE: usize = 256;
const PAGE: usize = 500;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| -> Result<usize> {
        Ok(arguments.next().map_or(Ok(default), |text| text.parse())?)
    };
    let (clients, seconds, entries) = (number(20)?, number(5)?, number(100_000)?);
    let directory = tempfile::tempdir()?;
    let store = Store::open_sqlite(&directory.path().join("vdrive.sqlite")).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let tub = tub(vec![format!(
        "tcp:127.0.0.1:{}",
        listener.local_addr()?.port()
    )])?;
    let server = VdriveServer::start(store, &tub, Arc::new(SystemTime::now)).await?;
    tub.listen(listener);
    let (read_write, read_only) = server.furls();
    let (furl, _) = DriveFurl::of_new_drive(read_write.clone(), read_only.clone(), [7; 32]);
    let mut connected = Vec::new();
    for _ in 0..clients.max(1) {
        connected.push(Client::connect(furl.clone()).await?);
    }
    rate(&connected, Duration::from_secs(seconds.try_into()?)).await?;
    if let Some(client) = connected.first() {
        listing(&client.drive, entries).await?;
    }
    server.stop().await;
    tub.stop().await;
    Ok(())
}

struct Client {
    drive: Drive,
    _tub: Tub,
}

impl Client {
    async fn connect(furl: DriveFurl) -> Result<Self> {
        let tub = tub(Vec::new())?;
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let options = DriveOptions {
            cpu: CpuPool::new(threads),
            clock: Arc::new(SystemTime::now),
        };
        let drive = Drive::connect(&tub, furl, options);
        drive.connected().await;
        Ok(Self { drive, _tub: tub })
    }
}

fn tub(location: Vec<String>) -> Result<Tub> {
    let options = TubOptions {
        location,
        ..TubOptions::default()
    };
    Ok(Tub::new(TubIdentity::generate()?, options)?)
}

async fn set(directory: &Directory, name: &str) -> Result<()> {
    let name = EntryName::new(name)?;
    let cap = CapText::new(CAP).ok_or("the capability is short")?;
    let set = directory.set_file(&name, cap, Metadata::default(), Replace::Always);
    set.await?;
    Ok(())
}

/// Every client changes entries of its own directory.
async fn rate(clients: &[Client], time: Duration) -> Result<()> {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, client) in clients.iter().enumerate() {
        let name = EntryName::new(&format!("client {number}"))?;
        let root = client.drive.root();
        tasks.spawn(async move {
            let directory = root.make_directory(&name, Metadata::default()).await?;
            let mut changes = 0;
            while begun.elapsed() < time {
                set(&directory, &format!("file {}", changes % 100)).await?;
                changes += 1;
            }
            Result::Ok(changes)
        });
    }
    let mut changes = 0;
    while let Some(done) = tasks.join_next().await {
        changes += done??;
    }
    let rate = f64::from(changes) / begun.elapsed().as_secs_f64();
    println!(
        "{} clients: {changes} changes, {rate:.0} a second",
        clients.len()
    );
    Ok(())
}

async fn listing(drive: &Drive, entries: usize) -> Result<()> {
    let name = EntryName::new("large")?;
    let directory = drive
        .root()
        .make_directory(&name, Metadata::default())
        .await?;
    let begun = Instant::now();
    let directory = &directory;
    let sets = (0..entries).map(|number| async move {
        set(directory, &format!("a file's name, number {number}")).await
    });
    let mut sets = stream::iter(sets).buffer_unordered(AT_ONCE);
    while let Some(set) = sets.next().await {
        set?;
    }
    let rate = entries as f64 / begun.elapsed().as_secs_f64();
    println!("{entries} entries made, {rate:.0} a second");
    let mut times = Vec::new();
    let mut after = None;
    let mut listed = 0;
    loop {
        let begun = Instant::now();
        let page = directory.list(after, PAGE).await?;
        times.push(begun.elapsed());
        listed += page.entries.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    times.sort();
    let time = |index: usize| times.get(index).copied().unwrap_or_default();
    let (median, slowest) = (time(times.len() / 2), time(times.len() - 1));
    println!(
        "{listed} entries in {} pages, each {median:.1?} (median), {slowest:.1?} (slowest)",
        times.len()
    );
    Ok(())
}
