//! What stands for the contents of a directory in the backup database.

use tahoe_crypto::hash;
use tahoe_encoding::{base32, netstring};

const TAG: &[u8] = b"allmydata_backupdb_dirhash_v1";

/// The hash of names and capabilities in the order of the names, in base32.
pub(super) fn directory_hash<'a>(children: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut children: Vec<(&str, &str)> = children.collect();
    children.sort_unstable();
    let mut data = Vec::new();
    for (name, cap) in children {
        netstring::push(&mut data, name.as_bytes());
        netstring::push(&mut data, cap.as_bytes());
    }
    base32::encode(&hash::tagged(TAG, &data))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Values of the reference's backupdb.
    #[test]
    fn known_hashes() {
        let none: [(&str, &str); 0] = [];
        assert_eq!(
            directory_hash(none.into_iter()),
            "5grsmybrmqd7jfna6gghvmacwclmrru6qndxhas44lwlkxfizb3q"
        );
        let two = [("b", "URI:LIT:a"), ("ü", "URI:CHK:x")];
        assert_eq!(
            directory_hash(two.into_iter()),
            "ancndxs2uwu7nman3sicrxf647auk35xbc655qh4l64tf2ajod3a"
        );
        let swapped = [two[1], two[0]];
        assert_eq!(
            directory_hash(swapped.into_iter()),
            "ancndxs2uwu7nman3sicrxf647auk35xbc655qh4l64tf2ajod3a"
        );
    }
}
