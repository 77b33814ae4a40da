//! tahoe.cfg, endpoints and hints: any text is read or refused, and what can be written again means
//! the same.
#![no_main]

// Only this module: the crate around it would bring a whole node with it.
#[allow(dead_code, unused_imports, unreachable_pub, reason = "a part of the module is of use here")]
#[path = "../../crates/tahoe-node/src/config/mod.rs"]
mod config;

use config::{Endpoint, Ini, LocationHint, Settings};
use std::path::Path;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(ini) = Ini::parse(text) {
        for section in ini.sections() {
            for option in ini.options(section) {
                let _ = ini.get(section, option).is_ok();
            }
        }
    }
    let _ = Settings::parse(text, Path::new("/node")).is_ok();
    if let Ok(Endpoint::Tcp(endpoint)) = Endpoint::parse(text) {
        assert!(Endpoint::parse(&endpoint.to_string()) == Ok(Endpoint::Tcp(endpoint)));
    }
    if let Ok(hint) = LocationHint::parse(text) {
        assert!(LocationHint::parse(&hint.to_string()) == Ok(hint));
    }
});
