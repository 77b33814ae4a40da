//! A fast engine without special instructions.
//!
//! A product `c·x` is the sum of `2^i·x` over the bits i that are set in c. The eight multiples of
//! a piece of input are made once and serve all outputs, and both steps are shifts and exclusive
//! ors over fixed-size arrays, which compilers turn into whatever vectors the target has.

use super::{Multiply, Product};

/// The engine for processors that have no better one.
#[derive(Debug)]
pub(super) struct Portable;

/// The bytes worked on at once; the eight multiples of a piece stay in the first-level cache.
const PIECE_BYTES: usize = 64;

type Piece = [u8; PIECE_BYTES];

impl Multiply for Portable {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn multiply(&self, product: &mut Product<'_, '_>) {
        let mut sums = vec![[0; PIECE_BYTES]; product.rows.len()];
        for start in (0..product.length).step_by(PIECE_BYTES) {
            let end = product.length.min(start + PIECE_BYTES);
            sums.fill([0; PIECE_BYTES]);
            for (column, input) in product.inputs.iter().enumerate() {
                let multiples = multiples(&input[start..end]);
                for (row, sum) in product.rows.iter().zip(&mut sums) {
                    add_selected(sum, &multiples, row[column]);
                }
            }
            for (output, sum) in product.outputs.iter_mut().zip(&sums) {
                output[start..end].copy_from_slice(&sum[..end - start]);
            }
        }
    }
}

/// Returns `x, 2x, 4x, … 128x` for a piece of input of at most a piece's length.
fn multiples(input: &[u8]) -> [Piece; 8] {
    let mut multiples = [[0; PIECE_BYTES]; 8];
    multiples[0][..input.len()].copy_from_slice(input);
    for i in 1..8 {
        multiples[i] = multiples[i - 1].map(double);
    }
    multiples
}

/// Doubles an element without a branch: the sign bit selects the reduction by the polynomial.
fn double(x: u8) -> u8 {
    (x << 1) ^ ((x.cast_signed() >> 7).cast_unsigned() & 0x1d)
}

/// Adds `coefficient·x` to the sum, given the multiples of x.
fn add_selected(sum: &mut Piece, multiples: &[Piece; 8], coefficient: u8) {
    let mut bits = coefficient;
    while bits != 0 {
        let multiple = &multiples[bits.trailing_zeros() as usize & 7];
        for (sum, byte) in sum.iter_mut().zip(multiple) {
            *sum ^= byte;
        }
        bits &= bits - 1;
    }
}
