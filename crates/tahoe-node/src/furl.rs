//! NURLs: the FURL of a storage server, said for HTTPS.
//!
//! A NURL is `pb://HASH-OF-PUBLIC-KEY@host:port/swissnum#v=1`, and starts with `pb+tor:` for onion
//! services.

use crate::config::LocationHint;
use foolscap::Furl;
use tahoe_storage_http::{Nurl, NurlNetwork, SpkiHash, Swissnum};

/// Makes the NURLs for the `tcp:` and `tor:` hints of a FURL, given the hash of the certificate's
/// public key.
///
/// Hints that no NURL can express are left out.
pub(crate) fn nurls(furl: &Furl, key_hash: SpkiHash) -> Vec<Nurl> {
    let nurl = |hint: &String| {
        let (network, host, port) = match LocationHint::parse(hint).ok()? {
            LocationHint::Tcp {
                host,
                port,
                legacy: false,
            } => (NurlNetwork::Tcp, host, port),
            LocationHint::Tor { host, port } => (NurlNetwork::Tor, host, port),
            _ => return None,
        };
        let swissnum = Swissnum::new(furl.swissnum.as_str()).ok()?;
        Nurl::new(network, key_hash, host, port, swissnum).ok()
    };
    furl.hints.iter().filter_map(nurl).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nurls_are_for_tcp_and_tor_hints_only() {
        let furl =
            "pb://y3o76xcnlz2ozxc252v7sv5infn4cats@tcp:127.0.0.1:46423,tor:x.onion:1,b:2/dldo";
        let furl = Furl::parse(furl).unwrap();
        let nurls = nurls(&furl, SpkiHash::from_bytes([0xff; 32]));
        let nurls: Vec<String> = nurls.iter().map(Nurl::to_text).collect();
        let hash = "__________________________________________8";
        assert_eq!(
            nurls,
            [
                format!("pb://{hash}@127.0.0.1:46423/dldo#v=1"),
                format!("pb+tor://{hash}@x.onion:1/dldo#v=1"),
            ]
        );
    }
}
