//! The client's side: the helper that a node uses, and a file that is uploaded through it.

use crate::wire::{HELPER_VERSION, HelperResults, UPLOADABLE};
use async_trait::async_trait;
use foolscap::{
    Arguments, Call, CallError, Furl, Reconnector, Reference, Referenceable, RemoteFailure,
    RemoteReference, Tub, Value,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tahoe_immutable::{Enciphered, UploadError};
use tahoe_share::UriExtension;
use tokio::task::JoinSet;

/// Most ciphertext that one answer holds, in bytes; helpers ask for 50 KiB.
const MAX_READ: u64 = 1 << 20;
/// How long a helper that is down may be left alone; by itself Foolscap waits up to an hour.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A file could not be stored through the helper.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelperError {
    /// A call failed, or the helper went away.
    #[error("the helper failed: {0}")]
    Call(#[from] CallError),
    /// The helper's answer isn't what the call returns.
    #[error("the helper's answer isn't {0}")]
    Malformed(&'static str),
    /// The helper stored something else.
    #[error("the helper stored a file of another {0}")]
    OtherFile(&'static str),
    /// The file can't be read here.
    #[error(transparent)]
    Read(#[from] UploadError),
}

/// Keeps the connection with a helper until it is stopped or dropped.
#[derive(Debug)]
pub struct HelperClient {
    location: String,
    helper: Arc<Mutex<Option<RemoteReference>>>,
    reconnector: Arc<Reconnector>,
    upkeep: Mutex<JoinSet<()>>,
}

/// A helper that is connected.
#[derive(Debug, Clone)]
pub struct ConnectedHelper(RemoteReference);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HelperClient {
    /// Begins to connect; must be called inside a tokio runtime.
    pub fn start(tub: &Tub, furl: Furl) -> Self {
        let location = format!("pb://{}@{}/[censored]", furl.tub_id, furl.hints.join(","));
        let helper = Arc::new(Mutex::new(None));
        let current = Arc::clone(&helper);
        let reconnector = tub.connect_to(furl, move |reference| {
            let current = Arc::clone(&current);
            async move { keep(&current, reference).await }
        });
        let reconnector = Arc::new(reconnector);
        let mut upkeep = JoinSet::new();
        upkeep.spawn(Arc::clone(&reconnector).come_back_within(LONGEST_WAIT));
        Self {
            location,
            helper,
            reconnector,
            upkeep: Mutex::new(upkeep),
        }
    }

    /// Where the helper is, without the secret.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The helper, if it is connected.
    pub fn connected(&self) -> Option<ConnectedHelper> {
        let helper = lock(&self.helper).clone()?;
        helper.is_connected().then_some(ConnectedHelper(helper))
    }

    /// Ends the connection's upkeep.
    pub async fn stop(&self) {
        self.reconnector.stop();
        let mut upkeep = std::mem::take(&mut *lock(&self.upkeep));
        upkeep.shutdown().await;
    }
}

/// Uses a helper for as long as it is connected, if it speaks the protocol.
async fn keep(current: &Mutex<Option<RemoteReference>>, helper: RemoteReference) {
    let version = helper.call("get_version", Arguments::positional([])).await;
    match version {
        Ok(version) if version.entry(HELPER_VERSION).is_some() => {
            tracing::info!("helper connected");
            *lock(current) = Some(helper.clone());
        }
        Ok(_) => tracing::warn!("the helper doesn't speak version 1 of the protocol"),
        Err(error) => tracing::warn!(%error, "the helper doesn't say its version"),
    }
    let lost = helper.disconnected().await;
    tracing::info!(%lost, "helper lost");
    *lock(current) = None;
}

impl ConnectedHelper {
    /// Has a file stored, unless the helper finds that it is. What the helper says is checked
    /// against the file.
    pub async fn upload(&self, file: &Arc<Enciphered>) -> Result<HelperResults, HelperError> {
        let index = Value::bytes(file.storage_index().as_bytes().to_vec());
        let arguments = Arguments::positional([index]);
        let answer = self.0.call("upload_chk", arguments).await?;
        let (found, uploader) = match answer.as_sequence() {
            Some([found, uploader]) => (found, uploader.as_reference()),
            _ => return Err(HelperError::Malformed("results and an upload")),
        };
        let results = match uploader {
            None => HelperResults::from_value(found),
            Some(uploader) => {
                let uploader = uploader.remote();
                let uploader = uploader.ok_or(HelperError::Malformed("an upload of its own"))?;
                let file = Reference::value(Arc::new(Uploadable(Arc::clone(file))));
                let stored = uploader
                    .call("upload", Arguments::positional([file]))
                    .await?;
                HelperResults::from_value(&stored)
            }
        };
        let results = results.map_err(HelperError::Malformed)?;
        check(&results, file).await?;
        Ok(results)
    }
}

/// Makes sure that the results are of this file: a helper that errs or lies must not lead to a
/// capability that reads something else.
async fn check(results: &HelperResults, file: &Enciphered) -> Result<(), HelperError> {
    let block = UriExtension::parse(&results.uri_extension);
    let block = block.map_err(|_| HelperError::Malformed("a URI extension block"))?;
    let hash = UriExtension::hash_of(&results.uri_extension);
    let parameters = file.parameters();
    let sizes = [
        ("hash", hash == results.uri_extension_hash),
        (
            "encoding",
            block.needed_shares == Some(parameters.shares_needed().into())
                && block.total_shares == Some(parameters.shares_total().into()),
        ),
        ("segment size", block.segment_size == file.segment_size()),
        ("size", block.size == Some(file.size())),
    ];
    if let Some((what, _)) = sizes.into_iter().find(|(_, is_right)| !is_right) {
        return Err(HelperError::OtherFile(what));
    }
    if block.crypttext_hash != Some(file.ciphertext_hash().await?) {
        return Err(HelperError::OtherFile("ciphertext"));
    }
    Ok(())
}

/// A file as a helper reads it.
struct Uploadable(Arc<Enciphered>);

impl Uploadable {
    async fn read(&self, call: Call) -> Result<Value, RemoteFailure> {
        let bad = || Call::bad_arguments("read_encrypted", "an offset and a length in the file");
        let arguments = call.arguments.take(["offset", "length"]);
        let [offset, length] = arguments.ok_or_else(bad)?;
        let offset: u64 = offset.as_integer().ok_or_else(bad)?;
        let length: u64 = length.as_integer().ok_or_else(bad)?;
        let rest = self.0.size().checked_sub(offset).ok_or_else(bad)?;
        let data = self.0.read(offset, length.min(rest).min(MAX_READ)).await;
        let data = data.map_err(|error| {
            tracing::warn!(%error, "a file for the helper cannot be read");
            RemoteFailure::new("builtins.OSError", "the client's disk failed")
        })?;
        Ok(Value::List(vec![Value::Bytes(data)]))
    }
}

#[async_trait]
impl Referenceable for Uploadable {
    fn interface(&self) -> Option<&str> {
        Some(UPLOADABLE)
    }

    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        let parameters = self.0.parameters();
        match call.method.as_str() {
            "get_size" => Ok(Value::from(self.0.size())),
            "get_all_encoding_parameters" => Ok(Value::Tuple(vec![
                Value::from(parameters.shares_needed()),
                Value::from(parameters.shares_happy()),
                Value::from(parameters.shares_total()),
                Value::from(self.0.segment_size()),
            ])),
            "read_encrypted" => self.read(call).await,
            "close" => Ok(Value::None),
            _ => Err(call.unknown_method(UPLOADABLE)),
        }
    }
}
