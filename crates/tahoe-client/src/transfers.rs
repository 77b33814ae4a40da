//! Uploads and downloads, as many at a time as memory allows.
//!
//! Whoever comes when there is no room waits in order of arrival. Small files need little room, so
//! many of them go at once.

use crate::Client;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tahoe_caps::{ChkReadCap, ReadCap};
use tahoe_crypto::StorageIndex;
use tahoe_immutable::{
    DownloadError, File, KeySource, MAX_LITERAL_SIZE, ReadStream, Receiver, UploadError,
    UploadParameters, UploadResults, UploadStatus, UploadTimings,
};
use tahoe_mutable::ReadyKeys;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most memory that one transfer takes, in bytes: a few batches of segments and their shares.
const MOST_PER_TRANSFER: u64 = 16 << 20;
/// Most memory that one write of a mutable file takes, in bytes: all its shares, or if those are
/// larger, a few messages.
const MOST_PER_PUBLISH: u64 = 64 << 20;
/// What even the smallest transfer takes, in bytes.
const LEAST_PER_TRANSFER: u64 = 64 << 10;
/// Memory is counted in this many bytes.
const UNIT: u64 = 1 << 10;

/// How much goes on at once.
#[derive(Debug, Clone, Copy)]
pub struct TransferLimits {
    /// Most uploads that are being received or sent; each takes at most 2 MiB while it is received.
    pub uploads: usize,
    /// Memory for uploads that are being sent, in bytes.
    pub upload_memory: u64,
    /// Memory for downloads, in bytes.
    pub download_memory: u64,
    /// Most files that are kept open for the next read.
    pub open_files: usize,
    /// RSA keys that are made ahead of the mutable files and directories that need them.
    pub ready_keys: ReadyKeys,
}

impl Default for TransferLimits {
    fn default() -> Self {
        Self {
            uploads: 64,
            upload_memory: 96 << 20,
            download_memory: 128 << 20,
            open_files: 32,
            ready_keys: ReadyKeys {
                at_first: 8,
                most: 256,
            },
        }
    }
}

/// Who may go, and who waits.
#[derive(Debug)]
pub(crate) struct Gates {
    uploads: Arc<Semaphore>,
    upload_memory: Memory,
    download_memory: Memory,
    listing_memory: Memory,
}

/// Most bytes that listings of directories take in memory together.
const LISTING_MEMORY: u64 = 64 << 20;

impl Gates {
    pub(crate) fn new(limits: TransferLimits) -> Self {
        Self {
            uploads: Arc::new(Semaphore::new(limits.uploads.max(1))),
            upload_memory: Memory::new(limits.upload_memory),
            download_memory: Memory::new(limits.download_memory),
            listing_memory: Memory::new(LISTING_MEMORY),
        }
    }

    /// Waits until there is room to fetch so many bytes.
    pub(crate) async fn room_to_download(&self, bytes: u64) -> OwnedSemaphorePermit {
        self.download_memory.take(bytes).await
    }

    /// Waits until there is room to encode and send so many bytes.
    pub(crate) async fn room_to_upload(&self, bytes: u64) -> OwnedSemaphorePermit {
        self.upload_memory.take(bytes).await
    }
}

/// Memory that transfers share.
#[derive(Debug)]
struct Memory {
    units: Arc<Semaphore>,
    total: u32,
}

impl Memory {
    fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX);
        // One transfer at least can always go.
        let total = total.clamp(1, u32::MAX >> 4);
        let units = Arc::new(Semaphore::new(total as usize));
        Self { units, total }
    }

    /// Waits until there is room for a transfer that works on so many bytes.
    async fn take(&self, bytes: u64) -> OwnedSemaphorePermit {
        self.take_at_most(bytes, MOST_PER_TRANSFER).await
    }

    /// As [`Self::take`], for a transfer that never works on more than `most`.
    async fn take_at_most(&self, bytes: u64, most: u64) -> OwnedSemaphorePermit {
        let units = self.units_of(bytes, most);
        let permit = Arc::clone(&self.units).acquire_many_owned(units).await;
        permit.expect("the semaphore is never closed")
    }

    /// As [`Self::take_at_most`] if nobody needs to wait.
    fn take_at_once(&self, bytes: u64, most: u64) -> Option<OwnedSemaphorePermit> {
        let units = self.units_of(bytes, most);
        Arc::clone(&self.units).try_acquire_many_owned(units).ok()
    }

    fn units_of(&self, bytes: u64, most: u64) -> u32 {
        let units = bytes.clamp(LEAST_PER_TRANSFER, most) / UNIT;
        u32::try_from(units).unwrap_or(u32::MAX).min(self.total)
    }
}

