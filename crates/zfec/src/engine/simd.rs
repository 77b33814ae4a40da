//! The loops shared by all engines that work on vectors of bytes.
//!
//! The outputs are made in groups of up to six. For a tile a few vectors wide the sums of one group
//! are kept in registers while all inputs pass by once, so that an input byte is loaded once per
//! group and an output byte stored once. Larger groups would save loads but are slower: blocks of
//! one size are often equally far from a page's start, and more of them than the first-level cache
//! has ways (eight) push each other out.
//!
//! Where there are several groups, the length is cut so that the inputs of a cut stay in the
//! first-level cache until the last group has used them. Tiles begin where the first output of
//! their group is aligned to vectors, because a store across two cache lines costs two.

#![allow(
    unsafe_code,
    reason = "vector instructions; what makes each use sound is noted beside it"
)]

#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

use super::{Multiply as _, Product, portable::Portable};

/// The first-level cache that the inputs of one cut may fill, in bytes.
const CUT_BYTES: usize = 24 * 1024;

/// A multiple of all widths of tiles, in vectors.
const CUT_VECTORS: usize = 12;

/// A register full of sums, and how to multiply with it.
///
/// # Safety
///
/// `load` reads and `store` writes exactly `BYTES` bytes. All functions may only be called where
/// the processor is known to have the implementation's instructions.
unsafe trait Vector: Copy {
    /// The width in bytes.
    const BYTES: usize;

    /// Whether the processor has 32 vector registers; else it has 16.
    const HAS_32_REGISTERS: bool;

    /// Whether two products are added faster than twice one.
    const ADDS_PAIRS: bool = false;

    /// A vector of input bytes in the form that multiplication takes.
    type Input: Copy;

    /// A coefficient in the form that multiplication takes.
    type Factor: Copy;

    /// Returns zeros.
    unsafe fn zero() -> Self;

    /// Loads `BYTES` bytes of input, at any alignment.
    unsafe fn load(source: *const u8) -> Self::Input;

    /// Stores `BYTES` bytes, at any alignment.
    unsafe fn store(self, target: *mut u8);

    /// Prepares a coefficient.
    unsafe fn factor(coefficient: u8) -> Self::Factor;

    /// Returns the sum of `self` and the product.
    unsafe fn add_product(self, input: Self::Input, factor: Self::Factor) -> Self;

    /// Returns the sum of `self` and two products.
    #[inline(always)]
    unsafe fn add_products(self, inputs: [Self::Input; 2], factors: [Self::Factor; 2]) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            self.add_product(inputs[0], factors[0])
                .add_product(inputs[1], factors[1])
        }
    }
}

/// Overwrites the outputs of a product.
///
/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn multiply<V: Vector>(product: &mut Product<'_, '_>) {
    let length = product.length;
    if length < V::BYTES {
        return Portable.multiply(product);
    }
    let most_rows = if V::HAS_32_REGISTERS { 6 } else { 4 };
    let group_count = product.rows.len().div_ceil(most_rows).max(1);
    let group_rows = product.rows.len().div_ceil(group_count).max(1);
    let cut = if group_count > 1 {
        cut_length::<V>(product.inputs.len())
    } else {
        length
    };
    let mut start = 0;
    while start < length {
        // The last cut takes what would be less than a vector after it.
        let is_last = length - start <= cut + V::BYTES;
        let groups = product
            .rows
            .chunks(group_rows)
            .zip(product.outputs.chunks_mut(group_rows));
        for (rows, outputs) in groups {
            let shift = outputs
                .first()
                .map_or(0, |output| to_alignment::<V>(output.as_ptr()));
            let from = if start > 0 { start + shift } else { 0 };
            let to = if is_last { length } else { start + cut + shift };
            let group = Group {
                rows,
                inputs: product.inputs,
                outputs,
            };
            // SAFETY: a product fits together; its length is at least a vector, and behind each
            // cut but the last one there is more than a vector, while a shift is less than one.
            unsafe { group.span::<V>(from, to) };
        }
        start = if is_last { length } else { start + cut };
    }
}

/// Returns how much of each of so many inputs is worked on before the next group of outputs.
fn cut_length<V: Vector>(input_count: usize) -> usize {
    (CUT_BYTES / input_count.max(1)).next_multiple_of(CUT_VECTORS * V::BYTES)
}

/// Returns how many bytes a pointer is before the next multiple of a vector's width.
fn to_alignment<V: Vector>(pointer: *const u8) -> usize {
    pointer.addr().wrapping_neg() % V::BYTES
}

/// A part of a product with few enough rows for the registers, and at least one.
struct Group<'a, 'b> {
    rows: &'a [&'a [u8]],
    inputs: &'a [&'a [u8]],
    outputs: &'a mut [&'b mut [u8]],
}

