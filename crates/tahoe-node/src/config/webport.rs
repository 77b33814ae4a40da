//! The file `webport` of a node directory: where the web server listens, as Tahoe 0.2.0 had it.
//!
//! It holds a port number, which is one of this machine only, or an endpoint. tahoe.cfg may say the
//! same as `[node] web.port`; two places that say different things are an error.

use super::values::ValueError;
use super::{ConfigError, Endpoint, TcpEndpoint};
use std::net::Ipv4Addr;
use std::path::Path;

const FILE: &str = "webport";
const TAHOE_CFG: &str = "tahoe.cfg [node] web.port";

/// Where the web server listens, by the file and by what tahoe.cfg says.
pub(super) fn settle(
    directory: &Path,
    tahoe_cfg: Option<Endpoint>,
) -> Result<Option<Endpoint>, ConfigError> {
    let path = directory.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(tahoe_cfg),
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    let file = parse(&text).map_err(|source| ConfigError::BadFile { path, source })?;
    match tahoe_cfg {
        None => Ok(Some(file)),
        Some(other) if agree(&file, &other) => Ok(Some(other)),
        Some(_) => Err(ConfigError::Contradiction {
            one: "the file webport",
            other: TAHOE_CFG,
        }),
    }
}

fn parse(text: &str) -> Result<Endpoint, ValueError> {
    let text = text.trim();
    match text.parse() {
        Ok(port) => Ok(Endpoint::Tcp(TcpEndpoint {
            port,
            interface: Ipv4Addr::LOCALHOST.into(),
        })),
        Err(_) => Endpoint::parse(text),
    }
}

/// A number alone says nothing of the interface, so tahoe.cfg may.
fn agree(file: &Endpoint, tahoe_cfg: &Endpoint) -> bool {
    match (file, tahoe_cfg) {
        (Endpoint::Tcp(file), Endpoint::Tcp(tahoe_cfg)) if file.interface.is_loopback() => {
            file.port == tahoe_cfg.port
        }
        _ => file == tahoe_cfg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(file: &str, tahoe_cfg: &str) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), file).unwrap();
        let tahoe_cfg = Some(tahoe_cfg).filter(|text| !text.is_empty());
        let tahoe_cfg = tahoe_cfg.map(|text| Endpoint::parse(text).unwrap());
        match settle(directory.path(), tahoe_cfg) {
            Ok(Some(Endpoint::Tcp(endpoint))) => Ok(endpoint.to_string()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_number_is_a_port_of_this_machine_only() {
        let local = Ok("tcp:8123:interface=127.0.0.1".to_owned());
        assert_eq!(settled("8123\n", ""), local);
        assert_eq!(settled("tcp:8123", ""), Ok("tcp:8123".to_owned()));
        for bad in ["", "x", "99999999"] {
            assert!(settled(bad, "").unwrap_err().ends_with("webport"), "{bad}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(settle(empty.path(), None).unwrap(), None);
    }

    #[test]
    fn tahoe_cfg_may_say_the_same_and_nothing_else() {
        assert_eq!(settled("8123", "tcp:8123"), Ok("tcp:8123".to_owned()));
        let local = "tcp:8123:interface=127.0.0.1";
        assert_eq!(settled("8123", local), Ok(local.to_owned()));
        for (file, tahoe_cfg) in [("8123", "tcp:3456"), ("tcp:8123", local)] {
            let error = settled(file, tahoe_cfg).unwrap_err();
            assert!(error.contains("the file webport and tahoe.cfg [node] web.port"));
        }
    }
}
