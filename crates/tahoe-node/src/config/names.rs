//! Every section and option that tahoe.cfg may have.

/// Options of the sections whose options are all known.
const SECTIONS: &[(&str, &[&str])] = &[
    (
        "node",
        &[
            "nickname",
            "web.port",
            "web.static",
            "web.hosts",
            "tub.port",
            "tub.location",
            "log_gatherer.furl",
            "timeout.keepalive",
            "timeout.disconnect",
            "tempdir",
            "reveal-ip-address",
        ],
    ),
    ("connections", &["tcp"]),
    (
        "tor",
        &[
            "enabled",
            "launch",
            "tor.executable",
            "control.port",
            "socks.port",
            "onion",
            "onion.local_port",
            "onion.external_port",
            "onion.private_key_file",
        ],
    ),
    (
        "i2p",
        &[
            "enabled",
            "sam.port",
            "launch",
            "i2p.configdir",
            "i2p.executable",
            "dest",
            "dest.port",
            "dest.private_key_file",
        ],
    ),
    (
        "client",
        &[
            "introducer.furl",
            "helper.furl",
            "vdrive.furl",
            "key_generator.furl",
            "shares.needed",
            "shares.happy",
            "shares.total",
            "shares._max_immutable_segment_size_for_testing",
            "mutable.format",
            "peers.preferred",
            "storage.plugins",
            "force_foolscap",
        ],
    ),
    (
        "storage",
        &[
            "enabled",
            "anonymous",
            "readonly",
            "reserved_space",
            "storage_dir",
            "debug_discard",
            "expire.enabled",
            "expire.mode",
            "expire.override_lease_duration",
            "expire.cutoff_date",
            "expire.immutable",
            "expire.mutable",
            "plugins",
            "grid_management",
            "force_foolscap",
        ],
    ),
    ("helper", &["enabled"]),
    ("vdrive", &["enabled", "database"]),
    (
        "sftpd",
        &[
            "enabled",
            "port",
            "host_pubkey_file",
            "host_privkey_file",
            "accounts.file",
        ],
    ),
];

/// Says whether a section may be there.
pub(super) fn is_section(section: &str) -> bool {
    is_free_section(section) || SECTIONS.iter().any(|(name, _)| *name == section)
}

/// Says whether an option may be in a section that may be there.
pub(super) fn is_option(section: &str, option: &str) -> bool {
    let known = |(name, options): &(&str, &[&str])| *name == section && options.contains(&option);
    is_free_section(section) || SECTIONS.iter().any(known)
}

/// Says whether a section's options are names that its owner chose.
fn is_free_section(section: &str) -> bool {
    matches!(section, "grid_managers" | "grid_manager_certificates")
        || section.starts_with("storageserver.plugins.")
        || section.starts_with("storageclient.plugins.")
}

/// Files in which nodes before version 1.3 kept single settings; none may be in a node directory.
///
/// `webport`, `introducer.furl` and `vdrive.furl` aren't here: a client of Tahoe as it was announced
/// has them, and so have ours.
pub(super) const PRE_1_3_FILES: &[&str] = &[
    "advertised_ip_addresses",
    "debug_discard_storage",
    "disconnect_timeout",
    "helper.furl",
    "keepalive_timeout",
    "key_generator.furl",
    "log_gatherer.furl",
    "nickname",
    "no_storage",
    "readonly_storage",
    "run_helper",
    "sizelimit",
    "stats_gatherer.furl",
];
