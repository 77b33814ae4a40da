//! `/status/down-N`: the reads of one file.

use super::{cells, moment};
use crate::chart;
use crate::format::{abbreviate_rate, abbreviate_time};
use crate::html::{self, Html};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tahoe_client::{DownloadEvents, DownloadOperation, EventTimes};
use tokio::time::Instant;

pub(super) fn json(operation: &DownloadOperation) -> Value {
    let events = operation.events();
    json!({
        "storage-index-string": operation.storage_index.to_string(),
        "total-size": operation.file_size,
        "status": doing(&events),
        "type": "download",
        "progress": progress(&events),
    })
}

/// What goes on, in a few words.
fn doing(events: &DownloadEvents) -> String {
    let segments = |of: fn(&EventTimes) -> bool| -> BTreeSet<u64> {
        let segments = events.segments.iter().filter(|event| of(&event.times));
        segments.map(|event| event.segment).collect()
    };
    let list = |segments: &BTreeSet<u64>| {
        let numbers: Vec<String> = segments.iter().map(u64::to_string).collect();
        let plural = if segments.len() == 1 { "" } else { "s" };
        format!("segment{plural} {}", numbers.join(","))
    };
    let outstanding = segments(|times| times.finished.is_none());
    let failed = segments(|times| times.success == Some(false));
    let mut text = match outstanding.is_empty() {
        true => "idle".to_owned(),
        false => format!("fetching {}", list(&outstanding)),
    };
    if !failed.is_empty() {
        text += &format!("; errors on {}", list(&failed));
    }
    text
}

/// The part of the reads under way that was delivered; 1 if there are none.
#[expect(clippy::cast_precision_loss, reason = "a part of one")]
fn progress(events: &DownloadEvents) -> f64 {
    if events.reads.is_empty() {
        return 0.0;
    }
    let ongoing = events
        .reads
        .iter()
        .filter(|read| read.times.finished.is_none());
    let (wanted, delivered) = ongoing.fold((0, 0), |(wanted, delivered), read| {
        let length = read.range.end - read.range.start;
        (wanted + length, delivered + read.delivered)
    });
    if wanted == 0 {
        return 1.0;
    }
    delivered as f64 / wanted as f64
}

pub(super) fn page(operation: &DownloadOperation) -> String {
    let events = operation.events();
    let mut body = Html::default();
    body.raw("<section><dl class=\"facts\">\n");
    body.fact("Started", &moment(operation.started()));
    body.fact("Storage Index", &operation.storage_index.to_string());
    body.fact("Helper?", "No");
    body.fact("Total Size", &operation.file_size.to_string());
    body.fact("Progress", &format!("{:.1}%", 100.0 * progress(&events)));
    body.fact("Status", &doing(&events));
    body.raw("</dl></section>\n");
    let tables = Tables {
        operation,
        events: &events,
    };
    tables.timeline(&mut body);
    tables.questions(&mut body);
    tables.reads(&mut body);
    tables.segments(&mut body);
    tables.requests(&mut body);
    let path = format!("/status/down-{}/event_json", operation.number);
    body.raw("<p>Also as <a href=\"")
        .text(&path)
        .raw("\">JSON</a>.</p>");
    html::page("File Download Status", &body)
}

struct Tables<'a> {
    operation: &'a DownloadOperation,
    events: &'a DownloadEvents,
}

