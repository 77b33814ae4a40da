//! `connections:` of an entry in `private/servers.yaml` or `private/introducers.yaml`: another way
//! than tahoe.cfg's to follow the hints of this one peer.

use foolscap::HintHandlers;
use serde::Deserialize;
use std::collections::BTreeMap;

/// By kind of hint, the name of the handler that follows it: `{tcp: tor}`.
///
/// Any name that isn't a handler's, such as `disabled`, and none at all, mean that such hints aren't
/// followed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ConnectionOverrides(BTreeMap<String, Option<String>>);

impl ConnectionOverrides {
    /// Whether nothing is overridden.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `tcp:` hints are followed otherwise than directly.
    pub(super) fn redirect_tcp(&self) -> bool {
        let name = self.0.get("tcp");
        name.is_some_and(|name| name.as_deref() != Some("tcp"))
    }

    /// Changes what tahoe.cfg says; `available` holds the handlers by their names.
    #[must_use]
    pub fn apply(&self, handlers: HintHandlers, available: &HintHandlers) -> HintHandlers {
        let overridden = |handlers: HintHandlers, (kind, name): (&String, &Option<String>)| {
            let handler = name.as_ref().and_then(|name| available.for_kind(name));
            match handler {
                Some(handler) => handlers.with(kind, handler),
                None => handlers.without(kind),
            }
        };
        self.0.iter().fold(handlers, overridden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foolscap::{SocksHandler, TcpHandler};
    use std::sync::Arc;

    #[test]
    fn names_of_handlers_replace_those_of_tahoe_cfg() {
        let tor = Arc::new(SocksHandler::new("127.0.0.1", 9050, "tor"));
        let available = HintHandlers::none()
            .with("tcp", Arc::new(TcpHandler))
            .with("tor", Arc::clone(&tor) as _);
        for (yaml, tcp, onion) in [
            ("{}", Some("tcp"), Some("tor")),
            ("{tcp: tor}", Some("tor"), Some("tor")),
            ("{tcp: disabled}", None, Some("tor")),
            ("{tcp: null, tor: tcp}", None, Some("tcp")),
            ("{tor: nonsense, tcp: tcp}", Some("tcp"), None),
        ] {
            let overrides: ConnectionOverrides = serde_yaml_ng::from_str(yaml).unwrap();
            let handlers = overrides.apply(available.clone(), &available);
            let way = |kind| handlers.for_kind(kind).map(|handler| handler.describe());
            assert_eq!(way("tcp").as_deref(), tcp, "{yaml}");
            assert_eq!(way("tor").as_deref(), onion, "{yaml}");
            assert_eq!(overrides.redirect_tcp(), yaml != "{}" && tcp != Some("tcp"));
        }
        for bad in ["tcp", "[tcp]", "{tcp: [tor]}"] {
            assert!(serde_yaml_ng::from_str::<ConnectionOverrides>(bad).is_err());
        }
    }
}
