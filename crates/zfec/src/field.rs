//! GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, in tables made at compile time.
//!
//! Addition is exclusive or. The element 2 generates all 255 elements other than 0, so a product is
//! a sum of logarithms.

/// The field polynomial, with its leading x^8.
const POLYNOMIAL: u16 = 0x11d;

/// The number of elements other than 0, the modulus of logarithms.
pub(crate) const ORDER: usize = 255;

/// `EXP[i]` is 2^i; twice as long as the field, so that a sum of two logarithms needs no reduction.
pub(crate) static EXP: [u8; 2 * ORDER] = exp_table();

/// `LOG[x]` is the i with 2^i = x; `LOG[0]` is meaningless and 0.
pub(crate) static LOG: [u8; 256] = log_table();

/// The products of each element with the sixteen low and the sixteen high half-bytes.
///
/// `c·x = NIBBLES[c][0][x & 15] + NIBBLES[c][1][x >> 4]`: what byte-shuffle instructions look up.
#[cfg(any(test, target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) static NIBBLES: [[[u8; 16]; 2]; 256] = nibble_table();

/// Multiplication by each element as an 8×8 bit matrix in the layout of `gf2p8affineqb`.
///
/// That instruction makes bit i of its result from the parity of `x & byte (7 − i) of the matrix`.
/// The field of the processor's own multiply instruction has another polynomial (0x11b).
#[cfg(any(test, target_arch = "x86_64"))]
pub(crate) static AFFINE: [u64; 256] = affine_table();

/// Returns the product of two elements.
pub(crate) const fn multiply(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        0
    } else {
        EXP[LOG[a as usize] as usize + LOG[b as usize] as usize]
    }
}

/// Returns twice the element.
const fn double(x: u8) -> u8 {
    (x << 1)
        ^ if x & 0x80 == 0 {
            0
        } else {
            (POLYNOMIAL & 0xff) as u8
        }
}

const fn exp_table() -> [u8; 2 * ORDER] {
    let mut table = [0; 2 * ORDER];
    let (mut i, mut power) = (0, 1);
    while i < table.len() {
        table[i] = power;
        power = double(power);
        i += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "the exponent is below 255")]
const fn log_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < ORDER {
        table[EXP[i] as usize] = i as u8;
        i += 1;
    }
    table
}

#[cfg(any(test, target_arch = "x86_64", target_arch = "aarch64"))]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the loops end at 256 and 16"
)]
const fn nibble_table() -> [[[u8; 16]; 2]; 256] {
    let mut table = [[[0; 16]; 2]; 256];
    let mut c = 0;
    while c < 256 {
        let mut x = 0;
        while x < 16 {
            table[c][0][x] = multiply(c as u8, x as u8);
            table[c][1][x] = multiply(c as u8, (x as u8) << 4);
            x += 1;
        }
        c += 1;
    }
    table
}

#[cfg(any(test, target_arch = "x86_64"))]
#[expect(clippy::cast_possible_truncation, reason = "the loop ends at 256")]
const fn affine_table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut c = 0;
    while c < 256 {
        let mut column = 0;
        while column < 8 {
            // Bit `row` of c·2^column is the entry of the matrix in that row and column.
            let image = multiply(c as u8, 1 << column);
            let mut row = 0;
            while row < 8 {
                let entry = (image >> row) as u64 & 1;
                table[c] |= entry << (8 * (7 - row) + column);
                row += 1;
            }
            column += 1;
        }
        c += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiplies as one does by hand: shift, add, reduce.
    fn slow_multiply(a: u8, b: u8) -> u8 {
        let mut product = 0;
        let mut shifted = a;
        for bit in 0..8 {
            if b >> bit & 1 == 1 {
                product ^= shifted;
            }
            shifted = double(shifted);
        }
        product
    }

    fn every_pair() -> impl Iterator<Item = (u8, u8)> {
        (0..=255).flat_map(|a| (0..=255).map(move |b| (a, b)))
    }

    #[test]
    fn logarithms_multiply() {
        for (a, b) in every_pair() {
            assert_eq!(multiply(a, b), slow_multiply(a, b), "{a}·{b}");
        }
    }

    #[test]
    fn two_generates_the_field() {
        let mut powers: Vec<u8> = EXP[..ORDER].to_vec();
        powers.sort_unstable();
        assert_eq!(powers, (1..=255).collect::<Vec<u8>>());
        assert_eq!(EXP[ORDER], 1);
    }

    #[test]
    fn nibbles_multiply() {
        for (c, x) in every_pair() {
            let [low, high] = NIBBLES[usize::from(c)];
            let sum = low[usize::from(x & 15)] ^ high[usize::from(x >> 4)];
            assert_eq!(sum, multiply(c, x), "{c}·{x}");
        }
    }

    #[test]
    fn affine_matrices_multiply() {
        for (c, x) in every_pair() {
            let rows = AFFINE[usize::from(c)].to_be_bytes();
            let image = (0..8).fold(0, |byte, i| {
                byte | u8::from((rows[i] & x).count_ones() % 2 == 1) << i
            });
            assert_eq!(image, multiply(c, x), "{c}·{x}");
        }
    }
}