impl Tables<'_> {
    /// A moment after the first.
    fn at(&self, at: Option<Instant>) -> String {
        let Some(at) = at else { return String::new() };
        let after = self.operation.seconds(at) - self.operation.started();
        format!("+{after:.6}s")
    }

    /// What was done when: reads, segments, then each server's answers and parts of shares.
    fn timeline(&self, body: &mut Html) {
        let mut groups: Vec<(String, Vec<EventTimes>)> = Vec::new();
        let mut add = |label: String, times: EventTimes| match groups
            .iter_mut()
            .find(|(known, _)| *known == label)
        {
            Some((_, all)) => all.push(times),
            None => groups.push((label, vec![times])),
        };
        for event in &self.events.reads {
            add("Reads".to_owned(), event.times);
        }
        for event in &self.events.segments {
            add("Segments".to_owned(), event.times);
        }
        for event in &self.events.questions {
            add(format!("[{}] asked", event.server.short()), event.times);
        }
        for event in &self.events.requests {
            add(format!("[{}] fetched", event.server.short()), event.times);
        }
        let all = || groups.iter().flat_map(|(_, events)| events);
        let last = all()
            .map(|times| times.finished.unwrap_or(times.started))
            .max();
        let (Some(first), Some(last)) = (all().map(|times| times.started).min(), last) else {
            return;
        };
        let whole = last.duration_since(first).as_secs_f64();
        let bar = |times: &EventTimes| chart::Bar {
            from: times.started.duration_since(first).as_secs_f64(),
            to: times
                .finished
                .map_or(whole, |at| at.duration_since(first).as_secs_f64()),
            kind: match (times.success, times.finished) {
                (Some(false), _) => chart::Kind::Bad,
                (_, None) => chart::Kind::Open,
                _ => chart::Kind::Good,
            },
        };
        let row = |(label, events): &(String, Vec<EventTimes>)| chart::Row {
            label: label.clone(),
            bars: events.iter().map(bar).collect(),
            text: match events.len() {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            },
        };
        let rows: Vec<_> = groups.iter().map(row).collect();
        let whole_time = abbreviate_time(last.duration_since(first));
        body.raw("<section>")
            .element("h2", &format!("Timeline: {whole_time}"))
            .raw("\n");
        chart::bars(body, whole, &rows);
        body.raw("</section>\n");
    }

    fn times(&self, times: &EventTimes) -> [String; 2] {
        [self.at(Some(times.started)), self.at(times.finished)]
    }

    fn questions(&self, body: &mut Html) {
        body.raw("<h2>DYHB Requests:</h2>\n");
        let heads = ["serverid", "sent", "received", "shnums", "RTT"];
        let rows = self.events.questions.iter().map(|event| {
            let [sent, received] = self.times(&event.times);
            let shares: Vec<String> = event.shares.iter().map(ToString::to_string).collect();
            let shares = match shares.is_empty() {
                true => "-".to_owned(),
                false => shares.join(","),
            };
            let server = event.server.short();
            (
                None,
                vec![server, sent, received, shares, took(&event.times)],
            )
        });
        cells(body, &heads, rows);
    }

    fn reads(&self, body: &mut Html) {
        body.raw("<h2>Read Events:</h2>\n");
        let heads = ["range", "start", "finish", "got", "time", "speed"];
        let rows = self.events.reads.iter().map(|event| {
            let [start, finish] = self.times(&event.times);
            let speed = speed(event.delivered, duration(&event.times));
            let got = event.delivered.to_string();
            let range = range(&event.range);
            (
                None,
                vec![range, start, finish, got, took(&event.times), speed],
            )
        });
        cells(body, &heads, rows);
    }

    fn segments(&self, body: &mut Html) {
        body.raw("<h2>Segment Events:</h2>\n");
        let heads = [
            "segnum",
            "start",
            "finish",
            "range",
            "decodetime",
            "segtime",
            "speed",
        ];
        let rows = self.events.segments.iter().map(|event| {
            let [start, finish] = self.times(&event.times);
            let number = format!("seg{}", event.segment);
            let [range, decoding, time, speed] = match event.times.success {
                Some(true) => [
                    range(&event.range),
                    event.decoding.map(abbreviate_time).unwrap_or_default(),
                    took(&event.times),
                    speed(event.range.end - event.range.start, duration(&event.times)),
                ],
                Some(false) => ["error", "-", "-", "-"].map(str::to_owned),
                None => ["-"; 4].map(str::to_owned),
            };
            (
                None,
                vec![number, start, finish, range, decoding, time, speed],
            )
        });
        cells(body, &heads, rows);
    }

    fn requests(&self, body: &mut Html) {
        body.raw("<h2>Requests:</h2>\n");
        let heads = [
            "serverid", "shnum", "range", "txtime", "rxtime", "received", "RTT",
        ];
        let rows = self.events.requests.iter().map(|event| {
            let [sent, answered] = self.times(&event.times);
            let received = event.received.map(|bytes| bytes.to_string());
            let cells = vec![
                event.server.short(),
                event.share.to_string(),
                range(&event.range),
                sent,
                answered,
                received.unwrap_or_default(),
                took(&event.times),
            ];
            (None, cells)
        });
        cells(body, &heads, rows);
    }
}

fn duration(times: &EventTimes) -> Option<Duration> {
    Some(times.finished?.duration_since(times.started))
}

fn took(times: &EventTimes) -> String {
    duration(times).map(abbreviate_time).unwrap_or_default()
}

fn speed(bytes: u64, time: Option<Duration>) -> String {
    time.map(|time| abbreviate_rate(bytes, time))
        .unwrap_or_default()
}

fn range(range: &std::ops::Range<u64>) -> String {
    format!("[{}:+{}]", range.start, range.end - range.start)
}
