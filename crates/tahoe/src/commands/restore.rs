//! `tahoe restore`: bring back what was removed from a shared drive or replaced in it.

use crate::Context;
use crate::aliases::{Location, url_quoted};
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStoreOptions, block_on};
use crate::http;
use clap::Args;
use hyper::StatusCode;

/// Bring back what was removed from a shared drive or replaced in it
///
/// The last thing comes back that was removed from PATH or replaced there. With --id, PATH says where
/// to put what `tahoe trash` lists by that ID; end it with a slash to put it into a directory under
/// its own name. A directory comes back with all that was in it. Nothing is ever replaced: if the
/// name is taken, say another one.
///
///   tahoe restore vdrive:photos/sea.jpg
///   tahoe restore --as notes.before.txt vdrive:notes.txt
///   tahoe restore --id 1234 vdrive:photos/
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Restore {
    #[command(flatten)]
    store: FileStoreOptions,
    /// What `tahoe trash` lists by this ID, from wherever it was
    #[arg(long, conflicts_with = "new_name")]
    id: Option<u64>,
    /// The name that it gets in its directory [default: its own]
    #[arg(long = "as", value_name = "NAME")]
    new_name: Option<String>,
    /// Where it was; with --id, where to put it
    #[arg(value_name = "PATH")]
    path: String,
}

impl Restore {
    pub(crate) fn run(self, context: &Context) -> Result {
        let store = self.store.open(context)?;
        let location = store.aliases.locate(&self.path)?;
        let url = match self.id {
            Some(id) => by_id(&location, id),
            None => by_name(location, self.new_name.as_deref())?,
        };
        block_on(async {
            let response = store.send(Call::post(url), "Error").await?;
            let hint = match response.status() {
                status if http::is_success(status) => return Ok(()),
                StatusCode::NOT_FOUND => Some("`tahoe trash` lists what can be restored."),
                StatusCode::CONFLICT if self.id.is_some() => {
                    Some("Say another name: end PATH with it.")
                }
                StatusCode::CONFLICT => Some("Say another name with --as."),
                _ => None,
            };
            let error = http::refusal(response).await.during("Error");
            Err(match hint {
                Some(hint) => error.hint(hint),
                None => error,
            })
        })?;
        context.output.line("OK");
        Ok(())
    }
}

fn by_id(location: &Location, id: u64) -> String {
    let (directory, name) = match (location.parent(), location.last_name()) {
        (Some(directory), name) if !name.is_empty() => (directory, Some(name)),
        _ => (location.clone(), None),
    };
    let name = name.map(|name| format!("&name={}", url_quoted(name)));
    let name = name.unwrap_or_default();
    format!("{}?t=restore&trash={id}{name}", directory.url_path())
}

fn by_name(mut location: Location, new_name: Option<&str>) -> Result<String> {
    if location.path.ends_with('/') {
        location.path.pop();
    }
    let directory = location.parent().ok_or_else(|| {
        let message =
            "\n'tahoe restore' restores what was in a directory, so a path must be given.";
        CommandError::failed(message).hint("`tahoe trash` lists what can be restored.")
    })?;
    let new_name = new_name.map(|name| format!("&to_name={}", url_quoted(name)));
    Ok(format!(
        "{}?t=restore&name={}{}",
        directory.url_path(),
        url_quoted(location.last_name()),
        new_name.unwrap_or_default()
    ))
}
