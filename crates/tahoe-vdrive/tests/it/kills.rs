//! Clients that change a few entries while the server is killed again and again: nothing that was
//! acknowledged is lost, and each entry's history is that of one register.

use crate::processes::ServerProcess;
use crate::support::{Client, metadata, name, patient, set};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tahoe_test_support::Postgres;
use tahoe_vdrive::{Directory, Drive, DriveError, RemoveMode, Replace, Target, Version};

const CLIENTS: usize = 20;
const ENTRIES: usize = 12;

/// What was done to an entry, and when, by a clock that all clients share.
#[derive(Debug, Clone)]
struct Event {
    entry: usize,
    begun: u64,
    ended: u64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// It was set to a text that is set only once. Without a version, the answer was lost.
    Set {
        text: String,
        expected: Option<Version>,
        version: Option<Version>,
    },
    /// This version was removed, or perhaps was.
    Removed { version: Version, is_sure: bool },
    /// This was there.
    Found { text: String, version: Version },
    /// Nothing was there.
    Absent,
}

#[derive(Default)]
struct History {
    clock: AtomicU64,
    acknowledged: AtomicUsize,
    events: Mutex<Vec<Event>>,
}

impl History {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn add(&self, entry: usize, begun: u64, what: What) {
        let is_acknowledged = matches!(
            what,
            What::Set {
                version: Some(_),
                ..
            } | What::Removed { is_sure: true, .. }
        );
        let ended = self.tick();
        let event = Event {
            entry,
            begun,
            ended,
            what,
        };
        self.events.lock().unwrap().push(event);
        self.acknowledged
            .fetch_add(is_acknowledged.into(), Ordering::SeqCst);
    }
}

