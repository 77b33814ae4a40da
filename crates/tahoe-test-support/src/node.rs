//! A node directory and, while it runs, its process.

use crate::http::{Request, Response};
use crate::process::Process;
use crate::{Encoding, Program, ServerEntry, ShareFile, free_port, wait_until};
use rustix::process::Signal;
use std::fs::{read_to_string, write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::SystemTime;

/// A node: a directory in a folder of its own, run by one of the two programs.
#[derive(Debug)]
pub struct Node {
    program: Program,
    directory: PathBuf,
    /// Where others connect for storage, if it is a storage server.
    storage_port: Option<u16>,
    /// Where others connect to be introduced, if it is an introducer.
    introducer_port: Option<u16>,
    /// Where its web interface listens, if it has one.
    web_port: Option<u16>,
    process: Option<Process>,
    /// When it was last seen to serve.
    up_since: Option<SystemTime>,
    environment: Vec<(String, String)>,
    global_options: Vec<String>,
}

impl Node {
    /// Creates a storage server with the program's own `create-node`.
    pub fn create_server(program: &Program, directory: &Path) -> Self {
        let port = free_port();
        let options = [
            format!("--port=tcp:{port}:interface=127.0.0.1"),
            format!("--location=tcp:127.0.0.1:{port}"),
            "--webport=none".to_owned(),
        ];
        Self {
            storage_port: Some(port),
            ..Self::create(program, directory, "create-node", &options)
        }
    }

    /// Creates a client with a web interface with the program's own `create-client`.
    pub fn create_gateway(program: &Program, directory: &Path, options: &[&str]) -> Self {
        let port = free_port();
        let mut options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        options.push(format!("--webport=tcp:{port}:interface=127.0.0.1"));
        Self {
            web_port: Some(port),
            ..Self::create(program, directory, "create-client", &options)
        }
    }

    /// Creates an introducer with a web interface with the program's own `create-introducer`.
    pub fn create_introducer(program: &Program, directory: &Path) -> Self {
        let mut node = Self::create_service(program, directory, &["create-introducer"]);
        node.give_web_port();
        node
    }

    /// Creates a node that isn't a client with this command of the program.
    pub fn create_service(program: &Program, directory: &Path, command: &[&str]) -> Self {
        let port = free_port();
        let mut arguments: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        arguments.extend([
            format!("--port=tcp:{port}:interface=127.0.0.1"),
            format!("--location=tcp:127.0.0.1:{port}"),
            directory.display().to_string(),
        ]);
        program.run_well(directory.parent().expect("a folder"), &arguments);
        Self {
            introducer_port: Some(port),
            ..Self::existing(program, directory)
        }
    }

    /// Makes the directory of a client with nothing in it but the files of Tahoe's first release:
    /// `webport`, and these.
    pub fn of_first_files(program: &Program, directory: &Path, files: &[(&str, &str)]) -> Self {
        let port = free_port();
        std::fs::create_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
        let node = Self {
            web_port: Some(port),
            ..Self::existing(program, directory)
        };
        node.write_file("webport", format!("{port}\n"));
        for (name, contents) in files {
            node.write_file(name, contents);
        }
        node
    }

    /// The FURL of this introducer, which must have run once: a secret.
    pub fn introducer_furl(&self) -> String {
        let path = self.directory.join("private/introducer.furl");
        let furl = read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        furl.trim().to_owned()
    }

    fn create(program: &Program, directory: &Path, command: &str, options: &[String]) -> Self {
        let nickname = directory.file_name().unwrap_or_default().to_string_lossy();
        let mut arguments = vec![command.to_owned(), format!("--nickname={nickname}")];
        arguments.extend_from_slice(options);
        arguments.push(directory.display().to_string());
        program.run_well(directory.parent().expect("a folder"), &arguments);
        Self::existing(program, directory)
    }

    /// Takes the directory of a client that was created otherwise, with its web interface there.
    pub fn existing_gateway(program: &Program, directory: &Path, web_port: u16) -> Self {
        Self {
            web_port: Some(web_port),
            ..Self::existing(program, directory)
        }
    }

    fn existing(program: &Program, directory: &Path) -> Self {
        Self {
            program: program.clone(),
            directory: directory.to_owned(),
            storage_port: None,
            introducer_port: None,
            web_port: None,
            process: None,
            up_since: None,
            environment: Vec::new(),
            global_options: Vec::new(),
        }
    }

    /// The node directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The program that runs it.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Lets the other program run this directory from its next start on.
    pub fn set_program(&mut self, program: &Program) {
        assert!(self.process.is_none(), "the node is running");
        self.program = program.clone();
    }

    /// Sets an option of `tahoe.cfg`; the node reads it when it starts.
    pub fn set(&self, section: &str, option: &str, value: &str) {
        let path = self.directory.join("tahoe.cfg");
        let text = read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        write(&path, with_option(&text, section, option, value))
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// Sets the encoding parameters in `tahoe.cfg`.
    pub fn set_encoding(&self, encoding: Encoding) {
        self.set("client", "shares.needed", &encoding.needed.to_string());
        self.set("client", "shares.happy", &encoding.happy.to_string());
        self.set("client", "shares.total", &encoding.total.to_string());
    }

    /// Sets a variable of the environment that it is started in.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it with an option that stands before the command.
    pub fn add_global_option(&mut self, option: &str) {
        self.global_options.push(option.to_owned());
    }

    /// Gives it a web interface from its next start on.
    pub fn give_web_port(&mut self) {
        let port = free_port();
        self.set(
            "node",
            "web.port",
            &format!("tcp:{port}:interface=127.0.0.1"),
        );
        self.web_port = Some(port);
    }

    /// Writes a file below the node directory.
    pub fn write_file(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.directory.join(name);
        write(&path, contents).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// Starts the node without waiting for it.
    pub fn spawn(&mut self) {
        assert!(self.process.is_none(), "the node is running");
        let folder = self.directory.parent().expect("a node lies in a folder");
        let mut command = self.program.command(folder);
        command.envs(self.environment.iter().cloned());
        command.args(&self.global_options);
        command.arg("run").arg(&self.directory);
        self.process = Some(Process::start(&mut command, &self.log_path()));
    }

    /// Waits until the node serves: its storage port and its web interface answer.
    ///
    /// # Panics
    /// If it ends or doesn't serve in time.
    pub fn wait_until_up(&mut self) {
        let furl = self.directory.join("private/storage.furl");
        let what = format!(
            "{} ({}) serves",
            self.directory.display(),
            self.program.name()
        );
        wait_until(&what, || {
            let process = self.process.as_mut().expect("the node was started");
            if let Some(status) = process.ended() {
                panic!(
                    "{}: {status} at start:\n{}",
                    self.directory.display(),
                    self.log()
                );
            }
            let storage = self.storage_port.is_none_or(|port| {
                furl.exists() && TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            let introducer = self
                .introducer_port
                .is_none_or(|port| TcpStream::connect(("127.0.0.1", port)).is_ok());
            let web = || {
                self.web_port
                    .is_none_or(|port| Request::new("GET", "/?t=json").send(port, b"").is_ok())
            };
            storage && introducer && web()
        });
        self.up_since = Some(SystemTime::now());
    }

    /// When its last start was over.
    pub(crate) fn up_since(&self) -> Option<SystemTime> {
        self.up_since
    }

    /// Starts the node and waits until it serves.
    pub fn start(&mut self) {
        self.spawn();
        self.wait_until_up();
    }

    /// Waits until the node's web interface reports this many connected storage servers.
    pub fn wait_for_servers(&self, count: usize) {
        let what = format!("{} has {count} servers", self.directory.display());
        wait_until(&what, || self.connected_servers() == count);
    }

    /// Waits until the node is connected to this many storage servers and has had an answer of each
    /// after `since`.
    ///
    /// Being connected alone says little when servers were started again: both programs ask servers
    /// every second or so and think them connected until an answer fails to come. The Python program
    /// takes 0.3 s to find that a port is closed, so that a question asked just before the start
    /// fails after it; the server is then left out until the next answer.
    pub(crate) fn wait_for_answers(&self, count: usize, since: SystemTime) {
        let what = format!(
            "{} has answers of {count} servers",
            self.directory.display()
        );
        wait_until(&what, || self.servers_heard_since(since) == count);
    }

    /// How many storage servers the node's web interface reports as connected.
    pub fn connected_servers(&self) -> usize {
        self.servers_heard_since(SystemTime::UNIX_EPOCH)
    }

    fn servers_heard_since(&self, since: SystemTime) -> usize {
        let since = since.duration_since(SystemTime::UNIX_EPOCH);
        let since = since.expect("the clock is right").as_secs_f64();
        let status = self.request("GET", "/?t=json", b"").json();
        let servers = status["servers"].as_array().expect("a list of servers");
        let heard = servers.iter().filter(|server| {
            let status = server["connection_status"].as_str().unwrap_or_default();
            let heard = server["last_received_data"].as_f64();
            status.to_lowercase().starts_with("connected")
                && heard.is_some_and(|heard| heard >= since)
        });
        heard.count()
    }

    /// Asks the node to stop (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// If it isn't running or doesn't stop in time.
    pub fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the node is running");
        process.signal(Signal::TERM);
        process.wait()
    }

    /// Closes the node's standard input, upon which it should stop, and waits until it has.
    ///
    /// # Panics
    /// If it isn't running or doesn't stop in time.
    pub fn close_stdin(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the node is running");
        process.close_stdin();
        process.wait()
    }

    /// Closes the node's standard input and signals it (SIGTERM), as supervisors do, and waits until
    /// it has stopped.
    ///
    /// # Panics
    /// If it isn't running or doesn't stop in time.
    pub fn close_stdin_and_stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the node is running");
        process.close_stdin();
        process.signal(Signal::TERM);
        process.wait()
    }

    /// Waits until the node has ended by itself.
    pub fn wait_until_ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the node was started");
        process.wait()
    }

    /// Kills the node (SIGKILL), if it runs.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Freezes the node: its sockets stay open and nothing answers.
    pub fn pause(&self) {
        self.running().signal(Signal::STOP);
    }

    /// Lets a frozen node go on.
    pub fn resume(&self) {
        self.running().signal(Signal::CONT);
    }

    /// Whether it was started and neither stopped nor killed since.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Its process's id.
    pub fn process_id(&self) -> u32 {
        self.running().id()
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("the node is running")
    }

    /// The most memory that the process ever held, in bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process_id());
        let text = read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        let kibibytes = kibibytes.and_then(|word| word.parse::<u64>().ok());
        kibibytes.expect("the kernel reports VmHWM") * 1024
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join("run.log")
    }

    /// Everything that the node wrote to standard output and standard error.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How a client reaches this storage server; the node must have run once.
    pub fn server_entry(&self) -> ServerEntry {
        ServerEntry::of(&self.directory)
    }

    /// The complete shares that it holds.
    pub fn shares(&self) -> Vec<ShareFile> {
        ShareFile::all(&self.directory)
    }

    /// Deletes all its shares.
    pub fn delete_shares(&self) {
        for share in self.shares() {
            share.delete();
        }
    }

    /// The port of its storage server.
    pub fn storage_port(&self) -> u16 {
        self.storage_port.expect("the node has a storage server")
    }

    /// The port of its web interface.
    pub fn web_port(&self) -> u16 {
        self.web_port.expect("the node has a web interface")
    }

    /// The URL of its web interface.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.web_port())
    }

    /// Sends a request to the web interface.
    ///
    /// # Panics
    /// If it doesn't answer.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Response {
        Request::new(method, path)
            .send(self.web_port(), body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Uploads a file with `PUT /uri`.
    pub fn try_put(&self, contents: &[u8]) -> Response {
        self.request("PUT", "/uri", contents)
    }

    /// Uploads a file with `PUT /uri` and returns its capability.
    ///
    /// # Panics
    /// If that fails.
    pub fn put(&self, contents: &[u8]) -> String {
        let response = self.try_put(contents);
        assert_eq!(
            response.status,
            200,
            "PUT /uri of {} bytes at {}: {}",
            contents.len(),
            self.directory.display(),
            response.text()
        );
        response.text().trim().to_owned()
    }

    /// Downloads a file with `GET /uri/CAP`.
    pub fn try_get(&self, capability: &str) -> Response {
        self.request("GET", &format!("/uri/{}", escaped(capability)), b"")
    }

    /// Downloads a file with `GET /uri/CAP`.
    ///
    /// # Panics
    /// If that fails.
    pub fn get(&self, capability: &str) -> Vec<u8> {
        let response = self.try_get(capability);
        assert!(
            response.status == 200 && !response.truncated,
            "GET {capability} at {}: {}{} {}",
            self.directory.display(),
            response.status,
            if response.truncated {
                ", truncated"
            } else {
                ""
            },
            response.text().chars().take(1000).collect::<String>()
        );
        response.body
    }
}

/// A capability as a segment of a URL's path.
fn escaped(capability: &str) -> String {
    capability.replace(':', "%3A")
}

/// An INI text with one option changed or added.
fn with_option(text: &str, section: &str, option: &str, value: &str) -> String {
    let header = format!("[{section}]");
    let line = format!("{option} = {value}");
    let is_option = |candidate: &str| {
        let name = candidate.split_once('=').map(|(name, _)| name.trim());
        name == Some(option)
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let Some(start) = lines.iter().position(|line| line.trim() == header) else {
        return format!("{text}\n{header}\n{line}\n");
    };
    let length = lines[start + 1..]
        .iter()
        .take_while(|line| !line.starts_with('['))
        .count();
    let existing = (start + 1..=start + length).find(|&index| is_option(&lines[index]));
    match existing {
        Some(index) => lines[index] = line,
        None => lines.insert(start + 1, line),
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_options() {
        let text = "[a]\nx = 1\n#y = 2\n[b]\nx = 3\n";
        let check = |section, option, expected| {
            assert_eq!(with_option(text, section, option, "9"), expected);
        };
        check("a", "x", "[a]\nx = 9\n#y = 2\n[b]\nx = 3\n");
        check("b", "x", "[a]\nx = 1\n#y = 2\n[b]\nx = 9\n");
        check("a", "y", "[a]\ny = 9\nx = 1\n#y = 2\n[b]\nx = 3\n");
        check("c", "z", "[a]\nx = 1\n#y = 2\n[b]\nx = 3\n\n[c]\nz = 9\n");
    }
}
