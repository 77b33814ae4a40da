//! Capabilities that nobody knows, and what a giver alleges about them.
//!
//! A program must be able to carry capabilities of the future without knowing what they grant. A
//! prefix says what the giver claims: `ro.` that it is at most read-only, `imm.` that it is deeply
//! immutable. Where a claim can be checked it is; where it can't, it travels along.

use crate::{Cap, CapError, CapKind, Power};

/// Claims that the rest is at most read-only.
pub const ALLEGED_READ_ONLY_PREFIX: &str = "ro.";

/// Claims that the rest is deeply immutable.
pub const ALLEGED_IMMUTABLE_PREFIX: &str = "imm.";

/// A text that isn't a capability of a known kind, or not one that may stand where it stood.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownCap {
    pub(crate) text: String,
    pub(crate) reason: CapError,
}

impl UnknownCap {
    /// Why it isn't known.
    pub fn reason(&self) -> CapError {
        self.reason
    }

    /// The text as it came, with any alleged prefix.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for UnknownCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UnknownCap({})", self.reason)
    }
}

/// What may stand where a text is found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    may_be_writeable: bool,
    may_be_mutable: bool,
}

impl Context {
    pub(crate) const ANYTHING: Self = Self {
        may_be_writeable: true,
        may_be_mutable: true,
    };

    pub(crate) const IMMUTABLE: Self = Self {
        may_be_writeable: false,
        may_be_mutable: false,
    };

    /// Takes an alleged prefix off a text and its word into account.
    pub(crate) fn narrowed_by(self, text: &str) -> (&str, Self) {
        if let Some(bare) = text.strip_prefix(ALLEGED_IMMUTABLE_PREFIX) {
            return (bare, Self::IMMUTABLE);
        }
        if let Some(bare) = text.strip_prefix(ALLEGED_READ_ONLY_PREFIX) {
            let context = Self {
                may_be_writeable: false,
                ..self
            };
            return (bare, context);
        }
        (text, self)
    }

    /// Refuses a kind that may not stand here.
    pub(crate) fn check(self, kind: CapKind) -> Result<(), CapError> {
        let broken = match kind.power() {
            Power::Write => !self.may_be_writeable,
            Power::Read | Power::Verify => kind.is_mutable() && !self.may_be_mutable,
        };
        if broken {
            return Err(self.broken_by(kind.in_words()));
        }
        Ok(())
    }

    /// The strictest rule that something mutable breaks here.
    fn broken_by(self, what: &'static str) -> CapError {
        if self.may_be_mutable {
            CapError::MustBeReadOnly { what }
        } else {
            CapError::MustBeDeepImmutable { what }
        }
    }
}

/// Applies the rules to the two prefixes that are reserved for trying out how capabilities of the
/// future behave.
pub(crate) fn future_test_constraint(text: &str, context: Context) -> Option<CapError> {
    let writeable = text.starts_with("x-tahoe-future-test-writeable:");
    let mutable = text.starts_with("x-tahoe-future-test-mutable:");
    if writeable && !context.may_be_writeable {
        return Some(context.broken_by("x-tahoe-future-test-writeable: testing cap"));
    }
    if mutable && !context.may_be_mutable {
        return Some(context.broken_by("x-tahoe-future-test-mutable: testing cap"));
    }
    None
}

/// Says whether a text begins like a capability of Tahoe, known or not.
pub fn has_uri_prefix(text: &str) -> bool {
    text.strip_prefix(ALLEGED_READ_ONLY_PREFIX)
        .or_else(|| text.strip_prefix(ALLEGED_IMMUTABLE_PREFIX))
        .unwrap_or(text)
        .starts_with("URI:")
}

/// Drops the alleged prefix that the place implies, before a text is stored in the read slot of a
/// directory: `ro.` always, `imm.` only if the directory is deeply immutable.
pub fn strip_prefix_for_read_slot(text: &str, deep_immutable: bool) -> &str {
    match text.strip_prefix(ALLEGED_IMMUTABLE_PREFIX) {
        Some(bare) if deep_immutable => bare,
        Some(_) => text,
        None => text.strip_prefix(ALLEGED_READ_ONLY_PREFIX).unwrap_or(text),
    }
}

