//! The backup database, `private/backupdb.sqlite`: what was stored where, and when.
//!
//! Its tables are those of the original, version 2; version 1, which lacks `directories`, is
//! upgraded. Capabilities and hashes are stored as blobs, as the original does under Python 3; what an
//! older one stored as text is read too. Changes are collected and written together: losing the last second of them costs a
//! second upload, nothing more.

use super::metadata::Fingerprint;
use crate::error::{CommandError, Result};
use crate::quote::quoted_path;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const VERSION: i64 = 2;
const TABLES: &str = "
    CREATE TABLE version (version INTEGER);
    CREATE TABLE local_files (
        path VARCHAR(1024) PRIMARY KEY, size INTEGER, mtime NUMBER, ctime NUMBER, fileid INTEGER
    );
    CREATE TABLE caps (
        fileid INTEGER PRIMARY KEY AUTOINCREMENT, filecap VARCHAR(256) UNIQUE
    );
    CREATE TABLE last_upload (
        fileid INTEGER PRIMARY KEY, last_uploaded TIMESTAMP, last_checked TIMESTAMP
    );";
/// What version 2 added.
const TABLE_OF_DIRECTORIES: &str = "
    CREATE TABLE directories (
        dirhash VARCHAR(256) PRIMARY KEY, dircap VARCHAR(256),
        last_uploaded TIMESTAMP, last_checked TIMESTAMP
    );";

/// Nothing is checked that was known to be healthy less than so many seconds ago ...
const NEVER_CHECKED_BEFORE: f64 = 30.0 * 86_400.0;
/// ... and everything that was so many seconds ago. In between it is a matter of chance.
const ALWAYS_CHECKED_AFTER: f64 = 2.0 * NEVER_CHECKED_BEFORE;

/// How long another program may keep the database to itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long changes are collected.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// The database, and the changes that aren't written yet.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
    /// When the first of the unwritten changes was made.
    changing_since: Option<Instant>,
}

/// What was stored earlier and may still be good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) cap: Cap,
    /// It is time to see whether the grid still has it.
    pub(super) must_check: bool,
}

/// A capability whose text stays out of logs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Cap(pub(super) String);

impl std::fmt::Debug for Cap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        tahoe_caps::Cap::parse(&self.0).fmt(f)
    }
}

impl Database {
    /// Opens the database of a node directory, or makes one.
    pub(super) fn open(node_directory: &Path) -> Result<Self> {
        let path = node_directory.join("private/backupdb.sqlite");
        let unusable = |why: &dyn std::fmt::Display| {
            let path = quoted_path(&path);
            CommandError::failed(format!(
                "backupdb file {path} is unusable: {why}\nERROR: Unable to load backup db."
            ))
            .hint("Move it away to begin anew: everything is then stored once more.")
        };
        let mut options = File::options();
        let file = options.create(true).append(true).mode(0o600).open(&path);
        let is_new = file.and_then(|file| Ok(file.metadata()?.len() == 0));
        let is_new = is_new.map_err(|error| unusable(&error))?;
        let opened = Connection::open(&path).and_then(|connection| {
            connection.busy_timeout(PATIENCE)?;
            let version = prepare(&connection, is_new)?;
            Ok((connection, version))
        });
        match opened {
            Ok((connection, VERSION)) => Ok(Self {
                connection,
                path,
                changing_since: None,
            }),
            Ok((_, version)) => Err(unusable(&format!(
                "Unable to handle backupdb version {version}"
            ))),
            Err(error) => Err(unusable(&error)),
        }
    }

    /// What a file was stored as, if it hasn't changed since.
    pub(super) fn file(
        &self,
        path: &str,
        fingerprint: &Fingerprint,
        use_timestamps: bool,
    ) -> Result<Option<Stored>> {
        let found = self.file_row(path).map_err(|error| self.failure(&error))?;
        let same =
            |(before, _, _): &(Fingerprint, String, f64)| use_timestamps && before == fingerprint;
        Ok(found
            .filter(same)
            .map(|(_, cap, last_checked)| stored(cap, last_checked)))
    }

    fn file_row(&self, path: &str) -> rusqlite::Result<Option<(Fingerprint, String, f64)>> {
        let sql = "SELECT size, mtime, ctime, filecap, last_checked
             FROM local_files NATURAL JOIN caps NATURAL JOIN last_upload WHERE path = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let row = statement.query_row([path], |row| {
            let fingerprint = Fingerprint {
                size_bytes: row.get(0)?,
                modified: whole(row.get(1)?),
                changed: whole(row.get(2)?),
            };
            Ok((fingerprint, text(row, 3)?, row.get(4)?))
        });
        row.optional()
    }

