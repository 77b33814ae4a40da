//! The flow of segments from the plaintext to the servers.
//!
//! ```text
//! plaintext ─► read, encipher, hash in order ─► encode and hash blocks ─► queues of the servers
//!              one batch at a time              a batch per core          one writer per share
//! ```
//!
//! A batch's buffers count against the window until every server has written its piece.

use super::UploadError;
use super::encode::{Batch, EncodedBatch, Encryptor, encode};
use super::receiver::Plaintext;
use super::results::UploadTimings;
use super::select::AllocatedShare;
use super::send::{Piece, Senders};
use crate::status::{UploadStage, UploadStatus};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use tahoe_crypto::hash::Hash;
use tahoe_crypto::{ImmutableReadKey, UriExtensionHash};
use tahoe_share::immutable::ShareLayout;
use tahoe_share::{FileHashes, HashTree, SegmentGeometry, UriExtension, share_hash_chain};
use tahoe_storage_api::ShareNumber;
use tahoe_tasks::CpuPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Batches whose buffers are in use: one is enciphered, one encoded, one sent.
pub(super) const WINDOW: usize = 3;
/// Bytes of shares that all batches of the window may take, unless single segments take more.
const WINDOW_SIZE: u64 = 24 * 1024 * 1024;
/// Bytes that a server is sent at a time, if segments are small enough.
const PIECE_SIZE: u64 = 5 * 256 * 1024;

/// Everything that one file's segments pass through.
pub(super) struct Pipeline {
    pub(super) geometry: SegmentGeometry,
    pub(super) layout: ShareLayout,
    /// Size of every share in bytes.
    pub(super) share_size: u64,
    /// The URI extension block that must prove the file; none if it is a new one.
    pub(super) uri_extension: Option<Bytes>,
    pub(super) pool: CpuPool,
    pub(super) senders: Senders,
    pub(super) status: Arc<UploadStatus>,
}

/// What came of it.
pub(super) struct Pushed {
    pub(super) uri_extension_hash: UriExtensionHash,
    pub(super) uri_extension: UriExtension,
    pub(super) shares: Vec<AllocatedShare>,
    pub(super) timings: UploadTimings,
}

/// The leaves of all hash trees, as far as they are known.
struct Leaves {
    segments: Vec<Hash>,
    /// By share number.
    blocks: Vec<Vec<Hash>>,
}

/// A batch on its way from one step to the next.
struct InWindow<T> {
    batch: T,
    permit: OwnedSemaphorePermit,
    /// The hash over the whole ciphertext, with the last batch.
    ciphertext_hash: Option<Hash>,
}

/// All hash trees and the block that ties them together.
struct Proofs {
    crypttext: HashTree,
    /// By share number.
    blocks: Vec<HashTree>,
    shares: HashTree,
    uri_extension: UriExtension,
    uri_extension_bytes: Vec<u8>,
}

impl Pipeline {
    /// Encodes the file, sends all shares and waits until they are complete.
    pub(super) async fn run(
        mut self,
        key: Option<&ImmutableReadKey>,
        plaintext: Plaintext,
    ) -> Result<Pushed, UploadError> {
        let started = Instant::now();
        let mut timings = UploadTimings::default();
        let mut leaves = Leaves::new(self.geometry.shares_total());
        let window = Arc::new(Semaphore::new(WINDOW));
        let encryptor = Encryptor::new(self.geometry, key, plaintext);
        let mut batches = std::pin::pin!(self.encoded_batches(encryptor, Arc::clone(&window)));
        let proofs = loop {
            let waited = Instant::now();
            let next = tokio::select! {
                lost = self.senders.watch() => {
                    lost?;
                    continue;
                }
                next = batches.next() => next,
            };
            let mut batch = next.expect("the last batch ends the loop")?;
            timings.cumulative_encoding += waited.elapsed();
            leaves.add(&mut batch.batch);
            self.status.encoded(self.bytes_of(&batch.batch));
            let waited = Instant::now();
            match batch.ciphertext_hash {
                None => self.send_batch(batch).await?,
                Some(ciphertext_hash) => {
                    let proofs = self.prove(leaves, ciphertext_hash).await?;
                    break self.send_last_batch(batch, proofs, &window).await?;
                }
            }
            timings.cumulative_sending += waited.elapsed();
        };
        let sent = Instant::now();
        self.status.enter(UploadStage::Finishing);
        let shares = self.senders.finish().await?;
        timings.hashes_and_close = sent.elapsed();
        timings.total_encode_and_push = started.elapsed();
        Ok(Pushed {
            uri_extension_hash: UriExtension::hash_of(&proofs.uri_extension_bytes),
            uri_extension: proofs.uri_extension.clone(),
            shares,
            timings,
        })
    }