/// The two slots of a directory entry, or of any pair of texts for one object, if the object is
/// unknown. Texts in the read slot carry an alleged prefix.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownSlots {
    /// What may write it.
    pub write: Option<String>,
    /// What may read it.
    pub read: Option<String>,
}

impl UnknownSlots {
    /// Sorts unknown texts into slots, or says why they may not be handled.
    ///
    /// A lone text without alleged prefix in the write slot is refused, because nobody could say
    /// what handing it on would grant.
    pub fn new(
        write: Option<&str>,
        read: Option<&str>,
        deep_immutable: bool,
    ) -> Result<Self, CapError> {
        let write = write.filter(|text| !text.is_empty());
        let read = read.filter(|text| !text.is_empty());
        let (write, read) = check_write_slot(write, read, deep_immutable)?;
        if let Some(text) = read {
            check_read_slot(text, deep_immutable)?;
        }
        let alleged = |text: &str| {
            if deep_immutable {
                allege_immutable(text)
            } else {
                allege_read_only(text)
            }
        };
        Ok(Self {
            write: write.map(str::to_owned),
            read: read.map(alleged),
        })
    }
}

/// Moves a lone alleged text from the write slot to the read slot; refuses what may not be there.
fn check_write_slot<'a>(
    write: Option<&'a str>,
    read: Option<&'a str>,
    deep_immutable: bool,
) -> Result<(Option<&'a str>, Option<&'a str>), CapError> {
    let what = "unknown cap with a write slot";
    match (write, read) {
        (None, read) => Ok((None, read)),
        (Some(_), Some(_)) if deep_immutable => Err(CapError::MustBeDeepImmutable { what }),
        (Some(_), Some(read)) if read.starts_with(ALLEGED_IMMUTABLE_PREFIX) => {
            Err(CapError::MustBeDeepImmutable { what })
        }
        (write, Some(read)) => Ok((write, Some(read))),
        (Some(lone), None) => {
            let immutable = lone.starts_with(ALLEGED_IMMUTABLE_PREFIX);
            let read_only = lone.starts_with(ALLEGED_READ_ONLY_PREFIX);
            if immutable || (read_only && !deep_immutable) {
                return Ok((None, Some(lone)));
            }
            Err(CapError::MustNotBeUnknownWrite { deep_immutable })
        }
    }
}

/// Refuses a text that is known and breaks the word given for it, or that is malformed.
fn check_read_slot(text: &str, deep_immutable: bool) -> Result<(), CapError> {
    let context = if deep_immutable {
        Context::IMMUTABLE
    } else {
        Context::ANYTHING
    };
    match Cap::parse_in(text, context) {
        Cap::Unknown(UnknownCap {
            reason: CapError::Unrecognised,
            ..
        }) => Ok(()),
        Cap::Unknown(unknown) => Err(unknown.reason),
        Cap::Write(_) | Cap::Read(_) | Cap::Verify(_) => Ok(()),
    }
}

fn allege_immutable(text: &str) -> String {
    let bare = text
        .strip_prefix(ALLEGED_IMMUTABLE_PREFIX)
        .or_else(|| text.strip_prefix(ALLEGED_READ_ONLY_PREFIX))
        .unwrap_or(text);
    format!("{ALLEGED_IMMUTABLE_PREFIX}{bare}")
}

fn allege_read_only(text: &str) -> String {
    let already =
        text.starts_with(ALLEGED_READ_ONLY_PREFIX) || text.starts_with(ALLEGED_IMMUTABLE_PREFIX);
    if already {
        text.to_owned()
    } else {
        format!("{ALLEGED_READ_ONLY_PREFIX}{text}")
    }
}

impl std::fmt::Debug for UnknownSlots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnknownSlots")
            .field("write", &self.write.is_some())
            .field("read", &self.read.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests;