    /// What a directory with this hash was stored as.
    pub(super) fn directory(&self, hash: &str) -> Result<Option<Stored>> {
        let sql = "SELECT dircap, last_checked FROM directories WHERE dirhash = ?";
        let row = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                let row = statement.query_row([hash.as_bytes()], |row| {
                    Ok(stored(text(row, 0)?, row.get(1)?))
                });
                row.optional()
            });
        row.map_err(|error| self.failure(&error))
    }

    /// Remembers that a file was stored.
    pub(super) fn file_was_stored(
        &mut self,
        path: &str,
        fingerprint: &Fingerprint,
        cap: &str,
    ) -> Result {
        self.change(|connection| {
            let now = now();
            connection
                .prepare_cached("INSERT OR IGNORE INTO caps (filecap) VALUES (?)")?
                .execute([cap.as_bytes()])?;
            let id: i64 = connection
                .prepare_cached("SELECT fileid FROM caps WHERE filecap = ?")?
                .query_row([cap.as_bytes()], |row| row.get(0))?;
            connection
                .prepare_cached("REPLACE INTO last_upload VALUES (?, ?, ?)")?
                .execute(params![id, now, now])?;
            let Fingerprint {
                size_bytes,
                modified,
                changed,
            } = fingerprint;
            connection
                .prepare_cached("REPLACE INTO local_files VALUES (?, ?, ?, ?, ?)")?
                .execute(params![path, size_bytes, modified, changed, id])?;
            Ok(())
        })
    }

    /// Remembers that a file was found healthy.
    pub(super) fn file_is_healthy(&mut self, cap: &str) -> Result {
        self.change(|connection| {
            let sql = "UPDATE last_upload SET last_checked = ?
                 WHERE fileid = (SELECT fileid FROM caps WHERE filecap = ?)";
            let mut statement = connection.prepare_cached(sql)?;
            statement.execute(params![now(), cap.as_bytes()]).map(drop)
        })
    }

    /// Remembers that a directory was stored.
    pub(super) fn directory_was_stored(&mut self, hash: &str, cap: &str) -> Result {
        self.change(|connection| {
            let now = now();
            let sql = "REPLACE INTO directories VALUES (?, ?, ?, ?)";
            let mut statement = connection.prepare_cached(sql)?;
            statement
                .execute(params![hash.as_bytes(), cap.as_bytes(), now, now])
                .map(drop)
        })
    }

    /// Remembers that a directory was found healthy.
    pub(super) fn directory_is_healthy(&mut self, cap: &str) -> Result {
        self.change(|connection| {
            let sql = "UPDATE directories SET last_checked = ? WHERE dircap = ?";
            let mut statement = connection.prepare_cached(sql)?;
            statement.execute(params![now(), cap.as_bytes()]).map(drop)
        })
    }

    fn change(&mut self, change: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result {
        let changed = match self.changing_since {
            Some(_) => change(&self.connection),
            None => {
                let begun = self.connection.execute_batch("BEGIN IMMEDIATE");
                self.changing_since = begun.is_ok().then(Instant::now);
                begun.and_then(|()| change(&self.connection))
            }
        };
        changed.map_err(|error| self.failure(&error))
    }

    /// Writes the changes if they have waited long enough.
    pub(super) fn flush_if_due(&mut self) -> Result {
        match self.changing_since {
            Some(since) if since.elapsed() >= LONGEST_DELAY => self.flush(),
            _ => Ok(()),
        }
    }

    /// Writes the changes.
    pub(super) fn flush(&mut self) -> Result {
        if self.changing_since.take().is_none() {
            return Ok(());
        }
        let written = self.connection.execute_batch("COMMIT");
        written.map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &rusqlite::Error) -> CommandError {
        let path = quoted_path(&self.path);
        CommandError::failed(format!("cannot use the backup database {path}: {error}"))
    }
}

/// Makes the tables that are missing; returns the version that there is then.
fn prepare(connection: &Connection, is_new: bool) -> rusqlite::Result<i64> {
    if is_new {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} {TABLE_OF_DIRECTORIES}
             INSERT INTO version (version) VALUES ({VERSION}); COMMIT;"
        ))?;
    }
    let sql = "SELECT version FROM version";
    let version = |row: &rusqlite::Row<'_>| row.get(0);
    let found: i64 = connection.query_row(sql, [], version)?;
    if found != 1 {
        return Ok(found);
    }
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLE_OF_DIRECTORIES} UPDATE version SET version = 2; COMMIT;"
    ))?;
    connection.query_row(sql, [], version)
}

