//! Values that Tahoe-LAFS 1.20.0 computes, made with `allmydata.util.hashutil` and
//! `allmydata.crypto.ed25519` from the inputs written out here.

use tahoe_crypto::{
    ConvergenceSecret, Fingerprint, ImmutableReadKey, LeaseMaster, SigningKey, StorageIndex, TubId,
    VerifyingKey, WriteKey, hash,
};
use tahoe_encoding::base32::encode;

fn counting<const N: usize>() -> [u8; N] {
    std::array::from_fn(|i| u8::try_from(i).expect("N is small"))
}

fn storage_index() -> StorageIndex {
    ImmutableReadKey::from_bytes(counting()).storage_index()
}

#[test]
fn immutable_key_to_storage_index() {
    assert_eq!(storage_index().to_string(), "hdis5iaveku6lnlaiccydyid7q");
}

#[test]
fn convergent_key() {
    let mut hasher = ConvergenceSecret::new(b"secret".to_vec()).hasher(3, 10, 131_073);
    hasher.update(b"hello");
    assert_eq!(
        encode(&hasher.finish_truncated::<16>()),
        "p7pu2t3whm2jbgxgeivuzqx5gu"
    );
}

#[test]
fn lease_secrets() {
    let master = LeaseMaster::from_bytes(counting());
    let secrets = master.lease_secrets(&storage_index(), &TubId::from_bytes(counting()));
    assert_eq!(
        secrets.renew.to_base32(),
        "h7xgllm35x2nrjq27cznw47m5jcggtsf5fbtlh2wgaobmeutjhxa"
    );
    assert_eq!(
        secrets.cancel.to_base32(),
        "pnveevptyaxuhlqtzqdunno3nmlhg7qm26paymza26vvup4teyqq"
    );
}

#[test]
fn mutable_keys() {
    let write_key = WriteKey::from_private_key_der(b"not really der");
    assert_eq!(write_key.to_base32(), "ujkigeknk2xncw5r7xkliz727m");
    assert_eq!(
        write_key.read_key().to_base32(),
        "jj675wpjzwyldy3m6dqnkpa4qq"
    );
    assert_eq!(
        write_key.read_key().storage_index().to_string(),
        "yca54ngtig5uc6prqwcxwfum2a"
    );
    assert_eq!(
        Fingerprint::from_public_key_der(b"not really der").to_string(),
        "g7ygzbydcuynod22g4symwuzpy7l5j4r6wcnprcz6eelxcehmxzq"
    );
    assert_eq!(
        write_key
            .write_enabler(&TubId::from_bytes(counting()))
            .to_base32(),
        "d4ihvdppshf2m5oj5umldoezhjizsdloocyuzdj4q5j7o3oee2hq"
    );
}

#[test]
fn hashes_of_immutable_files() {
    for (hash, expected) in [
        (
            hash::block(b"block"),
            "yideous676t4vai7rbhc6pncjcnqtzy3itilsf6e6geombhnb6jq",
        ),
        (
            hash::uri_extension(b"ueb"),
            "2sz75tjdbcmzdkpezexohjikar2uld3zbhj3lba7fgzgkcqxslaq",
        ),
        (
            hash::ciphertext_segment(b"seg"),
            "rjeyni4ycjnclsgxcxdod3y4vwxj2kmsltgoycb2eyv7a2ljddfa",
        ),
        (
            hash::tagged(hash::CIPHERTEXT_TAG, b"all"),
            "ql3uxix3amlggchx2h26rsmeqqqvxxjh6c3uxtinpskvu3gjgila",
        ),
    ] {
        assert_eq!(encode(&hash), expected);
    }
}

#[test]
fn identity_keys_and_signatures() {
    let key = SigningKey::from_seed(&counting());
    let public = "pub-v0-aoqqpp7tzyil4hlq3umoos6atft6jvrqtosq2xy53sdgiesvgg4a";
    assert_eq!(key.verifying_key().to_string(), public);
    assert_eq!(VerifyingKey::from_text(public), Ok(key.verifying_key()));
    let signature = key.sign(b"message");
    assert_eq!(
        encode(&signature),
        concat!(
            "ppaouv4csdenz5x4rjxbgst7hz4u3xl6rerbbc6m2yqc7fo6kmvz",
            "fqrjrxeocynmfnpdmu7zfrnq4evn6jvt2rxhxuqfo4k7exj6ebi"
        )
    );
    assert!(key.verifying_key().verify(b"message", &signature));
    assert!(!key.verifying_key().verify(b"massage", &signature));
    let again = SigningKey::from_text(&key.to_text()).unwrap();
    assert_eq!(again.verifying_key(), key.verifying_key());
}

#[test]
fn debug_shows_no_secret() {
    let master = LeaseMaster::from_bytes(counting());
    let shown = format!("{master:?} {:?}", SigningKey::from_seed(&counting()));
    assert!(!shown.contains(&master.to_base32()), "{shown}");
}
