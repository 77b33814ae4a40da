//! AES-128 in counter mode, the one cipher of Tahoe's files.

use aes::Aes128;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};

/// A keystream of AES-128-CTR that starts with counter zero (16-byte big-endian counter block).
///
/// Encrypting and decrypting are the same operation.
pub struct AesCtr(ctr::Ctr128BE<Aes128>);

impl AesCtr {
    /// Positions the keystream of `key` at byte `offset`.
    pub fn new(key: &[u8; 16], offset: u64) -> Self {
        let mut cipher = ctr::Ctr128BE::new(key.into(), &[0; 16].into());
        cipher.seek(offset);
        Self(cipher)
    }

    /// Exclusive-ors the next bytes of the keystream into `data`.
    pub fn apply(&mut self, data: &mut [u8]) {
        self.0.apply_keystream(data);
    }

    /// Writes `from` into `to`, which is as long, with the next bytes of the keystream in it.
    pub fn apply_to(&mut self, from: &[u8], to: &mut [u8]) {
        self.0.apply_keystream_b2b(from, to);
    }
}

impl std::fmt::Debug for AesCtr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AesCtr")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn first_keystream_block_is_the_encrypted_zero_block() {
        // FIPS 197 cipher with an all-zero key and block.
        let mut data = [0; 16];
        AesCtr::new(&[0; 16], 0).apply(&mut data);
        let expected = [
            0x66, 0xe9, 0x4b, 0xd4, 0xef, 0x8a, 0x2c, 0x3b, 0x88, 0x4c, 0xfa, 0x59, 0xca, 0x34,
            0x2b, 0x2e,
        ];
        assert_eq!(data, expected);
    }

    proptest! {
        #[test]
        fn any_part_can_be_deciphered_alone(data: Vec<u8>, key: [u8; 16], at: usize) {
            let offset = at % (data.len() + 1);
            let mut whole = data.clone();
            AesCtr::new(&key, 0).apply(&mut whole);
            AesCtr::new(&key, offset as u64).apply(&mut whole[offset..]);
            prop_assert_eq!(&whole[offset..], &data[offset..]);
            let mut elsewhere = vec![0; data.len() - offset];
            AesCtr::new(&key, offset as u64).apply_to(&data[offset..], &mut elsewhere);
            AesCtr::new(&key, offset as u64).apply(&mut elsewhere);
            prop_assert_eq!(&elsewhere[..], &data[offset..]);
        }
    }
}
