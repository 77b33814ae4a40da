//! `[client]`.

use super::values::{self, ValueError};
use super::{Config, ConfigError};
use foolscap::Furl;
use tahoe_vdrive::DriveFurl;

/// The most shares that the erasure code can make.
const MAX_SHARES: u64 = 256;
const DEFAULT_MAX_SEGMENT_SIZE: u64 = 1024 * 1024;
const LARGEST_MAX_SEGMENT_SIZE: u64 = 1 << 30;

/// `[client]`.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// `introducer.furl`, if it is set.
    pub introducer: Option<Furl>,
    /// `helper.furl`, if it is set.
    pub helper: Option<Furl>,
    /// `vdrive.furl`, if it is set.
    pub drive: Option<DriveFurl>,
    /// How many shares suffice for new files (k).
    pub shares_needed: u16,
    /// On how many servers new files must be.
    pub shares_happy: u16,
    /// How many shares new files have (N).
    pub shares_total: u16,
    /// The largest segment of new immutable files.
    pub max_segment_size_bytes: u64,
    /// Whether new mutable files are MDMF instead of SDMF.
    pub mutable_format_is_mdmf: bool,
    /// Servers to try first, by id.
    pub peers_preferred: Vec<String>,
    /// Plugins to reach storage with.
    pub storage_plugins: Vec<String>,
    /// Whether storage servers are reached over Foolscap even if they speak HTTPS.
    pub force_foolscap: bool,
}

impl ClientSettings {
    pub(super) fn read(config: &Config) -> Result<Self, ConfigError> {
        let shares = |option, minimum, default: u16| {
            let read = |text: &str| values::integer(text, minimum, MAX_SHARES);
            let value = config.value("client", option, read)?;
            let value = value.and_then(|value| u16::try_from(value).ok());
            Ok::<u16, ConfigError>(value.unwrap_or(default))
        };
        let segment_option = "shares._max_immutable_segment_size_for_testing";
        let segment = |text: &str| values::integer(text, 1, LARGEST_MAX_SEGMENT_SIZE);
        let furl_option = "introducer.furl";
        if config.text("client", furl_option)?.as_deref() == Some("None") {
            return Err(ConfigError::Conflict(
                "[client] introducer.furl = None is not a FURL: leave the line out instead",
            ));
        }
        let furl = |text: &str| match text {
            "" => Ok(None),
            text => Furl::parse(text)
                .map(Some)
                .map_err(|_| ValueError::NotAFurl),
        };
        let introducer = config.value("client", furl_option, furl)?;
        let helper = |text: &str| match text {
            "None" => Ok(None),
            text => furl(text),
        };
        let helper = config.value("client", "helper.furl", helper)?;
        let drive = |text: &str| match text {
            "" => Ok(None),
            text => DriveFurl::parse(text)
                .map(Some)
                .map_err(|_| ValueError::NotADriveFurl),
        };
        let drive = config.value("client", "vdrive.furl", drive)?;
        let format = config.text("client", "mutable.format")?.unwrap_or_default();
        let settings = Self {
            introducer: introducer.flatten(),
            helper: helper.flatten(),
            drive: drive.flatten(),
            shares_needed: shares("shares.needed", 1, 3)?,
            shares_happy: shares("shares.happy", 0, 7)?,
            shares_total: shares("shares.total", 1, 10)?,
            max_segment_size_bytes: config
                .value("client", segment_option, segment)?
                .unwrap_or(DEFAULT_MAX_SEGMENT_SIZE),
            mutable_format_is_mdmf: format.eq_ignore_ascii_case("mdmf"),
            peers_preferred: config.list("client", "peers.preferred")?,
            storage_plugins: config.list("client", "storage.plugins")?,
            force_foolscap: config.boolean("client", "force_foolscap", false)?,
        };
        if settings.shares_needed > settings.shares_total {
            let problem = "[client] shares.needed is more than shares.total";
            return Err(ConfigError::Conflict(problem));
        }
        Ok(settings)
    }
}
