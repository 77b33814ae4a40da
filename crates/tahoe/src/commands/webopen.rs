//! `tahoe webopen`: show a file or directory in the web browser.

use crate::Context;
use crate::error::{CommandError, Result};
use crate::file_store::FileStoreOptions;
use clap::Args;

/// Open a file or directory in the web browser
///
/// Without a path, opens the node's own page. The browser is the one of the environment variable
/// BROWSER, or the desktop's. It remembers the addresses that it visits, and these hold capabilities.
///
///   tahoe webopen tahoe:photos
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Webopen {
    #[command(flatten)]
    store: FileStoreOptions,
    /// Open the page of details about it
    #[arg(short, long)]
    info: bool,
    /// What to open
    #[arg(value_name = "PATH")]
    path: Option<String>,
}

impl Webopen {
    pub(crate) fn run(self, context: &Context) -> Result {
        let store = self.store.open(context)?;
        let mut url = store.node.url();
        if let Some(path) = self.path.as_deref().filter(|path| !path.is_empty()) {
            let location = store.aliases.locate(path)?.without_lone_slash();
            url.push_str(&location.url_path());
        }
        if self.info {
            url.push_str("?t=info");
        }
        opener::open_browser(&url).map_err(|error| {
            let message = format!("cannot open a browser: {error}");
            CommandError::failed(message).hint("Say which one in the environment variable BROWSER.")
        })
    }
}