    /// How many segments make a batch.
    fn batch_length(&self) -> u64 {
        let shares: u64 = self.geometry.shares_total().into();
        let segment = self.geometry.block_size() * shares;
        let for_memory = WINDOW_SIZE / WINDOW as u64 / segment;
        let for_pieces = PIECE_SIZE / self.geometry.block_size();
        for_memory.min(for_pieces).max(1)
    }

    /// Bytes of one share's trailer.
    fn trailer_length(&self) -> u64 {
        self.share_size - self.layout.plaintext_hash_tree
    }

    /// The trailer goes out with the last blocks unless it is large.
    fn trailer_is_small(&self) -> bool {
        self.trailer_length() <= PIECE_SIZE
    }

    /// Enciphers batches one after the other and encodes them beside each other.
    fn encoded_batches(
        &self,
        encryptor: Encryptor,
        window: Arc<Semaphore>,
    ) -> impl Stream<Item = Result<InWindow<EncodedBatch>, UploadError>> + use<> {
        let encoding = self.geometry.encoding();
        let encoder = zfec::Encoder::new(encoding.shares_needed(), encoding.shares_total())
            .expect("both crates allow the same k and N");
        let pool = self.pool.clone();
        let encode_pool = pool.clone();
        let length = self.batch_length();
        let header: Arc<[u8]> = self.layout.header().into();
        let spare = if self.trailer_is_small() {
            usize::try_from(self.trailer_length()).unwrap_or(0)
        } else {
            0
        };
        let enciphered = stream::try_unfold(Some(encryptor), move |encryptor| {
            let (pool, window, header) = (pool.clone(), Arc::clone(&window), Arc::clone(&header));
            async move {
                let Some(encryptor) = encryptor else {
                    return Ok(None);
                };
                let permit = window.acquire_owned().await;
                let permit = permit.expect("the semaphore is never closed");
                let step = move || encipher(encryptor, length, &header, spare, permit);
                pool.run(step).await.map(Some)
            }
        });
        let encoded = enciphered.map(move |enciphered| {
            let (pool, encoder) = (encode_pool.clone(), encoder.clone());
            async move {
                let InWindow {
                    batch,
                    permit,
                    ciphertext_hash,
                } = enciphered?;
                let batch = pool.run(move || encode(batch, &encoder)).await;
                Ok(InWindow {
                    batch,
                    permit,
                    ciphertext_hash,
                })
            }
        });
        encoded.buffered(self.pool.threads())
    }

    fn bytes_of(&self, batch: &EncodedBatch) -> u64 {
        let sizes = batch.segments.clone().map(|segment| {
            let range = self.geometry.segment_range(segment);
            range.map_or(0, |range| range.end - range.start)
        });
        sizes.sum()
    }

    fn lend(&self, shares: Vec<BytesMut>) -> Vec<Bytes> {
        let shares = shares.into_iter();
        shares.map(tahoe_buffers::lend).collect()
    }

    async fn send_batch(&mut self, sent: InWindow<EncodedBatch>) -> Result<(), UploadError> {
        let permit = Arc::new(sent.permit);
        let pieces = self.lend(sent.batch.shares);
        let piece_of = |share: ShareNumber| Piece {
            data: pieces[usize::from(share.0)].clone(),
            last: false,
            permit: Arc::clone(&permit),
        };
        self.senders.send(piece_of).await
    }

    /// Builds the hash trees and the URI extension block.
    async fn prove(
        &self,
        leaves: Leaves,
        ciphertext_hash: Hash,
    ) -> Result<Arc<Proofs>, UploadError> {
        let geometry = self.geometry;
        let known = self.uri_extension.clone();
        let prove = move || leaves.prove(&geometry, ciphertext_hash, known);
        self.pool.run(prove).await.map(Arc::new)
    }

    async fn send_last_batch(
        &mut self,
        sent: InWindow<EncodedBatch>,
        proofs: Arc<Proofs>,
        window: &Arc<Semaphore>,
    ) -> Result<Arc<Proofs>, UploadError> {
        if self.trailer_is_small() {
            let mut shares = sent.batch.shares;
            for share in BTreeSet::from_iter(self.senders.shares()) {
                let trailer = proofs.trailer(&self.layout, share)?;
                shares[usize::from(share.0)].extend_from_slice(&trailer);
            }
            let permit = Arc::new(sent.permit);
            let pieces = self.lend(shares);
            let piece_of = |share: ShareNumber| Piece {
                data: pieces[usize::from(share.0)].clone(),
                last: true,
                permit: Arc::clone(&permit),
            };
            self.senders.send(piece_of).await?;
            return Ok(proofs);
        }
        self.send_batch(sent).await?;
        self.send_large_trailers(&proofs, window).await?;
        Ok(proofs)
    }
}

