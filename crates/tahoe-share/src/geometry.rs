//! How a file is cut: k and N, segments, blocks, and their sizes (`file-encoding.rst`).

use std::ops::Range;

/// Largest segment of an upload unless configured otherwise: 1 MiB.
pub const DEFAULT_MAX_SEGMENT_SIZE: u64 = 1 << 20;

/// Numbers that describe no possible encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// Not 1 ≤ k ≤ N ≤ 256.
    #[error("{shares_needed}-of-{shares_total} is not an encoding with 1 ≤ k ≤ N ≤ 256")]
    BadEncoding {
        /// k.
        shares_needed: u64,
        /// N.
        shares_total: u64,
    },
    /// A segment size of zero, or one that isn't a multiple of k.
    #[error("segment size {segment_size} is not a positive multiple of {shares_needed}")]
    BadSegmentSize {
        /// In bytes.
        segment_size: u64,
        /// k.
        shares_needed: u16,
    },
    /// An empty file has no segments and so no shares.
    #[error("an empty file has no segments")]
    EmptyFile,
    /// A size that can't be counted in 64 bits once padded.
    #[error("file size {file_size} is too large")]
    TooLarge {
        /// In bytes.
        file_size: u64,
    },
    /// A segment number past the last segment.
    #[error("segment {segment_number} of a file with {segment_count}")]
    NoSuchSegment {
        /// Counted from 0.
        segment_number: u64,
        /// How many the file has.
        segment_count: u64,
    },
}

/// The k and N of an erasure code: any `shares_needed` of `shares_total` shares give the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodingParameters {
    shares_needed: u16,
    shares_total: u16,
}

impl EncodingParameters {
    /// Takes k and N as a capability or a configuration states them; 1 ≤ k ≤ N ≤ 256.
    pub fn new(shares_needed: u64, shares_total: u64) -> Result<Self, GeometryError> {
        let bad = GeometryError::BadEncoding {
            shares_needed,
            shares_total,
        };
        if shares_needed == 0 || shares_needed > shares_total || shares_total > 256 {
            return Err(bad);
        }
        Ok(Self {
            shares_needed: shares_needed.try_into().map_err(|_| bad)?,
            shares_total: shares_total.try_into().map_err(|_| bad)?,
        })
    }

    /// k, at least 1.
    pub fn shares_needed(&self) -> u16 {
        self.shares_needed
    }

    /// N, at most 256.
    pub fn shares_total(&self) -> u16 {
        self.shares_total
    }
}

/// Sizes of all segments and blocks of one file; every segment but the last has the same size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentGeometry {
    encoding: EncodingParameters,
    file_size: u64,
    segment_size: u64,
    segment_count: u64,
    tail_segment_size: u64,
    padded_tail_segment_size: u64,
}

impl SegmentGeometry {
    /// Chooses segments for an upload: as large as the file but at most `max_segment_size` bytes,
    /// then rounded up to a multiple of k.
    pub fn for_upload(
        encoding: EncodingParameters,
        file_size: u64,
        max_segment_size: u64,
    ) -> Result<Self, GeometryError> {
        let segment_size = file_size
            .min(max_segment_size)
            .checked_next_multiple_of(encoding.shares_needed.into())
            .ok_or(GeometryError::TooLarge { file_size })?;
        Self::with_segment_size(encoding, file_size, segment_size)
    }

    /// Derives the sizes for a file whose segment size is known, as from a URI extension block.
    pub fn with_segment_size(
        encoding: EncodingParameters,
        file_size: u64,
        segment_size: u64,
    ) -> Result<Self, GeometryError> {
        if file_size == 0 {
            return Err(GeometryError::EmptyFile);
        }
        let k = u64::from(encoding.shares_needed);
        if segment_size.checked_rem(k) != Some(0) || segment_size == 0 {
            return Err(GeometryError::BadSegmentSize {
                segment_size,
                shares_needed: encoding.shares_needed,
            });
        }
        let tail_segment_size = match file_size.checked_rem(segment_size) {
            None | Some(0) => segment_size,
            Some(rest) => rest,
        };
        Ok(Self {
            encoding,
            file_size,
            segment_size,
            segment_count: file_size.div_ceil(segment_size),
            tail_segment_size,
            padded_tail_segment_size: tail_segment_size
                .checked_next_multiple_of(k)
                .ok_or(GeometryError::TooLarge { file_size })?,
        })
    }

