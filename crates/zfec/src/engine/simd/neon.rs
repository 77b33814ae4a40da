//! The engine for 64-bit ARM: byte table lookups.

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vdupq_n_u8, veorq_u8, vld1q_u8, vqtbl1q_u8, vshrq_n_u8, vst1q_u8,
};
use std::arch::is_aarch64_feature_detected;

use super::{Vector, multiply};
use crate::engine::{Multiply, Product};
use crate::field::NIBBLES;

/// Returns the engine if this processor can run it.
pub(in crate::engine) fn available() -> Option<&'static dyn Multiply> {
    let engine: &'static dyn Multiply = const { &Neon(()) };
    is_aarch64_feature_detected!("neon").then_some(engine)
}

/// NEON. The private field keeps others from making one on a processor without it.
#[derive(Debug)]
struct Neon(());

impl Multiply for Neon {
    fn name(&self) -> &'static str {
        "neon"
    }

    fn multiply(&self, product: &mut Product<'_, '_>) {
        #[target_feature(enable = "neon")]
        fn run(product: &mut Product<'_, '_>) {
            // SAFETY: the function has the instructions of the vector.
            unsafe { multiply::<Nibbles>(product) }
        }
        // SAFETY: a `Neon` exists only where the processor has NEON.
        unsafe { run(product) }
    }
}

/// 16 bytes, multiplied by looking up half-bytes.
#[derive(Clone, Copy)]
struct Nibbles(uint8x16_t);

// SAFETY: loads and stores are of 128 bits.
unsafe impl Vector for Nibbles {
    const BYTES: usize = 16;
    const HAS_32_REGISTERS: bool = true;
    /// The low and the high half-bytes.
    type Input = [uint8x16_t; 2];
    /// The products with the low and the high half-bytes.
    type Factor = [uint8x16_t; 2];

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has NEON.
        Self(unsafe { vdupq_n_u8(0) })
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> [uint8x16_t; 2] {
        // SAFETY: the caller has NEON and vouches for 16 bytes.
        unsafe {
            let bytes = vld1q_u8(source);
            [vandq_u8(bytes, vdupq_n_u8(15)), vshrq_n_u8::<4>(bytes)]
        }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the caller has NEON and vouches for 16 bytes.
        unsafe { vst1q_u8(target, self.0) }
    }

    #[inline(always)]
    unsafe fn factor(coefficient: u8) -> [uint8x16_t; 2] {
        let [low, high] = &NIBBLES[usize::from(coefficient)];
        // SAFETY: the caller has NEON; both tables have 16 bytes.
        unsafe { [vld1q_u8(low.as_ptr()), vld1q_u8(high.as_ptr())] }
    }

    #[inline(always)]
    unsafe fn add_product(self, input: [uint8x16_t; 2], factor: [uint8x16_t; 2]) -> Self {
        // SAFETY: the caller has NEON.
        unsafe {
            let low = vqtbl1q_u8(factor[0], input[0]);
            let high = vqtbl1q_u8(factor[1], input[1]);
            Self(veorq_u8(self.0, veorq_u8(low, high)))
        }
    }
}
