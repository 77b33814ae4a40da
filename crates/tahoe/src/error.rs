//! How a command fails: what went wrong, what to do about it, and the exit status.

use std::fmt;

/// Why a command failed; decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The command line is wrong: the usage is shown with the message.
    Usage,
    /// Something the command needed isn't as it must be, or an operation failed.
    Failed,
    /// A directory that must be empty isn't.
    NotEmpty,
    /// The command failed in a way that has an exit status of its own.
    Status(u8),
}

/// A command that failed.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) kind: Kind,
    /// One or more lines for standard error; nothing if the command has already said it.
    pub(crate) message: String,
    /// What the user can do.
    pub(crate) hint: Option<String>,
}

pub(crate) type Result<T = ()> = std::result::Result<T, CommandError>;

impl CommandError {
    /// A wrong command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Usage,
            message: message.into(),
            hint: None,
        }
    }

    /// A failure in one sentence.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Failed,
            message: message.into(),
            hint: None,
        }
    }

    /// A failure that the command has already explained.
    pub(crate) fn explained() -> Self {
        Self::failed("")
    }

    /// Gives the failure another exit status than 1.
    pub(crate) fn exit_with(mut self, status: u8) -> Self {
        self.kind = Kind::Status(status);
        self
    }

    /// A failure of something, with its causes.
    pub(crate) fn caused_by(error: &dyn std::error::Error) -> Self {
        Self::failed(chain(error))
    }

    /// Adds what the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit status of the process.
    pub(crate) fn exit_status(&self) -> u8 {
        match self.kind {
            Kind::Usage | Kind::Failed => 1,
            Kind::NotEmpty => 255,
            Kind::Status(status) => status,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n{hint}"),
            None => Ok(()),
        }
    }
}

/// An error and its causes in one line.
///
/// Some errors, mostly of others' libraries, already say their causes: those aren't said again.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("cannot connect")]
        Short(#[source] io::Error),
        #[error("cannot connect: {0}")]
        Whole(#[source] io::Error),
        #[error(transparent)]
        Same(#[from] Box<Self>),
    }

    #[test]
    fn each_cause_is_said_once() {
        let refused = || io::Error::other("refused");
        for error in [
            Failed::Short(refused()),
            Failed::Whole(refused()),
            Box::new(Failed::Whole(refused())).into(),
        ] {
            assert_eq!(chain(&error), "cannot connect: refused", "{error:?}");
        }
    }
}
