//! The way to a server.

use super::{ConnectionOverrides, OVERLAY_CONNECT_TIMEOUT};
use async_trait::async_trait;
use foolscap::{Furl, HintError, HintHandler, HintHandlers, Tub, TubIdentity, TubOptions};
use std::io;
use std::sync::Arc;
use tahoe_storage_api::{ReachedBy, StorageError, StorageService};
use tahoe_storage_foolscap::FoolscapStorageClient;
use tahoe_storage_http::{BoxStream, ClientOptions, Connector, HttpStorageClient, Nurl};

/// Makes the way to a server. Nothing is sent before the first call.
pub trait Transport: Send + Sync + std::fmt::Debug {
    /// Prepares to talk to the storage service that a NURL names, the way that tahoe.cfg and these
    /// say.
    fn connect(
        &self,
        nurl: &Nurl,
        overrides: &ConnectionOverrides,
    ) -> Result<Arc<dyn StorageService>, StorageError>;

    /// Whether there is a way at all to where a NURL says.
    fn leads_to(&self, _nurl: &Nurl, _overrides: &ConnectionOverrides) -> bool {
        true
    }

    /// Prepares to talk to the storage service that a FURL names, following its hints as these
    /// say.
    fn connect_foolscap(
        &self,
        furl: &Furl,
        overrides: &ConnectionOverrides,
    ) -> Result<Arc<dyn StorageService>, StorageError>;
}

/// HTTPS or Foolscap, both by the handlers of hints: a NURL counts as the hint `tcp:HOST:PORT`, or
/// `tor:` for an onion service.
#[derive(Debug, Clone)]
pub struct NetworkTransport {
    tub: TubOptions,
    /// The handlers that overrides may name.
    available: HintHandlers,
}

impl NetworkTransport {
    /// Makes tubs with these options for servers that are reached over Foolscap; `available` holds,
    /// by name, the handlers that an entry of `servers.yaml` may ask for instead of the options'.
    ///
    /// Each such server gets a tub and a key of its own, so that servers can't tell by the key that
    /// they deal with the same client.
    pub fn new(tub: TubOptions, available: HintHandlers) -> Self {
        Self {
            available,
            tub: TubOptions {
                limits: tahoe_storage_foolscap::client_limits(),
                ..tub
            },
        }
    }

    fn handlers(&self, overrides: &ConnectionOverrides) -> HintHandlers {
        overrides.apply(self.tub.handlers.clone(), &self.available)
    }
}

impl Default for NetworkTransport {
    fn default() -> Self {
        Self::new(TubOptions::default(), HintHandlers::default())
    }
}

impl Transport for NetworkTransport {
    fn connect(
        &self,
        nurl: &Nurl,
        overrides: &ConnectionOverrides,
    ) -> Result<Arc<dyn StorageService>, StorageError> {
        let hint = hint_of(nurl);
        let handlers = self.handlers(overrides);
        let handler = handlers.handler(&hint).map_err(|error| unable(&error))?;
        let options = ClientOptions {
            connect_timeout: OVERLAY_CONNECT_TIMEOUT,
            ..ClientOptions::default()
        };
        let connector = Arc::new(HintConnector { hint, handler });
        let client = HttpStorageClient::through(nurl.clone(), options, connector);
        Ok(Arc::new(client))
    }

    fn leads_to(&self, nurl: &Nurl, overrides: &ConnectionOverrides) -> bool {
        self.handlers(overrides).handler(&hint_of(nurl)).is_ok()
    }

    fn connect_foolscap(
        &self,
        furl: &Furl,
        overrides: &ConnectionOverrides,
    ) -> Result<Arc<dyn StorageService>, StorageError> {
        let identity = TubIdentity::ephemeral().map_err(|error| unable(&error))?;
        let options = TubOptions {
            handlers: self.handlers(overrides),
            ..self.tub.clone()
        };
        let tub = Tub::new(identity, options).map_err(|error| unable(&error))?;
        Ok(Arc::new(FoolscapStorageClient::new(tub, furl.clone())))
    }
}

/// The hint that says the same of a server's place.
fn hint_of(nurl: &Nurl) -> String {
    let kind = if nurl.is_onion() { "tor" } else { "tcp" };
    format!("{kind}:{}", nurl.authority())
}

fn unable(error: &dyn std::error::Error) -> StorageError {
    StorageError::Unreachable {
        reason: error.to_string(),
        may_have_happened: false,
    }
}

/// Goes where a hint leads.
#[derive(Debug)]
struct HintConnector {
    hint: String,
    handler: Arc<dyn HintHandler>,
}

#[async_trait]
impl Connector for HintConnector {
    async fn connect(&self) -> io::Result<BoxStream> {
        let dialed = self.handler.connect(&self.hint).await;
        let dialed = dialed.map_err(|error| match error {
            HintError::Io(error) => error,
            error => io::Error::other(error),
        })?;
        Ok(Box::new(dialed.stream))
    }

    fn reached_by(&self) -> ReachedBy {
        ReachedBy {
            hint: self.hint.clone(),
            handler: self.handler.describe(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foolscap::{SocksHandler, TcpHandler};

    #[test]
    fn https_goes_the_way_that_hints_go() {
        let tor = Arc::new(SocksHandler::new("127.0.0.1", 9050, "tor"));
        let available = HintHandlers::none()
            .with("tcp", Arc::new(TcpHandler))
            .with("tor", tor);
        let key = "A".repeat(43);
        let plain: Nurl = format!("pb://{key}@[::1]:1/x#v=1").parse().unwrap();
        let onion: Nurl = format!("pb+tor://{key}@a.onion:1/x#v=1").parse().unwrap();
        let unmarked: Nurl = format!("pb://{key}@B.Onion:1/x#v=1").parse().unwrap();
        let way = |handlers: &HintHandlers, nurl, overrides: &str| {
            let options = TubOptions {
                handlers: handlers.clone(),
                ..TubOptions::default()
            };
            let transport = NetworkTransport::new(options, available.clone());
            let overrides = serde_yaml_ng::from_str(overrides).unwrap();
            let service = transport.connect(nurl, &overrides).ok();
            assert_eq!(service.is_some(), transport.leads_to(nurl, &overrides));
            let service = service?;
            let way = service.reached_by().unwrap();
            Some(format!("{} by {}", way.hint, way.handler))
        };
        let usual = &available;
        let hidden = &available
            .clone()
            .without("tcp")
            .with("tcp", available.for_kind("tor").unwrap());
        let none = &HintHandlers::none();
        for (handlers, nurl, overrides, expected) in [
            (usual, &plain, "{}", Some("tcp:[::1]:1 by tcp")),
            (usual, &plain, "{tcp: tor}", Some("tcp:[::1]:1 by tor")),
            (usual, &plain, "{tcp: disabled}", None),
            (usual, &onion, "{}", Some("tor:a.onion:1 by tor")),
            (usual, &unmarked, "{}", Some("tor:B.Onion:1 by tor")),
            (usual, &unmarked, "{tor: disabled}", None),
            (hidden, &plain, "{}", Some("tcp:[::1]:1 by tor")),
            (none, &plain, "{}", None),
            (none, &plain, "{tcp: tor}", Some("tcp:[::1]:1 by tor")),
            (none, &onion, "{}", None),
        ] {
            assert_eq!(way(handlers, nurl, overrides).as_deref(), expected);
        }
    }
}
