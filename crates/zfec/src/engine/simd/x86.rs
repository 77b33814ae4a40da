//! Engines for x86-64: byte shuffles, or 8×8 bit matrices where the processor has GFNI.

use std::arch::x86_64::{
    __m256i, __m512i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_gf2p8affine_epi64_epi8, _mm256_loadu_si256, _mm256_set1_epi8, _mm256_set1_epi64x,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi64, _mm256_storeu_si256,
    _mm256_xor_si256, _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_storeu_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

use super::{Vector, multiply};
use crate::engine::{Multiply, Product};
use crate::field::{AFFINE, NIBBLES};

/// Returns the engines that this processor can run, the fastest one last.
pub(in crate::engine) fn available() -> Vec<&'static dyn Multiply> {
    let mut engines: Vec<&'static dyn Multiply> = Vec::new();
    let has_avx2 = is_x86_feature_detected!("avx2");
    let has_gfni = is_x86_feature_detected!("gfni");
    if has_avx2 {
        engines.push(const { &Avx2(()) });
    }
    if has_avx2 && has_gfni {
        engines.push(const { &GfniAvx2(()) });
    }
    if has_gfni && is_x86_feature_detected!("avx512f") {
        engines.push(const { &GfniAvx512(()) });
    }
    engines
}

/// AVX2 without GFNI. The private field keeps others from making one on a processor without it.
#[derive(Debug)]
struct Avx2(());

/// GFNI on 256-bit registers.
#[derive(Debug)]
struct GfniAvx2(());

/// GFNI on 512-bit registers.
#[derive(Debug)]
struct GfniAvx512(());

impl Multiply for Avx2 {
    fn name(&self) -> &'static str {
        "avx2"
    }

    fn multiply(&self, product: &mut Product<'_, '_>) {
        #[target_feature(enable = "avx2")]
        fn run(product: &mut Product<'_, '_>) {
            // SAFETY: the function has the instructions of the vector.
            unsafe { multiply::<Nibbles>(product) }
        }
        // SAFETY: an `Avx2` exists only where the processor has AVX2.
        unsafe { run(product) }
    }
}

impl Multiply for GfniAvx2 {
    fn name(&self) -> &'static str {
        "gfni-avx2"
    }

    fn multiply(&self, product: &mut Product<'_, '_>) {
        #[target_feature(enable = "avx2,gfni")]
        fn run(product: &mut Product<'_, '_>) {
            // SAFETY: the function has the instructions of the vector.
            unsafe { multiply::<Bits256>(product) }
        }
        // SAFETY: a `GfniAvx2` exists only where the processor has AVX2 and GFNI.
        unsafe { run(product) }
    }
}

impl Multiply for GfniAvx512 {
    fn name(&self) -> &'static str {
        "gfni-avx512"
    }

    fn multiply(&self, product: &mut Product<'_, '_>) {
        #[target_feature(enable = "avx512f,gfni")]
        fn run(product: &mut Product<'_, '_>) {
            // SAFETY: the function has the instructions of the vector.
            unsafe { multiply::<Bits512>(product) }
        }
        // SAFETY: a `GfniAvx512` exists only where the processor has AVX-512F and GFNI.
        unsafe { run(product) }
    }
}

/// 32 bytes, multiplied by looking up half-bytes.
#[derive(Clone, Copy)]
struct Nibbles(__m256i);

