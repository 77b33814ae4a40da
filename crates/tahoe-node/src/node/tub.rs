//! How the node's tubs behave.

use crate::config::{Settings, TcpHandler};
use foolscap::{HintHandlers, IdlePolicy, SocksHandler, TcpHandler as Direct, TubOptions};
use std::sync::Arc;
use std::time::Duration;

/// When a PING is sent unless `timeout.keepalive` says otherwise; the original's.
const KEEPALIVE: Duration = Duration::from_secs(240);

/// What tahoe.cfg says of tubs: how others are reached, and what their silence leads to.
pub(super) fn options(settings: &Settings) -> TubOptions {
    let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs);
    TubOptions {
        handlers: handlers(settings),
        idle: IdlePolicy {
            ping_after: seconds(settings.node.timeout_keepalive_seconds).or(Some(KEEPALIVE)),
            disconnect_after: seconds(settings.node.timeout_disconnect_seconds),
        },
        // Nothing in Tahoe passes on references to third parties' objects.
        accept_gifts: false,
        ..TubOptions::default()
    }
}

fn handlers(settings: &Settings) -> HintHandlers {
    let tor = settings.tor_socks.as_ref().filter(|_| settings.tor.enabled);
    let tor = tor.map(|proxy| Arc::new(SocksHandler::new(&proxy.host, proxy.port, "tor")));
    let mut handlers = HintHandlers::none();
    if let Some(tor) = &tor {
        handlers = handlers.with("tor", Arc::clone(tor) as _);
    }
    match (settings.tcp_handler, tor) {
        (TcpHandler::Tcp, _) => handlers.with("tcp", Arc::new(Direct)),
        (TcpHandler::Tor, Some(tor)) => handlers.with("tcp", tor),
        (TcpHandler::Tor | TcpHandler::I2p | TcpHandler::Disabled, _) => handlers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> TubOptions {
        options(&Settings::parse(text, std::path::Path::new("/")).unwrap())
    }

    #[test]
    fn hints_go_the_way_that_tahoe_cfg_says() {
        let table = [
            ("", Some("tcp"), Some("tor")),
            ("[connections]\ntcp=tor\n", Some("tor"), Some("tor")),
            ("[connections]\ntcp=disabled\n", None, Some("tor")),
            ("[tor]\nenabled=no\n", Some("tcp"), None),
            (
                "[tor]\nsocks.port=unix:/x\n[connections]\ntcp=tor\n",
                None,
                None,
            ),
        ];
        for (text, tcp, tor) in table {
            let handlers = of(text).handlers;
            let way = |hint| {
                handlers
                    .handler(hint)
                    .ok()
                    .map(|handler| handler.describe())
            };
            assert_eq!(way("tcp:a:1").as_deref(), tcp, "{text}");
            assert_eq!(way("tor:a.onion:1").as_deref(), tor, "{text}");
            assert_eq!(way("i2p:a"), None);
        }
    }

    #[test]
    fn silence_is_what_tahoe_cfg_says() {
        assert_eq!(of("").idle.ping_after, Some(Duration::from_secs(240)));
        assert_eq!(of("").idle.disconnect_after, None);
        let idle = of("[node]\ntimeout.keepalive=7\ntimeout.disconnect=9\n").idle;
        assert_eq!(idle.ping_after, Some(Duration::from_secs(7)));
        assert_eq!(idle.disconnect_after, Some(Duration::from_secs(9)));
    }
}
