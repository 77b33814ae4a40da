//! What the commands on files have in common: the node they talk to, the aliases, the requests.

use crate::Context;
use crate::aliases::{Aliases, Location};
use crate::error::{CommandError, Result};
use crate::http::{self, Node, RequestBody};
use crate::objects::GridObject;
use crate::output::Output;
use crate::paths;
use crate::quote::quoted_path;
use clap::Args;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use std::future::Future;
use std::path::{Path, PathBuf};
use tahoe_caps::{Cap, CapError};
use tokio::sync::RwLock;

/// How many requests of one command are under way at most.
pub(crate) const PARALLEL_REQUESTS: usize = 16;
/// The largest listing of a directory or result of an operation that is read into memory.
const LARGEST_ANSWER: usize = 1 << 30;
/// How a node says that too few servers took shares, and that it is connected to none.
const UNHAPPY: &str = "allmydata.interfaces.UploadUnhappinessError";
const NO_SERVERS: &str = "allmydata.interfaces.NoServersError";

/// Which node to talk to.
#[derive(Args)]
pub(crate) struct FileStoreOptions {
    /// The node's web address, such as http://127.0.0.1:3456 [default: from DIR/node.url]
    #[arg(short = 'u', long, value_name = "URL")]
    node_url: Option<String>,
    /// The directory that paths without an alias begin in [default: that of the alias tahoe]
    #[arg(long, value_name = "CAP")]
    dir_cap: Option<String>,
}

impl FileStoreOptions {
    /// The node to talk to and the aliases to find things by.
    pub(crate) fn open(&self, context: &Context) -> Result<FileStore> {
        let node_directory = node_directory(context)?;
        Ok(FileStore {
            node: self.node(&node_directory)?,
            aliases: self.aliases(&node_directory)?,
            settings: self.settings(&node_directory),
            node_directory,
            output: context.output,
            uploads: RwLock::new(()),
        })
    }

    /// The aliases, for commands that talk to no node.
    pub(crate) fn aliases(&self, node_directory: &Path) -> Result<Aliases> {
        let mut aliases = Aliases::read(node_directory)?;
        if let Some(cap) = &self.dir_cap {
            aliases.set_default(cap.clone());
        }
        Ok(aliases)
    }

    /// The tahoe.cfg of the node that is talked to, if it is known where that is.
    fn settings(&self, directory: &Path) -> Option<PathBuf> {
        let file = directory.join("tahoe.cfg");
        (self.node_url.is_none() && file.exists()).then_some(file)
    }

    fn node(&self, directory: &Path) -> Result<Node> {
        match &self.node_url {
            Some(url) => Node::parse(url),
            None => node_of_directory(directory),
        }
    }
}

/// The node directory that the commands on files use.
pub(crate) fn node_directory(context: &Context) -> Result<PathBuf> {
    match &context.node_directory {
        Some(directory) => paths::argument(directory),
        None => paths::default_node_directory(),
    }
}

/// The node that the file `node.url` of a node directory points to.
pub(crate) fn node_of_directory(directory: &Path) -> Result<Node> {
    let file = directory.join("node.url");
    let text = std::fs::read_to_string(&file).map_err(|error| {
        CommandError::failed(format!("cannot read {}: {error}", quoted_path(&file))).hint(
            "Start a node with `tahoe run`, or say where one is with --node-url or \
             --node-directory.",
        )
    })?;
    Node::parse(text.trim()).map_err(|_| {
        CommandError::failed(format!("{} does not hold a node's URL", quoted_path(&file)))
    })
}

/// A node and the names of what it keeps.
pub(crate) struct FileStore {
    pub(crate) node: Node,
    pub(crate) aliases: Aliases,
    pub(crate) node_directory: PathBuf,
    /// The node's tahoe.cfg, if it is known where that is.
    settings: Option<PathBuf>,
    pub(crate) output: Output,
    /// Shared by uploads that are under way, taken whole by one that must be alone.
    uploads: RwLock<()>,
}

/// A request without its failure: what is sent where.
pub(crate) struct Call {
    method: Method,
    /// After the node's own path, percent-encoded.
    path: String,
    body: RequestBody,
    /// `None` if it isn't known before the end.
    length_bytes: Option<u64>,
}

impl Call {
    /// A request without a body.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: http::no_body(),
            length_bytes: Some(0),
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    /// Adds a body that is in memory.
    pub(crate) fn with(mut self, body: impl Into<bytes::Bytes>) -> Self {
        let body = body.into();
        self.length_bytes = Some(body.len() as u64);
        self.body = http::whole(body);
        self
    }

    /// Adds a body that is streamed.
    pub(crate) fn streaming(mut self, body: RequestBody, length_bytes: Option<u64>) -> Self {
        self.body = body;
        self.length_bytes = length_bytes;
        self
    }
}

