//! `tahoe run`: run a node in the foreground.

use super::NodeDirectoryOption;
use crate::Context;
use crate::error::{CommandError, Result};
use crate::quote::quoted_path;
use clap::Args;
use sd_notify::NotifyState;
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use tahoe_node::{
    EliotDestination, LogOptions, Logs, Node, NodeDirectory, NodeKind, RunningError,
    RunningProcess, ServiceNode, StartError,
};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Run a node until it is told to stop
///
/// It stops at Ctrl-C, at SIGTERM, or when standard input closes (unless that is a terminal), so that
/// it doesn't outlive the program that started it. Its log goes to standard error, and to a file if there is
/// --log-file; TAHOE_LOG says how much (error, warn, info, debug or trace; info if unset).
#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    directory: NodeDirectoryOption,
    /// Don't stop when standard input closes
    #[arg(long)]
    allow_stdin_close: bool,
    /// Write the log to this file too; it is renamed to FILE.1 when it has ten megabytes
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
}

impl Run {
    pub(crate) fn run(self, context: &Context) -> Result {
        let path = self.directory.path(context)?;
        let shown = quoted_path(&path);
        context.output.line(&format!("'tahoe run' in {shown}"));
        if !path.is_dir() {
            let message = format!("{shown} does not look like a directory at all");
            return Err(CommandError::failed(message)
                .hint("Make a node with `tahoe create-node` or `tahoe create-client`."));
        }
        let directory = NodeDirectory::new(path);
        let kind = directory
            .kind()
            .map_err(|error| CommandError::caused_by(&error))?;
        let Some(kind) = kind else {
            let message = format!("{shown} is not a recognizable node directory");
            return Err(CommandError::failed(message));
        };
        let running = RunningProcess::claim(&directory).map_err(|error| in_the_way(&error))?;
        if let Some(pid) = running.stale() {
            let record = quoted_path(&directory.file("running.process"));
            context
                .output
                .line(&format!("{record} refers to {pid} that isn't running"));
        }
        context.output.line(&format!("running node in {shown}"));
        let ran = self.run_node(&directory, kind, &context.eliot);
        let released = running
            .release()
            .map_err(|error| CommandError::caused_by(&error));
        ran.and(released)
    }

    fn run_node(
        &self,
        directory: &NodeDirectory,
        kind: NodeKind,
        eliot: &[EliotDestination],
    ) -> Result {
        let options = LogOptions {
            file: self.log_file.clone(),
            eliot: eliot.to_vec(),
            default_filter: "info".to_owned(),
            ..LogOptions::default()
        };
        let logs = Logs::start(&options).map_err(|error| CommandError::caused_by(&error))?;
        tahoe_node::raise_file_limit();
        let runtime = Runtime::new().map_err(|error| {
            CommandError::failed(format!(
                "cannot start the input and output machinery: {error}"
            ))
        })?;
        let result = runtime.block_on(self.until_told_to_stop(directory, kind, &logs));
        runtime.shutdown_background();
        result
    }

    async fn until_told_to_stop(
        &self,
        directory: &NodeDirectory,
        kind: NodeKind,
        logs: &Logs,
    ) -> Result {
        let mut signals = Signals::new()?;
        let node = tokio::select! {
            started = Running::start(directory, kind, logs) => {
                started.map_err(|error| refusal(&error, directory))?
            }
            // Nothing has been promised to anybody yet.
            _ = signals.next() => return Ok(()),
        };
        node.describe();
        tell_systemd(NotifyState::Ready);
        let stdin = StandardInput::watch(self.allow_stdin_close);
        let mut was_signalled = false;
        let reason = tokio::select! {
            name = signals.next() => {
                was_signalled = true;
                name
            }
            () = stdin.closed() => "standard input closed",
            () = node.exit_triggered() => "exit_trigger",
        };
        tracing::info!("{reason}: stopping");
        tell_systemd(NotifyState::Stopping);
        let mut stopping = std::pin::pin!(node.stop());
        loop {
            tokio::select! {
                () = stopping.as_mut() => {
                    tracing::info!("stopped");
                    return Ok(());
                }
                name = signals.next() => {
                    if was_signalled {
                        let text = format!("{name} again: stopped at once");
                        return Err(CommandError::failed(text));
                    }
                    // Supervisors close the input and signal as well.
                    was_signalled = true;
                }
            }
        }
    }
}

