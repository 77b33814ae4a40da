//! Uploads through a helper, and uploads for others.

use crate::statistics::{Snapshot, StatisticsSource, Value};
use crate::{Client, Stored};
use foolscap::{Furl, Referenceable, Tub};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tahoe_caps::ReadCap;
use tahoe_helper::{
    ConnectedHelper, HelperClient, HelperConfig, HelperError, HelperResults, HelperService,
};
use tahoe_immutable::{Received, UploadError, UploadStatus, UploadTimings};
use tahoe_storage_api::ServerDirectory;

/// The helper that a client uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperConnection {
    /// Where it is: its FURL without the secret.
    pub location: String,
    /// Whether it is connected; if not, files are uploaded without it.
    pub is_connected: bool,
}

impl Client {
    /// Uploads immutable files through this helper from now on, while it is connected; must be
    /// called inside a tokio runtime, and once.
    pub fn use_helper(&self, tub: &Tub, furl: Furl) {
        self.helper.get_or_init(|| HelperClient::start(tub, furl));
    }

    /// The helper that it uses, if any.
    pub fn helper_connection(&self) -> Option<HelperConnection> {
        self.helper.get().map(|helper| HelperConnection {
            location: helper.location().to_owned(),
            is_connected: helper.connected().is_some(),
        })
    }

    /// Uploads for others from now on; `folder` keeps their ciphertext meanwhile. Returns the
    /// object for a tub. Must be called inside a tokio runtime, and once.
    pub fn start_helper(&self, folder: &Path) -> io::Result<impl Referenceable + use<>> {
        let (history, clock) = (Arc::clone(self.shared_history()), Arc::clone(self.clock()));
        let service = HelperService::start(HelperConfig {
            folder: folder.to_owned(),
            uploader: Arc::clone(self.uploader()),
            servers: Arc::clone(self.shared_broker()) as Arc<dyn ServerDirectory>,
            application_version: self.config().application_version.clone(),
            clock: Arc::clone(self.clock()),
            observer: Arc::new(move |status| history.note_assisted(Arc::clone(status), clock())),
        })?;
        self.statistics()
            .register(Arc::new(Source(service.clone())));
        Ok(self.helper_service.get_or_init(|| service).clone())
    }

    /// What was uploaded for others, by the names of the statistics; none if that isn't done.
    pub fn helper_statistics(&self) -> Option<BTreeMap<&'static str, u64>> {
        self.helper_service.get().map(HelperService::statistics)
    }

    pub(crate) fn connected_helper(&self) -> Option<ConnectedHelper> {
        self.helper.get()?.connected()
    }

    pub(crate) async fn upload_through(
        &self,
        helper: &ConnectedHelper,
        received: Received,
        status: &Arc<UploadStatus>,
    ) -> Result<Stored, UploadError> {
        let started = Instant::now();
        let file = Arc::new(received.encipher(self.pool().clone(), status));
        match Box::pin(helper.upload(&file)).await {
            Ok(results) => {
                let cap = file.finish(results.uri_extension_hash);
                let timings = UploadTimings {
                    total: started.elapsed(),
                    ..UploadTimings::default()
                };
                Ok(stored(cap, file.size(), &results, timings))
            }
            Err(error) => {
                file.fail();
                Err(match error {
                    HelperError::Read(error) => error,
                    error => UploadError::Helper(Box::new(error)),
                })
            }
        }
    }

    pub(crate) async fn stop_helpers(&self) {
        if let Some(helper) = self.helper.get() {
            helper.stop().await;
        }
        if let Some(service) = self.helper_service.get() {
            service.stop().await;
        }
    }
}

fn stored(cap: ReadCap, file_size: u64, results: &HelperResults, timings: UploadTimings) -> Stored {
    let mut share_map = BTreeMap::<u8, Vec<String>>::new();
    let mut server_map = BTreeMap::<String, Vec<u8>>::new();
    for (share, servers) in &results.share_map {
        for server in servers {
            let name = server.short();
            share_map.entry(share.0).or_default().push(name.clone());
            server_map.entry(name).or_default().push(share.0);
        }
    }
    let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
    Stored {
        cap,
        file_size,
        preexisting_shares: count(results.preexisting_shares),
        pushed_shares: count(results.pushed_shares),
        share_map,
        server_map,
        timings: Some(timings),
    }
}

#[derive(Debug)]
struct Source(HelperService);

impl StatisticsSource for Source {
    fn collect(&self, snapshot: &mut Snapshot) {
        let stats = self.0.statistics().into_iter();
        let stats = stats.map(|(name, value)| (name.to_owned(), Value::Integer(value)));
        snapshot.stats.extend(stats);
        let counters = self
            .0
            .counters()
            .into_iter()
            .filter(|(_, count)| *count > 0);
        let counters = counters.map(|(name, count)| (name.to_owned(), count));
        snapshot.counters.extend(counters);
    }
}
