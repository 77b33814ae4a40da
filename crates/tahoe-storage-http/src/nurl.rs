//! NURLs: where a storage service is, which key it has, and the secret that opens it.
//!
//! ```text
//! pb://<SHA-256 of the key, unpadded base64url>@<host>:<port>/<swissnum>#v=1
//! ```
//!
//! The hash is over the DER of the certificate's SubjectPublicKeyInfo. The fragment tells a NURL
//! from a FURL; `pb+tor` says that the host is an onion service.

use data_encoding::BASE64URL_NOPAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::net::Ipv6Addr;
use std::str::FromStr;
use subtle::ConstantTimeEq as _;

/// Longest NURL that is read, in bytes.
const MAX_LENGTH: usize = 2048;
/// What a swissnum holds unescaped: RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text isn't a NURL. The text itself isn't told: it may hold a swissnum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NurlError {
    /// It is longer than any NURL.
    #[error("longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// It begins with neither `pb://` nor `pb+tor://`.
    #[error("the scheme is neither pb nor pb+tor")]
    UnknownScheme,
    /// It doesn't end with `#v=1`.
    #[error("not version 1: it must end with #v=1")]
    UnknownVersion,
    /// What stands before `@` isn't the unpadded base64url of 32 bytes.
    #[error("bad key hash")]
    BadKeyHash,
    /// There is no host, or not one that can be looked up.
    #[error("bad host")]
    BadHost,
    /// There is no port from 1 to 65535.
    #[error("bad port")]
    BadPort,
    /// The swissnum is missing or isn't one segment of printable ASCII.
    #[error("bad swissnum")]
    BadSwissnum,
}

/// SHA-256 of a server's SubjectPublicKeyInfo, which its clients pin.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpkiHash([u8; 32]);

impl SpkiHash {
    /// Takes the hash as it is.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for SpkiHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl std::fmt::Debug for SpkiHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SpkiHash({self})")
    }
}

impl FromStr for SpkiHash {
    type Err = NurlError;

    fn from_str(text: &str) -> Result<Self, NurlError> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
        let bytes = bytes.map_err(|_| NurlError::BadKeyHash)?;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| NurlError::BadKeyHash)
    }
}

/// The secret that authorises a client to use a storage service.
#[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Swissnum(String);

impl Swissnum {
    /// Takes printable ASCII without `/`; at most 256 characters.
    pub fn new(text: impl Into<String>) -> Result<Self, NurlError> {
        let text = Self(text.into());
        let printable = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
        if (1..=256).contains(&text.0.len()) && text.0.bytes().all(printable) {
            Ok(text)
        } else {
            Err(NurlError::BadSwissnum)
        }
    }

    /// The text: for a NURL, a header or a private file, never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Swissnum {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Swissnum {}

impl std::fmt::Debug for Swissnum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Swissnum(…)")
    }
}

/// What a client connects through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NurlNetwork {
    /// TCP to the host.
    Tcp,
    /// TCP to an onion service through Tor.
    Tor,
}

impl NurlNetwork {
    fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "pb",
            Self::Tor => "pb+tor",
        }
    }
}

/// Address, pinned key and secret of an HTTPS storage service.
#[derive(Clone, PartialEq, Eq)]
pub struct Nurl {
    network: NurlNetwork,
    key_hash: SpkiHash,
    host: String,
    port: u16,
    swissnum: Swissnum,
}

impl Nurl {
    /// Makes the NURL of a service; `host` is a name or an address, IPv6 without brackets.
    pub fn new(
        network: NurlNetwork,
        key_hash: SpkiHash,
        host: impl Into<String>,
        port: u16,
        swissnum: Swissnum,
    ) -> Result<Self, NurlError> {
        let host = host.into();
        if !is_host(&host) {
            return Err(NurlError::BadHost);
        }
        if port == 0 {
            return Err(NurlError::BadPort);
        }
        Ok(Self {
            network,
            key_hash,
            host,
            port,
            swissnum,
        })
    }

