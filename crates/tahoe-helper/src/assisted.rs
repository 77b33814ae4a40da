//! One upload that a helper carries out: fetch the ciphertext, encode it, store the shares.
//!
//! Several clients may have the same file; each that calls `upload` is asked for ciphertext when
//! those before it have failed, and all are told what came of it.

use crate::folders::{Folders, Incoming};
use crate::service::{Counter, Shared};
use crate::wire::{self, HelperResults, UPLOADER, UPLOADER_VERSION};
use async_trait::async_trait;
use foolscap::{Arguments, Call, Referenceable, RemoteFailure, RemoteReference, Value};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tahoe_crypto::StorageIndex;
use tahoe_immutable::{Ciphertext, CiphertextResults, UploadError, UploadParameters, UploadStatus};
use tahoe_share::EncodingParameters;
use tokio::sync::watch;
use tokio::time::timeout;

/// How much ciphertext is asked for at a time, in bytes: the reference's.
const CHUNK: u64 = 50 * 1024;
/// How long a client may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a client may take to hear that its file is no longer needed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most clients that are asked for one file.
const MAX_READERS: usize = 16;
/// Largest segment of a file that is encoded here, in bytes.
const MAX_SEGMENT: u64 = 64 << 20;

/// The exception of the reference when no client is left.
const NO_READERS: &str = "allmydata.immutable.offloaded.NotEnoughWritersError";

type Outcome = Result<HelperResults, RemoteFailure>;

/// The upload of one file.
#[derive(Debug)]
pub(crate) struct Assisted {
    helper: Arc<Shared>,
    index: StorageIndex,
    status: Arc<UploadStatus>,
    readers: Mutex<Readers>,
    outcome: watch::Sender<Option<Outcome>>,
}

/// Who can be asked.
#[derive(Debug, Default)]
struct Readers {
    all: Vec<RemoteReference>,
    last_failure: String,
    is_started: bool,
}

/// The object that clients get.
#[derive(Debug)]
pub(crate) struct Handle(pub(crate) Arc<Assisted>);

#[async_trait]
impl Referenceable for Handle {
    fn interface(&self) -> Option<&str> {
        Some(UPLOADER)
    }

    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        match call.method.as_str() {
            "get_version" => {
                let version = &self.0.helper.config.application_version;
                Ok(wire::version_value(UPLOADER_VERSION, version))
            }
            "upload" => {
                let bad = || Call::bad_arguments("upload", "a reference to a file");
                let [reader] = call.arguments.take(["reader"]).ok_or_else(bad)?;
                let reader = reader.as_reference().and_then(|reader| reader.remote());
                let reader = reader.ok_or_else(bad)?.clone();
                let results = self.0.upload(reader).await?;
                Ok(results.to_value())
            }
            _ => Err(call.unknown_method(UPLOADER)),
        }
    }
}

