//! The way to a server.

use super::ConnectionOverrides;
use foolscap::{Furl, HintHandlers, Tub, TubIdentity, TubOptions};
use std::sync::Arc;
use tahoe_storage_api::{StorageError, StorageService};
use tahoe_storage_foolscap::FoolscapStorageClient;
use tahoe_storage_http::{ClientOptions, HttpStorageClient, Nurl};

/// Makes the way to a server. Nothing is sent before the first call.
pub trait Transport: Send + Sync + std::fmt::Debug {
    /// Prepares to talk to the storage service that a NURL names.
    fn connect(&self, nurl: &Nurl) -> Result<Arc<dyn StorageService>, StorageError>;

    /// Prepares to talk to the storage service that a FURL names, following its hints as these
    /// say.
    fn connect_foolscap(
        &self,
        furl: &Furl,
        overrides: &ConnectionOverrides,
    ) -> Result<Arc<dyn StorageService>, StorageError>;
}

/// HTTPS straight to the server, or Foolscap by the handlers of its hints.
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
}

impl Default for NetworkTransport {
    fn default() -> Self {
        Self::new(TubOptions::default(), HintHandlers::default())
    }
}

impl Transport for NetworkTransport {
    fn connect(&self, nurl: &Nurl) -> Result<Arc<dyn StorageService>, StorageError> {
        let client = HttpStorageClient::new(nurl.clone(), ClientOptions::default())?;
        Ok(Arc::new(client))
    }

    fn connect_foolscap(
        &self,
        furl: &Furl,
        overrides: &ConnectionOverrides,
    ) -> Result<Arc<dyn StorageService>, StorageError> {
        let unable = |error: &dyn std::error::Error| StorageError::Unreachable {
            reason: error.to_string(),
            may_have_happened: false,
        };
        let identity = TubIdentity::ephemeral().map_err(|error| unable(&error))?;
        let options = self.tub.clone();
        let options = TubOptions {
            handlers: overrides.apply(options.handlers, &self.available),
            ..options
        };
        let tub = Tub::new(identity, options).map_err(|error| unable(&error))?;
        Ok(Arc::new(FoolscapStorageClient::new(tub, furl.clone())))
    }
}
