//! How the node's tubs behave.

use crate::config::{Settings, TcpHandler};
use foolscap::{
    HintHandlers, IdlePolicy, SamHandler, SocksHandler, TcpHandler as Direct, TubOptions,
};
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

/// Every way out, by its name: what each kind of hint is followed by unless something else is said.
///
/// The direct way isn't there for a node that hides its address, so that nothing can ask for it.
pub(super) fn available(settings: &Settings) -> HintHandlers {
    let mut handlers = HintHandlers::none();
    if settings.node.reveal_ip_address {
        handlers = handlers.with("tcp", Arc::new(Direct));
    }
    let socks = settings.tor.socks.as_ref();
    if let Some(proxy) = socks.filter(|_| settings.tor.enabled) {
        let tor = SocksHandler::new(&proxy.host, proxy.port, "tor");
        handlers = handlers.with("tor", Arc::new(tor));
    }
    let sam = settings.i2p.sam.as_ref();
    if let Some(bridge) = sam.filter(|_| settings.i2p.enabled) {
        let i2p = SamHandler::new(&bridge.host, bridge.port);
        handlers = handlers.with("i2p", Arc::new(i2p));
    }
    handlers
}

fn handlers(settings: &Settings) -> HintHandlers {
    let handlers = available(settings);
    let tcp = match settings.tcp_handler {
        TcpHandler::Tcp => handlers.for_kind("tcp"),
        TcpHandler::Tor => handlers.for_kind("tor"),
        TcpHandler::I2p => handlers.for_kind("i2p"),
        TcpHandler::Disabled => None,
    };
    match tcp {
        Some(tcp) => handlers.with("tcp", tcp),
        None => handlers.without("tcp"),
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
            assert_eq!(way("i2p:a").as_deref(), Some("i2p"));
        }
        assert!(of("[i2p]\nenabled=no\n").handlers.handler("i2p:a").is_err());
    }

    #[test]
    fn a_node_that_hides_its_address_has_no_direct_way() {
        let text = "[node]\nreveal-IP-address=no\ntub.port=tcp:1\ntub.location=tor:x.onion:1\n\
                    [connections]\ntcp=tor\n";
        let settings = Settings::parse(text, std::path::Path::new("/")).unwrap();
        assert!(available(&settings).for_kind("tcp").is_none());
        let tcp = handlers(&settings).for_kind("tcp").unwrap();
        assert_eq!(tcp.describe(), "tor");
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