// SAFETY: loads and stores are of 256 bits.
unsafe impl Vector for Nibbles {
    const BYTES: usize = 32;
    const HAS_32_REGISTERS: bool = false;
    /// The low and the high half-bytes.
    type Input = [__m256i; 2];
    /// The products with the low and the high half-bytes, each in both halves of a register.
    type Factor = [__m256i; 2];

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has AVX2.
        Self(unsafe { _mm256_setzero_si256() })
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> [__m256i; 2] {
        // SAFETY: the caller has AVX2 and vouches for 32 bytes.
        unsafe {
            let bytes = _mm256_loadu_si256(source.cast());
            let mask = _mm256_set1_epi8(15);
            let high = _mm256_srli_epi64::<4>(bytes);
            [_mm256_and_si256(bytes, mask), _mm256_and_si256(high, mask)]
        }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the caller has AVX2 and vouches for 32 bytes.
        unsafe { _mm256_storeu_si256(target.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn factor(coefficient: u8) -> [__m256i; 2] {
        let [low, high] = &NIBBLES[usize::from(coefficient)];
        // SAFETY: the caller has AVX2; both tables have 16 bytes.
        unsafe {
            [
                _mm256_broadcastsi128_si256(_mm_loadu_si128(low.as_ptr().cast())),
                _mm256_broadcastsi128_si256(_mm_loadu_si128(high.as_ptr().cast())),
            ]
        }
    }

    #[inline(always)]
    unsafe fn add_product(self, input: [__m256i; 2], factor: [__m256i; 2]) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe {
            let low = _mm256_shuffle_epi8(factor[0], input[0]);
            let high = _mm256_shuffle_epi8(factor[1], input[1]);
            Self(_mm256_xor_si256(self.0, _mm256_xor_si256(low, high)))
        }
    }
}

/// 32 bytes, multiplied by a bit matrix.
#[derive(Clone, Copy)]
struct Bits256(__m256i);

// SAFETY: loads and stores are of 256 bits.
unsafe impl Vector for Bits256 {
    const BYTES: usize = 32;
    const HAS_32_REGISTERS: bool = false;
    type Input = __m256i;
    type Factor = __m256i;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has AVX2.
        Self(unsafe { _mm256_setzero_si256() })
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> __m256i {
        // SAFETY: the caller has AVX2 and vouches for 32 bytes.
        unsafe { _mm256_loadu_si256(source.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the caller has AVX2 and vouches for 32 bytes.
        unsafe { _mm256_storeu_si256(target.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn factor(coefficient: u8) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_set1_epi64x(AFFINE[usize::from(coefficient)].cast_signed()) }
    }

    #[inline(always)]
    unsafe fn add_product(self, input: __m256i, factor: __m256i) -> Self {
        // SAFETY: the caller has AVX2 and GFNI.
        unsafe {
            let product = _mm256_gf2p8affine_epi64_epi8::<0>(input, factor);
            Self(_mm256_xor_si256(self.0, product))
        }
    }
}

/// 64 bytes, multiplied by a bit matrix.
#[derive(Clone, Copy)]
struct Bits512(__m512i);

// SAFETY: loads and stores are of 512 bits.
unsafe impl Vector for Bits512 {
    const BYTES: usize = 64;
    const HAS_32_REGISTERS: bool = true;
    const ADDS_PAIRS: bool = true;
    type Input = __m512i;
    type Factor = __m512i;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has AVX-512F.
        Self(unsafe { _mm512_setzero_si512() })
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> __m512i {
        // SAFETY: the caller has AVX-512F and vouches for 64 bytes.
        unsafe { _mm512_loadu_si512(source.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the caller has AVX-512F and vouches for 64 bytes.
        unsafe { _mm512_storeu_si512(target.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn factor(coefficient: u8) -> __m512i {
        // SAFETY: the caller has AVX-512F.
        unsafe { _mm512_set1_epi64(AFFINE[usize::from(coefficient)].cast_signed()) }
    }

    #[inline(always)]
    unsafe fn add_product(self, input: __m512i, factor: __m512i) -> Self {
        // SAFETY: the caller has AVX-512F and GFNI.
        unsafe {
            let product = _mm512_gf2p8affine_epi64_epi8::<0>(input, factor);
            Self(_mm512_xor_si512(self.0, product))
        }
    }

    #[inline(always)]
    unsafe fn add_products(self, inputs: [__m512i; 2], factors: [__m512i; 2]) -> Self {
        // SAFETY: the caller has AVX-512F and GFNI.
        unsafe {
            let first = _mm512_gf2p8affine_epi64_epi8::<0>(inputs[0], factors[0]);
            let second = _mm512_gf2p8affine_epi64_epi8::<0>(inputs[1], factors[1]);
            // The table 0x96 is the exclusive or of three bits.
            Self(_mm512_ternarylogic_epi64::<0x96>(self.0, first, second))
        }
    }
}
