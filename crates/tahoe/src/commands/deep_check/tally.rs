//! Counts the results of a deep check and words them.

use crate::commands::check_results::{corrupt_shares, is_healthy, text_of};
use crate::quote::quoted;
use crate::streams::Unit;
use serde_json::Value;

/// How many objects there are between two lines that tell of progress.
const OBJECTS_PER_LINE: u64 = 100;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    repairs: bool,
    verbose: bool,
    objects: u64,
    healthy: u64,
    unhealthy: u64,
    healthy_after: u64,
    unhealthy_after: u64,
    repairs_attempted: u64,
    repairs_successful: u64,
}

impl Tally {
    pub(super) fn new(repairs: bool, verbose: bool) -> Self {
        Self {
            repairs,
            verbose,
            ..Self::default()
        }
    }

    /// Counts an object; returns what is to be said about it.
    pub(super) fn add(&mut self, unit: &Unit) -> Vec<String> {
        if unit.kind().is_none() {
            return Vec::new();
        }
        self.objects += 1;
        let mut lines = Vec::new();
        if self.objects.is_multiple_of(OBJECTS_PER_LINE) {
            lines.push(format!("{} objects checked..", self.objects));
        }
        match self.repairs {
            false => self.add_check(unit, &mut lines),
            true => self.add_repair(unit, &mut lines),
        }
        lines
    }

    fn add_check(&mut self, unit: &Unit, lines: &mut Vec<String>) {
        let check = &unit.check_results;
        *if is_healthy(check) {
            &mut self.healthy
        } else {
            &mut self.unhealthy
        } += 1;
        if self.verbose {
            let summary = check
                .get("summary")
                .map_or("Healthy (LIT)".to_owned(), text_of);
            lines.push(format!("{}: {summary}", path_of(unit)));
        }
        lines.extend(corrupt_lines(check));
    }

    fn add_repair(&mut self, unit: &Unit, lines: &mut Vec<String>) {
        let results = &unit.check_and_repair_results;
        let part = |name| results.get(name).unwrap_or(&Value::Null);
        // What lies in its capability can't be ill.
        let is_literal = unit.storage_index.as_deref().unwrap_or_default().is_empty();
        let was_healthy = is_literal || is_healthy(part("pre-repair-results"));
        let is_healthy = is_literal || is_healthy(part("post-repair-results"));
        *if was_healthy {
            &mut self.healthy
        } else {
            &mut self.unhealthy
        } += 1;
        *if is_healthy {
            &mut self.healthy_after
        } else {
            &mut self.unhealthy_after
        } += 1;
        if self.verbose {
            let summary = if was_healthy {
                "healthy"
            } else {
                "not healthy"
            };
            lines.push(format!("{}: {summary}", path_of(unit)));
        }
        lines.extend(corrupt_lines(part("pre-repair-results")));
        if part("repair-attempted").as_bool() == Some(true) {
            self.repairs_attempted += 1;
            if part("repair-successful").as_bool() == Some(true) {
                self.repairs_successful += 1;
                lines.push(" repair successful".to_owned());
            } else {
                lines.push(" repair failed".to_owned());
            }
        }
    }

    /// The lines at the end.
    pub(super) fn totals(&self) -> Vec<String> {
        let Self {
            objects,
            healthy,
            unhealthy,
            healthy_after,
            unhealthy_after,
            repairs_attempted: attempted,
            repairs_successful: successful,
            ..
        } = self;
        if !self.repairs {
            return vec![format!(
                "done: {objects} objects checked, {healthy} healthy, {unhealthy} unhealthy"
            )];
        }
        let failed = attempted.saturating_sub(*successful);
        vec![
            format!("done: {objects} objects checked"),
            format!(" pre-repair: {healthy} healthy, {unhealthy} unhealthy"),
            format!(" {attempted} repairs attempted, {successful} successful, {failed} failed"),
            format!(" post-repair: {healthy_after} healthy, {unhealthy_after} unhealthy"),
        ]
    }
}

fn path_of(unit: &Unit) -> String {
    match unit.path.is_empty() {
        true => quoted("<root>"),
        false => quoted(&unit.path.join("/")),
    }
}

fn corrupt_lines(check: &Value) -> Vec<String> {
    let results = check.get("results").unwrap_or(&Value::Null);
    let shares = corrupt_shares(results).into_iter();
    shares.map(|share| format!(" corrupt: {share}")).collect()
}