    /// k and N.
    pub fn encoding(&self) -> EncodingParameters {
        self.encoding
    }

    /// k.
    pub fn shares_needed(&self) -> u16 {
        self.encoding.shares_needed
    }

    /// N.
    pub fn shares_total(&self) -> u16 {
        self.encoding.shares_total
    }

    /// Bytes of the file, which are as many as of its ciphertext; at least 1.
    pub fn file_size(&self) -> u64 {
        self.file_size
    }

    /// Bytes of every segment but the last; a multiple of k.
    pub fn segment_size(&self) -> u64 {
        self.segment_size
    }

    /// Number of segments; at least 1.
    pub fn segment_count(&self) -> u64 {
        self.segment_count
    }

    /// Bytes of the last segment before padding.
    pub fn tail_segment_size(&self) -> u64 {
        self.tail_segment_size
    }

    /// Bytes of the last segment once padded with zeros to a multiple of k.
    pub fn padded_tail_segment_size(&self) -> u64 {
        self.padded_tail_segment_size
    }

    /// Bytes of a block of every segment but the last.
    pub fn block_size(&self) -> u64 {
        self.divide_by_k(self.segment_size)
    }

    /// Bytes of a block of the last segment.
    pub fn tail_block_size(&self) -> u64 {
        self.divide_by_k(self.padded_tail_segment_size)
    }

    /// Bytes of all blocks of one share together: ⌈file size / k⌉.
    pub fn share_data_size(&self) -> u64 {
        self.file_size.div_ceil(self.encoding.shares_needed.into())
    }

    /// Says whether this is the number of the last segment.
    pub fn is_tail(&self, segment_number: u64) -> bool {
        segment_number.checked_add(1) == Some(self.segment_count)
    }

    /// Bytes of one block of this segment.
    pub fn block_size_of(&self, segment_number: u64) -> Result<u64, GeometryError> {
        self.check_segment(segment_number)?;
        Ok(if self.is_tail(segment_number) {
            self.tail_block_size()
        } else {
            self.block_size()
        })
    }

    /// Where this segment's bytes lie in the file, padding left out.
    pub fn segment_range(&self, segment_number: u64) -> Result<Range<u64>, GeometryError> {
        self.check_segment(segment_number)?;
        // The start of an existing segment lies inside the file, so nothing saturates.
        let start = segment_number.saturating_mul(self.segment_size);
        let end = start.saturating_add(self.segment_size).min(self.file_size);
        Ok(start..end)
    }

    /// Where this segment's block lies among a share's blocks.
    pub fn block_range(&self, segment_number: u64) -> Result<Range<u64>, GeometryError> {
        let size = self.block_size_of(segment_number)?;
        // At most `share_data_size`, so nothing saturates.
        let start = segment_number.saturating_mul(self.block_size());
        Ok(start..start.saturating_add(size))
    }

    /// The segments that hold these bytes of the file; empty if the range has none.
    pub fn segments_of(&self, bytes: Range<u64>) -> Range<u64> {
        let end = bytes.end.min(self.file_size);
        if bytes.start >= end {
            return 0..0;
        }
        let first = bytes.start.checked_div(self.segment_size).unwrap_or(0);
        first..end.div_ceil(self.segment_size)
    }

    fn divide_by_k(&self, size: u64) -> u64 {
        size.div_ceil(self.encoding.shares_needed.into())
    }

