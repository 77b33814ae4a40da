//! New contents of a file: in memory, or in a temporary file if they are large.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::PublishError;
use crate::retrieve::MOST_BYTES_AT_ONCE;

/// The plaintext that is to be written.
#[derive(Debug, Clone)]
pub struct Contents(Source);

#[derive(Debug, Clone)]
enum Source {
    Memory(Bytes),
    File { file: Arc<File>, length: u64 },
}

impl Contents {
    /// Takes `length` bytes from the start of a file that nobody changes meanwhile.
    pub fn from_file(file: File, length: u64) -> Self {
        let file = Arc::new(file);
        Self(Source::File { file, length })
    }

    /// How many bytes there are.
    pub fn length(&self) -> u64 {
        match &self.0 {
            Source::Memory(bytes) => bytes.len() as u64,
            Source::File { length, .. } => *length,
        }
    }

    /// All bytes, if they are in memory.
    pub(crate) fn in_memory(&self) -> Option<&Bytes> {
        match &self.0 {
            Source::Memory(bytes) => Some(bytes),
            Source::File { .. } => None,
        }
    }

    /// Some of the bytes, at most `length` from `offset` on; blocks on a file.
    pub fn piece(&self, offset: u64, length: usize) -> Result<Bytes, PublishError> {
        let rest = self.length().saturating_sub(offset);
        let length = length.min(usize::try_from(rest).unwrap_or(usize::MAX));
        let mut bytes = vec![0; length];
        self.read_at(offset, &mut bytes)?;
        Ok(bytes.into())
    }

    /// Brings all bytes into memory; blocks on a file.
    pub fn to_bytes(&self) -> Result<Bytes, PublishError> {
        if let Source::Memory(bytes) = &self.0 {
            return Ok(bytes.clone());
        }
        let (size, most) = (self.length(), MOST_BYTES_AT_ONCE);
        let too_large = PublishError::TooLarge { size, most };
        if size > most {
            return Err(too_large);
        }
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| too_large)?];
        self.read_at(0, &mut bytes)?;
        Ok(bytes.into())
    }

    /// Fills the buffer with the bytes from `offset` on; blocks on a file.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), PublishError> {
        match &self.0 {
            Source::Memory(bytes) => {
                let start = usize::try_from(offset).expect("the offset lies in the contents");
                buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
                Ok(())
            }
            Source::File { file, .. } => file
                .read_exact_at(buffer, offset)
                .map_err(|source| PublishError::ReadSpool { source }),
        }
    }
}

impl From<Bytes> for Contents {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Memory(bytes))
    }
}

impl From<Vec<u8>> for Contents {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}
