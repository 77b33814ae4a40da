//! `running.process`: the number of the process that runs a node directory.
//!
//! The file holds `PID START-TIME`, the latter in seconds since 1970. It is read and written while
//! `running.process.lock` is locked; a file whose process is gone is replaced, also if another
//! process has its number now, as after a loss of power.
//!
//! Nodes of ours hold a lock on the file itself as long as they run, which no change of the clock
//! and no container's own numbers can confuse. The original's don't: theirs are told by number and
//! start time.

use crate::directory::{DirectoryError, NodeDirectory};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::Pid;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long another program may hold the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_RETRY: Duration = Duration::from_millis(50);
/// How far the start time of the recorded process may seem to be from the one in the record: the
/// system reckons it from its clock, which may have been set since.
const CLOCK_TOLERANCE_SECONDS: f64 = 10.0;

/// A node directory can't be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunningError {
    /// Its node runs already.
    #[error("A process is already running as PID {0}")]
    InTheWay(i32),
    /// The file holds something else.
    #[error("found invalid PID file in {0}")]
    Invalid(PathBuf),
    /// Somebody else looks at the file for too long.
    #[error("Another process is still locking {0}")]
    Locked(PathBuf),
    /// The file can't be read or written.
    #[error("cannot {step} {path}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file can't be written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// A node directory that is this process's, until it is released.
#[derive(Debug)]
#[must_use = "the record stays until it is released"]
pub struct RunningProcess {
    directory: NodeDirectory,
    stale: Option<i32>,
    /// The record, locked.
    _held: File,
}

impl RunningProcess {
    /// Takes a node directory for this process.
    pub fn claim(directory: &NodeDirectory) -> Result<Self, RunningError> {
        let _lock = lock(directory)?;
        let own = rustix::process::getpid();
        let path = directory.file("running.process");
        let stale = match directory.read("running.process")? {
            None => None,
            Some(text) => {
                let record = Record::parse(&text).ok_or(RunningError::Invalid(path))?;
                let pid = record.pid.as_raw_nonzero().get();
                // A restarted container gives the same number to the next process.
                if hold(directory)?.is_none() || (record.pid != own && record.is_running()) {
                    return Err(RunningError::InTheWay(pid));
                }
                Some(pid)
            }
        };
        let started = start_time().as_secs_f64();
        let record = format!("{} {started:.2}\n", own.as_raw_nonzero());
        directory.write("running.process", &record)?;
        let held = hold(directory)?.ok_or_else(|| {
            // Only a program that doesn't keep to the first lock can have been so fast.
            RunningError::Locked(directory.file("running.process"))
        })?;
        Ok(Self {
            directory: directory.clone(),
            stale,
            _held: held,
        })
    }

    /// The number of an earlier process that didn't remove its record.
    pub fn stale(&self) -> Option<i32> {
        self.stale
    }

    /// Removes the record.
    pub fn release(self) -> Result<(), RunningError> {
        let _lock = lock(&self.directory)?;
        let path = self.directory.file("running.process");
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(RunningError::Io {
                step: "remove",
                path,
                source,
            }),
            _ => Ok(()),
        }
    }
}

/// Locks the record; the lock ends when the file is closed.
fn lock(directory: &NodeDirectory) -> Result<File, RunningError> {
    let path = directory.file("running.process.lock");
    let opened = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path);
    let file = opened.map_err(|source| RunningError::Io {
        step: "open",
        path: path.clone(),
        source,
    })?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => {
                thread::sleep(LOCK_RETRY);
            }
            Err(Errno::WOULDBLOCK) => {
                return Err(RunningError::Locked(directory.file("running.process")));
            }
            Err(error) => {
                return Err(RunningError::Io {
                    step: "lock",
                    path,
                    source: error.into(),
                });
            }
        }
    }
}

/// Locks the record itself until the file is closed; `None` if its node, which is ours, runs.
fn hold(directory: &NodeDirectory) -> Result<Option<File>, RunningError> {
    let path = directory.file("running.process");
    let failed = |step, source| RunningError::Io {
        step,
        path: path.clone(),
        source,
    };
    let file = File::open(&path).map_err(|error| failed("open", error))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(failed("lock", error.into())),
    }
}

/// What the file says.
struct Record {
    pid: Pid,
    /// When the process began, in seconds since 1970.
    started: f64,
}

impl Record {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (pid, started, rest) = (words.next()?, words.next()?, words.next());
        let started = started.parse().ok()?;
        let pid = Pid::from_raw(pid.parse().ok().filter(|pid: &i32| *pid > 0)?)?;
        rest.is_none().then_some(Self { pid, started })
    }

    /// Says whether the process still runs, and not another one that has its number now.
    fn is_running(&self) -> bool {
        // Whoever may not be signalled is there all the same.
        if rustix::process::test_kill_process(self.pid) == Err(Errno::SRCH) {
            return false;
        }
        match SystemProcess::read(&self.pid.as_raw_nonzero().to_string()) {
            Some(process) if process.has_ended => false,
            Some(SystemProcess {
                started: Some(started),
                ..
            }) => (started.as_secs_f64() - self.started).abs() <= CLOCK_TOLERANCE_SECONDS,
            // Where the system doesn't say when it began, its number must do.
            _ => true,
        }
    }
}

