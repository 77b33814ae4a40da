use super::*;
use crate::config::ExpirationMode;

fn parse(text: &str) -> Result<Settings, ConfigError> {
    Settings::parse(text, Path::new("/n"))
}

/// The error of a tahoe.cfg and its causes in one line.
fn complaint(text: &str) -> String {
    let error = parse(text).expect_err(text);
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let settings = parse("").unwrap();
    assert_eq!(settings.node.nickname, "<unspecified>");
    assert_eq!(settings.node.web_port, None);
    assert_eq!(settings.node.web_static, Path::new("/n/public_html"));
    let auto = TubAddress::Listening {
        ports: None,
        hints: vec![LocationHint::Auto],
    };
    assert_eq!(settings.node.tub, auto);
    assert!(settings.node.reveal_ip_address);
    let client = &settings.client;
    let shares = (
        client.shares_needed,
        client.shares_happy,
        client.shares_total,
    );
    assert_eq!(shares, (3, 7, 10));
    assert_eq!(client.max_segment_size_bytes, 1 << 20);
    assert!(settings.storage.enabled && settings.storage.anonymous);
    assert_eq!(settings.storage.reserved_space_bytes, 0);
    assert_eq!(settings.storage.directory, Path::new("/n/storage"));
    assert!(!settings.storage.expiration.enabled);
    assert!(settings.sftp.is_none() && !settings.helper_enabled);
}

#[test]
fn reads_every_kind_of_value() {
    let settings = parse(
        "[node]\nnickname = Ünï 100%%\nweb.port = tcp:3456:interface=127.0.0.1\n\
         tub.port = tcp:1:interface=127.0.0.1,tcp6:2\ntub.location = tcp:h:1,tor:x.onion:2\n\
         timeout.keepalive = 240\ntimeout.disconnect =\n\
         [client]\nhelper.furl =\nshares.needed = 2\nshares.total=5\nmutable.format = mdmf\n\
         peers.preferred = v0-a, v0-b\n\
         [storage]\nreserved_space = 1G\nstorage_dir = /elsewhere\nexpire.enabled = true\n\
         expire.mode = age\nexpire.override_lease_duration = 60 days\n",
    )
    .unwrap();
    assert_eq!(settings.node.nickname, "Ünï 100%");
    assert_eq!(settings.node.timeout_keepalive_seconds, Some(240));
    assert_eq!(settings.node.timeout_disconnect_seconds, None);
    let TubAddress::Listening { ports, hints } = &settings.node.tub else {
        panic!("it listens")
    };
    assert_eq!((ports.as_ref().unwrap().len(), hints.len()), (2, 2));
    assert!(settings.client.mutable_format_is_mdmf && settings.client.helper.is_none());
    assert_eq!(settings.client.peers_preferred, ["v0-a", "v0-b"]);
    assert_eq!(settings.storage.reserved_space_bytes, 1_000_000_000);
    assert_eq!(settings.storage.directory, Path::new("/elsewhere"));
    let age = ExpirationMode::Age {
        override_lease_duration_seconds: Some(60 * 86400),
    };
    assert_eq!(settings.storage.expiration.mode, age);
}

#[test]
fn names_what_is_wrong() {
    for (text, expected) in [
        (
            "[nodes]\n",
            "'/n/tahoe.cfg' contains unknown section [nodes]",
        ),
        (
            "[node]\nweb.prot = 1\n",
            "'/n/tahoe.cfg' section [node] contains unknown option 'web.prot'",
        ),
        (
            "[node\n",
            "/n/tahoe.cfg is not a configuration file: line 1",
        ),
        (
            "[node]\nnickname = 100%\n",
            "tahoe.cfg [node] nickname: a '%' must be written",
        ),
        (
            "[node]\ntub.port =\n",
            "tahoe.cfg [node] tub.port: must not be empty",
        ),
        (
            "[node]\ntub.port = 0\n",
            "tub.port cannot be 0: you must choose",
        ),
        (
            "[node]\ntub.port = tcp:0:interface=127.0.0.1\n",
            "tub.port cannot be 0: you must choose",
        ),
        (
            "[node]\ntub.port = disabled\n",
            "tahoe.cfg: tub.port is disabled, but not tub.location",
        ),
        (
            "[node]\nweb.port = x\n",
            "tahoe.cfg [node] web.port: must be an endpoint",
        ),
        (
            "[storage]\nreadonly =\n",
            "tahoe.cfg [storage] readonly: must be one of true",
        ),
        (
            "[storage]\nreserved_space = 5 GB\n",
            "tahoe.cfg [storage] reserved_space: must be a size",
        ),
        (
            "[storage]\nexpire.enabled = true\n",
            "tahoe.cfg is missing the [storage]expire.mode entry",
        ),
        (
            "[storage]\nexpire.mode = never\n",
            "tahoe.cfg [storage] expire.mode: must be age or",
        ),
        (
            "[storage]\nexpire.mode = cutoff-date\n",
            "tahoe.cfg is missing the [storage]expire.cutoff_date entry",
        ),
        (
            "[client]\nhelper.furl = pb://a@b/c # mine\n",
            "tahoe.cfg [client] helper.furl contained an unescaped '#' character",
        ),
        (
            "[client]\nintroducer.furl = None\n",
            "tahoe.cfg: [client] introducer.furl = None",
        ),
        (
            "[client]\nshares.needed = 0\n",
            "tahoe.cfg [client] shares.needed: must be a whole",
        ),
        (
            "[client]\nshares.needed = 11\n",
            "tahoe.cfg: [client] shares.needed is more than",
        ),
        (
            "[connections]\ntcp = udp\n",
            "tahoe.cfg [connections] tcp: must be tcp, tor or",
        ),
        (
            "[node]\nreveal-IP-address = false\n",
            "reveal-IP-address = false, but [connections] tcp = tcp would reveal it",
        ),
        (
            "[node]\nreveal-IP-address = no\n[connections]\ntcp = tor\n",
            "reveal-IP-address = false, but tub.location uses AUTO",
        ),
        (
            "[node]\nreveal-IP-address = no\ntub.location=h:1\n[connections]\ntcp = disabled\n",
            "reveal-IP-address = false, but tub.location includes a tcp: hint",
        ),
        (
            "[node]\ntub.port = disabled\ntub.location = disabled\n",
            "tahoe.cfg: [storage] enabled is true, but tub.port is disabled",
        ),
        (
            "[grid_managers]\nbob = pub-v0-x\n",
            "tahoe.cfg [grid_managers] bob: must be a public",
        ),
    ] {
        let found = complaint(text);
        assert!(found.starts_with(expected), "{text:?} gave {found:?}");
    }
}

#[test]
fn a_complaint_about_a_furl_does_not_repeat_it() {
    assert!(!complaint("[client]\nhelper.furl = pb://a@b/secret#\n").contains("secret"));
}

#[test]
fn files_from_before_1_3_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Settings::load(directory.path()).is_ok());
    std::fs::write(directory.path().join("nickname"), "1").unwrap();
    let error = Settings::load(directory.path()).unwrap_err();
    assert!(matches!(error, ConfigError::OldFiles(files) if files.len() == 1));
}