/// Says why the node directory can't be taken.
fn in_the_way(error: &RunningError) -> CommandError {
    let failed = CommandError::failed(format!("ERROR: {}", crate::error::chain(error)));
    match error {
        RunningError::Invalid(path) => failed.hint(format!(
            "It should hold the number of the process that runs this node and when that began. If \
             none does, remove the file: rm {}",
            quoted_path(path)
        )),
        _ => failed,
    }
}

/// Says why a node doesn't start.
fn refusal(error: &StartError, directory: &NodeDirectory) -> CommandError {
    match error {
        StartError::PickledState(pickled) => {
            let directory = directory.path().display();
            CommandError::failed(format!("Error\n{pickled}")).hint(format!(
                "You must either delete the pickle-format files or migrate them using the command:\n\
                 \x20   tahoe admin migrate-crawler --basedir {directory}\n"
            ))
        }
        error => CommandError::caused_by(error),
    }
}

/// Tells systemd, if it started us and wants to know.
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

/// A node of either kind.
enum Running {
    Client(Box<Node>),
    Service(Box<ServiceNode>),
}

impl Running {
    async fn start(
        directory: &NodeDirectory,
        kind: NodeKind,
        logs: &Logs,
    ) -> std::result::Result<Self, StartError> {
        match kind {
            NodeKind::Client => {
                let node = Node::start_logged(directory, crate::VERSION, Some(logs)).await?;
                Ok(Self::Client(Box::new(node)))
            }
            NodeKind::Introducer | NodeKind::Vdrive => {
                let node = ServiceNode::start(directory, kind, crate::VERSION).await?;
                Ok(Self::Service(Box::new(node)))
            }
        }
    }

    /// Logs where it can be reached.
    fn describe(&self) {
        let (kind, web) = match self {
            Self::Client(node) => ("client", node.web_address()),
            Self::Service(node) if node.introduces() => ("introducer", node.web_address()),
            Self::Service(node) => ("vdrive server", node.web_address()),
        };
        if let Some(address) = web {
            tracing::info!("the web interface is at http://{address}/");
        }
        match self {
            Self::Client(node) => {
                for address in node.storage_addresses() {
                    tracing::info!("storage is served at {address}");
                }
            }
            Self::Service(node) => {
                for address in node.addresses() {
                    if node.introduces() {
                        tracing::info!("nodes are introduced at {address}");
                    }
                    if node.keeps_drive() {
                        tracing::info!("the shared drive is served at {address}");
                    }
                }
            }
        }
        tracing::info!("{kind} running");
    }

    async fn exit_triggered(&self) {
        match self {
            Self::Client(node) => node.exit_triggered().await,
            Self::Service(node) => node.exit_triggered().await,
        }
    }

    async fn stop(self) {
        match self {
            Self::Client(node) => node.stop().await,
            Self::Service(node) => node.stop().await,
        }
    }
}

/// The signals that stop a node.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                CommandError::failed(format!("cannot listen for signals: {error}"))
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// Notices when standard input closes.
struct StandardInput(Option<oneshot::Receiver<()>>);

impl StandardInput {
    /// Reads standard input in a thread of its own, which ends with the process.
    ///
    /// A terminal isn't read: a node in the background would be suspended for it. That it goes away
    /// is told by SIGHUP.
    fn watch(allow_close: bool) -> Self {
        if allow_close || std::io::stdin().is_terminal() {
            return Self(None);
        }
        let (closed, receiver) = oneshot::channel();
        std::thread::spawn(move || {
            let mut ignored = [0; 1024];
            while matches!(std::io::stdin().read(&mut ignored), Ok(1..)) {}
            // Nobody listens any more if the node stops already.
            closed.send(()).ok();
        });
        Self(Some(receiver))
    }

    async fn closed(self) {
        match self.0 {
            Some(receiver) => drop(receiver.await),
            None => std::future::pending().await,
        }
    }
}
