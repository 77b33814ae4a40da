//! A PostgreSQL of the tests' own, and the same tests over it.

use crate::processes::ServerProcess;
use crate::store::conformance;
use crate::support::{Client, PATIENCE, clock, furls, listening, metadata, name, patient, set};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tahoe_vdrive::store::Store;
use tahoe_vdrive::{Replace, VdriveServer};

/// A server in a temporary directory, reached by a socket there.
pub(crate) struct Postgres {
    programs: PathBuf,
    user: Option<(u32, u32)>,
    directory: tempfile::TempDir,
    server: Option<Child>,
    databases: AtomicUsize,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // PostgreSQL refuses to be run by root.
        let user = is_root().then(unprivileged);
        if let Some((user, group)) = user {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let mut postgres = Self {
            programs: programs(),
            user,
            directory,
            server: None,
            databases: AtomicUsize::new(0),
        };
        let data = postgres.data();
        let mut initdb = postgres.command("initdb");
        initdb.args([
            "-U",
            "vdrive",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
            "-D",
        ]);
        run(initdb.arg(data));
        postgres.resume();
        postgres
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.directory.path());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts the server, and waits until it takes connections.
    pub(crate) fn resume(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut server = self.command("postgres");
            let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
            server
                .arg("-D")
                .arg(self.data())
                .arg("-k")
                .arg(self.directory.path());
            server.args(["-c", "listen_addresses=", "-c", "shared_buffers=16MB"]);
            let mut child = server.stdout(Stdio::null()).stderr(log).spawn().unwrap();
            // One that was killed may still have processes, beside which none can be started.
            while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
                let mut ready = self.command("pg_isready");
                ready.arg("-q").arg("-h").arg(self.directory.path());
                if ready.status().unwrap().success() {
                    self.server = Some(child);
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(Instant::now() < deadline, "PostgreSQL does not start");
        }
    }

    /// Kills the server as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Makes a database; returns where it is.
    pub(crate) fn database(&self) -> String {
        let name = format!("drive{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let host = self.directory.path().display();
        let mut createdb = self.command("createdb");
        run(createdb
            .args(["-U", "vdrive", "-h"])
            .arg(self.directory.path())
            .arg(&name));
        format!("host={host} user=vdrive dbname={name}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let mut stop = self.command("pg_ctl");
            let stopped = stop
                .arg("-D")
                .arg(self.data())
                .args(["-m", "immediate", "-s", "stop"]);
            let is_stopped = stopped.status().is_ok_and(|status| status.success());
            assert!(
                is_stopped || server.kill().is_ok(),
                "PostgreSQL does not stop"
            );
            server.wait().unwrap();
        }
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

/// The ids of `nobody`.
fn unprivileged() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let nobody = users
        .lines()
        .find(|line| line.starts_with("nobody:"))
        .unwrap();
    let mut ids = nobody.split(':').skip(2).map(|id| id.parse().unwrap());
    (ids.next().unwrap(), ids.next().unwrap())
}

/// Where PostgreSQL's programs are; installs Debian's package if they aren't there.
fn programs() -> PathBuf {
    let find = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let programs = versions.map(|version| version.unwrap().path().join("bin"));
        programs
            .filter(|programs| programs.join("initdb").exists())
            .max()
    };
    if let Some(programs) = find() {
        return programs;
    }
    run(Command::new("apt-get").arg("update"));
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run(install.args(["install", "-y", "--no-install-recommends", "postgresql"]));
    find().expect("the package has the programs")
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms() {
    let postgres = Postgres::start();
    conformance(async || Store::open_postgres(&postgres.database()).await.unwrap()).await;
}

/// The database is empty: tables, names and key are made by whoever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_started_at_once_agree() {
    let postgres = Postgres::start();
    let database = postgres.database();
    let tubs = futures_util::future::join_all((0..4).map(|_| listening())).await;
    let starts = tubs.iter().enumerate().map(|(number, (tub, _))| {
        let database = &database;
        async move {
            let store = Store::open_postgres(database).await.unwrap();
            let server = VdriveServer::start(store.clone(), tub, clock())
                .await
                .unwrap();
            let key = [u8::try_from(number).unwrap(); 32];
            (server, store.keep_key(&key).await.unwrap())
        }
    });
    let started = futures_util::future::join_all(starts).await;
    let said = |(server, key): &(VdriveServer, [u8; 32])| {
        let (read_write, read_only) = server.furls();
        let names = [read_write, read_only].map(|furl| furl.swissnum.as_str().to_owned());
        (names, *key)
    };
    let first = said(&started[0]);
    assert!(started.iter().all(|other| said(other) == first));
    for ((server, _), (tub, _)) in started.iter().zip(&tubs) {
        server.stop().await;
        tub.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_over_one_database_are_one_drive() {
    let postgres = Postgres::start();
    let database = postgres.database();
    let (one, _) = listening().await;
    let (other, _) = listening().await;
    let mut servers = Vec::new();
    for tub in [&one, &other] {
        let store = Store::open_postgres(&database).await.unwrap();
        servers.push(VdriveServer::start(store, tub, clock()).await.unwrap());
    }
    let furl = |server: &VdriveServer| furls(server.furls().0, server.furls().1).0;
    let (here, there) = (furl(&servers[0]), furl(&servers[1]));
    let names = [&here, &there].map(|furl| furl.furl.swissnum.as_str().to_owned());
    assert_eq!(names[0], names[1], "the root has one name at all servers");
    let (here, there) = (Client::connect(here).await, Client::connect(there).await);
    let d = here
        .root()
        .make_directory(&name("d"), metadata())
        .await
        .unwrap();
    let seen = there.drive.open(&[name("d")]).await.unwrap();
    assert_eq!(seen.id(), d.id());
    // News come from the other server, by the database.
    let mut changes = seen.subscribe().await;
    set(&d, "a", "URI:a", Replace::Never).await.unwrap();
    patient(async {
        while seen.get(&name("a")).await.is_err() {
            assert!(changes.changed().await);
        }
    })
    .await;
    for (server, tub) in servers.iter().zip([one, other]) {
        server.stop().await;
        tub.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_at_whichever_server_is_there() {
    let postgres = Postgres::start();
    let database = postgres.database();
    // Both have the identity that the first one leaves in the directory.
    let directory = tempfile::tempdir().unwrap();
    let (mut one, mut furl) = ServerProcess::start(directory.path(), Some(database.clone()));
    let (mut other, furl_of_other) = ServerProcess::start(directory.path(), Some(database));
    assert_eq!(furl.furl.tub_id, furl_of_other.furl.tub_id);
    furl.furl.hints.extend(furl_of_other.furl.hints);
    let client = Client::connect(furl).await;
    let d = client
        .root()
        .make_directory(&name("d"), metadata())
        .await
        .unwrap();
    for (text, killed) in [("a", &mut one), ("b", &mut other)] {
        killed.kill();
        // A directory that was got from one server is the same at the other.
        patient(async {
            while set(&d, text, "URI:a", Replace::Always).await.is_err() {
                client.drive.connected().await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        killed.resume();
    }
    assert_eq!(d.list_all().await.unwrap().entries.len(), 2);
}
