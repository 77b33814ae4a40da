//! Directories of so many entries that they aren't told at once.

use crate::grid::Grid;
use axum::response::Response;
use serde::Serialize as _;
use serde_json::{Map, Serializer, Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(120);

/// Makes a directory of so many files; returns its path.
async fn directory(grid: &Grid, count: usize) -> String {
    let child = || json!(["filenode", {"ro_uri": "URI:LIT:pa", "metadata": {"é": [1, {}]}}]);
    let children: Map<_, _> = (0..count)
        .map(|number| (format!("file {number:04}"), child()))
        .collect();
    let body = Value::Object(children).to_string();
    let made = grid.ask_with("POST", "/uri?t=mkdir-with-children", &[], body);
    let made = made.await;
    assert_eq!(made.status, 200, "{made:?}");
    format!("/uri/{}/", made.text())
}

#[tokio::test]
async fn json_in_pieces_is_json_as_a_whole() {
    let grid = Grid::with(1, 1, 1, 1).await;
    for count in [0, 1, 500, 501, 1000, 1234] {
        let answer = grid
            .get(&format!("{}?t=json", directory(&grid, count).await))
            .await;
        assert_eq!(answer.status, 200);
        let value = answer.json();
        let names = value[1]["children"].as_object().unwrap().keys();
        let expected = (0..count).map(|number| format!("file {number:04}"));
        assert!(names.eq(expected.collect::<Vec<_>>().iter()), "{count}");
        assert_eq!(value[1]["mutable"], true);
        let mut whole = Vec::new();
        let layout = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let mut serializer = Serializer::with_formatter(&mut whole, layout);
        value.serialize(&mut serializer).unwrap();
        let whole = String::from_utf8(whole).unwrap().replace('é', "\\u00e9") + "\n";
        assert!(answer.text() == whole, "{count}");
    }
}

/// The names on a page, and what the link to the next one says.
fn on_page(page: &str) -> (Vec<&str>, Option<String>) {
    let after = |text: &'static str| {
        page.split(text)
            .skip(1)
            .filter_map(|part| part.split('"').next())
    };
    let next = page.find("\">Next</a>").and_then(|end| {
        let start = page[..end].rfind("href=\"")? + 6;
        Some(page[start..end].replace("&amp;", "&"))
    });
    (after("<tr data-name=\"").collect(), next)
}

#[tokio::test]
async fn pages_lead_to_all_entries() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let path = directory(&grid, 2100).await;
    for (query, count) in [("?order=down", 2100), ("?find=E%20", 2100), ("?find=1", 0)] {
        let mut seen = Vec::new();
        let mut query = query.to_owned();
        let mut pages = 0;
        loop {
            let page = grid.get(&format!("{path}{query}")).await;
            let (names, next) = on_page(page.text());
            assert!(!names.is_empty() && names.len() <= 1000);
            seen.extend(names.into_iter().map(str::to_owned));
            pages += 1;
            match next {
                Some(next) => query = next,
                None => break,
            }
        }
        let found = (0..2100).map(|number| format!("file {number:04}"));
        let mut found: Vec<_> = match count {
            0 => found.filter(|name| name.contains('1')).collect(),
            _ => found.collect(),
        };
        if query.contains("down") {
            found.reverse();
        }
        assert_eq!(pages, found.len().div_ceil(1000));
        assert!(seen == found, "{query}");
    }
}

#[tokio::test]
async fn slow_readers_of_large_directories_take_turns() {
    let grid = Grid::with(1, 1, 1, 1).await;
    let path = directory(&grid, 2500).await;
    let small = directory(&grid, 1).await;
    for query in ["", "?t=json"] {
        let uri = format!("{path}{query}");
        let mut reading: Vec<Response> = Vec::new();
        let began = Instant::now();
        let waiting = loop {
            assert!(reading.len() < 100, "nobody waits for room");
            let mut next = Box::pin(grid.begin(&uri));
            // Who waits longer than all the others took together has no room.
            let longest = began.elapsed() + Duration::from_secs(2);
            match timeout(longest, &mut next).await {
                Ok(response) => reading.push(response),
                Err(_) => break next,
            }
        };
        for query in ["", "?t=json"] {
            let uri = format!("{small}{query}");
            let answer = timeout(PATIENCE, grid.begin(&uri)).await;
            answer.expect("what is small needs no room");
        }
        reading.clear();
        let answer = timeout(PATIENCE, waiting).await;
        answer.expect("there is room again");
    }
}
