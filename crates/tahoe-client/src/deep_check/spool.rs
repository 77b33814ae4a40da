//! The reports of many objects in a temporary file without a name: a line of JSON each.

use super::{CheckedObject, Outcome};
use crate::checks::{CheckReport, RepairReport};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use tahoe_crypto::StorageIndex;
use tahoe_directory::ChildName;
use tahoe_immutable::CpuPool;

/// Bytes that are collected in memory before they go to the file.
const BATCH_SIZE: usize = 256 * 1024;

/// What is kept of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpooledReport {
    /// Names from the root.
    pub path: Vec<String>,
    /// Before a repair, if there was one.
    pub check: CheckReport,
    /// None if nothing was to be repaired.
    pub repair: Option<RepairReport>,
}

impl SpooledReport {
    fn of(object: &CheckedObject) -> Option<Self> {
        let (check, repair) = match &object.outcome {
            Outcome::NoShares => return None,
            Outcome::Checked(report) => (report.clone(), None),
            Outcome::Repaired(report) => (report.before.clone(), Some((**report).clone())),
        };
        let path = object.path.iter().map(ChildName::as_str);
        Some(Self {
            path: path.map(str::to_owned).collect(),
            check,
            repair,
        })
    }
}

/// Where a report lies, in bytes.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    length: u32,
}

/// Reports, most of them on disk.
#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    pool: CpuPool,
    file: Option<Arc<File>>,
    written: u64,
    pending: Vec<u8>,
    /// In the order of the walk.
    all: Vec<Place>,
    unhealthy: Vec<u32>,
    by_index: HashMap<StorageIndex, u32>,
}

impl Spool {
    pub(super) fn new(directory: PathBuf, pool: CpuPool) -> Self {
        Self {
            directory,
            pool,
            file: None,
            written: 0,
            pending: Vec::new(),
            all: Vec::new(),
            unhealthy: Vec::new(),
            by_index: HashMap::new(),
        }
    }

    /// Keeps the report of an object, if it has one.
    pub(super) async fn keep(&mut self, object: &CheckedObject) -> io::Result<()> {
        let Some(report) = SpooledReport::of(object) else {
            return Ok(());
        };
        let line = serde_json::to_vec(&report)?;
        let number = u32::try_from(self.all.len()).map_err(io::Error::other)?;
        self.all.push(Place {
            offset: self.written + self.pending.len() as u64,
            length: u32::try_from(line.len()).map_err(io::Error::other)?,
        });
        self.by_index.insert(report.check.storage_index, number);
        if !report.check.healthy {
            self.unhealthy.push(number);
        }
        self.pending.extend_from_slice(&line);
        if self.pending.len() >= BATCH_SIZE {
            self.write().await?;
        }
        Ok(())
    }

    /// Moves what is in memory to the file.
    async fn write(&mut self) -> io::Result<()> {
        let (batch, offset) = (std::mem::take(&mut self.pending), self.written);
        let (file, directory) = (self.file.take(), self.directory.clone());
        let length = batch.len() as u64;
        let write = move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(tempfile::tempfile_in(directory)?),
            };
            file.write_all_at(&batch, offset)?;
            Ok::<_, io::Error>(file)
        };
        self.file = Some(self.pool.run(write).await?);
        self.written += length;
        Ok(())
    }

    /// The first reports, or the first of those that weren't healthy.
    pub(super) async fn first(
        &self,
        most: usize,
        unhealthy: bool,
    ) -> io::Result<Vec<SpooledReport>> {
        let numbers: Vec<u32> = match unhealthy {
            true => self.unhealthy.iter().take(most).copied().collect(),
            false => (0..).take(self.all.len().min(most)).collect(),
        };
        self.read(numbers).await
    }

    /// The report of one object.
    pub(super) async fn of(&self, index: &StorageIndex) -> io::Result<Option<SpooledReport>> {
        let number = self.by_index.get(index).copied();
        Ok(self.read(number.into_iter().collect()).await?.pop())
    }

    async fn read(&self, numbers: Vec<u32>) -> io::Result<Vec<SpooledReport>> {
        let place = |number: u32| {
            let index = usize::try_from(number).ok()?;
            self.all.get(index).copied()
        };
        let places: Vec<Place> = numbers.into_iter().filter_map(place).collect();
        let (file, written, pending) = (self.file.clone(), self.written, self.pending.clone());
        let read = move || {
            let read = |place: Place| {
                let length = usize::try_from(place.length).map_err(io::Error::other)?;
                if let Some(start) = place.offset.checked_sub(written) {
                    let start = usize::try_from(start).map_err(io::Error::other)?;
                    let line = pending.get(start..start + length);
                    return Ok(serde_json::from_slice(line.unwrap_or_default())?);
                }
                let mut line = vec![0; length];
                let file = file.as_ref().ok_or(io::ErrorKind::NotFound)?;
                file.read_exact_at(&mut line, place.offset)?;
                Ok(serde_json::from_slice(&line)?)
            };
            places.into_iter().map(read).collect()
        };
        self.pool.run(read).await
    }
}
