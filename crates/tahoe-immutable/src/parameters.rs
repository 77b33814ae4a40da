//! How a file is encoded and spread.

use tahoe_share::{EncodingParameters, GeometryError, SegmentGeometry};

/// Files of at most this many bytes are kept in the capability itself.
pub const MAX_LITERAL_SIZE: u64 = 55;
/// Largest segment size that can be configured, in bytes: a transfer's memory is a small multiple.
pub const LARGEST_MAX_SEGMENT_SIZE: u64 = 1 << 30;

/// How many shares are made, how many suffice, on how many servers they must be, and how large
/// segments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadParameters {
    encoding: EncodingParameters,
    shares_happy: u16,
    max_segment_size: u64,
}

/// No file can be uploaded so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a maximum segment size of {max_segment_size} bytes is not from 1 to 1 GiB")]
pub struct BadSegmentSize {
    /// What was asked for.
    pub max_segment_size: u64,
}

impl UploadParameters {
    /// Takes k and N, the happiness that an upload must reach (0 for any), and the largest segment
    /// size in bytes, before it is rounded up to a multiple of k.
    pub fn new(
        encoding: EncodingParameters,
        shares_happy: u16,
        max_segment_size: u64,
    ) -> Result<Self, BadSegmentSize> {
        if !(1..=LARGEST_MAX_SEGMENT_SIZE).contains(&max_segment_size) {
            return Err(BadSegmentSize { max_segment_size });
        }
        Ok(Self {
            encoding,
            shares_happy,
            max_segment_size,
        })
    }

    /// k and N.
    pub fn encoding(&self) -> EncodingParameters {
        self.encoding
    }

    /// k: how many shares suffice to read the file.
    pub fn shares_needed(&self) -> u16 {
        self.encoding.shares_needed()
    }

    /// On how many servers shares must be.
    pub fn shares_happy(&self) -> u16 {
        self.shares_happy
    }

    /// N: how many shares are made.
    pub fn shares_total(&self) -> u16 {
        self.encoding.shares_total()
    }

    /// Largest segment in bytes, before it is rounded up to a multiple of k.
    pub fn max_segment_size(&self) -> u64 {
        self.max_segment_size
    }

    /// The segment size of a file of `file_size` bytes: a multiple of k.
    pub(crate) fn segment_size(&self, file_size: u64) -> u64 {
        let wanted = file_size.min(self.max_segment_size);
        wanted.next_multiple_of(self.shares_needed().into())
    }

    /// How a file of `file_size` bytes is cut.
    pub(crate) fn geometry(&self, file_size: u64) -> Result<SegmentGeometry, GeometryError> {
        SegmentGeometry::for_upload(self.encoding, file_size, self.max_segment_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_multiples_of_k_and_small_for_small_files() {
        let encoding = EncodingParameters::new(3, 10).unwrap();
        let parameters = UploadParameters::new(encoding, 7, 1 << 20).unwrap();
        for size in [1, 56, 57, 1_048_575, 1_048_576, 1_048_577, u64::MAX] {
            let expected = parameters.geometry(size).unwrap().segment_size();
            assert_eq!(parameters.segment_size(size), expected);
        }
    }

    #[test]
    fn segments_without_bytes_and_giant_ones_are_refused() {
        let encoding = EncodingParameters::new(3, 10).unwrap();
        assert!(UploadParameters::new(encoding, 7, 0).is_err());
        assert!(UploadParameters::new(encoding, 7, (1 << 30) + 1).is_err());
        assert!(UploadParameters::new(encoding, 0, 1 << 30).is_ok());
    }
}
