//! The trash is bounded: what is too old or too much is dropped, and a dropped directory's entries
//! are deleted, a bounded number at a time.

use super::DatabaseError;
use super::sql::{Cell, Cells, Database, Row};
use crate::limits::{MAX_TRASH_ENTRIES, SWEEP_STEP, TRASH_TIME};

/// Does a bounded part of the work; says whether more is left. `now` is in milliseconds.
pub(super) async fn sweep(database: &mut dyn Database, now: u64) -> Result<bool, DatabaseError> {
    let dropped = drop_from_trash(database, now).await?;
    let deleted = delete_doomed(database).await?;
    Ok(dropped || deleted)
}

async fn drop_from_trash(database: &mut dyn Database, now: u64) -> Result<bool, DatabaseError> {
    let time = u64::try_from(TRASH_TIME.as_millis()).unwrap_or(u64::MAX);
    let too_many = "SELECT id FROM trash ORDER BY id DESC LIMIT 1 OFFSET $1";
    let rows = database
        .query(too_many, &[Cell::count(MAX_TRASH_ENTRIES)])
        .await?;
    let last = match rows.into_iter().next() {
        Some(row) => Cells::of(row).number()?,
        None => 0,
    };
    let select = "SELECT id, child FROM trash WHERE id <= $1 OR removed < $2 ORDER BY id LIMIT $3";
    let too_old = Cell::number(now.saturating_sub(time));
    let parameters = [Cell::number(last), too_old, Cell::count(SWEEP_STEP)];
    let rows = database.query(select, &parameters).await?;
    let more = rows.len() == SWEEP_STEP;
    for row in rows {
        let mut cells = Cells::of(row);
        let id = Cell::number(cells.number()?);
        if let Some(child) = cells.optional_id()? {
            doom(database, &child).await?;
        }
        database
            .query("DELETE FROM trash WHERE id = $1", &[id])
            .await?;
    }
    Ok(more)
}

async fn doom(database: &mut dyn Database, directory: &[u8]) -> Result<Vec<Row>, DatabaseError> {
    let insert = "INSERT INTO doomed (directory) VALUES ($1) ON CONFLICT DO NOTHING";
    database.query(insert, &[Cell::bytes(directory)]).await
}

/// Deletes entries of one doomed directory; the directories among them are doomed then.
async fn delete_doomed(database: &mut dyn Database) -> Result<bool, DatabaseError> {
    let rows = database
        .query("SELECT directory FROM doomed LIMIT 1", &[])
        .await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(false);
    };
    let directory = Cell::bytes(&Cells::of(row).id()?);
    let select = "SELECT entry, child FROM entries WHERE directory = $1 LIMIT $2";
    let parameters = [directory.clone(), Cell::count(SWEEP_STEP)];
    let rows = database.query(select, &parameters).await?;
    if rows.is_empty() {
        for delete in [
            "DELETE FROM directories WHERE id = $1",
            "DELETE FROM doomed WHERE directory = $1",
        ] {
            database
                .query(delete, std::slice::from_ref(&directory))
                .await?;
        }
    }
    for row in rows {
        let mut cells = Cells::of(row);
        let entry = Cell::bytes(&cells.id()?);
        if let Some(child) = cells.optional_id()? {
            doom(database, &child).await?;
        }
        let delete = "DELETE FROM entries WHERE directory = $1 AND entry = $2";
        database.query(delete, &[directory.clone(), entry]).await?;
    }
    Ok(true)
}
