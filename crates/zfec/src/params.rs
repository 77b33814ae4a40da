//! The two numbers that define a code.

use crate::error::ParamError;

/// The largest number of blocks: one per element of GF(2^8).
pub(crate) const MAX_TOTAL: u16 = 256;

/// How many blocks are needed and how many exist, `1 <= needed <= total <= 256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    pub(crate) needed: u16,
    pub(crate) total: u16,
}

impl Params {
    /// Checks `needed` (k) and `total` (N).
    pub fn new(needed: u16, total: u16) -> Result<Self, ParamError> {
        if needed == 0 {
            Err(ParamError::NoneNeeded)
        } else if total > MAX_TOTAL {
            Err(ParamError::TooMany { total })
        } else if needed > total {
            Err(ParamError::NeededExceedsTotal { needed, total })
        } else {
            Ok(Self { needed, total })
        }
    }

    /// Returns k, the number of blocks that suffice, which is also the number of primary blocks.
    pub fn needed(self) -> u16 {
        self.needed
    }

    /// Returns N, the number of all blocks.
    pub fn total(self) -> u16 {
        self.total
    }

    /// Returns the length in bytes of each block of a segment of `segment_length` bytes.
    pub fn block_length(self, segment_length: usize) -> usize {
        segment_length.div_ceil(self.needed.into())
    }

    /// Tells whether a block of this number exists.
    pub(crate) fn has(self, number: u8) -> bool {
        u16::from(number) < self.total
    }

    /// Tells whether the block of this number is a piece of the data.
    pub(crate) fn is_primary(self, number: u8) -> bool {
        u16::from(number) < self.needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!(Params::new(0, 3), Err(ParamError::NoneNeeded));
        assert_eq!(Params::new(1, 257), Err(ParamError::TooMany { total: 257 }));
        let swapped = ParamError::NeededExceedsTotal {
            needed: 4,
            total: 3,
        };
        assert_eq!(Params::new(4, 3), Err(swapped));
        let largest = Params::new(256, 256).expect("the largest code");
        assert_eq!((largest.needed(), largest.total()), (256, 256));
    }

    #[test]
    fn block_length_rounds_up() {
        let params = Params::new(3, 10).expect("valid");
        let lengths: Vec<_> = [0, 1, 3, 4, 131_072].map(|n| params.block_length(n)).into();
        assert_eq!(lengths, [0, 1, 1, 2, 43_691]);
    }
}
