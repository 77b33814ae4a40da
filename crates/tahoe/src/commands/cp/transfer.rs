//! Moves the bytes, several files at a time.

use super::Options;
use super::source::Content;
use super::target::{DirectoryTarget, FileTarget, Job};
use crate::aliases::url_quoted;
use crate::error::{CommandError, Result};
use crate::file_store::{Call, FileStore, PARALLEL_REQUESTS, cut_short};
use crate::quote::quoted_path;
use crate::{http, progress};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use indicatif::ProgressBar;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::rc::Rc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A copy that is being made.
pub(super) struct Copying<'a> {
    store: &'a FileStore,
    options: Options,
    bar: ProgressBar,
    files: usize,
    files_done: Cell<usize>,
}

/// A directory and the files of it that aren't linked yet.
struct Pending {
    directory: DirectoryTarget,
    files_left: Cell<usize>,
    caps: RefCell<Vec<(String, String)>>,
}

impl<'a> Copying<'a> {
    /// Prepares to copy these files.
    pub(super) fn new<'b>(
        store: &'a FileStore,
        options: Options,
        files: impl Iterator<Item = &'b Content> + Clone,
    ) -> Self {
        let total = files
            .clone()
            .map(|content| content.size_bytes().unwrap_or(0));
        Self {
            store,
            options,
            bar: progress::bar(Some(total.sum()), store.output.quiet),
            files: files.count(),
            files_done: Cell::new(0),
        }
    }

    /// Says something on standard error if that is wanted.
    pub(super) fn say(&self, text: impl FnOnce() -> String) {
        if self.options.verbose {
            let text = text();
            self.bar.suspend(|| self.store.output.note(&text));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Copies all files of all directories, and links what belongs together in one change.
    pub(super) async fn directories(&self, jobs: Vec<Job>) -> Result {
        let (count, files) = (jobs.len(), self.files);
        self.say(|| format!("starting copy, {files} files, {count} directories"));
        let tasks = jobs.into_iter().flat_map(|job| {
            let pending = Rc::new(Pending {
                directory: job.directory,
                files_left: Cell::new(job.files.len()),
                caps: RefCell::default(),
            });
            let files = job.files.into_iter();
            files.map(move |(name, content)| (Rc::clone(&pending), name, content))
        });
        let copies = stream::iter(tasks).map(|(pending, name, content)| async move {
            self.put_into(&pending, name, &content).await
        });
        copies
            .buffer_unordered(PARALLEL_REQUESTS)
            .try_collect::<()>()
            .await
    }

    async fn put_into(&self, pending: &Pending, name: String, content: &Content) -> Result {
        match &pending.directory {
            DirectoryTarget::Local(path) => {
                self.file(content, &FileTarget::Local(path.join(&name)))
                    .await?;
            }
            DirectoryTarget::Grid(directory) => match directory.mutable_child(&name)? {
                Some(url_path) => {
                    let target = FileTarget::Grid {
                        url_path,
                        can_link: false,
                    };
                    self.file(content, &target).await?;
                }
                None => {
                    let cap = self.stored(content).await?;
                    pending.caps.borrow_mut().push((name, cap));
                }
            },
        }
        self.files_done.set(self.files_done.get() + 1);
        self.say(|| format!("{}/{} files", self.files_done.get(), self.files));
        pending
            .files_left
            .set(pending.files_left.get().saturating_sub(1));
        if let (0, DirectoryTarget::Grid(directory)) =
            (pending.files_left.get(), &pending.directory)
        {
            let caps = pending.caps.take();
            directory.link(self.store, caps).await?;
        }
        Ok(())
    }

    /// Copies one file to its place.
    pub(super) async fn file(&self, content: &Content, target: &FileTarget) -> Result {
        match (content, target) {
            (Content::Grid { read_cap, .. }, FileTarget::Local(path)) if self.options.caps_only => {
                write_file(path, read_cap.as_bytes()).await
            }
            (Content::Grid { read_cap, .. }, FileTarget::Local(path)) => {
                self.download(read_cap, path).await
            }
            (Content::Local { path: from, .. }, FileTarget::Local(path)) => {
                let (file, _) = open(from).await?;
                refuse_same_file(from, path)?;
                self.write(tokio::io::BufReader::new(file), path).await
            }
            (
                Content::Grid {
                    is_mutable: false,
                    read_cap,
                    ..
                },
                FileTarget::Grid {
                    url_path,
                    can_link: true,
                },
            ) => {
                let call = Call::put(format!("{url_path}?t=uri")).with(read_cap.clone());
                self.store.ask(call, "Error during PUT").await.map(drop)
            }
            (_, FileTarget::Grid { url_path, .. }) => {
                self.upload(content, url_path.clone()).await.map(drop)
            }
        }
    }

    /// The capability of an immutable file with these contents.
    async fn stored(&self, content: &Content) -> Result<String> {
        match content {
            Content::Grid {
                is_mutable: false,
                read_cap,
                ..
            } => Ok(read_cap.clone()),
            _ => self.upload(content, "uri".to_owned()).await,
        }
    }

    /// Sends contents to the node; returns the capability.
    async fn upload(&self, content: &Content, url_path: String) -> Result<String> {
        let call = || self.upload_call(content, url_path.clone());
        self.store.upload("Error during PUT", call).await
    }

    async fn upload_call(&self, content: &Content, url_path: String) -> Result<Call> {
        let bar = self.bar.clone();
        match content {
            Content::Local { path, .. } => {
                let (file, length) = open(path).await?;
                // A file that grows meanwhile is stored as long as it was.
                let body = http::streamed(file.take(length), move |bytes| bar.inc(bytes));
                Ok(Call::put(url_path).streaming(body, Some(length)))
            }
            Content::Grid { read_cap, .. } => {
                let response = self.fetch(read_cap).await?;
                let length = response.headers().get("content-length");
                let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
                let body = response.into_body().map_frame(move |frame| {
                    bar.inc(frame.data_ref().map_or(0, |data| data.len() as u64));
                    frame
                });
                let body = body.map_err(io::Error::other).boxed();
                Ok(Call::put(url_path).streaming(body, length))
            }
        }
    }

    async fn fetch(&self, read_cap: &str) -> Result<hyper::Response<Incoming>> {
        let call = Call::get(format!("uri/{}", url_quoted(read_cap)));
        self.store.ask(call, "Error during GET").await
    }

    async fn download(&self, read_cap: &str, path: &Path) -> Result {
        let mut body = self.fetch(read_cap).await?.into_body();
        let mut file = create(path).await?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                let path = quoted_path(path);
                cut_short(&io::Error::other(error))
                    .hint(format!("What is in {path} is incomplete."))
            })?;
            if let Some(data) = frame.data_ref() {
                let written = file.write_all(data).await;
                written.map_err(|error| unwritable(path, &error))?;
                self.bar.inc(data.len() as u64);
            }
        }
        file.flush().await.map_err(|error| unwritable(path, &error))
    }

    async fn write(&self, mut reader: impl tokio::io::AsyncBufRead + Unpin, path: &Path) -> Result {
        let mut file = create(path).await?;
        let copied = tokio::io::copy_buf(&mut reader, &mut file).await;
        let copied = copied.map_err(|error| unwritable(path, &error))?;
        self.bar.inc(copied);
        file.flush().await.map_err(|error| unwritable(path, &error))
    }
}

async fn open(path: &Path) -> Result<(tokio::fs::File, u64)> {
    let opened = async {
        let file = tokio::fs::File::open(path).await?;
        let length = file.metadata().await?.len();
        Ok((file, length))
    };
    opened
        .await
        .map_err(|error: io::Error| super::source::unreadable(path, &error))
}

/// Writing a file begins with emptying it, which must not happen to the source.
fn refuse_same_file(from: &Path, to: &Path) -> Result {
    let identity = |path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    match (identity(from), identity(to)) {
        (Some(one), Some(other)) if one == other => {
            let (from, to) = (quoted_path(from), quoted_path(to));
            let message = format!("{from} and {to} are the same file");
            Err(CommandError::failed(message))
        }
        _ => Ok(()),
    }
}

async fn create(path: &Path) -> Result<tokio::fs::File> {
    let created = tokio::fs::File::create(path).await;
    created.map_err(|error| unwritable(path, &error))
}

async fn write_file(path: &Path, contents: &[u8]) -> Result {
    let written = tokio::fs::write(path, contents).await;
    written.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> CommandError {
    CommandError::failed(format!("cannot write {}: {error}", quoted_path(path)))
}
