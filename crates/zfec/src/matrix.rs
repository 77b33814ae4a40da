//! The coefficients that make one set of blocks from another, by interpolation.
//!
//! Block `i` belongs to the point `x_0 = 0`, `x_i = 2^(i−1)` of the field. At each byte position
//! the k primary blocks hold the values at `x_0 … x_(k−1)` of the one polynomial of degree below k
//! through them, and every other block holds the value of that polynomial at its own point. So any
//! k blocks fix the polynomial and thereby all blocks: encoding and decoding are the same sum
//! `value(x) = Σ_j value(x_j) · L_j(x)` with Lagrange's coefficients
//! `L_j(x) = Π_(m≠j) (x − x_m) / (x_j − x_m)`, from different known blocks.

use crate::field::{EXP, LOG, ORDER};

/// Rows of coefficients: each row makes one output from all inputs.
#[derive(Debug)]
pub(crate) struct Matrix {
    columns: usize,
    coefficients: Vec<u8>,
}

impl Matrix {
    /// Computes the rows that make the blocks `wanted` from the blocks `known`.
    ///
    /// The numbers in `known` are distinct, and none of them is in `wanted`.
    pub(crate) fn between(known: &[u8], wanted: impl Iterator<Item = u8>) -> Self {
        let divisors: Vec<usize> = known.iter().map(|&own| log_product(known, own)).collect();
        let coefficients = wanted
            .flat_map(|target| row(known, &divisors, target))
            .collect();
        Self {
            columns: known.len(),
            coefficients,
        }
    }

    /// Returns one row, if there are so many.
    pub(crate) fn row(&self, index: usize) -> Option<&[u8]> {
        self.rows().nth(index)
    }

    /// Returns all rows from the top.
    pub(crate) fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.coefficients.chunks_exact(self.columns)
    }
}

/// Returns the point of the field that belongs to a block number.
fn point(number: u8) -> u8 {
    if number == 0 {
        0
    } else {
        EXP[usize::from(number) - 1]
    }
}

/// Returns the logarithm of the difference between two points that are not the same.
fn log_difference(a: u8, b: u8) -> usize {
    LOG[usize::from(point(a) ^ point(b))].into()
}

/// Returns the logarithm of the product of the differences between one point and all others.
fn log_product(known: &[u8], own: u8) -> usize {
    known
        .iter()
        .filter(|&&other| other != own)
        .map(|&other| log_difference(own, other))
        .sum::<usize>()
        % ORDER
}

/// Returns Lagrange's coefficients for one target; `divisors` has `log_product` of each known block.
fn row(known: &[u8], divisors: &[usize], target: u8) -> Vec<u8> {
    let numerator = log_product(known, target);
    let coefficient = |(&own, &divisor): (&u8, &usize)| {
        EXP[(numerator + 2 * ORDER - log_difference(target, own) - divisor) % ORDER]
    };
    known.iter().zip(divisors).map(coefficient).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::multiply;

    #[test]
    fn one_needed_block_makes_copies() {
        let matrix = Matrix::between(&[0], 1..=255);
        assert!(matrix.rows().all(|row| row == [1]));
    }

    /// The rows of a Vandermonde matrix are what polynomials of one term are worth at the points.
    #[test]
    fn interpolates_every_power() {
        let known = [3, 0, 200, 17, 255];
        let matrix = Matrix::between(&known, [1, 99].into_iter());
        let power = |number: u8, degree: usize| {
            (0..degree).fold(1, |product, _| multiply(product, point(number)))
        };
        for (row, target) in matrix.rows().zip([1, 99]) {
            for degree in 0..known.len() {
                let sum = row
                    .iter()
                    .zip(known)
                    .fold(0, |sum, (&coefficient, number)| {
                        sum ^ multiply(coefficient, power(number, degree))
                    });
                assert_eq!(
                    sum,
                    power(target, degree),
                    "block {target}, degree {degree}"
                );
            }
        }
    }

    #[test]
    fn rows_end() {
        let matrix = Matrix::between(&[0, 1], [2].into_iter());
        assert!(matrix.row(0).is_some());
        assert!(matrix.row(1).is_none());
    }
}
