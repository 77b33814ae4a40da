//! What a backup says: a line for everything it has dealt with, warnings, totals.

use super::walk::{Skip, Walk};
use crate::output::Output;
use crate::progress;
use indicatif::ProgressBar;
use std::cell::Cell;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// What was done so far.
#[derive(Debug)]
pub(super) struct Report {
    output: Output,
    bar: ProgressBar,
    start: Instant,
    /// The bar tells the same where someone watches it.
    shows_lines: bool,
    total: usize,
    pub(super) files_created: Cell<usize>,
    pub(super) files_reused: Cell<usize>,
    files_skipped: Cell<usize>,
    pub(super) directories_created: Cell<usize>,
    pub(super) directories_reused: Cell<usize>,
    directories_skipped: Cell<usize>,
    pub(super) files_checked: Cell<usize>,
    pub(super) directories_checked: Cell<usize>,
}

impl Report {
    pub(super) fn new(walk: &Walk, output: Output) -> Self {
        let bar = progress::bar(Some(walk.size_bytes), output.quiet);
        Self {
            output,
            shows_lines: bar.is_hidden() || !std::io::stdout().is_terminal(),
            bar,
            start: Instant::now(),
            total: walk.len(),
            files_created: Cell::default(),
            files_reused: Cell::default(),
            files_skipped: Cell::default(),
            directories_created: Cell::default(),
            directories_reused: Cell::default(),
            directories_skipped: Cell::default(),
            files_checked: Cell::default(),
            directories_checked: Cell::default(),
        }
    }

    /// The bar, to count bytes.
    pub(super) fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    pub(super) fn hide_bar(&self) {
        self.bar.finish_and_clear();
    }

    pub(super) fn line(&self, text: &str) {
        self.bar.suspend(|| self.output.line(text));
    }

    /// Counts something that was dealt with.
    pub(super) fn count(&self, counter: &Cell<usize>) {
        add_one(counter);
        if self.shows_lines {
            let done = self.done();
            let total = self.total;
            let elapsed = clock(self.start.elapsed());
            self.line(&format!(
                "Backing up {done}/{total}... {elapsed} elapsed..."
            ));
        }
    }

    /// Warns of something that was skipped, and counts it.
    pub(super) fn skip(&self, skip: &Skip) {
        self.bar.suspend(|| self.output.note(&skip.warning));
        self.count(match skip.is_directory {
            true => &self.directories_skipped,
            false => &self.files_skipped,
        });
    }

    fn done(&self) -> usize {
        let counters = [
            &self.files_created,
            &self.files_reused,
            &self.files_skipped,
            &self.directories_created,
            &self.directories_reused,
            &self.directories_skipped,
        ];
        counters.iter().map(|counter| counter.get()).sum()
    }

    /// Says whether something isn't in the backup.
    pub(super) fn has_skipped(&self) -> bool {
        self.files_skipped.get() > 0 || self.directories_skipped.get() > 0
    }

    pub(super) fn print_totals(&self, verbose: bool) {
        self.line(&format!(
            " {} files uploaded ({} reused), {} files skipped, {} directories created ({} reused), \
             {} directories skipped",
            self.files_created.get(),
            self.files_reused.get(),
            self.files_skipped.get(),
            self.directories_created.get(),
            self.directories_reused.get(),
            self.directories_skipped.get(),
        ));
        if verbose {
            let (files, directories) = (&self.files_checked, &self.directories_checked);
            let (files, directories) = (files.get(), directories.get());
            self.line(&format!(
                " {files} files checked, {directories} directories checked"
            ));
        }
        let elapsed = span(self.start.elapsed());
        self.line(&format!(" backup done, elapsed time: {elapsed}"));
    }
}

pub(super) fn add_one(counter: &Cell<usize>) {
    counter.set(counter.get() + 1);
}

/// `1h 2m 3s`.
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours}h {minutes}m {}s", seconds % 60)
}

/// A duration as Python shows it: `1:02:03`, `2 days, 1:02:03`.
fn span(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    format!("{days}{hours}:{minutes:02}:{seconds:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let seconds = Duration::from_secs;
        assert_eq!(clock(seconds(3 * 3600 + 62)), "3h 1m 2s");
        assert_eq!(clock(seconds(100 * 3600)), "100h 0m 0s");
        assert_eq!(span(seconds(59)), "0:00:59");
        assert_eq!(span(seconds(86_400 + 3661)), "1 day, 1:01:01");
        assert_eq!(span(seconds(10 * 86_400)), "10 days, 0:00:00");
    }
}
