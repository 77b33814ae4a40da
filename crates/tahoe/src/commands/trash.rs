//! `tahoe trash`: list what can be restored in a shared drive.

use crate::Context;
use crate::dates::Clock;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore, FileStoreOptions, block_on, read};
use crate::http;
use crate::objects::{GridObject, ObjectKind};
use crate::quote::{ascii_json, quoted_name_if_needed};
use clap::Args;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// List what was removed from a shared drive or replaced in it
///
/// It is kept for 30 days; `tahoe restore` brings it back. Each line says by which ID, when it was
/// removed, until when it is kept, and where it was in the drive; the last removed comes first. The
/// drive's root tells of all that was in the drive, any other directory of what was in it.
///
///   tahoe trash
///   tahoe trash vdrive:photos
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Trash {
    #[command(flatten)]
    store: FileStoreOptions,
    /// Print JSON as the node does, all in one
    #[arg(long)]
    json: bool,
    /// A directory of a shared drive
    #[arg(value_name = "PATH", default_value = "vdrive:")]
    path: String,
}

/// As many as a node tells of at once.
#[derive(Deserialize)]
struct Page {
    trash: Vec<Value>,
    /// What the next page is before.
    next: Option<u64>,
}

#[derive(Deserialize)]
struct Trashed {
    trash: u64,
    name: String,
    /// In seconds since 1970, as the next one.
    removed: f64,
    kept_until: f64,
    /// The names that lead to the directory that it was in, if the node knows.
    was_in: Option<Vec<String>>,
    child: GridObject,
}

impl Trash {
    pub(crate) fn run(self, context: &Context) -> Result {
        let store = self.store.open(context)?;
        let location = store.aliases.locate(&self.path)?;
        let items = block_on(items(&store, &location.url_path()))?;
        if self.json {
            let all = json!({"trash": items, "next": null});
            context.output.line(&ascii_json(&all));
            return Ok(());
        }
        let items = items.into_iter().map(serde_json::from_value);
        let items = items.collect::<serde_json::Result<Vec<_>>>();
        for line in lines(&items.map_err(|error| no_trash(&error))?) {
            context.output.line(&line);
        }
        Ok(())
    }
}

/// Everything, page by page.
async fn items(store: &FileStore, directory: &str) -> Result<Vec<Value>> {
    let first = format!("{directory}?t=trash&output=json");
    let mut items = Vec::new();
    let mut before = None;
    loop {
        let url = match before {
            None => first.clone(),
            Some(before) => format!("{first}&before={before}"),
        };
        let page = page(store, url).await?;
        items.extend(page.trash);
        match page.next {
            None => return Ok(items),
            Some(next) if before.is_none_or(|before| next < before) => before = Some(next),
            Some(_) => return Err(CommandError::failed("the node's listing has no end")),
        }
    }
}

async fn page(store: &FileStore, url: String) -> Result<Page> {
    let response = store.send(Call::get(url), "Error").await?;
    match response.status() {
        status if http::is_success(status) => {
            let bytes = read(response).await?;
            serde_json::from_slice(&bytes).map_err(|error| no_trash(&error))
        }
        StatusCode::NOT_FOUND => Err(CommandError::failed("No such directory").hint(
            "What was in a directory that is in the trash itself is told of by `tahoe trash` of the \
             drive's root.",
        )),
        _ => Err(http::refusal(response).await.during("Error")),
    }
}

fn no_trash(error: &serde_json::Error) -> CommandError {
    CommandError::failed(format!("the node's answer is no listing: {error}"))
}

fn lines(items: &[Trashed]) -> Vec<String> {
    let clock = Clock::now();
    let head = ["ID", "REMOVED", "KEPT UNTIL", "PATH"].map(str::to_owned);
    let row = |item: &Trashed| {
        let mark = match item.child.kind {
            ObjectKind::Directory => "/",
            ObjectKind::File | ObjectKind::Unknown => "",
        };
        let mut path = item.was_in.clone().unwrap_or_else(|| vec!["?".to_owned()]);
        path.push(format!("{}{mark}", item.name));
        [
            item.trash.to_string(),
            clock.date(Some(item.removed)),
            clock.date(Some(item.kept_until)),
            quoted_name_if_needed(&path.join("/")),
        ]
    };
    let rows: Vec<_> = items.iter().map(row).collect();
    let id_width = rows.iter().map(|[id, ..]| id.len()).max().unwrap_or(0);
    let line = |[id, removed, until, path]: &[String; 4]| {
        format!("{id:>id_width$}  {removed:12}  {until:12}  {path}")
    };
    let head = (!rows.is_empty()).then_some(&head);
    head.into_iter().chain(&rows).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each() {
        let item = |id: u64, name: &str, kind: &str, was_in: Option<[&str; 2]>| {
            let item = json!({"trash": id, "name": name, "removed": 0.5, "kept_until": 2_592_000.5,
                "was_in": was_in, "child": [kind, {}]});
            serde_json::from_value::<Trashed>(item).unwrap()
        };
        assert!(lines(&[]).is_empty());
        let items = [
            item(1234, "sea.jpg", "filenode", Some(["photos", "2026"])),
            item(7, "two\nlines", "dirnode", None),
        ];
        let lines = lines(&items);
        let ends = ["PATH", "  photos/2026/sea.jpg", r#"  "?/two\x0alines/""#];
        let starts = [
            "  ID  REMOVED       KEPT UNTIL",
            "1234  Jan 01  1970",
            "   7  ",
        ];
        assert_eq!(lines.len(), ends.len());
        for ((line, start), end) in lines.iter().zip(starts).zip(ends) {
            assert!(line.starts_with(start) && line.ends_with(end), "{line:?}");
        }
    }
}
