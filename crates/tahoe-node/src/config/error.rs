//! What can be wrong with a node's configuration.

use super::ini::IniError;
use super::values::ValueError;
use std::path::PathBuf;

/// A node's configuration can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// tahoe.cfg is there and can't be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// tahoe.cfg isn't UTF-8.
    #[error("{path} is not UTF-8 text")]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// tahoe.cfg isn't a configuration file.
    #[error("{path} is not a configuration file")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: IniError,
    },
    /// There is a section that no node has.
    #[error("'{path}' contains unknown section [{section}]")]
    UnknownSection {
        /// The file.
        path: PathBuf,
        /// Its name.
        section: String,
    },
    /// There is an option that its section doesn't have.
    #[error("'{path}' section [{section}] contains unknown option '{option}'")]
    UnknownOption {
        /// The file.
        path: PathBuf,
        /// Where it stands.
        section: String,
        /// Its name in lower case.
        option: String,
    },
    /// A value refers to another that isn't there.
    #[error("tahoe.cfg [{section}] {option}")]
    BadReference {
        /// The section.
        section: String,
        /// The option.
        option: String,
        /// What is wrong.
        source: IniError,
    },
    /// A value isn't of its option's type.
    #[error("tahoe.cfg [{section}] {option}")]
    BadValue {
        /// The section.
        section: String,
        /// The option.
        option: String,
        /// What it must be.
        source: ValueError,
    },
    /// A FURL contains `#`, usually a comment that was meant to end the line.
    #[error("tahoe.cfg [{section}] {option} contained an unescaped '#' character")]
    UnescapedHash {
        /// The section.
        section: String,
        /// The option.
        option: String,
    },
    /// An option is needed because of another one.
    #[error("tahoe.cfg is missing the [{section}]{option} entry, which {because} needs")]
    Missing {
        /// The section.
        section: &'static str,
        /// The option.
        option: &'static str,
        /// What needs it.
        because: &'static str,
    },
    /// The node directory is of a version before 1.3.
    #[error("found configuration files from before Tahoe-LAFS 1.3, which tahoe.cfg replaced: {}",
        .0.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "))]
    OldFiles(Vec<PathBuf>),
    /// tub.port is 0.
    #[error("tub.port cannot be 0: you must choose")]
    PortAssignmentRequired,
    /// The node's address would be revealed though reveal-IP-address is false.
    #[error("reveal-IP-address = false, but {0}")]
    Privacy(&'static str),
    /// A file that holds a single setting holds something else.
    #[error("{path}")]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What it must be.
        source: ValueError,
    },
    /// Two places say different things of one setting.
    #[error("{one} and {other} differ: keep the right one and remove the other")]
    Contradiction {
        /// A place.
        one: &'static str,
        /// Another one.
        other: &'static str,
    },
    /// Options that exclude each other.
    #[error("tahoe.cfg: {0}")]
    Conflict(&'static str),
}
