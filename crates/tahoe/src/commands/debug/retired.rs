//! `tahoe debug flogtool`, `trial` and `repl`: what takes a Python program, or is retired.

use crate::error::{CommandError, Result};
use clap::Args;

/// What was given to a command that isn't there.
#[derive(Args)]
pub(super) struct Ignored {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _arguments: Vec<String>,
}

/// Says what to do instead; the last two are the original's words.
pub(super) fn refuse(command: &str) -> Result {
    Err(CommandError::failed(match command {
        "flogtool" => {
            "'tahoe debug flogtool' is a part of Python's foolscap. Please run its 'flogtool', \
             which reads the files in logs/incidents."
        }
        "trial" => {
            "'tahoe debug trial' is obsolete. Please run 'tox', or use 'trial' in a virtualenv."
        }
        _ => "'tahoe debug repl' is obsolete. Please run 'python' in a virtualenv.",
    }))
}
