use super::*;
use std::os::unix::fs::PermissionsExt as _;

fn node() -> (tempfile::TempDir, NodeDirectory) {
    let temporary = tempfile::tempdir().unwrap();
    let directory = NodeDirectory::new(temporary.path());
    directory.create_private().unwrap();
    (temporary, directory)
}

fn content(directory: &NodeDirectory, name: &str) -> String {
    std::fs::read_to_string(directory.file(name)).unwrap()
}

#[test]
fn makes_every_key_once_and_reads_it_back() {
    let (_temporary, node) = node();
    let key = node.signing_key().unwrap();
    assert_eq!(node.signing_key().unwrap().to_text(), key.to_text());
    assert_eq!(
        content(&node, "node.pubkey"),
        format!("{}\n", key.verifying_key())
    );
    assert_eq!(
        content(&node, "private/node.privkey"),
        format!("{}\n", key.to_text())
    );

    let tub = node.tub_certificate().unwrap();
    assert_eq!(node.tub_certificate().unwrap().tub_id(), tub.tub_id());
    assert_eq!(content(&node, "my_nodeid"), format!("{}\n", tub.tub_id()));

    assert_eq!(node.lease_master().unwrap(), node.lease_master().unwrap());
    assert_eq!(content(&node, "private/secret").len(), 53);
    assert!(node.convergence_secret().unwrap() == node.convergence_secret().unwrap());

    let hints = ["tcp:127.0.0.1:1".to_owned()];
    let furl = node.storage_furl(tub.tub_id(), &hints).unwrap();
    assert_eq!(furl.swissnum.as_str().len(), 32);
    let moved = node
        .storage_furl(tub.tub_id(), &["tcp:h:2".to_owned()])
        .unwrap();
    assert_eq!(
        (moved.swissnum.clone(), moved.hints[0].as_str()),
        (furl.swissnum, "tcp:h:2")
    );
    assert_eq!(
        content(&node, "private/storage.furl"),
        format!("{}\n", *moved.to_text())
    );

    let token = node.renew_api_auth_token().unwrap();
    assert_eq!(token.len(), 44);
    assert_ne!(node.renew_api_auth_token().unwrap(), token);
}

#[test]
fn secrets_are_readable_by_their_owner_only() {
    let (_temporary, node) = node();
    node.signing_key().unwrap();
    node.tub_certificate().unwrap();
    node.lease_master().unwrap();
    node.renew_api_auth_token().unwrap();
    for entry in std::fs::read_dir(node.file("private")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn the_permutation_seed_of_a_new_server_is_the_text_of_its_key() {
    let (_temporary, node) = node();
    let (key, tub) = (node.signing_key().unwrap(), TubId::from_bytes([7; 20]));
    let storage = node.file("storage");
    let seed = node.permutation_seed(&key, tub, &storage).unwrap();
    let text = String::from_utf8(base32::decode(&seed).unwrap()).unwrap();
    assert_eq!(key.verifying_key().to_string(), format!("pub-v0-{text}"));
    // Once decided, shares that come later don't change it.
    std::fs::create_dir_all(storage.join("shares/aa")).unwrap();
    assert_eq!(node.permutation_seed(&key, tub, &storage).unwrap(), seed);
}

#[test]
fn a_server_with_shares_keeps_its_tub_id_as_permutation_seed() {
    let (_temporary, node) = node();
    let (key, tub) = (node.signing_key().unwrap(), TubId::from_bytes([7; 20]));
    let storage = node.file("storage");
    std::fs::create_dir_all(storage.join("shares/incoming")).unwrap();
    std::fs::create_dir_all(storage.join("shares/aa")).unwrap();
    assert_eq!(
        node.permutation_seed(&key, tub, &storage).unwrap(),
        tub.to_string()
    );
}

#[test]
fn a_file_that_holds_something_else_is_named() {
    let (_temporary, node) = node();
    for name in ["node.privkey", "secret", "convergence", "storage.furl"] {
        node.write_private(name, "nonsense!").unwrap();
    }
    let tub = TubId::from_bytes([7; 20]);
    let errors = [
        node.signing_key().map(drop).unwrap_err(),
        node.lease_master().map(drop).unwrap_err(),
        node.convergence_secret().map(drop).unwrap_err(),
        node.storage_furl(tub, &[]).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, DirectoryError::Malformed { .. }), "{error}");
        assert!(!error.to_string().contains("nonsense"));
    }
    node.write_private("node.pem", "nonsense!").unwrap();
    let error = node.tub_certificate().unwrap_err();
    assert!(matches!(error, DirectoryError::Certificate { .. }));
    let furl = "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@tcp:h:1/swissnum";
    node.write_private("storage.furl", furl).unwrap();
    let error = node.storage_furl(tub, &[]).unwrap_err();
    assert!(matches!(error, DirectoryError::ForeignFurl { .. }));
}

#[test]
fn the_tac_file_tells_the_kind() {
    let (_temporary, node) = node();
    assert_eq!(node.kind().unwrap(), None);
    node.write("introducer.furl", "").unwrap();
    assert_eq!(node.kind().unwrap(), Some(NodeKind::Client));
    node.write("tahoe-introducer.tac", "").unwrap();
    assert_eq!(node.kind().unwrap(), Some(NodeKind::Introducer));
    assert!(NodeDirectory::new("/no/such").kind().is_err());
}

#[test]
fn an_introducers_furl_is_moved_to_where_it_belongs() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = NodeDirectory::new(temporary.path());
    directory.create_private().unwrap();
    let tub = TubId::from_bytes([7; 20]);
    let hints = ["tcp:127.0.0.1:1".to_owned()];
    let furl = directory.introducer_furl(tub, &hints).unwrap();
    let path = directory.private_file("introducer.furl");
    std::fs::rename(&path, directory.file("introducer.furl")).unwrap();
    let moved = ["tcp:127.0.0.1:2".to_owned(), "tor:x.onion:3".to_owned()];
    let again = directory.introducer_furl(tub, &moved).unwrap();
    assert_eq!(again.swissnum.as_str(), furl.swissnum.as_str());
    assert_eq!(again.hints, moved);
    assert!(path.exists() && !directory.file("introducer.furl").exists());
    directory.write("introducer.furl", "pb://old").unwrap();
    let both = directory.introducer_furl(tub, &hints);
    assert!(matches!(both, Err(DirectoryError::TwoFurls { .. })));
}

#[test]
fn announcements_are_counted_across_starts() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = NodeDirectory::new(temporary.path());
    let (first, nonce) = directory.next_announcement().unwrap();
    let (second, other) = directory.next_announcement().unwrap();
    assert_eq!((first, second), (1, 2));
    assert_eq!(nonce.len(), 52);
    assert_ne!(nonce, other);
    let written = std::fs::read_to_string(directory.file("announcement-seqnum")).unwrap();
    assert_eq!(written, "2\n");
    directory.write("announcement-seqnum", "two\n").unwrap();
    assert!(directory.next_announcement().is_err());
}
