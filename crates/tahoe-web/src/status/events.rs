//! `/status/down-N/event_json`: all events of a download, for a program that draws them.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use tahoe_client::{DownloadEvents, DownloadOperation, EventTimes};

/// Makes the object of the reference. Rows say which events may be drawn in one line.
pub(super) fn json(operation: &DownloadOperation) -> Value {
    let events = operation.events();
    let clock = Clock(operation);
    let reads = clock.in_rows(events.reads.iter().map(|event| {
        let facts = json!({
            "start": event.range.start,
            "length": event.range.end - event.range.start,
            "bytes_returned": event.delivered,
            "decrypt_time": 0,
            "paused_time": 0,
        });
        (event.times, facts)
    }));
    let segments = clock.in_rows(events.segments.iter().map(|event| {
        let length = event.range.end - event.range.start;
        let delivered = event.times.success == Some(true);
        let facts = json!({
            "segment_number": event.segment,
            "active_time": clock.seconds(event.times.started),
            "success": event.times.success,
            "decode_time": event.decoding.map(|time| time.as_secs_f64()),
            "segment_start": delivered.then_some(event.range.start),
            "segment_length": delivered.then_some(length),
        });
        (event.times, facts)
    }));
    let questions = clock.in_rows(events.questions.iter().map(|event| {
        let shares: Vec<u8> = event.shares.iter().map(|share| share.0).collect();
        let succeeded = event.times.success == Some(true);
        let facts = json!({
            "serverid": event.server.to_string(),
            "success": event.times.success,
            "response_shnums": succeeded.then_some(shares),
        });
        (event.times, facts)
    }));
    let (requests, row_counts) = clock.requests(&events);
    let (server_info, server_names) = servers(&events);
    json!({
        "misc": [],
        "read": reads,
        "segment": segments,
        "dyhb": questions,
        "block": requests,
        "block_rownums": row_counts,
        "num_serverids": server_info.len(),
        "server_info": server_info,
        "serverids": server_names,
        "bounds": clock.bounds(&events),
    })
}

/// Tells the times of a download's events in seconds since 1970.
struct Clock<'a>(&'a DownloadOperation);

impl Clock<'_> {
    fn seconds(&self, at: tokio::time::Instant) -> f64 {
        self.0.seconds(at)
    }

    fn add_times(&self, facts: &mut Value, times: &EventTimes) {
        facts["start_time"] = self.seconds(times.started).into();
        facts["finish_time"] = times.finished.map(|at| self.seconds(at)).into();
    }

    /// Adds the times, and the first row whose last event ended before this one began.
    fn in_rows(&self, events: impl Iterator<Item = (EventTimes, Value)>) -> Vec<Value> {
        let mut rows = Rows::default();
        let placed = events.map(|(times, mut facts)| {
            self.add_times(&mut facts, &times);
            facts["row"] = rows.place(&times).into();
            facts
        });
        placed.collect()
    }

    /// Requests have rows for each server; returns how many each has, too.
    fn requests(&self, events: &DownloadEvents) -> (Vec<Value>, Vec<usize>) {
        let mut groups: Vec<(String, Rows)> = Vec::new();
        let requests = events.requests.iter().map(|event| {
            let server = event.server.to_string();
            let known = groups.iter().position(|(known, _)| *known == server);
            let group = known.unwrap_or_else(|| {
                groups.push((server.clone(), Rows::default()));
                groups.len() - 1
            });
            let row = groups[group].1.place(&event.times);
            let mut facts = json!({
                "serverid": server,
                "shnum": event.share.0,
                "start": event.range.start,
                "length": event.range.end - event.range.start,
                "success": event.times.success,
                "response_length": event.received,
                "row": [group, row],
            });
            self.add_times(&mut facts, &event.times);
            facts
        });
        let requests = requests.collect();
        (
            requests,
            groups.iter().map(|(_, rows)| rows.0.len()).collect(),
        )
    }

    /// The first and the last moment.
    fn bounds(&self, events: &DownloadEvents) -> Value {
        let times = || {
            let reads = events.reads.iter().map(|event| event.times);
            let segments = events.segments.iter().map(|event| event.times);
            let questions = events.questions.iter().map(|event| event.times);
            let requests = events.requests.iter().map(|event| event.times);
            reads.chain(segments).chain(questions).chain(requests)
        };
        let first = times().map(|times| times.started).min();
        let last = times().filter_map(|times| times.finished).max();
        json!({
            "min": first.map(|at| self.seconds(at)),
            "max": last.map(|at| self.seconds(at)),
        })
    }
}

/// When the last event of each row ended.
#[derive(Default)]
struct Rows(Vec<Option<tokio::time::Instant>>);

impl Rows {
    fn place(&mut self, times: &EventTimes) -> usize {
        let is_free = |end: &Option<_>| end.is_some_and(|end| times.started > end);
        let row = self.0.iter().position(is_free).unwrap_or(self.0.len());
        match self.0.get_mut(row) {
            Some(end) => *end = times.finished,
            None => self.0.push(times.finished),
        }
        row
    }
}

/// The servers that were asked, by their ids; and their short names by number.
fn servers(events: &DownloadEvents) -> (Map<String, Value>, BTreeMap<String, String>) {
    let (mut info, mut names) = (Map::new(), BTreeMap::new());
    for event in &events.questions {
        let (id, short) = (event.server.to_string(), event.server.short());
        let number = info.len();
        if info.contains_key(&id) {
            continue;
        }
        let color = color(&id);
        info.insert(id, json!({"num": number, "color": color, "short": short}));
        names.insert(number.to_string(), short);
    }
    (info, names)
}

/// A light colour that a server always gets.
fn color(server_id: &str) -> String {
    let digest = Sha256::digest(server_id.as_bytes());
    let [red, green, blue] = [0, 1, 2].map(|index| digest[index] / 2 + 0x80);
    format!("#{red:02x}{green:02x}{blue:02x}")
}
