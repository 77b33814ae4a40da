//! A node that serves a grid's nodes without being a client: an introducer, a vdrive server or both.

use super::exit_trigger::ExitTrigger;
use super::listen::listen;
use super::web::WebServer;
use super::{StartError, exit_triggered, tub, vdrive, within_stop_time};
use crate::config::{ConfigError, Endpoint, Settings};
use crate::directory::{NodeDirectory, NodeKind};
use crate::unavailable::refuse_unavailable;
use foolscap::{Limits, Tub, TubOptions};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tahoe_crypto::TubId;
use tahoe_introducer::{IntroducerLimits, IntroducerService};
use tahoe_vdrive::VdriveServer;
use tahoe_web::WebOptions;

/// Largest message of a stranger: an announcement, a description of a subscriber, an entry.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Most calls of one stranger that wait for their answers.
const MAX_CALLS: usize = 64;
/// Most references that one stranger makes us keep.
const MAX_REFERENCES: usize = 256;

/// A node of this kind that runs until it is stopped.
#[derive(Debug)]
pub struct ServiceNode {
    tub: Tub,
    introducer: Option<IntroducerService>,
    drive: Option<VdriveServer>,
    addresses: Vec<SocketAddr>,
    web: Option<WebServer>,
    exit_trigger: Option<ExitTrigger>,
}

impl ServiceNode {
    /// Starts the node of a directory: keys are made if there are none, ports listened on.
    ///
    /// `version` is the name and version that others are told. Must be called inside a tokio runtime.
    pub async fn start(
        directory: &NodeDirectory,
        kind: NodeKind,
        version: &str,
    ) -> Result<Self, StartError> {
        let settings = Settings::load_service(directory.path())?;
        refuse_unavailable(&settings)?;
        check_purpose(kind, &settings)?;
        directory.create_private()?;
        let certificate = directory.tub_certificate()?;
        let listening = directory.tub_listening(&settings.node.tub)?;
        let listening = listening.ok_or(StartError::ServiceMustListen)?;
        let options = TubOptions {
            location: listening.hints.clone(),
            limits: limits(&settings),
            ..tub::options(&settings)
        };
        let tub = Tub::new(certificate.identity().clone(), options)?;
        let mut node = Self {
            addresses: Vec::new(),
            tub,
            introducer: None,
            drive: None,
            web: None,
            exit_trigger: ExitTrigger::of(directory),
        };
        let tub_id = certificate.tub_id();
        let hints = &listening.hints;
        let serving = node.serve(directory, kind, &settings, tub_id, hints, version);
        let started = serving
            .await
            .and_then(|()| node.listen(&listening.endpoints));
        if let Err(error) = started {
            node.stop().await;
            return Err(error);
        }
        Ok(node)
    }

    /// Starts what the node serves; nobody can reach it yet.
    async fn serve(
        &mut self,
        directory: &NodeDirectory,
        kind: NodeKind,
        settings: &Settings,
        tub_id: TubId,
        hints: &[String],
        version: &str,
    ) -> Result<(), StartError> {
        if settings.vdrive.enabled {
            let drive =
                vdrive::serve(directory, settings.vdrive.database.as_ref(), &self.tub).await?;
            self.drive = Some(drive);
        }
        if kind != NodeKind::Introducer {
            return Ok(());
        }
        let furl = directory.introducer_furl(tub_id, hints)?;
        if settings.vdrive.enabled {
            // Beside that of the drive, where Tahoe's first users looked for both.
            let line = format!("{}\n", *furl.to_text());
            directory.write_secret("introducer.furl", &line)?;
        }
        let clock = Arc::new(SystemTime::now);
        let service = IntroducerService::new(version, IntroducerLimits::default(), clock);
        self.introducer = Some(service.clone());
        self.tub
            .register(Arc::new(service.clone()), Some(furl.swissnum))?;
        let (tub_id, version) = (tub_id.to_string(), version.to_owned());
        let router = tahoe_web::introducer_router(service, tub_id, version);
        let options = WebOptions::default();
        self.web = WebServer::start_with(directory, settings, options, |_| router).await?;
        Ok(())
    }

    /// Lets others in: what they need to know has been written already.
    fn listen(&mut self, endpoints: &[Endpoint]) -> Result<(), StartError> {
        for listener in listen(endpoints, "tub.port")? {
            self.addresses.extend(listener.local_addr());
            self.tub.listen(listener);
        }
        Ok(())
    }

    /// Where its page is; none if there is none.
    pub fn web_address(&self) -> Option<SocketAddr> {
        self.web.as_ref().map(WebServer::address)
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether it keeps a shared drive.
    pub fn keeps_drive(&self) -> bool {
        self.drive.is_some()
    }

    /// Whether it introduces nodes to each other.
    pub fn introduces(&self) -> bool {
        self.introducer.is_some()
    }

    /// Returns when the file `exit_trigger` says so; never if it wasn't there at the start.
    pub async fn exit_triggered(&self) {
        exit_triggered(self.exit_trigger.as_ref()).await;
    }

    /// Stops: connections are closed, within a bounded time.
    pub async fn stop(self) {
        let stopping = async {
            if let Some(web) = self.web {
                web.stop().await;
            }
            self.tub.stop().await;
            if let Some(drive) = &self.drive {
                drive.stop().await;
            }
            if let Some(introducer) = &self.introducer {
                introducer.stop().await;
            }
        };
        within_stop_time(stopping).await;
    }
}

/// Makes sure that no setting is ignored and that there is something to do.
fn check_purpose(kind: NodeKind, settings: &Settings) -> Result<(), ConfigError> {
    if kind == NodeKind::Introducer {
        return Ok(());
    }
    if !settings.vdrive.enabled {
        let problem = "[vdrive] enabled is not true, so a vdrive server has nothing to do";
        return Err(ConfigError::Conflict(problem));
    }
    if settings.node.web_port.is_some() {
        let problem = "[node] web.port is set, but a vdrive server has no page: leave it empty";
        return Err(ConfigError::Conflict(problem));
    }
    Ok(())
}

/// Clients of a drive have a reference to each directory that they use, and many requests at once.
fn limits(settings: &Settings) -> Limits {
    let (calls, references) = match settings.vdrive.enabled {
        true => (vdrive::MAX_CALLS, vdrive::MAX_REFERENCES),
        false => (MAX_CALLS, MAX_REFERENCES),
    };
    Limits {
        message_bytes: MAX_MESSAGE_BYTES,
        calls_in_progress: calls,
        references,
        ..Limits::default()
    }
}
