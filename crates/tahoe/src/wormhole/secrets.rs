//! Keys of a wormhole: the exchange by which both sides get one, and what it seals.

use super::{Result, WormholeError};
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use hkdf::Hkdf;
use rand::TryRng as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 24;

/// SPAKE2 after its first message.
pub(super) struct KeyExchange {
    state: Spake2<Ed25519Group>,
    message: Vec<u8>,
}

/// The key that only the two sides have.
pub(super) struct SessionKey(Zeroizing<Vec<u8>>);

impl KeyExchange {
    /// Begins the exchange with a password, the code.
    pub(super) fn begin(code: &str, app_id: &str) -> Self {
        let password = Password::new(code.as_bytes());
        let identity = Identity::new(app_id.as_bytes());
        let (state, message) = Spake2::<Ed25519Group>::start_symmetric(&password, &identity);
        Self { state, message }
    }

    /// What the other side is sent.
    pub(super) fn message(&self) -> Vec<u8> {
        let message = data_encoding::HEXLOWER.encode(&self.message);
        json!({"pake_v1": message}).to_string().into_bytes()
    }

    /// Ends the exchange with what the other side sent; `None` if that isn't its part of it.
    ///
    /// Whether the other side had the same password isn't known yet.
    pub(super) fn finish(self, theirs: &[u8]) -> Option<SessionKey> {
        let theirs: Value = serde_json::from_slice(theirs).ok()?;
        let theirs = theirs["pake_v1"].as_str()?.as_bytes();
        let theirs = data_encoding::HEXLOWER_PERMISSIVE.decode(theirs).ok()?;
        let key = self.state.finish(&theirs).ok()?;
        Some(SessionKey(Zeroizing::new(key)))
    }
}

impl SessionKey {
    /// Seals what a side says in a phase.
    pub(super) fn encrypt(&self, side: &str, phase: &str, message: &[u8]) -> Result<Vec<u8>> {
        let nonce = random::<NONCE_BYTES>()?;
        let sealed = self
            .cipher(side, phase)
            .encrypt(Nonce::from_slice(&nonce), message);
        let sealed = sealed.map_err(|_| WormholeError::BadPeer)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what a side said in a phase; `None` if somebody else did.
    pub(super) fn decrypt(&self, side: &str, phase: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let cipher = self.cipher(side, phase);
        cipher.decrypt(Nonce::from_slice(nonce), sealed).ok()
    }

    fn cipher(&self, side: &str, phase: &str) -> XSalsa20Poly1305 {
        let (side, phase) = (Sha256::digest(side), Sha256::digest(phase));
        let purpose = [b"wormhole:phase:", &side[..], &phase[..]].concat();
        let mut key = Zeroizing::new([0; 32]);
        let expanded = Hkdf::<Sha256>::new(None, &self.0).expand(&purpose, &mut *key);
        expanded.expect("32 bytes are not too many");
        XSalsa20Poly1305::new(Key::from_slice(&*key))
    }
}

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = rand::rngs::SysRng.try_fill_bytes(&mut bytes);
    filled.map_err(|_| WormholeError::NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(code: &str, other_code: &str) -> (SessionKey, SessionKey) {
        let (one, other) = (
            KeyExchange::begin(code, "app"),
            KeyExchange::begin(other_code, "app"),
        );
        let (from_one, from_other) = (one.message(), other.message());
        (
            one.finish(&from_other).unwrap(),
            other.finish(&from_one).unwrap(),
        )
    }

    #[test]
    fn only_who_has_the_code_can_read() {
        let (one, other) = exchange("1-a-b", "1-a-b");
        let sealed = one.encrypt("aa", "0", b"text").unwrap();
        assert_eq!(
            other.decrypt("aa", "0", &sealed).as_deref(),
            Some(&b"text"[..])
        );
        assert_eq!(other.decrypt("bb", "0", &sealed), None);
        assert_eq!(other.decrypt("aa", "1", &sealed), None);
        assert_eq!(other.decrypt("aa", "0", &sealed[..20]), None);
        let (_, stranger) = exchange("1-a-b", "1-a-c");
        assert_eq!(stranger.decrypt("aa", "0", &sealed), None);
    }

    #[test]
    fn nonsense_ends_the_exchange() {
        let messages = [
            "",
            "{}",
            r#"{"pake_v1": 1}"#,
            r#"{"pake_v1": "zz"}"#,
            r#"{"pake_v1": "00"}"#,
        ];
        for message in messages {
            let exchange = KeyExchange::begin("1-a", "app");
            assert!(exchange.finish(message.as_bytes()).is_none(), "{message}");
        }
    }

    /// Computed by the reference's `derive_phase_key`.
    #[test]
    fn phases_have_the_reference_s_keys() {
        let key = SessionKey(Zeroizing::new(b"key".to_vec()));
        let sealed = "5a66c7713a04562306c300b88e60772b1ee18e0b40e3fc2ce4178f3caea3c3924eb2eada5a502b2f738b4c816cafc5a96a1424d66f476a7963d3";
        let sealed = data_encoding::HEXLOWER.decode(sealed.as_bytes()).unwrap();
        let opened = key.decrypt("side", "phase1", &sealed);
        assert_eq!(opened.as_deref(), Some(&b"from the reference"[..]));
    }
}
