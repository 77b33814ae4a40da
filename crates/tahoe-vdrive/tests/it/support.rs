//! Drives for tests: a store, a server and clients, each with a tub of its own.

use foolscap::{Furl, Tub, TubIdentity, TubOptions};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tahoe_tasks::CpuPool;
use tahoe_vdrive::store::Store;
use tahoe_vdrive::{
    CapText, Caps, Clock, Directory, Drive, DriveError, DriveFurl, DriveOptions, EntryName,
    Metadata, Replace, VdriveServer, Version,
};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// How long anything may take on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn clock() -> Clock {
    Arc::new(SystemTime::now)
}

/// A server with its tub and directory.
pub(crate) struct Served {
    pub(crate) tub: Tub,
    pub(crate) server: VdriveServer,
    directory: tempfile::TempDir,
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    /// Serves the drive that is in a directory.
    pub(crate) async fn start_in(directory: tempfile::TempDir) -> Self {
        let store = sqlite(directory.path()).await;
        let (tub, _) = listening().await;
        let server = VdriveServer::start(store, &tub, clock()).await;
        Self {
            tub,
            server: server.unwrap(),
            directory,
        }
    }

    /// Where its database is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What is in the two files that the server's owner gives away.
    pub(crate) fn furls(&self) -> (DriveFurl, DriveFurl) {
        let (read_write, read_only) = self.server.furls();
        furls(read_write, read_only)
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
        self.tub.stop().await;
    }
}

pub(crate) fn furls(read_write: &Furl, read_only: &Furl) -> (DriveFurl, DriveFurl) {
    DriveFurl::of_new_drive(read_write.clone(), read_only.clone(), [7; 32])
}

pub(crate) async fn sqlite(directory: &Path) -> Store {
    Store::open_sqlite(&directory.join("vdrive.sqlite"))
        .await
        .unwrap()
}

/// A tub that listens on a port of this machine.
pub(crate) async fn listening() -> (Tub, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = TubOptions {
        location: vec![format!("tcp:127.0.0.1:{port}")],
        ..TubOptions::default()
    };
    let tub = Tub::new(TubIdentity::generate().unwrap(), options).unwrap();
    tub.listen(listener);
    (tub, port)
}

/// A client that is connected.
pub(crate) struct Client {
    pub(crate) drive: Drive,
    /// Its connections end with it.
    _tub: Tub,
}

impl Client {
    pub(crate) async fn connect(furl: DriveFurl) -> Self {
        let client = Self::new(furl);
        patient(client.drive.connected()).await;
        client
    }

    pub(crate) fn new(furl: DriveFurl) -> Self {
        Self::remembering(furl, None)
    }

    /// One that keeps what it has seen.
    pub(crate) fn remembering(furl: DriveFurl, seen: Option<PathBuf>) -> Self {
        let tub = Tub::new(TubIdentity::generate().unwrap(), TubOptions::default()).unwrap();
        let options = DriveOptions {
            cpu: CpuPool::new(NonZeroUsize::new(2).unwrap()),
            clock: clock(),
            seen,
        };
        let drive = Drive::connect(&tub, furl, options).unwrap();
        Self { drive, _tub: tub }
    }

    pub(crate) fn root(&self) -> Directory {
        self.drive.root()
    }
}

pub(crate) async fn patient<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it took too long")
}

pub(crate) fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}

pub(crate) fn cap(text: &str) -> Caps {
    Caps::read_only(CapText::new(text).unwrap())
}

pub(crate) fn metadata() -> Metadata {
    Metadata {
        created: 1,
        modified: 2,
        notes: "{\"mtime\": 3}".to_owned(),
    }
}

/// Sets a file.
pub(crate) async fn set(
    directory: &Directory,
    text: &str,
    leads_to: &str,
    replace: Replace,
) -> Result<Version, DriveError> {
    let (name, cap) = (name(text), cap(leads_to));
    directory.set_file(&name, cap, metadata(), replace).await
}
