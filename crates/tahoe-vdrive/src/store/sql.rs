//! The few words of SQL that both databases have in common.
//!
//! Statements number their parameters `$1`, `$2`, … in the order of their first appearance, which
//! both databases understand alike. Values are integers and bytes.

use super::DatabaseError;
use async_trait::async_trait;

/// A value of a row, or of a statement's parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Bytes(Vec<u8>),
}

pub(super) type Row = Vec<Cell>;

/// A connection to a database, for the one who writes.
#[async_trait]
pub(super) trait Database: Send {
    /// Begins a transaction, when no other server of the drive is in one; connects if need be.
    async fn begin(&mut self) -> Result<(), DatabaseError>;

    /// Runs a statement; returns the rows it gives.
    async fn query(
        &mut self,
        statement: &'static str,
        parameters: &[Cell],
    ) -> Result<Vec<Row>, DatabaseError>;

    /// Tells other servers of the drive, when the transaction is committed, that these directories
    /// have changed.
    async fn announce(&mut self, changed: &[super::Changed]) -> Result<(), DatabaseError>;
}

/// Connections to a database, for those who read.
#[async_trait]
pub(super) trait Reader: Send + Sync {
    /// Runs a statement; returns the rows it gives.
    async fn query(
        &self,
        statement: &'static str,
        parameters: Vec<Cell>,
    ) -> Result<Vec<Row>, DatabaseError>;
}

impl Cell {
    pub(super) fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }

    /// A number below 2⁶³, which all numbers of a drive are.
    pub(super) fn number(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// Takes the cells of a row one after the other.
pub(super) struct Cells(std::vec::IntoIter<Cell>);

impl Cells {
    pub(super) fn of(row: Row) -> Self {
        Self(row.into_iter())
    }

    pub(super) fn number(&mut self) -> Result<u64, DatabaseError> {
        match self.0.next() {
            Some(Cell::Integer(number)) => {
                u64::try_from(number).map_err(|_| DatabaseError::BadRow("a negative number"))
            }
            _ => Err(DatabaseError::BadRow("a number is missing")),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, DatabaseError> {
        match self.0.next() {
            Some(Cell::Bytes(bytes)) => Ok(bytes),
            _ => Err(DatabaseError::BadRow("bytes are missing")),
        }
    }

    pub(super) fn id(&mut self) -> Result<[u8; 16], DatabaseError> {
        let bytes = self.bytes()?;
        bytes.try_into().map_err(|_| DatabaseError::BadRow("an id"))
    }

    pub(super) fn optional_id(&mut self) -> Result<Option<[u8; 16]>, DatabaseError> {
        match self.0.next() {
            Some(Cell::Null) => Ok(None),
            Some(Cell::Bytes(bytes)) => {
                let id = bytes.try_into();
                id.map(Some).map_err(|_| DatabaseError::BadRow("an id"))
            }
            _ => Err(DatabaseError::BadRow("an id is missing")),
        }
    }
}
