//! Gets primary blocks back from any k blocks.

mod cache;

use std::sync::Arc;

use crate::engine::{Engine, Product};
use crate::error::{DecodeError, ParamError};
use crate::params::Params;

use cache::{Cache, NumberSet};

/// Decodes blocks; cheap to clone and to share between threads.
///
/// The coefficients for a set of blocks are kept for the next segment, for a bounded number of
/// sets. Clones share what is kept.
#[derive(Clone, Debug)]
pub struct Decoder {
    params: Params,
    engine: Engine,
    cache: Arc<Cache>,
}

impl Decoder {
    /// Makes a decoder for `needed` (k) of `total` (N) blocks.
    pub fn new(needed: u16, total: u16) -> Result<Self, ParamError> {
        Params::new(needed, total).map(Self::with_params)
    }

    /// Makes a decoder for parameters that were checked before.
    pub fn with_params(params: Params) -> Self {
        Self::with_engine(params, Engine::fastest())
    }

    /// Makes a decoder that computes with the given engine.
    pub fn with_engine(params: Params, engine: Engine) -> Self {
        Self {
            params,
            engine,
            cache: Arc::default(),
        }
    }

    /// Returns k and N.
    pub fn params(&self) -> Params {
        self.params
    }

    /// Writes the k primary blocks into the k slices of `out`.
    ///
    /// `blocks` are exactly k different blocks with their numbers, in any order, all of one length,
    /// which each output must have too. Primary blocks among them are copied. A caller who has no
    /// use for copies calls [`missing`](Self::missing) and [`reconstruct`](Self::reconstruct).
    pub fn decode(&self, blocks: &[(u8, &[u8])], out: &mut [&mut [u8]]) -> Result<(), DecodeError> {
        let primary: Vec<u8> = (0..=u8::MAX)
            .filter(|&n| self.params.is_primary(n))
            .collect();
        self.reconstruct(blocks, &primary, out)
    }

    /// Returns the numbers of the primary blocks that are not among `present`, ascending.
    pub fn missing(&self, present: &[u8]) -> Vec<u8> {
        let present: NumberSet = present.iter().copied().collect();
        let is_missing = |&n: &u8| self.params.is_primary(n) && !present.contains(n);
        (0..=u8::MAX).filter(is_missing).collect()
    }

    /// Writes the blocks `wanted`, primary or check blocks, into `out`, in that order.
    ///
    /// `blocks` is as for [`decode`](Self::decode). A wanted block that is among them is copied; no
    /// other block than the wanted ones is computed.
    pub fn reconstruct(
        &self,
        blocks: &[(u8, &[u8])],
        wanted: &[u8],
        out: &mut [&mut [u8]],
    ) -> Result<(), DecodeError> {
        let known = self.sort(blocks)?;
        self.check_outputs(blocks, wanted, out)?;
        let absent: NumberSet = wanted
            .iter()
            .copied()
            .filter(|&n| known.block(n).is_none())
            .collect();
        let matrix = self.cache.matrix(known.numbers, absent);
        let mut rows = Vec::with_capacity(absent.len());
        let mut outputs = Vec::with_capacity(absent.len());
        for (&number, output) in wanted.iter().zip(out) {
            match known.block(number) {
                Some(block) => output.copy_from_slice(block),
                None => {
                    rows.extend(matrix.row(absent.rank(number)));
                    outputs.push(&mut **output);
                }
            }
        }
        self.engine
            .multiply(Product::new(&rows, &known.blocks, &mut outputs));
        Ok(())
    }

    /// Returns the first `length` bytes of the primary blocks put together.
    ///
    /// `blocks` is as for [`decode`](Self::decode).
    pub fn decode_segment(
        &self,
        blocks: &[(u8, &[u8])],
        length: usize,
    ) -> Result<Vec<u8>, DecodeError> {
        let block_length = blocks.first().map_or(0, |(_, block)| block.len());
        let capacity = block_length.saturating_mul(self.params.needed.into());
        if length > capacity {
            return Err(DecodeError::SegmentLength { length, capacity });
        }
        let mut segment = vec![0; capacity];
        // Empty blocks leave no chunks, and any chunk size will do.
        let mut out: Vec<&mut [u8]> = segment.chunks_exact_mut(block_length.max(1)).collect();
        if block_length > 0 {
            self.decode(blocks, &mut out)?;
        } else {
            self.sort(blocks)?;
        }
        segment.truncate(length);
        Ok(segment)
    }

    /// Checks the given blocks and brings them into the order of their numbers.
    fn sort<'a>(&self, blocks: &[(u8, &'a [u8])]) -> Result<Known<'a>, DecodeError> {
        let Params { needed, total } = self.params;
        if blocks.len() != usize::from(needed) {
            return Err(DecodeError::BlockCount {
                given: blocks.len(),
                needed,
            });
        }
        let expected = blocks.first().map_or(0, |(_, block)| block.len());
        let mut numbers = NumberSet::default();
        for &(number, block) in blocks {
            let length = block.len();
            if !self.params.has(number) {
                return Err(DecodeError::NoSuchBlock { number, total });
            } else if !numbers.insert(number) {
                return Err(DecodeError::Duplicate { number });
            } else if length != expected {
                return Err(DecodeError::BlockLength {
                    number,
                    length,
                    expected,
                });
            }
        }
        let mut sorted = vec![[].as_slice(); blocks.len()];
        for &(number, block) in blocks {
            sorted[numbers.rank(number)] = block;
        }
        Ok(Known {
            numbers,
            blocks: sorted,
        })
    }

    fn check_outputs(
        &self,
        blocks: &[(u8, &[u8])],
        wanted: &[u8],
        out: &[&mut [u8]],
    ) -> Result<(), DecodeError> {
        let expected = blocks.first().map_or(0, |(_, block)| block.len());
        if let Some(&number) = wanted.iter().find(|&&number| !self.params.has(number)) {
            return Err(DecodeError::NoSuchBlock {
                number,
                total: self.params.total(),
            });
        }
        if out.len() != wanted.len() {
            return Err(DecodeError::OutputCount {
                given: out.len(),
                wanted: wanted.len(),
            });
        }
        match out.iter().position(|output| output.len() != expected) {
            Some(index) => {
                let length = out[index].len();
                Err(DecodeError::OutputLength {
                    index,
                    length,
                    expected,
                })
            }
            None => Ok(()),
        }
    }
}

/// The given blocks in ascending order of their numbers, checked.
struct Known<'a> {
    numbers: NumberSet,
    blocks: Vec<&'a [u8]>,
}

impl<'a> Known<'a> {
    fn block(&self, number: u8) -> Option<&'a [u8]> {
        self.numbers
            .contains(number)
            .then(|| self.blocks[self.numbers.rank(number)])
    }
}

#[cfg(test)]
mod tests;