/// Room in memory, until it is dropped.
#[derive(Debug)]
pub struct Room(OwnedSemaphorePermit);

impl Room {
    /// Leaves to others what is more than so many bytes.
    pub fn shrink_to(&mut self, bytes: u64) {
        let kept = usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX);
        let spare = self.0.num_permits().saturating_sub(kept);
        drop(self.0.split(spare));
    }
}

/// A file that is being received. Dropping it forgets it.
#[derive(Debug)]
pub struct Upload {
    client: Arc<Client>,
    receiver: Receiver,
    slot: OwnedSemaphorePermit,
}

/// A file that was stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What reads it.
    pub cap: ReadCap,
    /// In bytes.
    pub file_size: u64,
    /// How many different shares servers had before.
    pub preexisting_shares: usize,
    /// How many shares were sent.
    pub pushed_shares: usize,
    /// By share number, the short names of the servers that were sent the share.
    pub share_map: BTreeMap<u8, Vec<String>>,
    /// By a server's short name, which shares it was sent.
    pub server_map: BTreeMap<String, Vec<u8>>,
    /// How long it took; none for a file that is in its capability.
    pub timings: Option<UploadTimings>,
}

impl Upload {
    /// Takes the next bytes of the file; waits while the disk or the processor is behind.
    pub async fn write(&mut self, data: Bytes) -> Result<(), UploadError> {
        self.receiver.write(data).await
    }

    /// Ends the file and stores it.
    pub async fn finish(self) -> Result<Stored, UploadError> {
        let client = self.client;
        let status = Arc::new(UploadStatus::default());
        let received = self.receiver.finish().await?;
        let size = received.size();
        // What fits in its capability is done at once, and not listed.
        let operation = (size > MAX_LITERAL_SIZE).then(|| {
            let history = client.history();
            history.begin_upload(Arc::clone(&status), client.now())
        });
        let room = if size > MAX_LITERAL_SIZE {
            let memory = memory_of_upload(size, &client.config().encoding);
            Some(client.gates().upload_memory.take(memory).await)
        } else {
            None
        };
        let helper = client
            .connected_helper()
            .filter(|_| size > MAX_LITERAL_SIZE);
        let stored = match helper {
            Some(helper) => client.upload_through(&helper, received, &status).await?,
            None => Stored::new(client.uploader().upload(received, &status).await?),
        };
        drop((room, self.slot));
        client.statistics().count("uploader.files_uploaded", 1);
        client.statistics().count("uploader.bytes_uploaded", size);
        if let Some(operation) = operation {
            operation.succeeded(&stored);
        }
        Ok(stored)
    }
}

/// The plaintext and all its shares.
fn memory_of_upload(size: u64, encoding: &UploadParameters) -> u64 {
    let (needed, total) = (encoding.shares_needed(), encoding.shares_total());
    let shares = size.saturating_mul(total.into()) / u64::from(needed.max(1));
    size.saturating_add(shares)
}

impl Stored {
    fn new(results: UploadResults) -> Self {
        let mut share_map = BTreeMap::<u8, Vec<String>>::new();
        let mut server_map = BTreeMap::<String, Vec<u8>>::new();
        for (share, servers) in &results.share_map {
            for server in servers {
                let name = server.id.short();
                share_map.entry(share.0).or_default().push(name.clone());
                server_map.entry(name).or_default().push(share.0);
            }
        }
        Self {
            timings: results.uri_extension.is_some().then_some(results.timings),
            cap: results.cap,
            file_size: results.file_size,
            preexisting_shares: results.preexisting_shares,
            pushed_shares: results.pushed_shares,
            share_map,
            server_map,
        }
    }
}

/// Bytes of a file on their way. Dropping it ends the download.
#[derive(Debug)]
pub struct Download {
    client: Arc<Client>,
    cap: ChkReadCap,
    pieces: ReadStream,
    _room: OwnedSemaphorePermit,
}

impl Download {
    /// Where servers keep the file.
    pub fn storage_index(&self) -> StorageIndex {
        self.cap.storage_index()
    }