impl Assisted {
    pub(crate) fn new(helper: Arc<Shared>, index: StorageIndex) -> Self {
        Self {
            helper,
            index,
            status: Arc::new(UploadStatus::for_client(index)),
            readers: Mutex::default(),
            outcome: watch::Sender::new(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a client that has the file, and waits for what comes of it.
    async fn upload(self: &Arc<Self>, reader: RemoteReference) -> Outcome {
        let mut outcome = self.outcome.subscribe();
        let is_first = {
            let mut readers = self.lock();
            if readers.all.len() >= MAX_READERS {
                return Err(RemoteFailure::violation("too many clients have this file"));
            }
            readers.all.push(reader);
            !std::mem::replace(&mut readers.is_started, true)
        };
        if is_first {
            (self.helper.config.observer)(&self.status);
            self.helper.spawn(Arc::clone(self).run());
        }
        let ended = outcome.wait_for(Option::is_some).await;
        let ended = ended.ok().and_then(|outcome| outcome.clone());
        ended.unwrap_or_else(|| Err(cut()))
    }

    async fn run(self: Arc<Self>) {
        let outcome = self.carry_out().await;
        let index = self.index;
        match &outcome {
            Ok(results) => {
                let pushed = results.pushed_shares;
                tracing::info!(storage_index = %index, pushed, "uploaded for a client");
            }
            Err(error) => {
                self.status.fail();
                tracing::info!(storage_index = %index, %error, "an upload for a client failed");
            }
        }
        self.helper.deactivate(&index);
        self.lock().all.clear();
        self.outcome.send_replace(Some(outcome));
    }

    async fn carry_out(&self) -> Outcome {
        let started = Instant::now();
        let index = self.index;
        let is_complete = self.on_disk(move |folders| Ok(folders.is_complete(&index)));
        let fetched = if is_complete.await? {
            0
        } else {
            self.fetch().await?
        };
        let fetch_time = started.elapsed();
        let parameters = self.parameters().await?;
        let slot = self.helper.encodings.acquire().await.map_err(|_| cut())?;
        let opened = self.on_disk(move |folders| folders.open_complete(&index));
        let (file, size) = opened.await?;
        let ciphertext = Ciphertext::in_file(index, parameters, size, file);
        let ciphertext = ciphertext.map_err(|error| upload_failure(&error))?;
        let uploader = &self.helper.config.uploader;
        let stored = Box::pin(uploader.upload_ciphertext(ciphertext, &self.status)).await;
        let stored = stored.map_err(|error| upload_failure(&error))?;
        drop(slot);
        self.helper.count(Counter::EncodedBytes, size);
        self.on_disk(move |folders| folders.remove_complete(&index))
            .await?;
        // Whether the client wants to hear that doesn't matter any more.
        let close = self.ask("close", || Arguments::positional([]));
        drop(timeout(CLOSE_TIMEOUT, close).await);
        Ok(results(stored, fetched, fetch_time, started.elapsed()))
    }

    /// Fetches what isn't there yet; how many bytes that were.
    async fn fetch(&self) -> Result<u64, RemoteFailure> {
        let size = self.ask("get_size", || Arguments::positional([])).await?;
        let size: u64 = size.as_integer().ok_or_else(|| malformed("a size"))?;
        let index = self.index;
        let begun = self.on_disk(move |folders| folders.begin(&index, size));
        let mut incoming = begun.await?;
        let had = incoming.have();
        if had > 0 {
            self.helper.count(Counter::Resumes, 1);
        }
        while incoming.have() < size {
            self.status.fetched(incoming.have(), size);
            incoming = self.fetch_piece(incoming, size).await?;
        }
        self.status.fetched(size, size);
        self.on_disk(move |_| incoming.complete()).await?;
        Ok(size - had)
    }

    async fn fetch_piece(
        &self,
        mut incoming: Incoming,
        size: u64,
    ) -> Result<Incoming, RemoteFailure> {
        let offset = incoming.have();
        let length = (size - offset).min(CHUNK);
        let arguments = || Arguments::positional([Value::from(offset), Value::from(length)]);
        let pieces = self.ask("read_encrypted", arguments).await?;
        let pieces = pieces.as_sequence().ok_or_else(|| malformed("a list"))?;
        let mut data = Vec::new();
        for piece in pieces {
            let piece = piece.as_bytes().ok_or_else(|| malformed("bytes"))?;
            data.extend_from_slice(piece);
        }
        let got = data.len() as u64;
        if got == 0 || got > length {
            return Err(malformed("as much as was asked for"));
        }
        self.helper.count(Counter::FetchedBytes, got);
        self.on_disk(move |_| incoming.append(&data).map(|()| incoming))
            .await
    }

    async fn parameters(&self) -> Result<UploadParameters, RemoteFailure> {
        let none = || Arguments::positional([]);
        let value = self.ask("get_all_encoding_parameters", none).await?;
        parameters(&value).ok_or_else(|| malformed("encoding parameters"))
    }

    /// Asks the first client that answers. Those that fail aren't asked again.
    async fn ask(
        &self,
        method: &str,
        arguments: impl Fn() -> Arguments,
    ) -> Result<Value, RemoteFailure> {
        loop {
            let reader = {
                let readers = self.lock();
                readers.all.first().cloned().ok_or_else(|| {
                    let failure = &readers.last_failure;
                    let text = format!("ran out of assisted uploaders, last failure was {failure}");
                    RemoteFailure::new(NO_READERS, text)
                })?
            };
            let failure = match timeout(ANSWER_TIMEOUT, reader.call(method, arguments())).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer in {} s", ANSWER_TIMEOUT.as_secs()),
            };
            tracing::info!(storage_index = %self.index, method, failure, "a client failed");
            let mut readers = self.lock();
            readers.all.retain(|other| *other != reader);
            readers.last_failure = failure.chars().take(300).collect();
        }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folders) -> io::Result<T> + Send + 'static,
    ) -> Result<T, RemoteFailure> {
        self.helper.on_disk(work).await.map_err(|error| {
            tracing::warn!(storage_index = %self.index, %error, "the helper's disk failed");
            // Where our files lie is nobody's business.
            RemoteFailure::new("builtins.OSError", "the helper's disk failed")
        })
    }
}

/// Reads `(k, happy, N, segment size)`.
fn parameters(value: &Value) -> Option<UploadParameters> {
    let [needed, happy, total, segment] = value.as_sequence()? else {
        return None;
    };
    let segment = segment.as_integer().filter(|size| *size <= MAX_SEGMENT)?;
    let encoding = EncodingParameters::new(needed.as_integer()?, total.as_integer()?).ok()?;
    UploadParameters::new(encoding, happy.as_integer()?, segment).ok()
}

fn results(
    stored: CiphertextResults,
    fetched: u64,
    fetch_time: Duration,
    total: Duration,
) -> HelperResults {
    let share_map = stored.share_map.into_iter().map(|(share, servers)| {
        let servers = servers.iter().map(|server| server.id.clone());
        (share, servers.collect())
    });
    let timings = [
        ("cumulative_fetch", fetch_time),
        ("total_fetch", fetch_time),
        ("peer_selection", stored.timings.peer_selection),
        ("cumulative_encoding", stored.timings.cumulative_encoding),
        ("cumulative_sending", stored.timings.cumulative_sending),
        ("hashes_and_close", stored.timings.hashes_and_close),
        (
            "total_encode_and_push",
            stored.timings.total_encode_and_push,
        ),
        ("total", total),
    ];
    let timings = timings.map(|(name, time)| (name.to_owned(), time.as_secs_f64()));
    HelperResults {
        uri_extension_hash: stored.uri_extension_hash,
        uri_extension: stored.uri_extension.to_bytes(),
        share_map: share_map.collect(),
        preexisting_shares: stored.preexisting_shares as u64,
        pushed_shares: stored.pushed_shares as u64,
        ciphertext_fetched: Some(fetched),
        timings: BTreeMap::from(timings),
    }
}

/// The exception that tells a client why its file wasn't stored.
fn upload_failure(error: &UploadError) -> RemoteFailure {
    let type_name = match error {
        UploadError::NoServers => "allmydata.interfaces.NoServersError",
        UploadError::Unhappy(_) => "allmydata.interfaces.UploadUnhappinessError",
        UploadError::Spool { .. } | UploadError::ReadSpool { .. } => {
            return RemoteFailure::new("builtins.OSError", "the helper's disk failed");
        }
        _ => "builtins.RuntimeError",
    };
    RemoteFailure::new(type_name, error.to_string())
}

fn malformed(expected: &str) -> RemoteFailure {
    RemoteFailure::violation(format!("the client's answer isn't {expected}"))
}

fn cut() -> RemoteFailure {
    RemoteFailure::new("builtins.RuntimeError", "the helper is being stopped")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_parameters_of_strangers_are_checked() {
        let of = |numbers: [u64; 4]| parameters(&Value::Tuple(numbers.map(Value::from).into()));
        let good = of([3, 7, 10, 131_073]).unwrap();
        assert_eq!((good.shares_needed(), good.shares_total()), (3, 10));
        assert_eq!(good.shares_happy(), 7);
        for bad in [
            [0, 1, 1, 100],
            [4, 1, 3, 100],
            [1, 1, 257, 100],
            [1, 1 << 20, 2, 100],
            [1, 1, 2, 0],
            [1, 1, 2, MAX_SEGMENT + 1],
        ] {
            assert!(of(bad).is_none(), "{bad:?}");
        }
        assert!(parameters(&Value::None).is_none());
    }
}
