//! Reads the colon-separated fields after a capability's prefix.

use tahoe_encoding::base32;

use crate::{CapError, CapKind};

/// A cursor over the fields of one capability.
pub(crate) struct Fields<'a> {
    kind: CapKind,
    rest: &'a str,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(kind: CapKind, rest: &'a str) -> Self {
        Self { kind, rest }
    }

    fn bad(&self, field: &'static str) -> CapError {
        CapError::Malformed {
            kind: self.kind,
            field,
        }
    }

    /// Reads the base32 of exactly `N` bytes.
    pub(crate) fn bytes<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], CapError> {
        let length = N.saturating_mul(8).div_ceil(5);
        let (text, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.bad(field))?;
        self.rest = rest;
        base32::decode_array(text).map_err(|_| self.bad(field))
    }

    /// Reads the colon between two fields.
    pub(crate) fn colon(&mut self, after: &'static str) -> Result<(), CapError> {
        self.rest = self.rest.strip_prefix(':').ok_or_else(|| self.bad(after))?;
        Ok(())
    }

    /// Reads a decimal number below 2^64. Leading zeros are understood and not written again.
    pub(crate) fn number(&mut self, field: &'static str) -> Result<u64, CapError> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (text, rest) = self
            .rest
            .split_at_checked(digits)
            .ok_or_else(|| self.bad(field))?;
        self.rest = rest;
        text.parse().map_err(|_| self.bad(field))
    }

    /// Reads base32 of any length up to the end.
    pub(crate) fn rest_as_bytes(self, field: &'static str) -> Result<Vec<u8>, CapError> {
        base32::decode(without_newline(self.rest)).map_err(|_| self.bad(field))
    }

    /// Refuses anything after the last field.
    pub(crate) fn end(self) -> Result<(), CapError> {
        if without_newline(self.rest).is_empty() {
            return Ok(());
        }
        Err(self.bad("end"))
    }

    /// Refuses anything after the last field unless a colon separates it: room that MDMF leaves
    /// for hints of the future, which are dropped.
    pub(crate) fn end_or_hints(self) -> Result<(), CapError> {
        if self.rest.starts_with(':') {
            return Ok(());
        }
        self.end()
    }
}

/// One newline at the very end doesn't count. The reference's patterns end with `$`, which stands
/// before such a newline too, and files that hold a capability tend to have one.
fn without_newline(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}
