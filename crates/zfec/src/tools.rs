//! The command-line tools `zfec` and `zunfec`, file-compatible with the Python ones.
//!
//! They take the same options, write the same share files under the same names and return the same
//! exit codes. `README.md` lists where they do better than the Python tools on purpose.

mod decode;
mod encode;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use thiserror::Error;

use crate::error::{DecodeError, EncodeError, ParamError};
use crate::share_header::HeaderError;

/// The length in bytes of the blocks into which all but the last segment of a file are cut.
const BLOCK_BYTES: usize = 4096;

/// Why a tool stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
enum ToolError {
    /// The input file cannot be opened.
    #[error("can't open {}", path.display())]
    OpenInput { path: PathBuf, source: io::Error },
    /// Two options contradict each other.
    #[error("Please choose only one of --verbose and --quiet.")]
    VerboseAndQuiet,
    /// k and N define no code.
    #[error("Invalid parameters")]
    Params(#[from] ParamError),
    /// Too few files were named.
    #[error("At least two sharefiles are required.")]
    OneShareFile,
    /// The output file is there already.
    #[error("There is already a file named {} -- aborting.  Use --force to overwrite.", .0.display())]
    OutputExists(PathBuf),
    /// The output file cannot be created.
    #[error("can't create {}", path.display())]
    CreateOutput { path: PathBuf, source: io::Error },
    /// There are not enough different shares among the files.
    #[error(
        "Insufficient share files -- {needed} share files are required to recover this file, \
         but only {found} different ones were given"
    )]
    TooFewShares { needed: u16, found: usize },
    /// A share file does not begin with a header.
    #[error("share file {} is corrupted", path.display())]
    Header { path: PathBuf, source: HeaderError },
    /// A share file belongs to another encoding.
    #[error("share file {} differs in k, m or padding from the ones before it", .0.display())]
    OtherEncoding(PathBuf),
    /// The share files have different lengths, or none of their data.
    #[error("share file {} does not have the length of the others", .0.display())]
    OtherLength(PathBuf),
    /// There is padding to remove but no data.
    #[error("the share files are truncated: they hold no data, but should")]
    NoData,
    /// A file could not be read.
    #[error("can't read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file could not be written.
    #[error("can't write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The messages could not be written.
    #[error("can't write messages")]
    Messages(#[source] io::Error),
    /// A segment could not be encoded.
    #[error("can't encode")]
    Encode(#[from] EncodeError),
    /// A segment could not be decoded.
    #[error("can't decode")]
    Decode(#[from] DecodeError),
}

impl ToolError {
    /// Returns the exit code of the Python tools for this case.
    fn exit_code(&self) -> u8 {
        match self {
            Self::OpenInput { .. } | Self::OutputExists(_) | Self::CreateOutput { .. } => 2,
            Self::TooFewShares { .. } => 3,
            _ => 1,
        }
    }
}

/// Runs `zfec` with the arguments of a program, the first of which is its name.
pub fn run_zfec(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    run("zfec", arguments, encode::run)
}

/// Runs `zunfec` with the arguments of a program, the first of which is its name.
pub fn run_zunfec(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    run("zunfec", arguments, decode::run)
}

fn run<Options: Parser>(
    tool: &str,
    arguments: impl IntoIterator<Item = OsString>,
    work: fn(&Options) -> Result<(), ToolError>,
) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Wherever it stands and whatever else is missing, as with the Python tools.
    if arguments
        .iter()
        .skip(1)
        .any(|argument| argument == "-V" || argument == "--version")
    {
        return finish(print_version(tool));
    }
    match Options::try_parse_from(arguments) {
        Ok(options) => finish(work(&options)),
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(error) => finish(Err(ToolError::Messages(error))),
            }
        }
    }
}

fn print_version(tool: &str) -> Result<(), ToolError> {
    let version = env!("CARGO_PKG_VERSION");
    let mut out = io::stdout();
    writeln!(
        out,
        "zfec library version:  {version}\n{tool} command-line tool version:  {version}"
    )
    .map_err(ToolError::Messages)
}

/// Prints an error with its causes and returns its exit code.
fn finish(result: Result<(), ToolError>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    // If even this fails there is nobody left to tell; the exit code still says it.
    drop(writeln!(io::stderr(), "{message}"));
    ExitCode::from(error.exit_code())
}