    /// What the client connects through.
    pub fn network(&self) -> NurlNetwork {
        self.network
    }

    /// Whether it leads through Tor.
    pub fn is_onion(&self) -> bool {
        // Such a name is never looked up, whatever the scheme says.
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        self.network == NurlNetwork::Tor || host.ends_with(".onion")
    }

    /// The key that the server must have.
    pub fn key_hash(&self) -> &SpkiHash {
        &self.key_hash
    }

    /// Name or address, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The secret.
    pub fn swissnum(&self) -> &Swissnum {
        &self.swissnum
    }

    /// Host and port as they stand in a URL; holds no secret.
    pub fn authority(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }

    /// Spells the whole NURL, swissnum included: for announcements and private files, never a log.
    pub fn to_text(&self) -> String {
        format!(
            "{}://{}@{}/{}#v=1",
            self.network.scheme(),
            self.key_hash,
            self.authority(),
            utf8_percent_encode(self.swissnum.as_str(), ESCAPED)
        )
    }
}

impl std::fmt::Debug for Nurl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, key, authority) = (self.network.scheme(), self.key_hash, self.authority());
        write!(f, "Nurl({scheme}://{key}@{authority}/…)")
    }
}

impl FromStr for Nurl {
    type Err = NurlError;

    fn from_str(text: &str) -> Result<Self, NurlError> {
        if text.len() > MAX_LENGTH {
            return Err(NurlError::TooLong);
        }
        let (network, rest) = if let Some(rest) = text.strip_prefix("pb://") {
            (NurlNetwork::Tcp, rest)
        } else if let Some(rest) = text.strip_prefix("pb+tor://") {
            (NurlNetwork::Tor, rest)
        } else {
            return Err(NurlError::UnknownScheme);
        };
        let rest = rest.strip_suffix("#v=1").ok_or(NurlError::UnknownVersion)?;
        let (key_hash, rest) = rest.split_once('@').ok_or(NurlError::BadKeyHash)?;
        let (authority, swissnum) = rest.split_once('/').ok_or(NurlError::BadSwissnum)?;
        let (host, port) = split_authority(authority)?;
        Self::new(
            network,
            key_hash.parse()?,
            host,
            port,
            parse_swissnum(swissnum)?,
        )
    }
}

fn split_authority(authority: &str) -> Result<(&str, u16), NurlError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once("]:").ok_or(NurlError::BadHost)?;
        host.parse::<Ipv6Addr>().map_err(|_| NurlError::BadHost)?;
        (host, port)
    } else {
        let (host, port) = authority.rsplit_once(':').ok_or(NurlError::BadPort)?;
        if host.contains(':') {
            return Err(NurlError::BadHost);
        }
        (host, port)
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits);
    Ok((host, port.ok_or(NurlError::BadPort)?))
}

fn parse_swissnum(text: &str) -> Result<Swissnum, NurlError> {
    if text.contains(['/', '?', '#']) {
        return Err(NurlError::BadSwissnum);
    }
    let decoded = percent_decode_str(text).decode_utf8();
    Swissnum::new(decoded.map_err(|_| NurlError::BadSwissnum)?)
}

