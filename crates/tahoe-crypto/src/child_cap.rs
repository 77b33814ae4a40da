//! How a directory hides the write capabilities of its children from those who may only read it.
//!
//! ```text
//!  0  16  salt        a hash of the capability, so equal capabilities give equal bytes
//! 16   …  ciphertext  AES-128-CTR from counter zero
//!  …  32  MAC         written for readers older than 1.3.0; nobody checks it any more
//! ```
//!
//! The directory's write key and the salt give the key. The MAC looks like HMAC-SHA-256, but its
//! 16-byte key isn't padded to a block. A child without a write capability has the 48 bytes of an
//! empty one. (`docs/formats/directory.md`; `vectors/directory` has bytes of the original.)

use crate::aes_ctr::AesCtr;
use crate::hash::{tagged, tagged_pair, truncate};
use crate::keys::WriteKey;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const SALT_LENGTH: usize = 16;
const MAC_LENGTH: usize = 32;

/// Hides one child's write capability.
struct ChildCapKey(Zeroizing<[u8; 16]>);

impl WriteKey {
    /// Enciphers a child's write capability for the entry of a directory that this key writes.
    pub fn seal_child_cap(&self, cap: &[u8]) -> Vec<u8> {
        let tag = b"allmydata_dirnode_child_rwcap_to_salt_v1";
        let salt: [u8; SALT_LENGTH] = truncate(tagged(tag, cap));
        let key = self.child_cap_key(&salt);
        let mut sealed = Vec::with_capacity(SALT_LENGTH + cap.len() + MAC_LENGTH);
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(cap);
        AesCtr::new(&key.0, 0).apply(&mut sealed[SALT_LENGTH..]);
        let mac = key.mac(&sealed);
        sealed.extend_from_slice(&mac);
        sealed
    }

    /// Deciphers what [`Self::seal_child_cap`] made; empty if it is too short to hold anything.
    ///
    /// Another key gives other bytes, not an error.
    pub fn open_child_cap(&self, sealed: &[u8]) -> Zeroizing<Vec<u8>> {
        let Some((salt, rest)) = sealed.split_first_chunk::<SALT_LENGTH>() else {
            return Zeroizing::default();
        };
        let length = rest.len().saturating_sub(MAC_LENGTH);
        let mut cap = Zeroizing::new(rest[..length].to_vec());
        if !cap.is_empty() {
            AesCtr::new(&self.child_cap_key(salt).0, 0).apply(&mut cap);
        }
        cap
    }

    fn child_cap_key(&self, salt: &[u8; SALT_LENGTH]) -> ChildCapKey {
        let tag = b"allmydata_mutable_writekey_and_salt_to_dirnode_child_capkey_v1";
        let key = truncate(tagged_pair(tag, salt, self.as_bytes()));
        ChildCapKey(Zeroizing::new(key))
    }
}

impl ChildCapKey {
    fn mac(&self, data: &[u8]) -> [u8; MAC_LENGTH] {
        let masked = |mask: u8| Zeroizing::new(self.0.map(|byte| byte ^ mask));
        let inner = Sha256::new_with_prefix(*masked(0x36)).chain_update(data);
        let outer = Sha256::new_with_prefix(*masked(0x5c)).chain_update(inner.finalize());
        outer.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_takes_48_bytes() {
        let key = WriteKey::from_bytes([1; 16]);
        let sealed = key.seal_child_cap(b"");
        assert_eq!(sealed.len(), 48);
        assert!(key.open_child_cap(&sealed).is_empty());
    }

    proptest! {
        #[test]
        fn opens_what_was_sealed(key: [u8; 16], cap: Vec<u8>) {
            let key = WriteKey::from_bytes(key);
            let sealed = key.seal_child_cap(&cap);
            prop_assert_eq!(&*key.open_child_cap(&sealed), &cap);
            prop_assert_eq!(sealed, key.seal_child_cap(&cap));
        }

        #[test]
        fn takes_anything(key: [u8; 16], sealed: Vec<u8>) {
            let opened = WriteKey::from_bytes(key).open_child_cap(&sealed);
            prop_assert_eq!(opened.len(), sealed.len().saturating_sub(48));
        }
    }
}
