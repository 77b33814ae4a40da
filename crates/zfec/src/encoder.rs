//! Makes check blocks from primary blocks.

use std::sync::Arc;

use crate::engine::{Engine, Product};
use crate::error::{EncodeError, ParamError};
use crate::matrix::Matrix;
use crate::params::Params;

/// Encodes segments into blocks; cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Encoder {
    params: Params,
    engine: Engine,
    /// The rows of the check blocks, from block k on.
    check_rows: Arc<Matrix>,
}

impl Encoder {
    /// Makes an encoder for `needed` (k) of `total` (N) blocks.
    pub fn new(needed: u16, total: u16) -> Result<Self, ParamError> {
        Params::new(needed, total).map(Self::with_params)
    }

    /// Makes an encoder for parameters that were checked before.
    pub fn with_params(params: Params) -> Self {
        Self::with_engine(params, Engine::fastest())
    }

    /// Makes an encoder that computes with the given engine.
    pub fn with_engine(params: Params, engine: Engine) -> Self {
        let (primary, check) = block_numbers(params);
        let check_rows = Arc::new(Matrix::between(&primary, check.into_iter()));
        Self {
            params,
            engine,
            check_rows,
        }
    }

    /// Returns k and N.
    pub fn params(&self) -> Params {
        self.params
    }

    /// Writes the blocks `wanted` into `out`, in that order.
    ///
    /// `primary` are the k primary blocks, all of one length, which each output must have too. A
    /// wanted primary block is copied; no other block than the wanted ones is computed.
    pub fn encode(
        &self,
        primary: &[&[u8]],
        wanted: &[u8],
        out: &mut [&mut [u8]],
    ) -> Result<(), EncodeError> {
        self.check(primary, wanted, out)?;
        let mut rows = Vec::with_capacity(wanted.len());
        let mut outputs = Vec::with_capacity(wanted.len());
        for (&number, output) in wanted.iter().zip(out) {
            match primary.get(usize::from(number)) {
                Some(block) => output.copy_from_slice(block),
                None => {
                    rows.extend(self.check_rows.row(usize::from(number) - primary.len()));
                    outputs.push(&mut **output);
                }
            }
        }
        self.engine
            .multiply(Product::new(&rows, primary, &mut outputs));
        Ok(())
    }

    /// Returns all N blocks of a segment, which is padded with zeros to k blocks of equal length.
    pub fn encode_segment(&self, segment: &[u8]) -> Vec<Vec<u8>> {
        let length = self.params.block_length(segment.len());
        let needed = usize::from(self.params.needed);
        let mut blocks = vec![vec![0; length]; self.params.total.into()];
        if length == 0 {
            return blocks;
        }
        for (block, piece) in blocks.iter_mut().zip(segment.chunks(length)) {
            block[..piece.len()].copy_from_slice(piece);
        }
        let (primary, check) = blocks.split_at_mut(needed);
        let primary: Vec<&[u8]> = primary.iter().map(Vec::as_slice).collect();
        let mut check: Vec<&mut [u8]> = check.iter_mut().map(Vec::as_mut_slice).collect();
        let rows: Vec<&[u8]> = self.check_rows.rows().collect();
        self.engine
            .multiply(Product::new(&rows, &primary, &mut check));
        blocks
    }

    fn check(
        &self,
        primary: &[&[u8]],
        wanted: &[u8],
        out: &[&mut [u8]],
    ) -> Result<(), EncodeError> {
        let Params { needed, total } = self.params;
        if primary.len() != usize::from(needed) {
            return Err(EncodeError::PrimaryCount {
                given: primary.len(),
                needed,
            });
        }
        let expected = primary.first().map_or(0, |block| block.len());
        let odd_one = primary.iter().position(|block| block.len() != expected);
        if let Some(number) = odd_one {
            let length = primary[number].len();
            return Err(EncodeError::PrimaryLength {
                number,
                length,
                expected,
            });
        }
        if let Some(&number) = wanted.iter().find(|&&number| !self.params.has(number)) {
            return Err(EncodeError::NoSuchBlock { number, total });
        }
        if out.len() != wanted.len() {
            return Err(EncodeError::OutputCount {
                given: out.len(),
                wanted: wanted.len(),
            });
        }
        match out.iter().position(|output| output.len() != expected) {
            Some(index) => {
                let length = out[index].len();
                Err(EncodeError::OutputLength {
                    index,
                    length,
                    expected,
                })
            }
            None => Ok(()),
        }
    }
}

/// Returns the numbers of the primary blocks and of the check blocks.
fn block_numbers(params: Params) -> (Vec<u8>, Vec<u8>) {
    (0..=u8::MAX)
        .filter(|&n| params.has(n))
        .partition(|&n| params.is_primary(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_blocks_in_any_order_and_twice() {
        let encoder = Encoder::new(2, 4).expect("valid");
        let all = encoder.encode_segment(b"abcdef");
        let mut out = [[0; 3]; 4];
        let mut out: Vec<&mut [u8]> = out.iter_mut().map(|block| &mut block[..]).collect();
        encoder
            .encode(&[b"abc", b"def"], &[3, 0, 2, 3], &mut out)
            .expect("valid");
        assert_eq!(out, [&all[3], &all[0], &all[2], &all[3]]);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let encoder = Encoder::new(2, 4).expect("valid");
        let check = |primary: &[&[u8]], wanted: &[u8], lengths: &[usize], expected| {
            let mut out: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![0; length]).collect();
            let mut out: Vec<&mut [u8]> = out.iter_mut().map(Vec::as_mut_slice).collect();
            assert_eq!(encoder.encode(primary, wanted, &mut out), Err(expected));
        };
        check(
            &[b"a"],
            &[],
            &[],
            EncodeError::PrimaryCount {
                given: 1,
                needed: 2,
            },
        );
        let uneven = EncodeError::PrimaryLength {
            number: 1,
            length: 2,
            expected: 1,
        };
        check(&[b"a", b"bc"], &[], &[], uneven);
        check(
            &[b"a", b"b"],
            &[4],
            &[1],
            EncodeError::NoSuchBlock {
                number: 4,
                total: 4,
            },
        );
        check(
            &[b"a", b"b"],
            &[3],
            &[],
            EncodeError::OutputCount {
                given: 0,
                wanted: 1,
            },
        );
        let short = EncodeError::OutputLength {
            index: 1,
            length: 0,
            expected: 1,
        };
        check(&[b"a", b"b"], &[3, 2], &[1, 0], short);
    }

    #[test]
    fn empty_segment_has_empty_blocks() {
        let encoder = Encoder::new(3, 5).expect("valid");
        assert_eq!(encoder.encode_segment(b""), vec![Vec::new(); 5]);
    }
}
