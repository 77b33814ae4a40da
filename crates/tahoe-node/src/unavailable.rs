//! Settings whose feature this version doesn't have.
//!
//! What would be silently ignored, though somebody counts on it, keeps the node from starting; each
//! row of the table says in one sentence what isn't available and what to do. Settings that merely
//! prepare such a feature, or that change nothing until it is there, are accepted: the FURL of a key
//! generator, the keys of an onion service that isn't asked for.

use crate::config::{Endpoint, Settings, TcpHandler, TubAddress};

/// A node directory asks for something that this version can't do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnavailableError {
    /// A setting.
    #[error("{setting} isn't available in this version: {advice}")]
    Setting {
        /// Which, as it is written.
        setting: &'static str,
        /// What to do.
        advice: &'static str,
    },
}

struct Row {
    setting: &'static str,
    is_set: fn(&Settings) -> bool,
    advice: &'static str,
}

const NO_ONION: &str = "it connects through a Tor or an I2P router that runs already, and can't be \
                        reached through one unless that is set up in the router";
const NO_PLUGIN: &str = "leave the setting out";

const TABLE: &[Row] = &[
    Row {
        setting: "[sftpd] enabled = true",
        is_set: |settings| settings.sftp.is_some(),
        advice: "set it to false; files are reached through the web interface",
    },
    Row {
        setting: "[node] log_gatherer.furl",
        is_set: |settings| settings.node.has_log_gatherer,
        advice: "leave it out; logs go to standard error",
    },
    Row {
        setting: "[connections] tcp = i2p",
        is_set: |settings| settings.tcp_handler == TcpHandler::I2p,
        advice: "an I2P router leads to I2P destinations only; tor and disabled hide the address",
    },
    Row {
        setting: "[tor] launch or onion = true",
        is_set: |settings| settings.tor.launch || settings.tor.onion,
        advice: NO_ONION,
    },
    Row {
        setting: "[tor] control.port without socks.port",
        is_set: |settings| settings.tor.enabled && settings.tor.is_found_by_control_port,
        advice: "name Tor's SOCKS port in socks.port, such as tcp:127.0.0.1:9050",
    },
    Row {
        setting: "[tor] socks.port other than tcp:HOST:PORT",
        is_set: |settings| settings.tor.enabled && settings.tor.socks.is_none(),
        advice: "name a port that Tor's SOCKS proxy listens on, such as tcp:127.0.0.1:9050",
    },
    Row {
        setting: "[connections] tcp = tor with [tor] enabled = false",
        is_set: |settings| settings.tcp_handler == TcpHandler::Tor && !settings.tor.enabled,
        advice: "enable tor, or set tcp to disabled",
    },
    Row {
        setting: "[i2p] launch or dest = true",
        is_set: |settings| settings.i2p.launch || settings.i2p.dest,
        advice: NO_ONION,
    },
    Row {
        setting: "[i2p] i2p.configdir without sam.port",
        is_set: |settings| settings.i2p.enabled && settings.i2p.is_found_by_configuration,
        advice: "name the port of the router's SAM bridge in sam.port, such as tcp:127.0.0.1:7656",
    },
    Row {
        setting: "[i2p] sam.port other than tcp:HOST:PORT",
        is_set: |settings| settings.i2p.enabled && settings.i2p.sam.is_none(),
        advice: "name a port that the SAM bridge listens on, such as tcp:127.0.0.1:7656",
    },
    Row {
        setting: "[node] tub.port other than tcp: or tcp6:",
        is_set: has_foreign_tub_port,
        advice: "name a TCP port, such as tcp:12345",
    },
    Row {
        setting: "[node] web.port other than tcp: or tcp6:",
        is_set: |settings| matches!(settings.node.web_port, Some(Endpoint::Other { .. })),
        advice: "name a TCP port on this machine, such as tcp:3456:interface=127.0.0.1",
    },
    Row {
        setting: "[client] storage.plugins",
        is_set: |settings| !settings.client.storage_plugins.is_empty(),
        advice: NO_PLUGIN,
    },
    Row {
        setting: "[storage] plugins",
        is_set: |settings| !settings.storage.plugins.is_empty(),
        advice: NO_PLUGIN,
    },
    Row {
        setting: "[storage] anonymous = false",
        is_set: |settings| settings.storage.enabled && !settings.storage.anonymous,
        advice: "only storage plugins, which it doesn't have, could reach the shares",
    },
];

