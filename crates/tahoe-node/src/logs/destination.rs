//! `--eliot-destination`: where the log goes as Eliot's JSON.

use super::rotate::{RotatingFile, Rotation};
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

/// The length at which the original's files begin anew.
const DEFAULT_LENGTH: u64 = 1024 * 1024 * 1024;
/// How many the original keeps.
const DEFAULT_KEPT: u32 = 10;

/// A place for JSON lines: `file:PATH[,rotate_length=BYTES][,max_rotated_files=COUNT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EliotDestination {
    /// Standard output, `file:-`.
    StandardOutput,
    /// A file that begins anew when it is long enough.
    File {
        /// Where.
        path: PathBuf,
        /// When.
        rotation: Rotation,
    },
}

/// A description isn't that of a destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// There is no kind.
    #[error("Eliot destination description must be formatted like <kind>:<args>.")]
    NoKind,
    /// The kind isn't `file`.
    #[error("Unknown destination description: {0}")]
    UnknownKind(String),
    /// `@` is kept for later.
    #[error("Unsupported escape character (@) in destination text ('{0}').")]
    EscapeCharacter(String),
    /// An argument isn't one that is known, or not a number.
    #[error("'{0}' is neither rotate_length=BYTES nor max_rotated_files=COUNT")]
    BadArgument(String),
}

impl FromStr for EliotDestination {
    type Err = DestinationError;

    fn from_str(description: &str) -> Result<Self, Self::Err> {
        let (kind, text) = description
            .split_once(':')
            .ok_or(DestinationError::NoKind)?;
        if kind != "file" {
            return Err(DestinationError::UnknownKind(description.to_owned()));
        }
        if text.contains('@') {
            return Err(DestinationError::EscapeCharacter(text.to_owned()));
        }
        let mut parts = text.split(',');
        let path = parts.next().unwrap_or_default();
        if path == "-" {
            return Ok(Self::StandardOutput);
        }
        let mut rotation = Rotation {
            length: DEFAULT_LENGTH,
            kept: DEFAULT_KEPT,
        };
        for part in parts {
            let bad = || DestinationError::BadArgument(part.to_owned());
            match part.split_once('=').ok_or_else(bad)? {
                ("rotate_length", bytes) => {
                    rotation.length = bytes.trim().parse().map_err(|_| bad())?;
                }
                ("max_rotated_files", count) => {
                    rotation.kept = count.trim().parse().map_err(|_| bad())?;
                }
                _ => return Err(bad()),
            }
        }
        Ok(Self::File {
            path: path.into(),
            rotation,
        })
    }
}

impl EliotDestination {
    /// Opens the place.
    pub(super) fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match self {
            Self::StandardOutput => Box::new(io::stdout()),
            Self::File { path, rotation } => Box::new(RotatingFile::open(path, *rotation)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions() {
        let parse = |text: &str| text.parse::<EliotDestination>();
        assert_eq!(parse("file:-"), Ok(EliotDestination::StandardOutput));
        let file = |path: &str, length, kept| EliotDestination::File {
            path: path.into(),
            rotation: Rotation { length, kept },
        };
        assert_eq!(parse("file:log.json"), Ok(file("log.json", 1 << 30, 10)));
        assert_eq!(
            parse("file:/a:b,rotate_length=1000,max_rotated_files=2"),
            Ok(file("/a:b", 1000, 2))
        );
        for (bad, words) in [
            ("log", "<kind>:<args>"),
            ("tcp:log", "Unknown destination"),
            ("file:a@b", "escape character"),
            ("file:a,rotate_length=x", "rotate_length=BYTES"),
            ("file:a,other=1", "'other=1'"),
        ] {
            let message = parse(bad).unwrap_err().to_string();
            assert!(message.contains(words), "{bad}: {message}");
        }
    }
}