/// When this process began, after 1970.
fn start_time() -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    SystemProcess::read("self")
        .and_then(|process| process.started)
        .unwrap_or(now)
}

/// What Linux says of a process.
struct SystemProcess {
    /// Whether it has ended, and only waits for its parent to ask how.
    has_ended: bool,
    /// When it began, after 1970.
    started: Option<Duration>,
}

impl SystemProcess {
    /// Reads about the process with a number, or `self`; `None` where the system has no such files.
    fn read(name: &str) -> Option<Self> {
        let process = std::fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
        // The second field is a name that may hold anything, in parentheses.
        let (_, fields) = process.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let state = fields.next()?;
        let ticks = fields.nth(18)?.parse().ok()?;
        Some(Self {
            has_ended: matches!(state, "Z" | "X"),
            started: since_boot(ticks),
        })
    }
}

/// The time after 1970 that is so many ticks of the clock after the system's start.
fn since_boot(ticks: f64) -> Option<Duration> {
    let system = std::fs::read_to_string("/proc/stat").ok()?;
    let boot = system
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    let boot: u64 = boot.trim().parse().ok()?;
    let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
    Duration::try_from_secs_f64(boot as f64 + ticks / ticks_per_second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> (tempfile::TempDir, NodeDirectory) {
        let temporary = tempfile::tempdir().unwrap();
        let directory = NodeDirectory::new(temporary.path());
        (temporary, directory)
    }

    #[test]
    fn records_this_process_and_removes_the_record() {
        let (_temporary, node) = node();
        let running = RunningProcess::claim(&node).unwrap();
        let text = node.read("running.process").unwrap().unwrap();
        let (pid, started) = text.split_once(' ').unwrap();
        assert_eq!(pid, std::process::id().to_string());
        let started = UNIX_EPOCH + Duration::from_secs_f64(started.parse().unwrap());
        let age = SystemTime::now()
            .duration_since(started)
            .unwrap_or_default();
        assert!(age < Duration::from_secs(3600), "{age:?}");
        assert_eq!(running.stale(), None);
        running.release().unwrap();
        assert_eq!(node.read("running.process").unwrap(), None);
    }

    /// A record of a process that isn't ours.
    fn write_record(node: &NodeDirectory, pid: u32, started: f64) {
        let record = format!("{pid} {started}\n");
        node.write("running.process", &record).unwrap();
    }

    #[test]
    fn a_running_node_is_in_the_way_and_a_dead_one_is_not() {
        let (_temporary, node) = node();
        let parent = std::os::unix::process::parent_id();
        let process = SystemProcess::read(&parent.to_string()).unwrap();
        write_record(&node, parent, process.started.unwrap().as_secs_f64());
        let error = RunningProcess::claim(&node).unwrap_err();
        assert!(matches!(error, RunningError::InTheWay(pid) if pid == parent.cast_signed()));
        // No process has so high a number.
        write_record(&node, i32::MAX.cast_unsigned(), 1.5);
        let running = RunningProcess::claim(&node).unwrap();
        assert_eq!(running.stale(), Some(i32::MAX));
    }

    #[test]
    fn a_process_that_only_has_the_number_is_not_in_the_way() {
        let (_temporary, node) = node();
        let parent = std::os::unix::process::parent_id();
        write_record(&node, parent, 1_000_000_000.0);
        let running = RunningProcess::claim(&node).unwrap();
        assert_eq!(running.stale(), Some(parent.cast_signed()));
    }

    #[test]
    fn a_process_that_has_ended_is_not_in_the_way() {
        let (_temporary, node) = node();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let name = child.id().to_string();
        let ended = loop {
            let process = SystemProcess::read(&name).unwrap();
            if process.has_ended {
                break process;
            }
            thread::sleep(Duration::from_millis(5));
        };
        write_record(&node, child.id(), ended.started.unwrap().as_secs_f64());
        let running = RunningProcess::claim(&node).unwrap();
        assert_eq!(running.stale(), Some(child.id().cast_signed()));
        child.wait().unwrap();
    }

    #[test]
    fn a_node_of_ours_is_in_the_way_whatever_the_record_says() {
        let (_temporary, node) = node();
        let running = RunningProcess::claim(&node).unwrap();
        // As from a container, which has numbers of its own; in place, so that the lock stays.
        std::fs::write(node.file("running.process"), "2147483647 1.5\n").unwrap();
        let error = RunningProcess::claim(&node).unwrap_err();
        assert!(matches!(error, RunningError::InTheWay(i32::MAX)), "{error}");
        running.release().unwrap();
        assert!(RunningProcess::claim(&node).is_ok());
    }

    #[test]
    fn nonsense_is_reported() {
        let (_temporary, node) = node();
        for text in ["", "x", "1", "1 x", "1 2 3", "0 1", "-5 1"] {
            node.write("running.process", text).unwrap();
            let error = RunningProcess::claim(&node).unwrap_err();
            assert!(
                matches!(error, RunningError::Invalid(_)),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn waits_for_the_lock_only_so_long() {
        let (_temporary, node) = node();
        let held = lock(&node).unwrap();
        assert!(matches!(
            RunningProcess::claim(&node),
            Err(RunningError::Locked(_))
        ));
        drop(held);
        assert!(RunningProcess::claim(&node).is_ok());
    }
}