/// Says whether a text can be a host name, an IPv4 address or an IPv6 address.
fn is_host(text: &str) -> bool {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().is_ok();
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASH: &str = "H3vyNyCBRSIIeS-6Jwe4Y_0MQLlUXq9VdKC0QLhcs_A";

    fn check_error(text: &str, expected: NurlError) {
        assert_eq!(text.parse::<Nurl>(), Err(expected), "{text}");
    }

    #[test]
    fn reads_what_the_reference_prints() {
        let text = format!("pb://{HASH}@127.0.0.1:44345/abcdefghijklmnop#v=1");
        let nurl: Nurl = text.parse().unwrap();
        assert_eq!(nurl.network(), NurlNetwork::Tcp);
        assert_eq!((nurl.host(), nurl.port()), ("127.0.0.1", 44345));
        assert_eq!(nurl.swissnum().as_str(), "abcdefghijklmnop");
        assert_eq!(nurl.key_hash().to_string(), HASH);
        assert_eq!(nurl.to_text(), text);
    }

    #[test]
    fn knows_ipv6_tor_and_escapes() {
        for (tail, host, swissnum) in [
            ("[2001:db8::1]:3457/s", "2001:db8::1", "s"),
            ("example.org:1/a%20b", "", ""),
            (
                "storage_1.example.org:65535/a%2Bb",
                "storage_1.example.org",
                "a+b",
            ),
        ] {
            let text = format!("pb+tor://{HASH}@{tail}#v=1");
            let parsed = text.parse::<Nurl>();
            if host.is_empty() {
                assert_eq!(parsed, Err(NurlError::BadSwissnum));
                continue;
            }
            let nurl = parsed.unwrap();
            assert_eq!(nurl.network(), NurlNetwork::Tor);
            assert_eq!((nurl.host(), nurl.swissnum().as_str()), (host, swissnum));
            assert_eq!(nurl.to_text(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_a_nurl() {
        use NurlError::*;
        let with = |middle: &str| format!("pb://{HASH}@{middle}");
        check_error(&"x".repeat(3000), TooLong);
        check_error("http://x@h:1/s#v=1", UnknownScheme);
        check_error(&with("h:1/s"), UnknownVersion);
        check_error(&with("h:1/s#v=2"), UnknownVersion);
        check_error("pb://short@h:1/s#v=1", BadKeyHash);
        check_error(&format!("pb://{HASH}=@h:1/s#v=1"), BadKeyHash);
        check_error("pb://h:1/s#v=1", BadKeyHash);
        check_error(&with("h/s#v=1"), BadPort);
        check_error(&with("h:0/s#v=1"), BadPort);
        check_error(&with("h:65536/s#v=1"), BadPort);
        check_error(&with("h:+1/s#v=1"), BadPort);
        check_error(&with(":1/s#v=1"), BadHost);
        check_error(&with("a b:1/s#v=1"), BadHost);
        check_error(&with("::1:1/s#v=1"), BadHost);
        check_error(&with("[::1/s#v=1"), BadHost);
        check_error(&with("[h]:1/s#v=1"), BadHost);
        check_error(&with("h:1#v=1"), BadSwissnum);
        check_error(&with("h:1/#v=1"), BadSwissnum);
        check_error(&with("h:1/a/b#v=1"), BadSwissnum);
        check_error(&with("h:1/a%2Fb#v=1"), BadSwissnum);
        check_error(&with("h:1/a%ffb#v=1"), BadSwissnum);
        check_error(&with("h:1/s?x#v=1"), BadSwissnum);
    }

    #[test]
    fn hides_the_swissnum() {
        let nurl: Nurl = format!("pb://{HASH}@h:1/secret#v=1").parse().unwrap();
        assert!(!format!("{nurl:?} {:?}", nurl.swissnum()).contains("secret"));
    }

    proptest! {
        #[test]
        fn round_trips(
            hash: [u8; 32],
            host in "[a-z0-9][a-z0-9.-]{0,40}|[0-9a-f]{1,4}::[0-9a-f]{1,4}",
            port in 1..=u16::MAX,
            swissnum in "[!-.0-~]{1,60}",
            tor: bool,
        ) {
            let network = if tor { NurlNetwork::Tor } else { NurlNetwork::Tcp };
            let swissnum = Swissnum::new(swissnum).unwrap();
            let hash = SpkiHash::from_bytes(hash);
            let nurl = Nurl::new(network, hash, host, port, swissnum).unwrap();
            prop_assert_eq!(nurl.to_text().parse::<Nurl>().unwrap(), nurl);
        }

        #[test]
        fn any_text_is_read_or_refused(text: String, tail: String) {
            drop(text.parse::<Nurl>());
            let text = format!("pb://{HASH}@{tail}#v=1");
            if let Ok(nurl) = text.parse::<Nurl>() {
                prop_assert_eq!(nurl.to_text().parse::<Nurl>().unwrap(), nurl);
            }
        }
    }
}
