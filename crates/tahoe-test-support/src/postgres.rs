//! A PostgreSQL of a test's own.

use crate::PATIENCE;
use std::fs::{File, read_dir, read_to_string};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A server in a temporary directory, reached by a socket there; dropping it ends it.
#[derive(Debug)]
pub struct Postgres {
    /// Under which user and group it runs, if not as we do.
    user: Option<(u32, u32)>,
    directory: tempfile::TempDir,
    server: Option<Child>,
    databases: AtomicUsize,
}

impl Postgres {
    /// Starts one, and waits until it takes connections. Debian's package is installed if it isn't
    /// there.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // PostgreSQL refuses to be run by root.
        let user = rustix::process::geteuid().is_root().then(unprivileged);
        if let Some((user, group)) = user {
            chown(directory.path(), Some(user), Some(group)).expect("root may give it away");
        }
        let mut postgres = Self {
            user,
            directory,
            server: None,
            databases: AtomicUsize::new(0),
        };
        let mut initdb = postgres.command("initdb");
        initdb.args(["-U", "vdrive", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        run(initdb.arg("-D").arg(postgres.data()));
        postgres.resume();
        postgres
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(programs().join(program));
        command.current_dir(self.path());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts the server again, and waits until it takes connections.
    ///
    /// # Panics
    /// If it doesn't in time.
    pub fn resume(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut server = self.command("postgres");
            let log = File::create(self.path().join("log")).expect("the directory is ours");
            server.arg("-D").arg(self.data()).arg("-k").arg(self.path());
            server.args(["-c", "listen_addresses=", "-c", "shared_buffers=16MB"]);
            let child = server.stdout(Stdio::null()).stderr(log).spawn();
            let mut child = child.expect("PostgreSQL is installed");
            // One that was killed may still have processes, beside which none can be started.
            let mut runs = || child.try_wait().expect("the child is ours").is_none();
            while runs() && Instant::now() < deadline {
                let mut ready = self.command("pg_isready");
                ready.arg("-q").arg("-h").arg(self.path());
                if is_success(&mut ready) {
                    self.server = Some(child);
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(Instant::now() < deadline, "PostgreSQL does not start");
        }
    }

    /// Kills the server as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().expect("the child is ours");
            server.wait().expect("the child is ours");
        }
    }

    /// Makes a database; returns its URL.
    pub fn database(&self) -> String {
        let name = format!("drive{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut createdb = self.command("createdb");
        createdb.args(["-U", "vdrive", "-h"]).arg(self.path());
        run(createdb.arg(&name));
        let host = self.path().display().to_string().replace('/', "%2F");
        format!("postgresql://vdrive@{host}/{name}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let mut stop = self.command("pg_ctl");
            stop.arg("-D").arg(self.data());
            stop.args(["-m", "immediate", "-s", "stop"]);
            assert!(
                is_success(&mut stop) || server.kill().is_ok(),
                "PostgreSQL does not stop"
            );
            server.wait().expect("the child is ours");
        }
    }
}

fn is_success(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

fn run(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

/// The ids of `nobody`.
fn unprivileged() -> (u32, u32) {
    let users = read_to_string("/etc/passwd").expect("every Unix has it");
    let nobody = users.lines().find(|line| line.starts_with("nobody:"));
    let mut ids = nobody.expect("every Unix has nobody").split(':').skip(2);
    let mut id = || ids.next().and_then(|id| id.parse().ok()).expect("an id");
    (id(), id())
}

/// Where PostgreSQL's programs are; installs Debian's package if they aren't there.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        if let Some(programs) = installed() {
            return programs;
        }
        run(Command::new("apt-get").arg("update"));
        let mut install = Command::new("apt-get");
        install.env("DEBIAN_FRONTEND", "noninteractive");
        run(install.args(["install", "-y", "--no-install-recommends", "postgresql"]));
        installed().expect("the package has the programs")
    })
}

fn installed() -> Option<PathBuf> {
    let versions = read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.flatten().map(|version| version.path().join("bin"));
    let programs = programs.filter(|programs| programs.join("initdb").exists());
    programs.max()
}