impl Group<'_, '_> {
    /// Overwrites the outputs from `from` to `to`, and perhaps up to a vector before `from`.
    ///
    /// # Safety
    ///
    /// The processor has the instructions of `V`. Rows, inputs and outputs fit together as in a
    /// [`Product`]. All inputs and outputs have `to` bytes, which is at least `V::BYTES`. `from` is
    /// 0, or it is at most `to` and the first output is aligned to vectors there.
    #[inline(always)]
    unsafe fn span<V: Vector>(self, from: usize, to: usize) {
        // SAFETY: the caller's promise, and the numbers of rows match.
        unsafe {
            match (self.rows.len(), V::HAS_32_REGISTERS) {
                (1, true) => self.tiles::<V, 1, 4>(from, to),
                (2, true) => self.tiles::<V, 2, 4>(from, to),
                (3, true) => self.tiles::<V, 3, 4>(from, to),
                (4, true) => self.tiles::<V, 4, 4>(from, to),
                (5, true) => self.tiles::<V, 5, 3>(from, to),
                (6, true) => self.tiles::<V, 6, 3>(from, to),
                (1, false) => self.tiles::<V, 1, 2>(from, to),
                (2, false) => self.tiles::<V, 2, 2>(from, to),
                (3, false) => self.tiles::<V, 3, 2>(from, to),
                (4, false) => self.tiles::<V, 4, 2>(from, to),
                _ => unreachable!("groups are not larger than the registers allow"),
            }
        }
    }

    /// Does the work of [`span`](Self::span) for `R` rows in tiles `W` vectors wide.
    ///
    /// # Safety
    ///
    /// As for `span`, and there are `R` rows.
    #[inline(always)]
    unsafe fn tiles<V: Vector, const R: usize, const W: usize>(self, from: usize, to: usize) {
        let mut rows: [&[u8]; R] = [&[]; R];
        rows.copy_from_slice(self.rows);
        let mut targets = [std::ptr::null_mut(); R];
        for (target, output) in targets.iter_mut().zip(self.outputs) {
            *target = output.as_mut_ptr();
        }
        let unaligned = to_alignment::<V>(targets[0].wrapping_add(from));
        let mut offset = from + unaligned;
        // SAFETY: `unaligned` is less than a vector, and 0 unless `from` is 0, so `offset` is at
        // most `to`. Each tile ends at or before `to`, and the last one begins at 0 or later
        // because `to` is at least a vector. Tiles may overlap: outputs are only written.
        unsafe {
            if unaligned > 0 {
                tile::<V, R, 1>(&rows, self.inputs, &targets, from);
            }
            while to - offset >= W * V::BYTES {
                tile::<V, R, W>(&rows, self.inputs, &targets, offset);
                offset += W * V::BYTES;
            }
            while to - offset >= V::BYTES {
                tile::<V, R, 1>(&rows, self.inputs, &targets, offset);
                offset += V::BYTES;
            }
            if offset < to {
                tile::<V, R, 1>(&rows, self.inputs, &targets, to - V::BYTES);
            }
        }
    }
}

/// Makes `W` vectors of each of `R` outputs at `offset`.
///
/// # Safety
///
/// The processor has the instructions of `V`; inputs and targets are readable and writable for
/// `W * V::BYTES` bytes from `offset`, and each row is as long as there are inputs.
#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const W: usize>(
    rows: &[&[u8]; R],
    inputs: &[&[u8]],
    targets: &[*mut u8; R],
    offset: usize,
) {
    let (pairs, singles) = if V::ADDS_PAIRS {
        inputs.as_chunks()
    } else {
        (&[][..], inputs)
    };
    // SAFETY: the caller's promise covers each address and each index.
    unsafe {
        let mut sums = [[V::zero(); W]; R];
        for (index, [first, second]) in pairs.iter().enumerate() {
            let firsts = load::<V, W>(first, offset);
            let seconds = load::<V, W>(second, offset);
            for (row, sums) in rows.iter().zip(&mut sums) {
                let first_factor = V::factor(*row.get_unchecked(2 * index));
                let second_factor = V::factor(*row.get_unchecked(2 * index + 1));
                for (sum, (&first, &second)) in sums.iter_mut().zip(firsts.iter().zip(&seconds)) {
                    *sum = sum.add_products([first, second], [first_factor, second_factor]);
                }
            }
        }
        for (index, input) in singles.iter().enumerate() {
            let vectors = load::<V, W>(input, offset);
            for (row, sums) in rows.iter().zip(&mut sums) {
                let factor = V::factor(*row.get_unchecked(2 * pairs.len() + index));
                for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                    *sum = sum.add_product(vector, factor);
                }
            }
        }
        for (target, sums) in targets.iter().zip(sums) {
            for (w, sum) in sums.into_iter().enumerate() {
                sum.store(target.add(offset + w * V::BYTES));
            }
        }
    }
}

/// Loads `W` vectors of an input at `offset`.
///
/// # Safety
///
/// The processor has the instructions of `V`, and the input has as many bytes from `offset`.
#[inline(always)]
unsafe fn load<V: Vector, const W: usize>(input: &[u8], offset: usize) -> [V::Input; W] {
    // SAFETY: the caller's promise.
    unsafe {
        let source = input.as_ptr().add(offset);
        let mut vectors = [V::load(source); W];
        for (w, vector) in vectors.iter_mut().enumerate().skip(1) {
            *vector = V::load(source.add(w * V::BYTES));
        }
        vectors
    }
}
