//! Where a node really listens and what it really tells others, once tahoe.cfg left it open.

use crate::config::{Endpoint, LocationHint, TubAddress};
use crate::create::free_port;
use crate::directory::{DirectoryError, NodeDirectory};
use std::net::IpAddr;

/// Places to listen and hints for others, with nothing left to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TubListening {
    /// Where to listen.
    pub endpoints: Vec<Endpoint>,
    /// What others are told.
    pub hints: Vec<String>,
}

/// A node's address can't be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// A file of the node directory is in the way.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// `client.port` isn't one.
    #[error("client.port does not hold an endpoint such as tcp:12345")]
    BadPortFile,
    /// Neither tahoe.cfg nor `client.port` names a port, and none is free.
    #[error("cannot find a free port")]
    NoPort(#[source] std::io::Error),
    /// The machine's addresses can't be listed.
    #[error("cannot list this machine's addresses, which tub.location = AUTO needs")]
    NoAddresses(#[source] std::io::Error),
    /// AUTO makes hints of a TCP port, and there is none.
    #[error("tub.location = AUTO needs a tub.port that begins with tcp:")]
    AutoWithoutTcp,
}

impl NodeDirectory {
    /// Settles where the node listens; `None` if it doesn't.
    ///
    /// A port that tahoe.cfg doesn't name is read from `client.port`, or a free one is written there.
    pub fn tub_listening(
        &self,
        address: &TubAddress,
    ) -> Result<Option<TubListening>, AddressError> {
        let TubAddress::Listening { ports, hints } = address else {
            return Ok(None);
        };
        let endpoints = match ports {
            Some(ports) => ports.clone(),
            None => self.remembered_port()?,
        };
        let mut settled = Vec::new();
        for hint in hints {
            match hint {
                LocationHint::Auto => settled.extend(hints_of_this_machine(&endpoints)?),
                other => settled.push(other.to_string()),
            }
        }
        Ok(Some(TubListening {
            endpoints,
            hints: settled,
        }))
    }

    fn remembered_port(&self) -> Result<Vec<Endpoint>, AddressError> {
        let text = match self.read("client.port")? {
            Some(text) => text,
            None => {
                let text = format!("tcp:{}", free_port().map_err(AddressError::NoPort)?);
                self.write("client.port", &format!("{text}\n"))?;
                text
            }
        };
        let endpoints: Result<_, _> = text.split(',').map(Endpoint::parse).collect();
        endpoints.map_err(|_| AddressError::BadPortFile)
    }
}

fn hints_of_this_machine(endpoints: &[Endpoint]) -> Result<Vec<String>, AddressError> {
    let Some(Endpoint::Tcp(tcp)) = endpoints.first() else {
        return Err(AddressError::AutoWithoutTcp);
    };
    let interfaces = if_addrs::get_if_addrs().map_err(AddressError::NoAddresses)?;
    let addresses = interfaces
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(IpAddr::is_ipv4);
    Ok(addresses
        .map(|ip| format!("tcp:{ip}:{}", tcp.port))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn listening(directory: &NodeDirectory, text: &str) -> Result<TubListening, AddressError> {
        let settings = Settings::parse(text, directory.path()).unwrap();
        Ok(directory
            .tub_listening(&settings.node.tub)?
            .expect("it listens"))
    }

    #[test]
    fn a_port_is_chosen_once_and_remembered() {
        let temporary = tempfile::tempdir().unwrap();
        let node = NodeDirectory::new(temporary.path());
        let first = listening(&node, "").unwrap();
        assert_eq!(listening(&node, "").unwrap(), first);
        let [Endpoint::Tcp(tcp)] = &first.endpoints[..] else {
            panic!("one TCP port")
        };
        let remembered = std::fs::read_to_string(temporary.path().join("client.port")).unwrap();
        assert_eq!(remembered, format!("tcp:{}\n", tcp.port));
        assert!(first.hints.contains(&format!("tcp:127.0.0.1:{}", tcp.port)));
    }

    #[test]
    fn tahoe_cfg_comes_before_the_file() {
        let temporary = tempfile::tempdir().unwrap();
        let node = NodeDirectory::new(temporary.path());
        node.write("client.port", "nonsense").unwrap();
        assert!(matches!(
            listening(&node, ""),
            Err(AddressError::BadPortFile)
        ));
        let text = "[node]\ntub.port=tcp:5\ntub.location=tcp:h:6,AUTO,i2p:x";
        let hints = listening(&node, text).unwrap().hints;
        assert_eq!(hints.first().map(String::as_str), Some("tcp:h:6"));
        assert_eq!(hints.last().map(String::as_str), Some("i2p:x"));
        assert!(hints.contains(&"tcp:127.0.0.1:5".to_owned()));
        let tor = listening(&node, "[node]\ntub.port=listen:tor");
        assert!(matches!(tor, Err(AddressError::AutoWithoutTcp)));
        let disabled = "[node]\ntub.port=disabled\ntub.location=disabled\n[storage]\nenabled=no";
        let settings = Settings::parse(disabled, temporary.path()).unwrap();
        assert_eq!(node.tub_listening(&settings.node.tub).unwrap(), None);
    }
}
