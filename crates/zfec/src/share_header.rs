//! The header of a share file, two to four bytes; `docs/formats/zfec.md` has the layout.
//!
//! Four numbers are packed without gaps, most significant bit first, each into as few bits as the
//! numbers before it allow; zero bits fill the last byte. A header has at least two bytes.

use thiserror::Error;

use crate::error::ParamError;
use crate::params::Params;

/// What a share file says about itself before its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareHeader {
    params: Params,
    padding: u8,
    number: u8,
}

/// Why bytes are not the header of a share file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The bytes end inside the header.
    #[error("the share file ends inside its header")]
    Truncated,
    /// The header names a code that does not exist.
    #[error("the header of the share file names no code: {0}")]
    Params(ParamError),
    /// There cannot be so much padding.
    #[error("{padding} bytes of padding do not occur where {needed} shares are needed")]
    Padding {
        /// The length of the padding in bytes.
        padding: u8,
        /// The k of the code.
        needed: u16,
    },
    /// There is no share of that number.
    #[error("share {number} does not exist where there are {total}")]
    Number {
        /// The share number.
        number: u8,
        /// The N of the code.
        total: u16,
    },
}

impl ShareHeader {
    /// The length in bytes of the longest header.
    pub const MAX_BYTES: usize = 4;

    /// Puts a header together.
    ///
    /// `padding` is how many zero bytes make the length of the encoded file a multiple of k.
    pub fn new(params: Params, padding: u8, number: u8) -> Result<Self, HeaderError> {
        let Params { needed, total } = params;
        if u16::from(padding) >= needed {
            Err(HeaderError::Padding { padding, needed })
        } else if !params.has(number) {
            Err(HeaderError::Number { number, total })
        } else {
            Ok(Self {
                params,
                padding,
                number,
            })
        }
    }

    /// Returns k and N.
    pub fn params(self) -> Params {
        self.params
    }

    /// Returns how many bytes at the end of the decoded data are padding.
    pub fn padding(self) -> u8 {
        self.padding
    }

    /// Returns the number of the share.
    pub fn number(self) -> u8 {
        self.number
    }

    /// Returns the header as it is stored.
    pub fn to_bytes(self) -> Vec<u8> {
        let Params { needed, total } = self.params;
        let fields = [
            (8, u32::from(total - 1)),
            (bits_for(total), u32::from(needed - 1)),
            (bits_for(needed), self.padding.into()),
            (bits_for(total), self.number.into()),
        ];
        let mut packed = 0;
        let mut free_bits = u32::BITS;
        for (bits, value) in fields {
            free_bits -= bits;
            packed |= u64::from(value) << free_bits;
        }
        let used_bytes = (u32::BITS - free_bits).div_ceil(8).max(2);
        packed
            .to_be_bytes()
            .into_iter()
            .skip(4)
            .take(used_bytes as usize)
            .collect()
    }

    /// Reads a header from the first bytes of a share file and takes no byte more than it has.
    ///
    /// The bits that fill the last byte are ignored, as the Python tool does.
    pub fn parse(bytes: impl IntoIterator<Item = u8>) -> Result<Self, HeaderError> {
        let mut bits = BitReader {
            bytes: bytes.into_iter(),
            held: 0,
            held_bits: 0,
        };
        let total = u16::from(bits.take(8)?) + 1;
        bits.hold(1)?;
        let needed = u16::from(bits.take(bits_for(total))?) + 1;
        let padding = bits.take(bits_for(needed))?;
        let number = bits.take(bits_for(total))?;
        let params = Params::new(needed, total).map_err(HeaderError::Params)?;
        Self::new(params, padding, number)
    }
}

/// Returns the bits needed for `count` different values; 0 to 8 for 1 to 256 values.
fn bits_for(count: u16) -> u32 {
    count.next_power_of_two().trailing_zeros()
}

/// Takes bits from the front of a sequence of bytes.
struct BitReader<I> {
    bytes: I,
    held: u16,
    held_bits: u32,
}

