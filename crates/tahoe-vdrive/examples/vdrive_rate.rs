//! Measures a drive in SQLite, over TLS on the loopback interface, the server in a process of its
//! own: `vdrive_rate [CLIENTS [SECONDS [ENTRIES]]]`.
//!
//! Each client makes one change after the other for some seconds: the rate of those acknowledged.
//! Then one directory gets many entries and is listed in pages: the time of a page, and how much of
//! it each side's processor works.
#![expect(clippy::print_stdout, reason = "printing is what it does")]

use foolscap::{Tub, TubIdentity, TubOptions};
use futures_util::{StreamExt as _, stream};
use std::io::{BufRead as _, BufReader};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tahoe_tasks::CpuPool;
use tahoe_vdrive::store::Store;
use tahoe_vdrive::{
    CapText, Caps, Directory, Drive, DriveFurl, DriveOptions, EntryName, Metadata, Replace,
    VdriveServer,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// As long as a capability of an immutable file.
const CAP: &str = "URI:CHK:aaaaaaaaaaaaaaaaaaaaaaaaaa:\
                   bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb:3:10:123456789";
/// Changes on their way at once while a directory is filled.
const AT_ONCE: usize = 256;
const PAGE: usize = 500;
/// The unit in which Linux tells programs of times, on all machines that we know.
const TICKS_PER_SECOND: f64 = 100.0;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "serve").is_some() {
        let directory = arguments.next().ok_or("serve DIRECTORY")?;
        return serve(Path::new(&directory)).await;
    }
    let mut number = |default: usize| -> Result<usize> {
        Ok(arguments.next().map_or(Ok(default), |text| text.parse())?)
    };
    let (clients, seconds, entries) = (number(20)?, number(5)?, number(100_000)?);
    let directory = tempfile::tempdir()?;
    let mut server = Command::new(std::env::current_exe()?);
    let server = server.arg("serve").arg(directory.path());
    let mut server = server
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let furl = DriveFurl::parse(&line)?;
    let mut connected = Vec::new();
    for _ in 0..clients.max(1) {
        connected.push(Client::connect(furl.clone()).await?);
    }
    rate(&connected, Duration::from_secs(seconds.try_into()?)).await?;
    if let Some(client) = connected.first() {
        let directory = fill(&client.drive, entries).await?;
        listing(&directory, server.id()).await?;
    }
    // It ends with its input.
    drop(server.stdin.take());
    server.wait()?;
    Ok(())
}

/// Serves a new drive in a directory, prints its FURL, and ends with its input.
async fn serve(directory: &Path) -> Result<()> {
    let store = Store::open_sqlite(&directory.join("vdrive.sqlite")).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let tub = tub(vec![format!(
        "tcp:127.0.0.1:{}",
        listener.local_addr()?.port()
    )])?;
    let server = VdriveServer::start(store, &tub, Arc::new(SystemTime::now)).await?;
    tub.listen(listener);
    let (read_write, read_only) = server.furls();
    let (furl, _) = DriveFurl::of_new_drive(read_write.clone(), read_only.clone(), [7; 32]);
    println!("{}", *furl.to_text());
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
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
            seen: None,
        };
        let drive = Drive::connect(&tub, furl, options)?;
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
    let set = directory.set_file(
        &name,
        Caps::read_only(cap),
        Metadata::default(),
        Replace::Always,
    );
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

/// Makes a directory with many entries.
async fn fill(drive: &Drive, entries: usize) -> Result<Directory> {
    let name = EntryName::new("large")?;
    let root = drive.root();
    let directory = root.make_directory(&name, Metadata::default()).await?;
    let begun = Instant::now();
    {
        let directory = &directory;
        let sets = (0..entries).map(|number| async move {
            set(directory, &format!("a file's name, number {number}")).await
        });
        let mut sets = stream::iter(sets).buffer_unordered(AT_ONCE);
        while let Some(set) = sets.next().await {
            set?;
        }
    }
    let rate = entries as f64 / begun.elapsed().as_secs_f64();
    println!("{entries} entries made, {rate:.0} a second");
    Ok(directory)
}

async fn listing(directory: &Directory, server: u32) -> Result<()> {
    let own = std::process::id();
    let before = (processor_time(own)?, processor_time(server)?);
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
    let each = |before: f64, after: f64| (after - before) * 1000.0 / times.len() as f64;
    let client = each(before.0, processor_time(own)?);
    let server = each(before.1, processor_time(server)?);
    times.sort();
    let time = |index: usize| times.get(index).copied().unwrap_or_default();
    let (median, slowest) = (time(times.len() / 2), time(times.len() - 1));
    println!(
        "{listed} entries in {} pages, each {median:.1?} (median), {slowest:.1?} (slowest)",
        times.len()
    );
    println!("processor time of a page: client {client:.1} ms, server {server:.1} ms");
    Ok(())
}

/// Seconds that all threads of a process have worked, as Linux counts them.
fn processor_time(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/PID/stat")?;
    // The times of user and system are fields 14 and 15, the name is field 2.
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks
        .map(str::parse::<f64>)
        .sum::<std::result::Result<f64, _>>()?;
    Ok(ticks / TICKS_PER_SECOND)
}
