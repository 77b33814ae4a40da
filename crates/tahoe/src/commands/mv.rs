//! `tahoe mv` and `tahoe ln`: move a link, or make another one.

use crate::Context;
use crate::aliases::{Location, url_quoted};
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore, FileStoreOptions, block_on};
use crate::http;
use crate::objects::GridObject;
use clap::Args;
use hyper::{Method, StatusCode};

/// Where from and where to.
#[derive(Args)]
struct Links {
    #[command(flatten)]
    store: FileStoreOptions,
    /// The link that is there
    #[arg(value_name = "FROM")]
    from: String,
    /// The new link; with a slash at its end, a directory to put it into under the same name
    #[arg(value_name = "TO")]
    to: String,
}

/// Move or rename a file or directory on the grid
///
/// End TO with a slash to move something into a directory. To bring local files to the grid, use
/// 'tahoe cp' or 'tahoe put'.
///
///   tahoe mv tahoe:draft.txt tahoe:final.txt
///   tahoe mv tahoe:final.txt tahoe:archive/
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Mv {
    #[command(flatten)]
    links: Links,
}

/// Make another link to a file or directory on the grid
///
/// Both links lead to the same object: what is written through one is read through the other. End TO
/// with a slash to make the link in a directory under the same name.
///
///   tahoe ln tahoe:photos/cat.jpg tahoe:favourites/
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Ln {
    #[command(flatten)]
    links: Links,
}

/// What happens to the old link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Move,
    Link,
}

impl Mv {
    pub(crate) fn run(self, context: &Context) -> Result {
        self.links.run(Mode::Move, context)
    }
}

impl Ln {
    pub(crate) fn run(self, context: &Context) -> Result {
        self.links.run(Mode::Link, context)
    }
}

impl Links {
    fn run(self, mode: Mode, context: &Context) -> Result {
        let store = self.store.open(context)?;
        block_on(self.link(&store, mode))?;
        context.output.line("OK");
        Ok(())
    }

    async fn link(&self, store: &FileStore, mode: Mode) -> Result {
        let from = store.aliases.locate(&self.from)?;
        let to = store.aliases.locate(&self.to)?;
        if mode == Mode::Move && from.shares_drive_with(&to) {
            return move_in_drive(store, &from, &to).await;
        }
        let object = store.object(&from, "Error").await?;
        let cap = object.best_cap().ok_or_else(|| no_cap(&object))?;
        let mut url = to.url_path();
        if url.ends_with('/') {
            url.push_str(&url_quoted(from.last_name()));
        }
        url.push_str("?t=uri&replace=only-files");
        let call = Call::put(url).with(cap.to_owned());
        let response = store.send(call, "Error").await?;
        match response.status() {
            status if http::is_success(status) => {}
            StatusCode::CONFLICT => {
                let message = "Error: You can't overwrite a directory with a file";
                return Err(CommandError::failed(message));
            }
            _ => {
                let mut error = http::refusal(response).await.during("Error");
                if mode == Mode::Move {
                    error.message.push_str("\nNOT removing the original");
                }
                return Err(error);
            }
        }
        if mode == Mode::Move {
            let call = Call::new(Method::DELETE, from.url_path());
            let removed = store.ask(call, "Error deleting original after move").await;
            removed.map_err(|error| error.exit_with(2))?;
        }
        Ok(())
    }
}

fn no_cap(object: &GridObject) -> CommandError {
    CommandError::failed(match object.drive_url_path() {
        Some(_) => "a directory of a shared drive has no other place than its own",
        None => "the node does not tell the capability of what is to be linked",
    })
}

/// Moves something within a shared drive, in one step; directories too, which have no capability.
async fn move_in_drive(store: &FileStore, from: &Location, to: &Location) -> Result {
    let root = || CommandError::failed("Error: the shared drive itself can't be moved");
    let directory = from.parent().ok_or_else(root)?;
    let (to_directory, to_name) = match to.path.is_empty() || to.path.ends_with('/') {
        true => (to.clone(), from.last_name()),
        false => (to.parent().ok_or_else(root)?, to.last_name()),
    };
    let to_directory = to_directory.url_path();
    let url = format!(
        "{}?t=relink&replace=only-files&from_name={}&to_name={}&to_dir={}",
        directory.url_path(),
        url_quoted(from.last_name()),
        url_quoted(to_name),
        url_quoted(&format!("/{}", to_directory.trim_end_matches('/'))),
    );
    store.ask(Call::post(url), "Error").await.map(drop)
}