impl<I: Iterator<Item = u8>> BitReader<I> {
    /// Takes a byte unless so many bits, at most 8, are there already.
    fn hold(&mut self, bits: u32) -> Result<(), HeaderError> {
        if self.held_bits < bits {
            let byte = self.bytes.next().ok_or(HeaderError::Truncated)?;
            self.held = self.held << 8 | u16::from(byte);
            self.held_bits += 8;
        }
        Ok(())
    }

    /// Takes up to 8 bits.
    fn take(&mut self, bits: u32) -> Result<u8, HeaderError> {
        self.hold(bits)?;
        self.held_bits -= bits;
        let mask = (1 << bits) - 1;
        let value = self.held >> self.held_bits & mask;
        Ok(u8::try_from(value).expect("a mask of 8 bits at most"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(needed: u16, total: u16, padding: u8, number: u8) -> ShareHeader {
        let params = Params::new(needed, total).expect("valid");
        ShareHeader::new(params, padding, number).expect("valid")
    }

    /// Headers from share files that the Python tool wrote.
    #[test]
    fn python_headers() {
        let check = |(needed, total, padding, number), expected: &[u8]| {
            let header = header(needed, total, padding, number);
            assert_eq!(header.to_bytes(), expected);
            assert_eq!(ShareHeader::parse(expected.iter().copied()), Ok(header));
        };
        check((1, 1, 0, 0), &[0x00, 0x00]);
        check((1, 2, 0, 1), &[0x01, 0x40]);
        check((3, 8, 0, 0), &[0x07, 0x40]);
        check((3, 8, 2, 5), &[0x07, 0x55]);
        check((3, 10, 1, 9), &[0x09, 0x26, 0x40]);
        check((25, 100, 24, 99), &[0x63, 0x31, 0x8c, 0x60]);
        check((256, 256, 255, 254), &[0xff, 0xff, 0xff, 0xfe]);
    }

    #[test]
    fn impossible_values() {
        let parse = |bytes: &[u8]| ShareHeader::parse(bytes.iter().copied());
        assert_eq!(parse(&[]), Err(HeaderError::Truncated));
        assert_eq!(parse(&[0]), Err(HeaderError::Truncated));
        assert_eq!(parse(&[0x63, 0x31, 0x8c]), Err(HeaderError::Truncated));
        // Of 5 blocks, 3 bits can say that 8 are needed.
        let too_many = HeaderError::Params(ParamError::NeededExceedsTotal {
            needed: 8,
            total: 5,
        });
        assert_eq!(parse(&[4, 0xff, 0xff]), Err(too_many));
        let padding = HeaderError::Padding {
            padding: 3,
            needed: 3,
        };
        assert_eq!(parse(&[4, 0b0101_1000, 0]), Err(padding));
        let number = HeaderError::Number {
            number: 7,
            total: 5,
        };
        assert_eq!(parse(&[4, 0b0100_0111, 0xff]), Err(number));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..6)) {
            let mut rest = bytes.iter().copied();
            if let Ok(header) = ShareHeader::parse(&mut rest) {
                let taken = bytes.len() - rest.len();
                let written = header.to_bytes();
                prop_assert_eq!(written.len(), taken);
                prop_assert_eq!(ShareHeader::parse(written.iter().copied()), Ok(header));
                // All but the filling bits are the same.
                let last = taken - 1;
                prop_assert_eq!(&written[..last], &bytes[..last]);
                prop_assert_eq!(written[last] & bytes[last], written[last]);
            }
        }

        #[test]
        fn every_header_comes_back(
            (needed, total, padding, number) in (1..=256_u16).prop_flat_map(|total| {
                (1..=total).prop_flat_map(move |needed| {
                    let below = |end: u16| (0..end).prop_map(|n| u8::try_from(n).expect("below 256"));
                    (Just(needed), Just(total), below(needed), below(total))
                })
            }),
        ) {
            let header = header(needed, total, padding, number);
            let bytes = header.to_bytes();
            prop_assert!((2..=ShareHeader::MAX_BYTES).contains(&bytes.len()));
            prop_assert_eq!(ShareHeader::parse(bytes), Ok(header));
        }
    }
}