impl Pipeline {
    /// Sends trailers that are too large to be in memory for all shares at a time.
    async fn send_large_trailers(
        &mut self,
        proofs: &Arc<Proofs>,
        window: &Arc<Semaphore>,
    ) -> Result<(), UploadError> {
        let piece_size = usize::try_from(PIECE_SIZE).expect("a piece fits in memory");
        for (index, share) in self.senders.shares().into_iter().enumerate() {
            let permit = Arc::clone(window).acquire_owned().await;
            let permit = Arc::new(permit.expect("the semaphore is never closed"));
            let (proofs, layout) = (Arc::clone(proofs), self.layout);
            let trailer = self.pool.run(move || proofs.trailer(&layout, share)).await;
            let mut trailer = Bytes::from(trailer?);
            while !trailer.is_empty() {
                let data = trailer.split_to(piece_size.min(trailer.len()));
                let piece = Piece {
                    data,
                    last: trailer.is_empty(),
                    permit: Arc::clone(&permit),
                };
                self.senders.send_to(index, piece).await?;
            }
        }
        Ok(())
    }
}

/// The step that sees the batches in order.
fn encipher(
    mut encryptor: Encryptor,
    length: u64,
    header: &[u8],
    trailer_length: usize,
    permit: OwnedSemaphorePermit,
) -> Result<(InWindow<Batch>, Option<Encryptor>), UploadError> {
    let prefix = if encryptor.is_at_start() { header } else { &[] };
    let batch = encryptor.next_batch(length, prefix, trailer_length)?;
    let (ciphertext_hash, encryptor) = if encryptor.is_finished() {
        (Some(encryptor.ciphertext_hash()), None)
    } else {
        (None, Some(encryptor))
    };
    let enciphered = InWindow {
        batch,
        permit,
        ciphertext_hash,
    };
    Ok((enciphered, encryptor))
}

impl Leaves {
    fn new(shares_total: u16) -> Self {
        Self {
            segments: Vec::new(),
            blocks: vec![Vec::new(); shares_total.into()],
        }
    }

    /// Takes over the hashes of the next batch.
    fn add(&mut self, batch: &mut EncodedBatch) {
        self.segments.append(&mut batch.segment_hashes);
        for (known, new) in self.blocks.iter_mut().zip(&mut batch.block_hashes) {
            known.append(new);
        }
    }

    fn prove(
        self,
        geometry: &SegmentGeometry,
        crypttext_hash: Hash,
        known: Option<Bytes>,
    ) -> Result<Proofs, UploadError> {
        let crypttext = HashTree::from_leaves(&self.segments)?;
        let blocks = self
            .blocks
            .iter()
            .map(|leaves| HashTree::from_leaves(leaves));
        let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
        let roots: Vec<Hash> = blocks.iter().map(HashTree::root).collect();
        let shares = HashTree::from_leaves(&roots)?;
        let hashes = FileHashes {
            crypttext_hash,
            crypttext_root_hash: crypttext.root(),
            share_root_hash: shares.root(),
        };
        let (uri_extension, uri_extension_bytes) = match known {
            None => {
                let made = UriExtension::new(geometry, hashes);
                let bytes = made.to_bytes();
                (made, bytes)
            }
            Some(bytes) => (prove_again(&bytes, &hashes)?, bytes.to_vec()),
        };
        Ok(Proofs {
            crypttext,
            blocks,
            shares,
            uri_extension,
            uri_extension_bytes,
        })
    }
}

/// Compares what came out with what the file's first uploader promised.
///
/// His block is used again as it is: programs of other times put other fields into it.
fn prove_again(block: &[u8], hashes: &FileHashes) -> Result<UriExtension, UploadError> {
    let promised = UriExtension::parse(block).ok();
    let same = |promised: &UriExtension| {
        promised.crypttext_root_hash == hashes.crypttext_root_hash
            && promised.share_root_hash == hashes.share_root_hash
    };
    promised.filter(same).ok_or(UploadError::OtherShares)
}

impl Proofs {
    /// Everything after a share's blocks.
    fn trailer(&self, layout: &ShareLayout, share: ShareNumber) -> Result<Vec<u8>, UploadError> {
        let blocks = &self.blocks[usize::from(share.0)];
        let chain = share_hash_chain(&self.shares, share.0)?;
        Ok(layout.trailer(&self.crypttext, blocks, &chain, &self.uri_extension_bytes)?)
    }
}