/// How many changes are to be acknowledged: `TAHOE_VDRIVE_CHANGES`, or few.
fn wanted() -> usize {
    let wanted = std::env::var("TAHOE_VDRIVE_CHANGES");
    wanted.map_or(300, |wanted| wanted.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (server, furl) = ServerProcess::start(directory.path(), None);
    let server = Mutex::new(server);
    let clients = connect(&furl).await;
    let kill = |_| {
        server.lock().unwrap().kill();
        server.lock().unwrap().resume();
    };
    println!("{}", torment(&clients, kill).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_postgres_is_killed_too() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = Mutex::new(Postgres::start());
    let database = postgres.lock().unwrap().database();
    let (server, furl) = ServerProcess::start(directory.path(), Some(database));
    let server = Mutex::new(server);
    let clients = connect(&furl).await;
    let kill = |time: usize| {
        let mut postgres = postgres.lock().unwrap();
        let mut server = server.lock().unwrap();
        let (kills_postgres, kills_server) = [(false, true), (true, false), (true, true)][time % 3];
        if kills_postgres {
            postgres.kill();
        }
        if kills_server {
            server.kill();
        }
        if kills_postgres {
            postgres.resume();
        }
        if kills_server {
            server.resume();
        }
    };
    println!("{}", torment(&clients, kill).await);
}

async fn connect(furl: &tahoe_vdrive::DriveFurl) -> Vec<Client> {
    let clients = (0..CLIENTS).map(|_| Client::connect(furl.clone()));
    futures_util::future::join_all(clients).await
}

/// Has all clients work while something is killed at random, and checks what they saw; says how
/// much that was.
async fn torment(clients: &[Client], kill: impl Fn(usize) + Sync) -> String {
    let history = Arc::new(History::default());
    let wanted = wanted();
    let work = clients.iter().enumerate().map(|(number, client)| {
        let (drive, history) = (client.drive.clone(), Arc::clone(&history));
        tokio::spawn(async move { work(number, &drive, &history, wanted).await })
    });
    let work = futures_util::future::join_all(work);
    let killing = async {
        for time in 0.. {
            let pause = rand::random_range(300..2500);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            tokio::task::block_in_place(|| kill(time));
            if time >= 2 && history.acknowledged.load(Ordering::SeqCst) >= wanted {
                return;
            }
        }
    };
    let (done, ()) = tokio::join!(work, killing);
    for result in done {
        result.unwrap();
    }
    let last = clients.first().unwrap();
    for entry in 0..ENTRIES {
        read(entry, &last.drive, &history).await;
    }
    let events = std::mem::take(&mut *history.events.lock().unwrap());
    let acknowledged = history.acknowledged.load(Ordering::SeqCst);
    for entry in 0..ENTRIES {
        let of_entry: Vec<&Event> = events.iter().filter(|event| event.entry == entry).collect();
        assert_eq!(check(&of_entry), Ok(()), "entry {entry}");
    }
    let (clients, events) = (clients.len(), events.len());
    format!("{clients} clients, {acknowledged} changes acknowledged, {events} events")
}

/// Changes and reads entries at random until enough changes are acknowledged.
async fn work(number: usize, drive: &Drive, history: &History, wanted: usize) {
    let root = drive.root();
    let mut seen: HashMap<usize, Version> = HashMap::new();
    for step in 0.. {
        if history.acknowledged.load(Ordering::SeqCst) >= wanted {
            return;
        }
        let entry = rand::random_range(0..ENTRIES);
        let text = format!("{number}.{step}");
        match rand::random_range(0..10) {
            0..4 => write(entry, &root, text, None, history).await,
            4..6 if seen.contains_key(&entry) => {
                write(entry, &root, text, seen.get(&entry).copied(), history).await;
            }
            6 if seen.contains_key(&entry) => remove(entry, &root, seen[&entry], history).await,
            _ => {
                let version = read(entry, drive, history).await;
                seen.extend(version.map(|version| (entry, version)));
            }
        }
        if !drive.status().is_connected {
            patient(drive.connected()).await;
        }
    }
}

async fn write(
    entry: usize,
    root: &Directory,
    text: String,
    expected: Option<Version>,
    history: &History,
) {
    let begun = history.tick();
    let replace = expected.map_or(Replace::Always, Replace::IfVersion);
    let version = match set(root, &format!("entry {entry}"), &text, replace).await {
        Ok(version) => Some(version),
        Err(DriveError::Lost(_) | DriveError::TimedOut | DriveError::Unavailable(_)) => None,
        Err(DriveError::NotConnected | DriveError::Changed { .. }) => return,
        Err(error) => panic!("{error:?}"),
    };
    let what = What::Set {
        text,
        expected,
        version,
    };
    history.add(entry, begun, what);
}

async fn remove(entry: usize, root: &Directory, version: Version, history: &History) {
    let begun = history.tick();
    let name = name(&format!("entry {entry}"));
    let is_sure = match root.remove(&name, RemoveMode::Empty, Some(version)).await {
        Ok(()) => true,
        Err(DriveError::Lost(_) | DriveError::TimedOut | DriveError::Unavailable(_)) => false,
        Err(DriveError::NotConnected | DriveError::Changed { .. } | DriveError::NoSuchEntry) => {
            return;
        }
        Err(error) => panic!("{error:?}"),
    };
    history.add(entry, begun, What::Removed { version, is_sure });
}

/// Reads an entry, when the server can be reached.
async fn read(entry: usize, drive: &Drive, history: &History) -> Option<Version> {
    loop {
        let begun = history.tick();
        let name = name(&format!("entry {entry}"));
        match drive.root().get(&name).await {
            Ok(found) if found.freshness == tahoe_vdrive::Freshness::Fresh => {
                assert_eq!(found.entry.metadata, metadata());
                let Target::File(caps) = &found.entry.target else {
                    panic!("nobody made a directory");
                };
                let text = caps.read.as_ref().unwrap().as_str().to_owned();
                let version = found.entry.version;
                history.add(entry, begun, What::Found { text, version });
                return Some(version);
            }
            Err(DriveError::NoSuchEntry) => {
                history.add(entry, begun, What::Absent);
                return None;
            }
            // What is shown as old says nothing of now.
            Ok(_)
            | Err(
                DriveError::NotConnected
                | DriveError::Lost(_)
                | DriveError::TimedOut
                | DriveError::Unavailable(_),
            ) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                patient(drive.connected()).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Says what is wrong if something isn't so.
macro_rules! ensure {
    ($is_so:expr, $($what:tt)+) => {
        if !$is_so {
            return Err(format!($($what)+));
        }
    };
}

/// Checks that the events of an entry can have happened one after the other, each between its
/// beginning and its end. Their order is given, by the versions.
fn check(events: &[&Event]) -> Result<(), String> {
    // Versions of lost answers are known if somebody saw what was set.
    let mut versions: HashMap<&str, Version> = HashMap::new();
    for event in events {
        match &event.what {
            What::Set {
                text,
                version: Some(version),
                ..
            }
            | What::Found { text, version } => {
                let known = versions.insert(text, *version);
                ensure!(
                    known.is_none_or(|known| known == *version),
                    "{text} has two versions"
                );
            }
            _ => {}
        }
    }
    let mut sets: Vec<(Version, &Event, Option<Version>)> = Vec::new();
    let mut removals: Vec<(Version, &Event)> = Vec::new();
    for event in events {
        match &event.what {
            What::Set {
                text,
                expected,
                version,
            } => {
                let version = version.or_else(|| versions.get(text.as_str()).copied());
                sets.extend(version.map(|version| (version, *event, *expected)));
            }
            What::Removed { version, .. } => removals.push((*version, event)),
            What::Found { .. } | What::Absent => {}
        }
    }
    sets.sort_by_key(|(version, ..)| *version);
    for pair in sets.windows(2) {
        let [(version, one, _), (later, other, expected)] = pair else {
            continue;
        };
        ensure!(
            version < later,
            "two sets made one version: {one:?} {other:?}"
        );
        ensure!(
            expected.is_none_or(|expected| expected == *version),
            "what was expected was not the last: {one:?} {other:?}"
        );
    }
    let sure_end = |event: &Event| match event.what {
        What::Set { version: None, .. } | What::Removed { is_sure: false, .. } => u64::MAX,
        _ => event.ended,
    };
    for (index, (_, one, _)) in sets.iter().enumerate() {
        for (_, other, _) in &sets[index + 1..] {
            ensure!(
                sure_end(other) > one.begun,
                "out of order: {one:?} {other:?}"
            );
        }
    }
    for event in events {
        // The latest set that was surely done before this one began.
        let before = sets
            .iter()
            .filter(|(_, set, _)| sure_end(set) < event.begun);
        let least = before.map(|(version, ..)| *version).max();
        match &event.what {
            What::Found { text, version } => {
                let set = sets.iter().find(|(known, ..)| known == version);
                let (_, set, _) = set.ok_or_else(|| format!("nobody set {event:?}"))?;
                let is_same = matches!(&set.what, What::Set { text: set, .. } if set == text);
                ensure!(is_same, "another text is found than was set: {event:?}");
                ensure!(
                    set.begun < event.ended,
                    "found before it was set: {event:?}"
                );
                ensure!(
                    Some(*version) >= least,
                    "an old one was found: {event:?} {least:?}"
                );
                let removed = removals.iter().find(|(removed, removal)| {
                    removed >= version && sure_end(removal) < event.begun
                });
                ensure!(
                    removed.is_none(),
                    "it had been removed: {event:?} {removed:?}"
                );
            }
            What::Absent => {
                let Some(least) = least else { continue };
                let removed = removals
                    .iter()
                    .any(|(version, removal)| *version >= least && removal.begun < event.ended);
                ensure!(removed, "it was lost: {event:?}, {least:?} was set");
            }
            What::Set { .. } | What::Removed { .. } => {}
        }
    }
    Ok(())
}

#[test]
fn the_check_finds_what_is_wrong() {
    let event = |begun, ended, what| Event {
        entry: 0,
        begun,
        ended,
        what,
    };
    let written = |text: &str, version, expected: Option<u64>| What::Set {
        text: text.to_owned(),
        expected: expected.map(Version),
        version: Some(Version(version)),
    };
    let found = |text: &str, version| What::Found {
        text: text.to_owned(),
        version: Version(version),
    };
    let removed = |version| What::Removed {
        version: Version(version),
        is_sure: true,
    };
    let is_right = |history: Vec<(u64, u64, What)>| {
        let events = history
            .into_iter()
            .map(|(begun, ended, what)| event(begun, ended, what));
        let events: Vec<Event> = events.collect();
        let events: Vec<&Event> = events.iter().collect();
        check(&events).is_ok()
    };
    let first = || (0, 1, written("a", 1, None));
    let second = || (2, 3, written("b", 2, Some(1)));
    assert!(is_right(vec![first(), second(), (4, 5, found("b", 2))]));
    assert!(is_right(vec![first(), second(), (1, 5, found("a", 1))]));
    assert!(is_right(vec![
        first(),
        (2, 3, removed(1)),
        (4, 5, What::Absent)
    ]));
    for wrong in [
        vec![first(), second(), (4, 5, found("a", 1))],
        vec![first(), second(), (4, 5, found("a", 2))],
        vec![first(), (4, 5, What::Absent)],
        vec![first(), (2, 3, removed(1)), (4, 5, found("a", 1))],
        vec![first(), second(), (2, 3, written("c", 3, Some(1)))],
        vec![(4, 5, written("a", 1, None)), second()],
        vec![(2, 3, found("a", 1)), (4, 5, written("a", 1, None))],
    ] {
        assert!(!is_right(wrong.clone()), "{wrong:?}");
    }
}
