//! An introducer node: the service, its port, its page.

use super::exit_trigger::ExitTrigger;
use super::listen::listen;
use super::web::WebServer;
use super::{MAX_STOP_TIME, StartError, tub};
use crate::config::Settings;
use crate::directory::NodeDirectory;
use crate::unavailable::refuse_unavailable;
use foolscap::{Limits, Tub, TubOptions};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tahoe_introducer::{IntroducerLimits, IntroducerService};
use tahoe_web::WebOptions;

/// Largest message of a stranger: an announcement or a description of a subscriber.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Most calls of one stranger that wait for their answers.
const MAX_CALLS: usize = 64;
/// Most references that one stranger makes us keep.
const MAX_REFERENCES: usize = 256;

/// An introducer that runs until it is stopped.
#[derive(Debug)]
pub struct IntroducerNode {
    tub: Tub,
    service: IntroducerService,
    addresses: Vec<SocketAddr>,
    web: Option<WebServer>,
    exit_trigger: Option<ExitTrigger>,
}

impl IntroducerNode {
    /// Starts the introducer of a directory: keys are made if there are none, ports listened on.
    ///
    /// `version` is the name and version that others are told. Must be called inside a tokio runtime.
    pub async fn start(directory: &NodeDirectory, version: &str) -> Result<Self, StartError> {
        let settings = Settings::load_introducer(directory.path())?;
        refuse_unavailable(&settings)?;
        directory.create_private()?;
        let certificate = directory.tub_certificate()?;
        let listening = directory.tub_listening(&settings.node.tub)?;
        let listening = listening.ok_or(StartError::IntroducerMustListen)?;
        let furl = directory.introducer_furl(certificate.tub_id(), &listening.hints)?;
        let listeners = listen(&listening.endpoints, "tub.port")?;

        let options = TubOptions {
            location: listening.hints.clone(),
            limits: Limits {
                message_bytes: MAX_MESSAGE_BYTES,
                calls_in_progress: MAX_CALLS,
                references: MAX_REFERENCES,
                ..Limits::default()
            },
            ..tub::options(&settings)
        };
        let tub = Tub::new(certificate.identity().clone(), options)?;
        let clock = Arc::new(SystemTime::now);
        let service = IntroducerService::new(version, IntroducerLimits::default(), clock);
        tub.register(Arc::new(service.clone()), Some(furl.swissnum))?;
        let addresses = listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok());
        let mut node = Self {
            addresses: addresses.collect(),
            tub,
            service,
            web: None,
            exit_trigger: ExitTrigger::of(directory),
        };
        for listener in listeners {
            node.tub.listen(listener);
        }
        let tub_id = certificate.tub_id().to_string();
        let router = tahoe_web::introducer_router(node.service.clone(), tub_id, version.to_owned());
        match WebServer::start_with(directory, &settings, WebOptions::default(), |_| router).await {
            Ok(web) => node.web = web,
            Err(error) => {
                node.stop().await;
                return Err(error);
            }
        }
        Ok(node)
    }

    /// Where its page is; none if there is none.
    pub fn web_address(&self) -> Option<SocketAddr> {
        self.web.as_ref().map(WebServer::address)
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns when the file `exit_trigger` says so; never if it wasn't there at the start.
    pub async fn exit_triggered(&self) {
        match &self.exit_trigger {
            Some(trigger) => trigger.triggered().await,
            None => std::future::pending().await,
        }
    }

    /// Stops: connections are closed, within a bounded time.
    pub async fn stop(self) {
        let stopping = async {
            if let Some(web) = self.web {
                web.stop().await;
            }
            self.tub.stop().await;
            self.service.stop().await;
        };
        if tokio::time::timeout(MAX_STOP_TIME, stopping).await.is_err() {
            tracing::warn!("the introducer did not stop in {MAX_STOP_TIME:?}: the rest is cut");
        }
    }
}
