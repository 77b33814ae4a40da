//! SQLite: one file, one server.

use super::sql::{Cell, Database, Reader, Row};
use super::{Changed, DatabaseError};
use async_trait::async_trait;
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, params_from_iter};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a connection waits for another program that has locked the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Most reads at once.
const READERS: usize = 8;
/// Statements that a connection keeps compiled: all that there are.
const CACHED_STATEMENTS: usize = 64;

/// The writer's connection.
pub(super) struct Sqlite(Connection);

/// Opens the writer's connection; makes the file if need be.
pub(super) fn open(path: &Path) -> Result<Sqlite, DatabaseError> {
    let connection = connect(path)?;
    // A commit returns when the log is on the disk.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(Sqlite(connection))
}

fn connect(path: &Path) -> Result<Connection, DatabaseError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(connection)
}

#[async_trait]
impl Database for Sqlite {
    async fn begin(&mut self) -> Result<(), DatabaseError> {
        Ok(self.0.execute_batch("BEGIN IMMEDIATE")?)
    }

    async fn query(
        &mut self,
        statement: &'static str,
        parameters: &[Cell],
    ) -> Result<Vec<Row>, DatabaseError> {
        query(&self.0, statement, parameters)
    }

    /// There are no other servers.
    async fn announce(&mut self, _: &[Changed]) -> Result<(), DatabaseError> {
        Ok(())
    }
}

/// Connections that read, on tokio's blocking threads.
pub(super) struct Readers {
    path: PathBuf,
    slots: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            slots: Arc::new(Semaphore::new(READERS)),
            idle: Arc::default(),
        }
    }
}

#[async_trait]
impl Reader for Readers {
    async fn query(
        &self,
        statement: &'static str,
        parameters: Vec<Cell>,
    ) -> Result<Vec<Row>, DatabaseError> {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|_| DatabaseError::Stopped)?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let reading = tokio::task::spawn_blocking(move || {
            let lock = || idle.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = lock().pop();
            let connection = kept.map_or_else(|| connect(&path), Ok)?;
            let rows = query(&connection, statement, &parameters);
            lock().push(connection);
            drop(slot);
            rows
        });
        reading.await.map_err(|_| DatabaseError::Stopped)?
    }
}

fn query(
    connection: &Connection,
    statement: &'static str,
    parameters: &[Cell],
) -> Result<Vec<Row>, DatabaseError> {
    let mut statement = connection.prepare_cached(statement)?;
    let columns = statement.column_count();
    let mut rows = statement.query(params_from_iter(parameters))?;
    let mut result = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = (0..columns).map(|column| Ok(Cell::from(row.get_ref(column)?)));
        result.push(cells.collect::<Result<Row, rusqlite::Error>>()?);
    }
    Ok(result)
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null | ValueRef::Real(_) => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Self::bytes(bytes),
        }
    }
}
