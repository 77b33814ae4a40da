//! The processes of a demo grid.

use super::directories::{Directories, SERVERS, share_drive};
use super::process::NodeProcess;
use crate::error::{CommandError, Result};
use crate::http::{self, Node};
use crate::output::Output;
use futures_util::future::{join_all, select_all};
use hyper::Method;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// How long the whole grid may take to come up.
const START_TIME: Duration = Duration::from_secs(60);
/// How often to look.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The running nodes.
pub(super) struct Grid {
    introducer: NodeProcess,
    servers: Vec<Server>,
    gateway: NodeProcess,
    gateway_directory: PathBuf,
    url: String,
}

struct Server {
    process: NodeProcess,
    port: u16,
    is_up: bool,
}

impl Grid {
    /// Starts all nodes: the introducer first, so that nobody has to try again.
    pub(super) async fn spawn(directories: &Directories) -> Result<Self> {
        let (introducer, port) = &directories.introducer;
        let mut introducer = NodeProcess::spawn("introducer", introducer.path())?;
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", *port)).await.is_err() {
            let ended = introducer.ended();
            if let Some(how) = ended.or_else(|| {
                let is_late = start.elapsed() > START_TIME;
                is_late.then(|| format!("it does not answer after {START_TIME:?}"))
            }) {
                let message = format!("the introducer did not start: {how}");
                return Err(CommandError::failed(message));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        share_drive(&directories.introducer.0, &directories.gateway.0)?;
        let servers = (1..)
            .zip(&directories.servers)
            .map(|(number, (directory, port))| {
                let process = NodeProcess::spawn(&format!("server{number}"), directory.path())?;
                let port = *port;
                let is_up = false;
                Ok(Server {
                    process,
                    port,
                    is_up,
                })
            });
        let (gateway, port) = &directories.gateway;
        Ok(Self {
            introducer,
            servers: servers.collect::<Result<_>>()?,
            gateway: NodeProcess::spawn("gateway", gateway.path())?,
            gateway_directory: gateway.path().to_owned(),
            url: format!("http://127.0.0.1:{port}/"),
        })
    }

    /// Where the web page is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The gateway as the commands on files see it.
    pub(super) fn node(&self) -> Result<Node> {
        Node::parse(&self.url)
    }

    pub(super) fn gateway_directory(&self) -> &Path {
        &self.gateway_directory
    }

    /// Numbers of two server processes, to kill them.
    pub(super) fn two_process_ids(&self) -> String {
        let ids = self.servers.iter().filter_map(|server| server.process.id());
        ids.take(2)
            .map(|id| id.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Tells of each server that comes up, and returns when the gateway is connected to all.
    pub(super) async fn wait_until_up(&mut self, output: Output) -> Result {
        let start = Instant::now();
        let node = self.node()?;
        loop {
            self.notice_ended()?;
            for server in self.servers.iter_mut().filter(|server| !server.is_up) {
                if TcpStream::connect(("127.0.0.1", server.port)).await.is_ok() {
                    server.is_up = true;
                    let Server { process, port, .. } = server;
                    output.line(&format!("{} is up on 127.0.0.1:{port}", process.name));
                }
            }
            let connected = connected_servers(&node).await;
            if connected == Some(SERVERS) {
                let seconds = start.elapsed().as_secs_f64();
                output.line(&format!(
                    "the gateway is connected to all {SERVERS} servers after {seconds:.1} s"
                ));
                return Ok(());
            }
            if start.elapsed() > START_TIME {
                let message = format!(
                    "the gateway is connected to {} of {SERVERS} servers after {START_TIME:?}",
                    connected.unwrap_or(0)
                );
                return Err(self.with_logs(message));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn notice_ended(&mut self) -> Result {
        let servers = self.servers.iter_mut().map(|server| &mut server.process);
        let ended = servers
            .chain([&mut self.gateway, &mut self.introducer])
            .find_map(|process| Some((process.ended()?, process.name.clone())));
        match ended {
            None => Ok(()),
            Some((how, name)) => Err(self.with_logs(format!("{name} ended: {how}"))),
        }
    }

    fn with_logs(&self, message: String) -> CommandError {
        let folder = self
            .gateway_directory
            .parent()
            .unwrap_or(&self.gateway_directory);
        CommandError::failed(message).hint(format!("The logs are {}/*.log.", folder.display()))
    }

    /// Tells of each node that ends; returns when the gateway did.
    pub(super) async fn watch(&mut self, output: Output) -> Result {
        loop {
            let servers = &mut self.servers;
            let gateway = self.gateway.wait();
            let any_server = async {
                if servers.is_empty() {
                    return std::future::pending().await;
                }
                let ends = servers
                    .iter_mut()
                    .map(|server| Box::pin(server.process.wait()));
                let (how, index, _) = select_all(ends).await;
                (index, how)
            };
            let (index, how) = tokio::select! {
                ended = any_server => ended,
                how = gateway => {
                    return Err(self.with_logs(format!("the gateway ended: {how}")));
                }
            };
            let gone = self.servers.remove(index);
            let left = self.servers.len();
            output.line(&format!(
                "{} ended ({how}); {left} of {SERVERS} servers are left",
                gone.process.name
            ));
        }
    }

    /// Kills two servers; returns their names.
    pub(super) async fn kill_two(&mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for server in self.servers.iter_mut().take(2) {
            server.process.kill().await?;
            names.push(server.process.name.clone());
        }
        Ok(names)
    }

    /// Stops the gateway, then the servers, all within a bounded time.
    pub(super) async fn stop(mut self, output: Output) {
        let mut stopped = vec![(self.gateway.stop().await, "gateway".to_owned())];
        let servers = self.servers.iter_mut().map(|server| async {
            let stopped = server.process.stop().await;
            (stopped, server.process.name.clone())
        });
        stopped.extend(join_all(servers).await);
        stopped.push((self.introducer.stop().await, "introducer".to_owned()));
        for (_, name) in stopped.iter().filter(|(stopped, _)| !stopped) {
            output.note(&format!("{name} did not stop in time and was killed"));
        }
    }
}

/// How many servers the gateway is connected to, if it answers.
async fn connected_servers(node: &Node) -> Option<usize> {
    let response = node
        .send(Method::GET, "?t=json", http::no_body(), None)
        .await
        .ok()?;
    let body = http::read_small(response).await.ok()?;
    let status: serde_json::Value = serde_json::from_slice(&body).ok()?;
    let servers = status.get("servers")?.as_array()?;
    let is_connected = |server: &&serde_json::Value| {
        let state = server
            .get("connection_status")
            .and_then(|state| state.as_str());
        state.is_some_and(|state| state.to_lowercase().starts_with("connected"))
    };
    Some(servers.iter().filter(is_connected).count())
}