    fn check_segment(&self, segment_number: u64) -> Result<(), GeometryError> {
        if segment_number < self.segment_count {
            return Ok(());
        }
        Err(GeometryError::NoSuchSegment {
            segment_number,
            segment_count: self.segment_count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn upload(k: u64, n: u64, file_size: u64, max: u64) -> SegmentGeometry {
        let encoding = EncodingParameters::new(k, n).unwrap();
        SegmentGeometry::for_upload(encoding, file_size, max).unwrap()
    }

    #[test]
    fn cuts_as_the_reference_does() {
        // (k, file size, maximum) → (segment, segments, tail, padded tail, block, tail block)
        for (k, size, max, expected) in [
            (3, 56, 1 << 20, (57, 1, 56, 57, 19, 19)),
            (
                3,
                100_000,
                1 << 20,
                (100_002, 1, 100_000, 100_002, 33_334, 33_334),
            ),
            (
                3,
                131_072,
                131_072,
                (131_073, 1, 131_072, 131_073, 43_691, 43_691),
            ),
            (
                3,
                131_073,
                131_072,
                (131_073, 1, 131_073, 131_073, 43_691, 43_691),
            ),
            (3, 131_074, 131_072, (131_073, 2, 1, 3, 43_691, 1)),
            (60, 56, 1 << 20, (60, 1, 56, 60, 1, 1)),
            (1, 1, 1, (1, 1, 1, 1, 1, 1)),
            (
                256,
                1 << 21,
                1 << 20,
                (1 << 20, 2, 1 << 20, 1 << 20, 4096, 4096),
            ),
        ] {
            let g = upload(k, 256, size, max);
            let found = (
                g.segment_size(),
                g.segment_count(),
                g.tail_segment_size(),
                g.padded_tail_segment_size(),
                g.block_size(),
                g.tail_block_size(),
            );
            assert_eq!(found, expected, "k {k}, size {size}, max {max}");
        }
    }

    #[test]
    fn refuses_impossible_encodings() {
        for (k, n) in [(0, 0), (0, 1), (2, 1), (1, 257), (u64::MAX, u64::MAX)] {
            assert!(EncodingParameters::new(k, n).is_err(), "{k}-of-{n}");
        }
    }

    #[test]
    fn refuses_impossible_sizes() {
        let encoding = EncodingParameters::new(3, 10).unwrap();
        assert_eq!(
            SegmentGeometry::for_upload(encoding, 0, 1 << 20),
            Err(GeometryError::EmptyFile)
        );
        assert!(
            SegmentGeometry::for_upload(encoding, 5, 0).is_err(),
            "no segment"
        );
        assert!(SegmentGeometry::with_segment_size(encoding, 5, 0).is_err());
        assert!(SegmentGeometry::with_segment_size(encoding, 5, 4).is_err());
        let seven = EncodingParameters::new(7, 10).unwrap();
        assert_eq!(
            SegmentGeometry::for_upload(seven, u64::MAX, u64::MAX),
            Err(GeometryError::TooLarge {
                file_size: u64::MAX
            })
        );
    }

    #[test]
    fn knows_no_segment_past_the_last() {
        let g = upload(3, 10, 10, 3);
        assert_eq!(g.segment_range(3), Ok(9..10));
        assert_eq!(g.block_range(3), Ok(3..4));
        assert!(g.segment_range(4).is_err());
        assert!(g.block_range(u64::MAX).is_err());
        assert_eq!(g.segments_of(0..10), 0..4);
        assert_eq!(g.segments_of(3..6), 1..2);
        assert_eq!(g.segments_of(2..4), 0..2);
        assert_eq!(g.segments_of(9..u64::MAX), 3..4);
        assert!(g.segments_of(5..5).is_empty());
        assert!(g.segments_of(10..20).is_empty());
    }

    proptest! {
        #[test]
        fn segments_tile_the_file_and_blocks_the_share(
            k in 1u64..=256,
            size in 1u64..100_000,
            max in 1u64..5_000,
        ) {
            let g = upload(k, 256, size, max);
            let (mut in_file, mut in_share) = (0, 0);
            for number in 0..g.segment_count() {
                let segment = g.segment_range(number).unwrap();
                let block = g.block_range(number).unwrap();
                prop_assert_eq!((segment.start, block.start), (in_file, in_share));
                prop_assert_eq!(g.segments_of(segment.clone()), number..number + 1);
                (in_file, in_share) = (segment.end, block.end);
            }
            prop_assert_eq!((in_file, in_share), (size, g.share_data_size()));
        }

        #[test]
        fn never_panics(k: u64, n: u64, size: u64, segment: u64, number: u64) {
            if let Ok(encoding) = EncodingParameters::new(k % 300, n % 300) {
                for g in [
                    SegmentGeometry::for_upload(encoding, size, segment),
                    SegmentGeometry::with_segment_size(encoding, size, segment),
                ].into_iter().flatten() {
                    let _ = g.block_range(number).is_ok();
                    let _ = g.segment_range(number % g.segment_count()).unwrap();
                    let _ = g.block_range(number % g.segment_count()).unwrap();
                }
            }
        }
    }
}
