//! The table that `tahoe ls` prints: columns as narrow as their contents allow.

use crate::dates::Clock;
use crate::objects::{GridObject, ObjectKind};
use crate::quote::quoted_if_needed;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is shown besides the names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) long: bool,
    pub(super) cap: bool,
    pub(super) read_cap: bool,
    /// Marks after the names.
    pub(super) classify: bool,
}

/// The lines for these objects, in the order of their names.
pub(super) fn lines(children: &BTreeMap<String, GridObject>, columns: Columns) -> Vec<String> {
    let clock = Clock::now();
    let rows = children
        .iter()
        .map(|(name, object)| cells(name, object, columns, &clock))
        .collect();
    align(rows)
}

fn cells(name: &str, object: &GridObject, columns: Columns, clock: &Clock) -> Vec<String> {
    let attributes = &object.attributes;
    let is_there = |cap: &Option<String>| cap.as_deref().is_some_and(|cap| !cap.is_empty());
    // What is in a shared drive needs no capability to be read.
    let is_readable = is_there(&attributes.ro_uri) || object.drive_url_path().is_some();
    let is_writable = is_there(&attributes.rw_uri) || attributes.writable;
    let (kind, mark, size) = match object.kind {
        ObjectKind::Directory => ('d', "/", "-".to_owned()),
        ObjectKind::File => ('-', if is_writable { "*" } else { "" }, size(object)),
        ObjectKind::Unknown => ('?', "?", "?".to_owned()),
    };
    let mut row = Vec::new();
    if columns.long {
        let flag = |is_set, letter| if is_set { letter } else { '-' };
        let letters = [
            kind,
            flag(is_readable, 'r'),
            flag(is_writable, 'w'),
            flag(object.kind == ObjectKind::Directory, 'x'),
        ];
        row.push(letters.iter().collect());
        row.push(size);
        row.push(clock.date(creation_time(object)));
    }
    let mark = if columns.classify { mark } else { "" };
    row.push(format!("{name}{mark}"));
    if columns.cap {
        row.push(object.best_cap().unwrap_or("-").to_owned());
    }
    if columns.read_cap {
        let cap = attributes.ro_uri.as_deref().filter(|cap| !cap.is_empty());
        row.push(quoted_if_needed(cap.unwrap_or("-")));
    }
    row
}

fn size(object: &GridObject) -> String {
    match &object.attributes.size {
        Some(Value::Number(size)) => size.to_string(),
        _ => "?".to_owned(),
    }
}

/// When the link was made, or else what the one who made it said; in seconds since 1970.
fn creation_time(object: &GridObject) -> Option<f64> {
    let metadata = object.attributes.metadata.as_ref()?;
    let set = |time: &f64| *time != 0.0;
    let link = metadata
        .get("tahoe")
        .and_then(|tahoe| tahoe.get("linkcrtime"));
    let link = link.and_then(Value::as_f64).filter(set);
    let told = metadata.get("ctime").and_then(Value::as_f64).filter(set);
    link.or(told)
}

/// Joins cells so that columns line up: to the right, but capabilities and lone columns to the left.
fn align(rows: Vec<Vec<String>>) -> Vec<String> {
    let mut widths = Vec::new();
    let mut is_left = Vec::new();
    for row in &rows {
        widths.resize(row.len(), 0);
        is_left.resize(row.len(), row.len() == 1);
        for ((cell, width), is_left) in row.iter().zip(&mut widths).zip(&mut is_left) {
            *width = cell.chars().count().max(*width);
            *is_left |= cell.starts_with("URI");
        }
    }
    let line = |row: Vec<String>| {
        let cells = row.iter().zip(&widths).zip(&is_left);
        let cells = cells.map(|((cell, &width), is_left)| match is_left {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join(" ");
        line.trim_end().to_owned()
    };
    rows.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = |rows: &[&[&str]]| {
            let row = |row: &&[&str]| row.iter().map(|&cell| cell.to_owned()).collect();
            align(rows.iter().map(row).collect())
        };
        assert_eq!(rows(&[&["a"], &["bcd"]]), ["a", "bcd"]);
        assert_eq!(
            rows(&[&["10", "a", "URI:x"], &["7", "äbc", "-"]]),
            ["10   a URI:x", " 7 äbc -"]
        );
        assert!(rows(&[]).is_empty());
    }
}
