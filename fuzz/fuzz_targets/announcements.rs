//! Announcements as introducers pass them on, and as caches and `servers.yaml` keep them.
#![no_main]

use tahoe_crypto::SigningKey;
use tahoe_introducer::{Announcement, SignedAnnouncement, read_cache, write_cache};

// Only these modules: the crate around them would bring a whole client with it.
#[allow(dead_code, unreachable_pub, reason = "a part of the module is of use here")]
#[path = "../../crates/tahoe-client/src/broker/announcement.rs"]
mod announcement;
#[allow(dead_code, unreachable_pub, reason = "a part of the module is of use here")]
#[path = "../../crates/tahoe-client/src/broker/overrides.rs"]
mod overrides;
#[allow(dead_code, unreachable_pub, reason = "a part of the module is of use here")]
#[path = "../../crates/tahoe-storage-http/src/nurl.rs"]
mod nurl;
// Where the first of them looks for NURLs.
extern crate self as tahoe_storage_http;
pub use nurl::{Nurl, NurlNetwork};

use announcement::ServerEntry;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let parts: Vec<&[u8]> = text.splitn(3, '\n').map(str::as_bytes).collect();
    if let [signature, key, message] = parts[..]
        && let Ok(signed) = SignedAnnouncement::from_parts(message, signature, key)
    {
        let _ = signed.verify().is_ok();
    }
    let key = SigningKey::from_seed(&[7; 32]);
    if let Ok(fields) = serde_json::from_str(text)
        && let Ok(announcement) = Announcement::from_fields(fields)
    {
        let (server, read) = SignedAnnouncement::sign(&announcement, &key).verify().unwrap();
        assert!(read == announcement && read_cache(&write_cache([(&server, &read)])).is_ok());
        let _ = ServerEntry::announced(&server, &read).announcement.is_ok();
    }
    if let Ok(cached) = read_cache(text) {
        let written = write_cache(cached.iter().map(|(server, ann)| (server, ann)));
        assert_eq!(read_cache(&written).unwrap().len(), cached.len());
    }
    let _ = ServerEntry::parse_servers_yaml(text).is_ok();
});