    /// Waits for the next piece; none after the last. Every byte has been checked.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, DownloadError> {
        match self.pieces.next_piece().await {
            Some(Ok(piece)) => {
                let statistics = self.client.statistics();
                statistics.count("downloader.bytes_downloaded", piece.len() as u64);
                Ok(Some(piece))
            }
            Some(Err(error)) => {
                // The next reader shall look for shares anew.
                self.client.open_files().forget(&self.cap);
                Err(error)
            }
            None => Ok(None),
        }
    }
}

impl Client {
    /// Begins to receive a file, once there is room for one more.
    pub async fn begin_upload(self: &Arc<Self>) -> Upload {
        let slot = self.upload_slot().await;
        let config = self.config();
        let key = KeySource::Convergent(config.convergence.clone());
        let pool = self.pool().clone();
        let receiver = Receiver::new(config.encoding, key, config.tempdir.clone(), pool);
        Upload {
            client: Arc::clone(self),
            receiver,
            slot,
        }
    }

    /// Waits until one more upload may be received.
    pub(crate) async fn upload_slot(&self) -> OwnedSemaphorePermit {
        let slot = Arc::clone(&self.gates().uploads).acquire_owned().await;
        slot.expect("the semaphore is never closed")
    }

    /// Waits until there is room for a new version of a mutable file of so many bytes.
    pub(crate) async fn publish_room(&self, size: u64) -> OwnedSemaphorePermit {
        let memory = memory_of_upload(size, &self.config().encoding);
        let gate = &self.gates().upload_memory;
        gate.take_at_most(memory, MOST_PER_PUBLISH).await
    }

    /// Waits until downloads leave room for so many bytes on their way to somebody, or if there
    /// never is that much, until nobody else has any.
    pub(crate) async fn room_in_memory(&self, bytes: u64) -> Room {
        let gate = &self.gates().download_memory;
        Room(gate.take_at_most(bytes, u64::MAX).await)
    }

    /// Waits until there is room to tell somebody of so many bytes of a directory, which is room of
    /// its own: whoever reads files slowly must not keep others from finding theirs.
    pub(crate) async fn room_to_list(&self, bytes: u64) -> Room {
        let gate = &self.gates().listing_memory;
        Room(gate.take_at_most(bytes, u64::MAX).await)
    }

    /// The same room if nobody needs to wait for it.
    pub(crate) fn room_to_list_at_once(&self, bytes: u64) -> Option<Room> {
        let gate = &self.gates().listing_memory;
        gate.take_at_once(bytes, u64::MAX).map(Room)
    }

    /// Begins to read a range of a file, once there is room for it. What lies behind the file's end
    /// is left out.
    pub async fn download(
        self: &Arc<Self>,
        cap: &ChkReadCap,
        range: Range<u64>,
    ) -> Result<Download, DownloadError> {
        let length = range.end.min(cap.size).saturating_sub(range.start);
        let room = self
            .gates()
            .download_memory
            .take(length.saturating_mul(2))
            .await;
        let file = self
            .open_files()
            .open(cap, || self.downloader().open(cap))?;
        self.note_download(cap, &file);
        Ok(Download {
            client: Arc::clone(self),
            cap: cap.clone(),
            pieces: file.read(range),
            _room: room,
        })
    }

    /// Counts and lists a file that is about to be read.
    pub(crate) fn note_download(&self, cap: &ChkReadCap, file: &File) {
        self.statistics().count("downloader.files_downloaded", 1);
        if let Some(status) = file.status() {
            let index = cap.storage_index();
            self.history()
                .note_download(index, cap.size, status, self.now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    async fn is_waiting(waiting: &mut (impl Future + Unpin)) -> bool {
        timeout(Duration::from_secs(1), waiting).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn large_transfers_wait_in_order_while_small_ones_fit() {
        let memory = Memory::new(20 << 20);
        let large = memory.take(1 << 40).await;
        let small = memory.take(1).await;
        let mut waiting = Box::pin(memory.take(MOST_PER_TRANSFER));
        assert!(is_waiting(&mut waiting).await);
        let mut after = Box::pin(memory.take(1));
        assert!(is_waiting(&mut after).await, "no overtaking");
        drop(large);
        let _large = waiting.await;
        let _small = after.await;
        drop(small);
    }

    #[tokio::test(start_paused = true)]
    async fn one_transfer_always_fits() {
        let memory = Memory::new(0);
        let room = memory.take(u64::MAX).await;
        let mut waiting = Box::pin(memory.take(1));
        assert!(is_waiting(&mut waiting).await);
        drop(room);
        let _room = waiting.await;
    }
}
