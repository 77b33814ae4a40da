//! A crawler's walk, a slice at a time.

use super::place::{PREFIXES, Place, prefix, read_state};
use super::report::{CrawlerProgress, CrawlerReport};
use super::{Inspector, seconds};
use crate::disk::failed;
use crate::store::Store;
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tahoe_storage_api::StorageError;

/// How long a crawler works before it rests.
pub(super) const SLICE: Duration = Duration::from_secs(1);

/// How a slice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SliceEnd {
    /// The round is complete.
    CycleFinished,
    /// Time is up.
    MoreToDo,
}

/// A crawler: its place and what it does there.
#[derive(Debug)]
pub(super) struct Crawler<I> {
    pub(super) inspector: I,
    place: Place,
    state_file: PathBuf,
    /// The names in the directory that is under way.
    names: Option<(usize, Vec<String>)>,
    /// When the last directory of this round was done.
    prefix_finished: Option<f64>,
    /// When the round began, if it did in this process.
    began: Option<f64>,
    progress: CrawlerProgress,
}

impl<I: Inspector> Crawler<I> {
    /// Goes on where the state file of a store's directory says.
    pub(super) fn restore(store: &Store, mut inspector: I) -> Self {
        let file = format!("{}.json", I::STATE_FILE);
        let state_file = store.config.directory.join(file);
        let now = seconds(store);
        let state = read_state(&state_file).unwrap_or_default();
        let place = Place::from_state(&state, now);
        let place = place.unwrap_or_else(|| Place {
            cycle_started: now,
            ..Place::default()
        });
        inspector.restore(&state);
        Self {
            inspector,
            place,
            state_file,
            names: None,
            prefix_finished: None,
            began: None,
            progress: CrawlerProgress::default(),
        }
    }

    /// Works until the round is complete, the time is up or `stopping` is set, at least on one
    /// directory; then saves its state.
    pub(super) fn slice(
        &mut self,
        store: &Store,
        stopping: &AtomicBool,
    ) -> Result<SliceEnd, StorageError> {
        let clock = &store.config.clock;
        let started = clock.elapsed();
        let time_is_up =
            || clock.elapsed().saturating_sub(started) >= SLICE || stopping.load(Ordering::Relaxed);
        let walked = self.walk(store, &time_is_up);
        let saved = self.save(store);
        walked.and_then(|end| saved.map(|()| end))
    }

    fn walk(
        &mut self,
        store: &Store,
        time_is_up: &dyn Fn() -> bool,
    ) -> Result<SliceEnd, StorageError> {
        let cycle = self.begin(store);
        while self.place.prefixes_done < PREFIXES {
            let index = self.place.prefixes_done;
            let names = self.names(store, index)?;
            self.inspector.visit_prefix(cycle, &prefix(index), &names);
            if I::VISITS_BUCKETS && !self.visit_buckets(store, &names, time_is_up) {
                self.names = Some((index, names));
                return Ok(SliceEnd::MoreToDo);
            }
            self.finish_prefix(seconds(store));
            if time_is_up() {
                return Ok(SliceEnd::MoreToDo);
            }
        }
        self.finish(store, cycle)?;
        Ok(SliceEnd::CycleFinished)
    }

    /// The round that is under way, or a new one.
    fn begin(&mut self, store: &Store) -> u64 {
        if let Some(cycle) = self.place.current_cycle {
            return cycle;
        }
        let now = seconds(store);
        self.began = Some(now);
        self.place.cycle_started = now;
        let cycle = self.place.last_cycle_finished.map_or(0, |last| last + 1);
        self.place.current_cycle = Some(cycle);
        self.inspector.start_cycle();
        cycle
    }

    /// The names in a directory of shares, in order; none if there is no such directory.
    fn names(&mut self, store: &Store, index: usize) -> Result<Vec<String>, StorageError> {
        if let Some((_, names)) = self.names.take().filter(|(known, _)| *known == index) {
            return Ok(names);
        }
        let path = store.layout.shares().join(prefix(index));
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("list", &path)(error)),
        };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names: io::Result<Vec<String>> = names.collect();
        let mut names = names.map_err(failed("list", &path))?;
        names.sort_unstable();
        Ok(names)
    }

    /// Visits the directories that weren't visited before; false if the time was up before the end.
    fn visit_buckets(
        &mut self,
        store: &Store,
        names: &[String],
        time_is_up: &dyn Fn() -> bool,
    ) -> bool {
        let last = self.place.last_complete_bucket.clone();
        let todo = names
            .iter()
            .filter(|name| last.as_ref().is_none_or(|last| *name > last));
        for name in todo {
            if let Err(error) = self.inspector.visit_bucket(store, name) {
                tracing::warn!(%error, crawler = I::NAME, storage_index = name, "passed by");
            }
            self.place.last_complete_bucket = Some(name.clone());
            if time_is_up() {
                return false;
            }
        }
        true
    }

    fn finish_prefix(&mut self, now: f64) {
        self.place.prefixes_done += 1;
        if let Some(before) = self.prefix_finished.replace(now) {
            self.progress.last_prefix_seconds = Some(now - before);
        }
    }

    fn finish(&mut self, store: &Store, cycle: u64) -> Result<(), StorageError> {
        let started = self.place.cycle_started;
        self.inspector.finish_cycle(store, cycle, started)?;
        self.prefix_finished = None;
        if let Some(began) = self.began {
            self.progress.last_cycle_seconds = Some(seconds(store) - began);
        }
        self.place = Place {
            last_cycle_finished: Some(cycle),
            cycle_started: started,
            ..Place::default()
        };
        Ok(())
    }

    /// Writes the state file.
    pub(super) fn save(&self, store: &Store) -> Result<(), StorageError> {
        let mut state = self.place.to_state();
        self.inspector
            .describe_for_file(&mut state, self.place.done());
        let text = Value::Object(state).to_string();
        store.disk.replace_file(&self.state_file, text.as_bytes())
    }

    /// What others see, if it works again at `next_wake`.
    pub(super) fn report(&self, next_wake: Option<f64>) -> CrawlerReport {
        let mut state = self.place.to_state();
        self.inspector.describe(&mut state, self.place.done());
        CrawlerReport {
            state: Value::Object(state),
            progress: CrawlerProgress {
                done: self.place.done(),
                next_wake,
                ..self.progress
            },
        }
    }
}
