//! The Python package zfec in a process of its own, which waits while others work.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::contestants::{Contestant, Task};

const PROGRAM: &str = r"
import hashlib, sys, time, zfec
source = sys.stdin.buffer
for line in iter(source.readline, b''):
    word, *numbers = line.split()
    if word == b'run':
        start = time.perf_counter()
        for _ in range(int(numbers[0])):
            work()
        print(time.perf_counter() - start, flush=True)
        continue
    needed, total, length, lost = map(int, numbers)
    primary = tuple(source.read(length) for _ in range(needed))
    encoder = zfec.Encoder(needed, total)
    wanted = tuple(range(needed, total))
    if word == b'encode':
        work = lambda: encoder.encode(primary, wanted)
        made = work()
    else:
        check = encoder.encode(primary, wanted)
        decoder = zfec.Decoder(needed, total)
        given = tuple(check[:lost]) + primary[lost:]
        given_numbers = tuple(range(needed, needed + lost)) + tuple(range(lost, needed))
        work = lambda: decoder.decode(given, given_numbers)
        made = work()[:lost]
    print(hashlib.sha256(b''.join(made)).hexdigest(), flush=True)
";

/// A Python process.
pub(crate) struct Python {
    child: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Python {
    /// Starts the interpreter that `TAHOE_ORACLE_PYTHON` names or the one of the test command.
    pub(crate) fn start() -> Result<Self, Box<dyn Error>> {
        let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oracle/bin/python");
        let path = std::env::var_os("TAHOE_ORACLE_PYTHON").map_or(default, PathBuf::from);
        let mut command = Command::new(&path);
        command
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let requests = child.stdin.take();
        let replies = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        Ok(Self {
            child,
            requests,
            replies,
        })
    }

    fn ask(&mut self, request: &[u8]) -> Result<String, Box<dyn Error>> {
        let requests = self.requests.as_mut().ok_or("the pipe is closed")?;
        requests.write_all(request)?;
        requests.flush()?;
        let mut reply = String::new();
        self.replies.read_line(&mut reply)?;
        Ok(reply.trim_end().to_owned())
    }
}

impl Contestant for Python {
    fn name(&self) -> &'static str {
        "Python"
    }

    fn prepare(&mut self, task: &Task) -> Result<String, Box<dyn Error>> {
        let word = if task.is_decoding { "decode" } else { "encode" };
        let (needed, total) = (task.params.needed(), task.params.total());
        let lost = task.wanted.len();
        let head = format!("{word} {needed} {total} {} {lost}\n", task.block_length);
        self.ask(&[head.as_bytes(), &task.segment].concat())
    }

    fn run(&mut self, count: u32) -> Result<Duration, Box<dyn Error>> {
        let seconds: f64 = self.ask(format!("run {count}\n").as_bytes())?.parse()?;
        Ok(Duration::from_secs_f64(seconds))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // The end of its input ends the process.
        self.requests = None;
        drop(self.child.wait());
    }
}
