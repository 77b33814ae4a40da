//! `running.process`: the number of the process that runs a node directory.
//!
//! The file holds `PID START-TIME`, the latter in seconds since 1970. It is read and written while
//! `running.process.lock` is locked; a file whose process is gone is replaced.

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
                let pid = parse(&text).ok_or(RunningError::Invalid(path))?;
                // A restarted container gives the same number to the next process.
                if pid != own && is_alive(pid) {
                    return Err(RunningError::InTheWay(pid.as_raw_nonzero().get()));
                }
                Some(pid.as_raw_nonzero().get())
            }
        };
        let started = start_time().as_secs_f64();
        let record = format!("{} {started:.2}\n", own.as_raw_nonzero());
        directory.write("running.process", &record)?;
        Ok(Self {
            directory: directory.clone(),
            stale,
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

fn parse(text: &str) -> Option<Pid> {
    let mut words = text.split_whitespace();
    let (pid, started, rest) = (words.next()?, words.next()?, words.next());
    started.parse::<f64>().ok()?;
    match rest {
        None => Pid::from_raw(pid.parse().ok().filter(|pid: &i32| *pid > 0)?),
        Some(_) => None,
    }
}

fn is_alive(pid: Pid) -> bool {
    // Whoever may not be signalled is there all the same.
    rustix::process::test_kill_process(pid) != Err(Errno::SRCH)
}

/// When this process began, after 1970.
fn start_time() -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    start_time_of_system().unwrap_or(now)
}

/// What Linux says: the boot time, and in which tick after it this process began.
fn start_time_of_system() -> Option<Duration> {
    let system = std::fs::read_to_string("/proc/stat").ok()?;
    let boot = system
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    let boot: u64 = boot.trim().parse().ok()?;
    let process = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name that may hold anything, in parentheses.
    let (_, fields) = process.rsplit_once(')')?;
    let ticks: f64 = fields.split_whitespace().nth(19)?.parse().ok()?;
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

    #[test]
    fn a_running_node_is_in_the_way_and_a_dead_one_is_not() {
        let (_temporary, node) = node();
        let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get();
        node.write("running.process", &format!("{parent} 1.5\n"))
            .unwrap();
        let error = RunningProcess::claim(&node).unwrap_err();
        assert!(matches!(error, RunningError::InTheWay(pid) if pid == parent));
        // No process has so high a number.
        node.write("running.process", "2147483647 1.5\n").unwrap();
        let running = RunningProcess::claim(&node).unwrap();
        assert_eq!(running.stale(), Some(i32::MAX));
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
