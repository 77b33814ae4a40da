//! A headless Chromium of the test's own, driven by its DevTools protocol over a pipe.
//!
//! Commands and answers are JSON texts that end with a NUL. The browser ends when its pipe closes,
//! so it never outlives the test.

use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use tahoe_test_support::PATIENCE;
use tempfile::TempDir;

/// Messages that wait to be read at most.
const QUEUE: usize = 1024;

/// Keeps Chromium from doing anything that no test asked for.
const OPTIONS: &[&str] = &[
    "--headless",
    "--remote-debugging-pipe",
    // Tests run as root in containers, and Chromium's own sandbox doesn't.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "about:blank",
];

/// A running browser.
#[derive(Debug)]
pub(crate) struct Chromium {
    child: Child,
    commands: RefCell<ChildStdin>,
    answers: Receiver<Value>,
    last_id: Cell<u64>,
    /// Its profile, and `log`: what it complains about.
    profile: TempDir,
}

impl Chromium {
    /// Starts it with further options.
    pub(crate) fn start(options: &[&str]) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(profile.path().join("log")).unwrap();
        // Chromium takes commands from its file 3 and answers into its file 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 >&2"])
            .arg(executable())
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(OPTIONS)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let commands = RefCell::new(child.stdin.take().unwrap());
        let answers = answers(child.stdout.take().unwrap());
        Self {
            child,
            commands,
            answers,
            last_id: Cell::new(0),
            profile,
        }
    }

    /// Sends a command, to a page if `session` names one, and waits for its result.
    pub(crate) fn ask(
        &self,
        session: Option<&str>,
        method: &str,
        parameters: &Value,
    ) -> Result<Value, String> {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        let mut command = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let text = format!("{command}\0");
        let sent = self.commands.borrow_mut().write_all(text.as_bytes());
        sent.unwrap_or_else(|error| panic!("{method}: {error}: {}", self.log()));
        loop {
            let answer = self.answers.recv_timeout(PATIENCE);
            let answer = answer.unwrap_or_else(|e| panic!("{method}: {e}: {}", self.log()));
            // Everything else is an event, and nothing here waits for those.
            if answer["id"] == id {
                return match answer.get("error") {
                    Some(error) => Err(format!("{method}: {error}")),
                    None => Ok(answer["result"].clone()),
                };
            }
        }
    }

    fn log(&self) -> String {
        let log = std::fs::read(self.profile.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It may have ended; then there is nothing left to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn executable() -> PathBuf {
    let path = std::env::var_os("TAHOE_CHROMIUM").map(PathBuf::from);
    let path = path.unwrap_or_else(|| PathBuf::from("/usr/bin/chromium"));
    assert!(
        path.exists(),
        "Chromium is not installed: run `cargo xtask browser`, or set TAHOE_CHROMIUM"
    );
    path
}

/// Reads messages until the browser ends.
fn answers(output: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = sync_channel(QUEUE);
    std::thread::spawn(move || {
        for message in BufReader::new(output).split(0) {
            let Ok(message) = message else { return };
            let message = serde_json::from_slice(&message).unwrap();
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}
