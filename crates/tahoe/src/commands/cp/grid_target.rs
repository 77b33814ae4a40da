//! Directories of the grid to copy to.

use super::target::{DirectoryTarget, Job};
use super::tree::Tree;
use crate::aliases::url_quoted;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore, PARALLEL_REQUESTS};
use crate::objects::{GridObject, ObjectKind};
use crate::quote::quoted;
use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A directory and what was in it before.
pub(super) struct GridDirectory {
    /// Where it may be written; `None` if we may not.
    url_path: Option<String>,
    children: BTreeMap<String, GridObject>,
}

impl GridDirectory {
    /// A directory as the node describes it.
    pub(super) fn of(object: GridObject) -> Self {
        let drive = object.drive_url_path();
        let attributes = object.attributes;
        let write_cap = attributes.rw_uri.filter(|cap| !cap.is_empty());
        let by_cap = write_cap.map(|cap| format!("uri/{}", url_quoted(&cap)));
        Self {
            url_path: by_cap.or(drive.filter(|_| attributes.writable)),
            children: attributes.children,
        }
    }

    /// A directory that was just made.
    /// The node answered with its write capability, or its path in a shared drive.
    pub(super) fn made(answer: &str) -> Self {
        let url_path = match answer.strip_prefix('/') {
            Some(path) => path.trim_end_matches('/').to_owned(),
            None => format!("uri/{}", url_quoted(answer)),
        };
        Self {
            url_path: Some(url_path),
            children: BTreeMap::new(),
        }
    }

    fn url_path(&self) -> Result<&str> {
        self.url_path.as_deref().ok_or_else(|| {
            CommandError::failed("cannot copy into a directory that may only be read").hint(
                "You need its write capability, which begins with URI:DIR2: or URI:DIR2-MDMF:.",
            )
        })
    }

    /// Where to put new contents of a mutable file that is there under this name.
    pub(super) fn mutable_child(&self, name: &str) -> Result<Option<String>> {
        let is_mutable = |child: &&GridObject| child.attributes.mutable;
        match self.children.get(name).filter(is_mutable) {
            Some(_) => Ok(Some(format!("{}/{}", self.url_path()?, url_quoted(name)))),
            None => Ok(None),
        }
    }

    /// Makes the directories of a tree; nothing is made if something is in the way here.
    pub(super) fn lay_out(
        self,
        store: &FileStore,
        tree: Tree,
    ) -> LocalBoxFuture<'_, Result<Vec<Job>>> {
        Box::pin(async move {
            self.url_path()?;
            self.check(&tree)?;
            let this = &self;
            let layouts = stream::iter(tree.directories).map(|(name, tree)| async move {
                let below = this.subdirectory(store, &name).await?;
                below.lay_out(store, tree).await
            });
            let layouts = layouts.buffer_unordered(PARALLEL_REQUESTS);
            let mut jobs: Vec<Job> = layouts.try_concat().await?;
            jobs.push(Job {
                directory: DirectoryTarget::Grid(self),
                files: tree.files.into_iter().collect(),
            });
            Ok(jobs)
        })
    }

    fn check(&self, tree: &Tree) -> Result {
        let kind = |name: &String| self.children.get(name).map(|child| child.kind);
        let in_the_way = |what: &str, name: &str| {
            Err(CommandError::failed(format!(
                "cannot copy to {}: {what} is in the way",
                quoted(name)
            ))
            .hint("Choose another target, or unlink what is there first."))
        };
        for name in tree.files.keys() {
            if kind(name) == Some(ObjectKind::Directory) {
                return in_the_way("a directory", name);
            }
        }
        for name in tree.directories.keys() {
            if !matches!(kind(name), None | Some(ObjectKind::Directory)) {
                return in_the_way("a file", name);
            }
        }
        Ok(())
    }

    async fn subdirectory(&self, store: &FileStore, name: &str) -> Result<Self> {
        let Some(child) = self.children.get(name) else {
            let url = format!("{}/{}?t=mkdir", self.url_path()?, url_quoted(name));
            let cap = store
                .ask_text(Call::post(url), "Error during mkdir")
                .await?;
            return Ok(Self::made(&cap));
        };
        let what = "Error examining target directory";
        let url = child.url_path().unwrap_or_default();
        let object = store.find(&url, what).await?;
        let mut object = object.ok_or_else(|| CommandError::failed(format!("{what}: gone")))?;
        // What the link says decides, not what the node might know besides.
        object
            .attributes
            .rw_uri
            .clone_from(&child.attributes.rw_uri);
        Ok(Self::of(object))
    }

    /// Links files under these names, all in one change.
    pub(super) async fn link(&self, store: &FileStore, caps: Vec<(String, String)>) -> Result {
        if caps.is_empty() {
            return Ok(());
        }
        let entry = |(name, cap)| (name, json!(["filenode", {"rw_uri": cap}]));
        let children: Map<String, Value> = caps.into_iter().map(entry).collect();
        let body = Value::Object(children).to_string();
        let url = format!("{}?t=set_children", self.url_path()?);
        store
            .ask(Call::post(url).with(body), "Error during POST")
            .await?;
        Ok(())
    }
}
