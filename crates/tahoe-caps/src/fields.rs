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

    fn cut_off(&self, field: &'static str) -> CapError {
        CapError::CutOff {
            kind: self.kind,
            field,
        }
    }

    /// What is wrong if the text ends here, or goes on otherwise than it must.
    fn bad_or_cut_off(&self, field: &'static str) -> CapError {
        match without_newline(self.rest).is_empty() {
            true => self.cut_off(field),
            false => self.bad(field),
        }
    }

    /// Reads the base32 of exactly `N` bytes.
    pub(crate) fn bytes<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], CapError> {
        let length = N.saturating_mul(8).div_ceil(5);
        let left = without_newline(self.rest);
        let is_base32 = |byte: u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
        if left.len() < length && left.bytes().all(is_base32) {
            return Err(self.cut_off(field));
        }
        let (text, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.bad(field))?;
        self.rest = rest;
        base32::decode_array(text).map_err(|_| self.bad(field))
    }

    /// Reads the colon between two fields.
    pub(crate) fn colon(&mut self, after: &'static str) -> Result<(), CapError> {
        let rest = self.rest.strip_prefix(':');
        self.rest = rest.ok_or_else(|| self.bad_or_cut_off(after))?;
        Ok(())
    }

    /// Reads a decimal number below 2^64. Leading zeros are understood and not written again.
    pub(crate) fn number(&mut self, field: &'static str) -> Result<u64, CapError> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(self.bad_or_cut_off(field));
        }
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