fn has_foreign_tub_port(settings: &Settings) -> bool {
    let TubAddress::Listening {
        ports: Some(ports), ..
    } = &settings.node.tub
    else {
        return false;
    };
    ports
        .iter()
        .any(|port| matches!(port, Endpoint::Other { .. }))
}

/// Makes sure that a node's settings ask for nothing that this version would ignore.
pub fn refuse_unavailable(settings: &Settings) -> Result<(), UnavailableError> {
    match TABLE.iter().find(|row| (row.is_set)(settings)) {
        None => Ok(()),
        Some(row) => Err(UnavailableError::Setting {
            setting: row.setting,
            advice: row.advice,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        let temporary = tempfile::tempdir().unwrap();
        let settings = Settings::parse(text, temporary.path()).expect(text);
        refuse_unavailable(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn what_would_be_ignored_is_refused_by_name() {
        let cases = [
            ("[sftpd]\nenabled=true\n", "[sftpd] enabled"),
            (
                "[node]\nlog_gatherer.furl=pb://a@b/c\n",
                "[node] log_gatherer.furl",
            ),
            ("[connections]\ntcp=i2p\n", "[connections] tcp"),
            ("[tor]\nlaunch=true\n", "[tor] launch"),
            ("[tor]\nonion=true\n", "[tor] launch or onion"),
            (
                "[tor]\ncontrol.port=tcp:127.0.0.1:9051\n",
                "[tor] control.port",
            ),
            ("[tor]\nsocks.port=unix:/x\n", "[tor] socks.port"),
            (
                "[connections]\ntcp=tor\n[tor]\nenabled=no\n",
                "[connections] tcp = tor with",
            ),
            ("[i2p]\ndest=true\n", "[i2p] launch or dest"),
            ("[i2p]\ni2p.configdir=x\n", "[i2p] i2p.configdir"),
            ("[i2p]\nsam.port=unix:/x\n", "[i2p] sam.port"),
            ("[node]\ntub.port=tcp:1,listen:tor\n", "[node] tub.port"),
            ("[node]\nweb.port=ssl:443:privateKey=k\n", "[node] web.port"),
            (
                "[client]\nstorage.plugins=zkap\n",
                "[client] storage.plugins",
            ),
            ("[storage]\nplugins=zkap\n", "[storage] plugins"),
            ("[storage]\nanonymous=false\n", "[storage] anonymous"),
        ];
        for (text, setting) in cases {
            let message = check(text).expect_err(text);
            assert!(message.starts_with(setting), "{text:?} gave {message:?}");
            assert!(
                message.contains("isn't available in this version: "),
                "{message}"
            );
        }
    }

    #[test]
    fn what_changes_nothing_is_accepted() {
        for text in [
            "",
            "[client]\nhelper.furl=\nkey_generator.furl=pb://a@b/c\nmutable.format=mdmf\n",
            "[client]\nhelper.furl=None\n",
            "[tor]\nenabled=true\nsocks.port=tcp:127.0.0.1:9050\n[i2p]\nsam.port=tcp:127.0.0.1:1\n",
            "[helper]\nenabled=true\n",
            "[helper]\nenabled=false\n[sftpd]\nenabled=false\nport=tcp:8022\n",
            "[node]\ntimeout.keepalive=240\ntub.location=tor:x.onion:1\n",
            "[storageserver.plugins.zkap]\nx=y\n[grid_manager_certificates]\na=a.cert\n",
            "[storage]\nenabled=false\nanonymous=false\n",
            "[storage]\nforce_foolscap=true\n[client]\nforce_foolscap=true\n",
            "[connections]\ntcp=tor\n",
            "[node]\nreveal-IP-address=no\ntub.port=tcp:1\ntub.location=tor:x.onion:1\n\
             [connections]\ntcp=tor\n",
            "[tor]\nenabled=no\nsocks.port=unix:/x\ncontrol.port=x\n",
            "[i2p]\nenabled=no\ni2p.configdir=x\n",
            "[connections]\ntcp=disabled\n",
        ] {
            assert_eq!(check(text), Ok(()), "{text:?}");
        }
    }
}