impl FileStore {
    /// Sends a request; `what` it is part of begins the line that says that it failed.
    pub(crate) async fn send(&self, call: Call, what: &str) -> Result<Response<Incoming>> {
        let Call {
            method,
            path,
            body,
            length_bytes,
        } = call;
        let sent = self.node.send(method, &path, body, length_bytes).await;
        sent.map_err(|failure| failure.during(what))
    }

    /// Sends a request that must succeed.
    pub(crate) async fn ask(&self, call: Call, what: &str) -> Result<Response<Incoming>> {
        let problem = problem_of(&call.path);
        let answered = self.successful(self.send(call, what).await?, what).await;
        answered.map_err(|failed| match problem {
            Some(problem) => failed.hint(problem),
            None => failed,
        })
    }

    /// Sends a request that must succeed and returns what it answers, such as a capability.
    pub(crate) async fn ask_text(&self, call: Call, what: &str) -> Result<String> {
        read_text(self.ask(call, what).await?).await
    }

    /// Uploads something and returns its capability.
    ///
    /// Nodes of the original fail if equal files are uploaded at once. So what a node fails to store
    /// is sent again, from a new `call`, while nothing else is uploaded.
    pub(crate) async fn upload<F>(&self, what: &str, call: impl Fn() -> F) -> Result<String>
    where
        F: Future<Output = Result<Call>>,
    {
        {
            let _shared = self.uploads.read().await;
            let response = self.send(call().await?, what).await?;
            if response.status() != StatusCode::INTERNAL_SERVER_ERROR {
                return read_text(self.successful(response, what).await?).await;
            }
        }
        let _alone = self.uploads.write().await;
        self.ask_text(call().await?, what).await
    }

    /// What is at a place, or nothing.
    pub(crate) async fn find(&self, url_path: &str, what: &str) -> Result<Option<GridObject>> {
        let response = self
            .send(Call::get(format!("{url_path}?t=json")), what)
            .await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if http::is_success(status) => {
                let bytes = read(response).await?;
                GridObject::from_json(&bytes).map(Some)
            }
            _ => Err(http::refusal(response).await.during(what)),
        }
    }

    /// What is at a place of the grid; there must be something.
    pub(crate) async fn object(&self, location: &Location, what: &str) -> Result<GridObject> {
        let call = Call::get(format!("{}?t=json", location.url_path()));
        let bytes = read(self.ask(call, what).await?).await?;
        GridObject::from_json(&bytes)
    }

    async fn successful(
        &self,
        response: Response<Incoming>,
        what: &str,
    ) -> Result<Response<Incoming>> {
        if http::is_success(response.status()) {
            return Ok(response);
        }
        let failed = http::refusal(response).await.during(what);
        let is_about = |name| failed.message.contains(name);
        let next_step = match () {
            () if is_about(UNHAPPY) => self.next_step_if_unhappy(),
            () if is_about(NO_SERVERS) => {
                let page = self.node.url();
                format!("The gateway's page {page} shows which servers it knows.")
            }
            () => return Err(failed),
        };
        Err(failed.hint(next_step))
    }

    fn next_step_if_unhappy(&self) -> String {
        let file = match &self.settings {
            Some(path) => quoted_path(path),
            None => "the gateway's tahoe.cfg".to_owned(),
        };
        format!(
            "Start more storage servers, or be content with fewer: set shares.happy in {file} and \
             start the gateway again."
        )
    }
}

/// What is wrong with the capability that a request is about, if it is a malformed one.
pub(crate) fn problem_of(url_path: &str) -> Option<String> {
    let cap = url_path.strip_prefix("uri/")?.split(['/', '?']).next()?;
    let cap = percent_encoding::percent_decode_str(cap)
        .decode_utf8()
        .ok()?;
    match Cap::parse(&cap) {
        Cap::Unknown(unknown) if unknown.reason() != CapError::Unrecognised => {
            Some(format!("What you gave is a {}.", unknown.reason()))
        }
        _ => None,
    }
}

/// Reads a short answer, such as a capability.
async fn read_text(response: Response<Incoming>) -> Result<String> {
    let bytes = http::read_small(response).await;
    let bytes = bytes.map_err(|error| cut_short(&error))?;
    Ok(String::from_utf8_lossy(bytes.trim_ascii()).into_owned())
}

/// Reads an answer that may be large.
pub(crate) async fn read(response: Response<Incoming>) -> Result<bytes::Bytes> {
    let read = http::read_at_most(response, LARGEST_ANSWER).await;
    read.map_err(|error| cut_short(&error))
}

/// The failure of an answer that didn't arrive whole.
pub(crate) fn cut_short(error: &std::io::Error) -> CommandError {
    let error = crate::error::chain(error);
    CommandError::failed(format!("the node's answer was cut short: {error}"))
}

/// Runs a command's requests to their end.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        CommandError::failed(format!(
            "cannot start the input and output machinery: {error}"
        ))
    })?;
    let result = runtime.block_on(future);
    // Reading standard input may still block a thread: don't wait for it.
    runtime.shutdown_background();
    result
}
