//! Where a node listens and what it tells others to connect to.
//!
//! An endpoint is written as Twisted does: a kind, then positional and named arguments separated by
//! colons, a backslash before a character that shall stand for itself:
//! `tcp:3456:interface=127.0.0.1`, `tcp6:3456:interface=\:\:1`. A location hint says how others reach
//! the node: `tcp:example.org:12345`.

use super::values::ValueError;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A place to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// A TCP port.
    Tcp(TcpEndpoint),
    /// Something this version can't listen on, such as `listen:tor`, `ssl:…` or `unix:…`.
    Other {
        /// The word before the first colon, or the whole text of `listen:tor` and `listen:i2p`.
        kind: String,
    },
}

/// A TCP port on one or all interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpEndpoint {
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// The address to listen on; a whole family's wildcard if the text names none.
    pub interface: IpAddr,
}

impl Endpoint {
    /// Reads an endpoint; a bare number is a TCP port.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return Self::tcp(&[(None, text.to_owned())], Ipv4Addr::UNSPECIFIED.into());
        }
        // Twisted's strports lets the kind be left out before a port.
        let text = match text.bytes().next() {
            Some(b'0'..=b'9') => format!("tcp:{text}"),
            _ => text.to_owned(),
        };
        let (kind, rest) = text.split_once(':').ok_or(ValueError::NotAnEndpoint)?;
        match kind {
            "tcp" => Self::tcp(&arguments(rest), Ipv4Addr::UNSPECIFIED.into()),
            "tcp6" => Self::tcp(&arguments(rest), Ipv6Addr::UNSPECIFIED.into()),
            "listen" => Ok(Self::Other { kind: text }),
            "" => Err(ValueError::NotAnEndpoint),
            _ => Ok(Self::Other {
                kind: kind.to_owned(),
            }),
        }
    }

    fn tcp(arguments: &[(Option<String>, String)], any: IpAddr) -> Result<Self, ValueError> {
        let argument = |position: usize, name: &str| {
            let mut positional = arguments.iter().filter(|(n, _)| n.is_none());
            let named = arguments.iter().find(|(n, _)| n.as_deref() == Some(name));
            named
                .or_else(|| positional.nth(position))
                .map(|(_, value)| value.as_str())
        };
        let known = ["port", "interface", "backlog"];
        let unknown = |(name, _): &(Option<String>, String)| {
            name.as_ref().is_some_and(|n| !known.contains(&n.as_str()))
        };
        if arguments.iter().any(unknown) {
            return Err(ValueError::NotAnEndpoint);
        }
        let port = argument(0, "port").and_then(|p| p.parse().ok());
        let port = port.ok_or(ValueError::NotAnEndpoint)?;
        let interface = match argument(1, "interface") {
            None | Some("") => any,
            Some("localhost") => Ipv4Addr::LOCALHOST.into(),
            Some(address) => address.parse().map_err(|_| ValueError::NotAnEndpoint)?,
        };
        Ok(Self::Tcp(TcpEndpoint { port, interface }))
    }
}

impl fmt::Display for TcpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.interface {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => write!(f, "tcp:{}", self.port),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => write!(f, "tcp6:{}", self.port),
            IpAddr::V4(address) => write!(f, "tcp:{}:interface={address}", self.port),
            IpAddr::V6(address) => {
                let address = address.to_string().replace(':', "\\:");
                write!(f, "tcp6:{}:interface={address}", self.port)
            }
        }
    }
}

/// Splits `a:name=value:…`, a backslash taking the next character as it is.
fn arguments(text: &str) -> Vec<(Option<String>, String)> {
    let mut all = Vec::new();
    let (mut name, mut value) = (None, String::new());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => value.extend(characters.next()),
            '=' if name.is_none() => name = Some(std::mem::take(&mut value)),
            ':' => all.push((name.take(), std::mem::take(&mut value))),
            _ => value.push(c),
        }
    }
    all.push((name, value));
    all
}

/// One way to reach a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocationHint {
    /// `tcp:host:port`, or `host:port` as old nodes write it.
    Tcp {
        /// A name or address; brackets around an IPv6 address are left out.
        host: String,
        /// The port.
        port: u16,
        /// Whether it was written without `tcp:`, which makes it a hint for Foolscap only.
        legacy: bool,
    },
    /// `tor:name.onion:port`.
    Tor {
        /// The name, ending in `.onion`.
        host: String,
        /// The port.
        port: u16,
    },
    /// Another kind, kept as it is written.
    Other(String),
    /// `AUTO`: every address of this machine.
    Auto,
}

