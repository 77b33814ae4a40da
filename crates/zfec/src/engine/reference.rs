//! The definition of the multiplication, one byte at a time.

use super::{Multiply, Product};
use crate::field::multiply;

/// The engine that is meant to be read.
#[derive(Debug)]
pub(super) struct Reference;

impl Multiply for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn multiply(&self, product: &mut Product<'_, '_>) {
        for (row, output) in product.rows.iter().zip(product.outputs.iter_mut()) {
            output.fill(0);
            for (&coefficient, input) in row.iter().zip(product.inputs) {
                for (sum, &byte) in output.iter_mut().zip(*input) {
                    *sum ^= multiply(coefficient, byte);
                }
            }
        }
    }
}
