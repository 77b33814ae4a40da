//! The tables.
//!
//! ```text
//! drive        name, value: the format, the last revision, the root's names, the verifying key
//! directories  id, parent (null: the root, or in the trash), removed (the latest version that an
//!              entry had which is gone), revision (the last change)
//! entries      directory, entry, child (a directory's id), version, revision, record
//! trash        id (the revision that put it there), directory, entry, child, removed (ms), record
//! doomed       directory: it was in the trash; its entries are being deleted
//! ```

use super::DatabaseError;
use super::sql::{Cell, Cells, Database};

const FORMAT: u64 = 2;

const TABLES: [&str; 11] = [
    "CREATE TABLE IF NOT EXISTS drive (name BYTEA PRIMARY KEY, number BIGINT, value BYTEA)",
    "CREATE TABLE IF NOT EXISTS directories (id BYTEA PRIMARY KEY, parent BYTEA, \
     removed BIGINT NOT NULL, revision BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS entries (directory BYTEA NOT NULL, entry BYTEA NOT NULL, \
     child BYTEA, version BIGINT NOT NULL, revision BIGINT NOT NULL, record BYTEA NOT NULL, \
     PRIMARY KEY (directory, entry))",
    "CREATE TABLE IF NOT EXISTS trash (id BIGINT PRIMARY KEY, directory BYTEA NOT NULL, \
     entry BYTEA NOT NULL, child BYTEA, removed BIGINT NOT NULL, record BYTEA NOT NULL)",
    "CREATE INDEX IF NOT EXISTS trash_removed ON trash (removed)",
    "CREATE INDEX IF NOT EXISTS entries_child ON entries (child) WHERE child IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS trash_child ON trash (child) WHERE child IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS doomed (directory BYTEA PRIMARY KEY)",
    "INSERT INTO drive (name, number) VALUES ('format', 2) ON CONFLICT DO NOTHING",
    "INSERT INTO drive (name, number) VALUES ('revision', 0) ON CONFLICT DO NOTHING",
    "INSERT INTO directories (id, removed, revision) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING",
];

/// Makes what isn't there yet, and checks what is.
pub(super) async fn prepare(database: &mut dyn Database) -> Result<(), DatabaseError> {
    database.begin().await?;
    for statement in TABLES {
        let parameters = match statement.contains("$1") {
            true => vec![Cell::bytes(crate::ids::DirectoryId::ROOT.as_bytes())],
            false => Vec::new(),
        };
        database.query(statement, &parameters).await?;
    }
    database.query("COMMIT", &[]).await?;
    let format = "SELECT number FROM drive WHERE name = 'format'";
    let rows = database.query(format, &[]).await?;
    let row = rows.into_iter().next();
    match Cells::of(row.unwrap_or_default()).number()? {
        FORMAT => Ok(()),
        other => Err(DatabaseError::Format(
            i64::try_from(other).unwrap_or(i64::MAX),
        )),
    }
}
