//! A received file that a helper uploads: its ciphertext on request, and its capability in the end.

use super::receiver::Plaintext;
use super::results::read_cap;
use super::{Received, UploadError};
use crate::parameters::UploadParameters;
use crate::status::{UploadStage, UploadStatus};
use bytes::Bytes;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use tahoe_caps::{ChkReadCap, ReadCap, ReadFileCap};
use tahoe_crypto::hash::{self, Hash, TaggedHasher};
use tahoe_crypto::{AesCtr, ImmutableReadKey, StorageIndex, UriExtensionHash};
use tahoe_tasks::CpuPool;

/// How much is hashed at a time, in bytes.
const PIECE: u64 = 512 * 1024;

/// A file as others may see it, and the key that only its owner has. Nothing is stored anywhere:
/// each piece is enciphered when it is asked for.
#[derive(Debug)]
pub struct Enciphered {
    plaintext: Arc<Plaintext>,
    size: u64,
    parameters: UploadParameters,
    key: ImmutableReadKey,
    pool: CpuPool,
    status: Arc<UploadStatus>,
}

impl Received {
    /// Makes the file ready to be uploaded by a helper; `status` follows that.
    pub fn encipher(self, pool: CpuPool, status: &Arc<UploadStatus>) -> Enciphered {
        status.set_file_size(self.size);
        status.set_storage_index(self.key.storage_index());
        status.set_uses_helper();
        status.enter(UploadStage::ContactingHelper);
        Enciphered {
            plaintext: Arc::new(self.plaintext),
            size: self.size,
            parameters: self.parameters,
            key: self.key,
            pool,
            status: Arc::clone(status),
        }
    }
}

impl Enciphered {
    /// Where the shares go.
    pub fn storage_index(&self) -> StorageIndex {
        self.key.storage_index()
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How the file is to be encoded.
    pub fn parameters(&self) -> UploadParameters {
        self.parameters
    }

    /// The size of its segments in bytes, a multiple of k.
    pub fn segment_size(&self) -> u64 {
        self.parameters.segment_size(self.size)
    }

    /// The ciphertext of `length` bytes at `offset`, which must be within the file.
    pub async fn read(&self, offset: u64, length: u64) -> Result<Bytes, UploadError> {
        self.status.enter(UploadStage::SendingCiphertext);
        let data = self.ciphertext(offset, length).await?;
        self.status.encoded(length);
        Ok(data)
    }

    /// The hash over the whole ciphertext, as the URI extension block has it.
    pub async fn ciphertext_hash(&self) -> Result<Hash, UploadError> {
        let mut hasher = TaggedHasher::new(hash::CIPHERTEXT_TAG);
        let mut offset = 0;
        while offset < self.size {
            let length = PIECE.min(self.size - offset);
            let piece = self.ciphertext(offset, length).await?;
            let hash = move || {
                hasher.update(&piece);
                hasher
            };
            hasher = self.pool.run(hash).await;
            offset += length;
        }
        Ok(hasher.finish())
    }

    /// Ends the upload: what reads the file, given the hash that the helper came to.
    pub fn finish(&self, uri_extension_hash: UriExtensionHash) -> ReadCap {
        self.status.enter(UploadStage::Finished);
        read_cap(ReadFileCap::Chk(ChkReadCap {
            key: self.key.clone(),
            uri_extension_hash,
            shares_needed: self.parameters.shares_needed().into(),
            shares_total: self.parameters.shares_total().into(),
            size: self.size,
        }))
    }

    /// Ends the upload: it failed.
    pub fn fail(&self) {
        self.status.enter(UploadStage::Failed);
    }

    async fn ciphertext(&self, offset: u64, length: u64) -> Result<Bytes, UploadError> {
        let (plaintext, key) = (Arc::clone(&self.plaintext), self.key.clone());
        let read = move || {
            let mut data = read_at(&plaintext, offset, length)?;
            AesCtr::new(key.as_bytes(), offset).apply(&mut data);
            Ok(Bytes::from(data))
        };
        let read = self.pool.run(read).await;
        read.map_err(|source| UploadError::ReadSpool { source })
    }
}

fn read_at(plaintext: &Plaintext, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let outside = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let length = usize::try_from(length).map_err(|_| outside())?;
    match plaintext {
        Plaintext::Memory(bytes) => {
            let start = usize::try_from(offset).map_err(|_| outside())?;
            let end = start.checked_add(length).ok_or_else(outside)?;
            Ok(bytes.get(start..end).ok_or_else(outside)?.to_vec())
        }
        Plaintext::File(file) => {
            let mut data = vec![0; length];
            file.read_exact_at(&mut data, offset)?;
            Ok(data)
        }
    }
}
