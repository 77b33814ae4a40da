//! Certificates of grid managers: read, checked, written, and signed again.
#![no_main]

use tahoe_crypto::SigningKey;
use tahoe_introducer::grid_manager::SignedCertificate;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let manager = SigningKey::from_seed(&[7; 32]);
    let key = manager.verifying_key();
    if let Ok(signed) = SignedCertificate::parse(text) {
        assert!(SignedCertificate::parse(&signed.to_text()).as_ref() == Ok(&signed));
        assert!(SignedCertificate::from_json(&signed.to_json()).as_ref() == Ok(&signed));
        let _ = signed.verify(&key).is_ok();
    }
    // What a manager of ours has signed, whatever it is, is read or refused.
    let signature = tahoe_encoding::base32::encode(&manager.sign(text.as_bytes()));
    let outer = serde_json::json!({ "certificate": text, "signature": signature });
    if let Ok(certificate) = SignedCertificate::from_json(&outer).and_then(|c| c.verify(&key)) {
        let again = SignedCertificate::sign(&manager, &certificate).verify(&key);
        let again = again.expect("what was read can be signed");
        assert!(again.server == certificate.server);
        let _ = again.expires_text();
    }
});