fn stored(cap: String, last_checked: f64) -> Stored {
    let age = now() - last_checked;
    Stored {
        cap: Cap(cap),
        must_check: rand::random::<f64>() < check_probability(age),
    }
}

/// How likely something is checked that was known to be healthy so many seconds ago.
fn check_probability(age_seconds: f64) -> f64 {
    let span = ALWAYS_CHECKED_AFTER - NEVER_CHECKED_BEFORE;
    ((age_seconds - NEVER_CHECKED_BEFORE) / span).clamp(0.0, 1.0)
}

/// Seconds since 1970.
fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}

/// A text that may be stored as a blob.
fn text(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<String> {
    let bytes = row.get_ref(column)?.as_bytes()?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// Times are whole numbers; old versions of the original stored fractions.
#[expect(clippy::cast_possible_truncation, reason = "a float's cast saturates")]
fn whole(seconds: f64) -> i64 {
    seconds.floor() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINGERPRINT: Fingerprint = Fingerprint {
        size_bytes: 7,
        modified: 1_600_000_000,
        changed: 1_600_000_001,
    };

    fn node_directory() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("private")).unwrap();
        folder
    }

    #[test]
    fn remembers_files_until_they_change() {
        let folder = node_directory();
        let mut database = Database::open(folder.path()).unwrap();
        assert_eq!(database.file("/a", &FINGERPRINT, true).unwrap(), None);
        database.file_was_stored("/a", &FINGERPRINT, "one").unwrap();
        database.file_was_stored("/b", &FINGERPRINT, "one").unwrap();
        database.flush().unwrap();
        drop(database);
        let mut database = Database::open(folder.path()).unwrap();
        let cap = |database: &Database, fingerprint: &Fingerprint, use_timestamps| {
            let stored = database.file("/a", fingerprint, use_timestamps).unwrap();
            stored.map(|Stored { cap, must_check }| (cap.0, must_check))
        };
        let known = Some(("one".to_owned(), false));
        assert_eq!(cap(&database, &FINGERPRINT, true), known);
        assert_eq!(cap(&database, &FINGERPRINT, false), None);
        let newer = Fingerprint {
            modified: 1_700_000_000,
            ..FINGERPRINT
        };
        assert_eq!(cap(&database, &newer, true), None);
        database.file_was_stored("/a", &newer, "two").unwrap();
        assert_eq!(
            cap(&database, &newer, true),
            Some(("two".to_owned(), false))
        );
    }

    #[test]
    fn checks_what_is_old_and_trusts_what_was_found_healthy() {
        let folder = node_directory();
        let mut database = Database::open(folder.path()).unwrap();
        database.file_was_stored("/a", &FINGERPRINT, "f").unwrap();
        database.directory_was_stored("hash", "d").unwrap();
        database.flush().unwrap();
        database
            .connection
            .execute_batch(
                "UPDATE last_upload SET last_checked = 0;
                            UPDATE directories SET last_checked = 0;",
            )
            .unwrap();
        let must_check = |database: &Database| {
            let file = database.file("/a", &FINGERPRINT, true).unwrap().unwrap();
            let directory = database.directory("hash").unwrap().unwrap();
            (file.must_check, directory.must_check)
        };
        assert_eq!(must_check(&database), (true, true));
        database.file_is_healthy("f").unwrap();
        database.directory_is_healthy("d").unwrap();
        assert_eq!(must_check(&database), (false, false));
        assert_eq!(database.directory("other").unwrap(), None);
    }

    #[test]
    fn probabilities() {
        let days = |days: f64| check_probability(days * 86_400.0);
        assert_eq!(days(0.0), 0.0);
        assert_eq!(days(30.0), 0.0);
        assert_eq!(days(45.0), 0.5);
        assert_eq!(days(60.0), 1.0);
        assert_eq!(days(900.0), 1.0);
        assert_eq!(days(-1.0), 0.0);
    }

    #[test]
    fn upgrades_version_1_and_refuses_what_it_does_not_know() {
        let folder = node_directory();
        let path = folder.path().join("private/backupdb.sqlite");
        let connection = Connection::open(&path).unwrap();
        let old = format!("{TABLES} INSERT INTO version VALUES (1);");
        connection.execute_batch(&old).unwrap();
        let mut database = Database::open(folder.path()).unwrap();
        database.directory_was_stored("hash", "d").unwrap();
        database.flush().unwrap();
        drop(database);
        connection
            .execute_batch("UPDATE version SET version = 3")
            .unwrap();
        let error = Database::open(folder.path()).unwrap_err();
        assert!(error.message.contains("version 3"), "{error}");
        std::fs::write(&path, "this is no database, but it is long enough").unwrap();
        assert!(Database::open(folder.path()).is_err());
    }
}