impl LocationHint {
    /// Reads one hint.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        if text == "AUTO" {
            return Ok(Self::Auto);
        }
        let (kind, rest) = text.split_once(':').ok_or(ValueError::NotALocation)?;
        match kind {
            "tcp" => {
                let (host, port) = host_and_port(rest)?;
                Ok(Self::Tcp {
                    host,
                    port,
                    legacy: false,
                })
            }
            "tor" => {
                let (host, port) = host_and_port(rest)?;
                Ok(Self::Tor { host, port })
            }
            _ if !kind.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) => {
                let (host, port) = host_and_port(text)?;
                Ok(Self::Tcp {
                    host,
                    port,
                    legacy: true,
                })
            }
            _ => Ok(Self::Other(text.to_owned())),
        }
    }
}

impl fmt::Display for LocationHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, legacy } => {
                let kind = if *legacy { "" } else { "tcp:" };
                match host.contains(':') {
                    true => write!(f, "{kind}[{host}]:{port}"),
                    false => write!(f, "{kind}{host}:{port}"),
                }
            }
            Self::Tor { host, port } => write!(f, "tor:{host}:{port}"),
            Self::Other(text) => f.write_str(text),
            Self::Auto => f.write_str("AUTO"),
        }
    }
}

fn host_and_port(text: &str) -> Result<(String, u16), ValueError> {
    let (host, port) = text.rsplit_once(':').ok_or(ValueError::NotALocation)?;
    let port = port.parse().map_err(|_| ValueError::NotALocation)?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = match bare {
        Some(address) if address.parse::<Ipv6Addr>().is_ok() => address,
        Some(_) => return Err(ValueError::NotALocation),
        None if host.is_empty() || host.contains([':', '/', '@']) => {
            return Err(ValueError::NotALocation);
        }
        None => host,
    };
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, port: u16, interface: &str) {
        let expected = TcpEndpoint {
            port,
            interface: interface.parse().unwrap(),
        };
        assert_eq!(Endpoint::parse(text), Ok(Endpoint::Tcp(expected)), "{text}");
    }

    #[test]
    fn endpoints_are_written_as_twisted_does() {
        check("3456", 3456, "0.0.0.0");
        check("tcp:3456", 3456, "0.0.0.0");
        check("tcp:port=3456:interface=127.0.0.1", 3456, "127.0.0.1");
        check("3456:interface=127.0.0.1", 3456, "127.0.0.1");
        check("tcp:3456:interface=localhost:backlog=5", 3456, "127.0.0.1");
        check("tcp:0:interface=127.0.0.1", 0, "127.0.0.1");
        check("tcp6:3456", 3456, "::");
        check("tcp6:3456:interface=\\:\\:1", 3456, "::1");
        for other in [
            "listen:tor",
            "ssl:443:privateKey=k",
            "unix:/run/x",
            "systemd:domain=INET",
        ] {
            assert!(
                matches!(Endpoint::parse(other), Ok(Endpoint::Other { .. })),
                "{other}"
            );
        }
        for bad in [
            "",
            "tcp",
            "tcp:",
            "tcp:x",
            "tcp:70000",
            "tcp:1:color=red",
            ":1",
        ] {
            assert_eq!(
                Endpoint::parse(bad),
                Err(ValueError::NotAnEndpoint),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn hints() {
        let tcp = |host: &str, legacy| LocationHint::Tcp {
            host: host.to_owned(),
            port: 80,
            legacy,
        };
        for (text, hint) in [
            ("tcp:example.org:80", tcp("example.org", false)),
            ("tcp:[::1]:80", tcp("::1", false)),
            ("example.org:80", tcp("example.org", true)),
            ("AUTO", LocationHint::Auto),
            (
                "i2p:abc.b32.i2p:80",
                LocationHint::Other("i2p:abc.b32.i2p:80".to_owned()),
            ),
        ] {
            assert_eq!(LocationHint::parse(text), Ok(hint), "{text}");
        }
        for bad in [
            "",
            "x",
            "tcp:x",
            "tcp::80",
            "tcp:::1:80",
            "tcp:[x]:80",
            "tcp:a:b",
            "tcp:a@b:1",
        ] {
            assert_eq!(
                LocationHint::parse(bad),
                Err(ValueError::NotALocation),
                "{bad:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_a_printed_endpoint_reads_back(text in "[a-z0-9:=\\\\.]{0,40}") {
            if let Ok(Endpoint::Tcp(endpoint)) = Endpoint::parse(&text) {
                let again = Endpoint::parse(&endpoint.to_string());
                prop_assert_eq!(again, Ok(Endpoint::Tcp(endpoint)));
            }
            if let Ok(hint) = LocationHint::parse(&text) {
                prop_assert_eq!(LocationHint::parse(&hint.to_string()), Ok(hint));
            }
        }
    }
}
