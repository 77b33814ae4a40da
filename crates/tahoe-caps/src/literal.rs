//! Small immutable files that lie in the capability itself.

use tahoe_encoding::base32;

use crate::CapError;
use crate::fields::Fields;

/// Most bytes of a file that an uploader puts into a capability instead of on servers.
///
/// A reader takes literals of any size.
pub const LITERAL_SIZE_LIMIT: usize = 55;

/// Is a file: its content in base32. It has no shares, so there is nothing to verify.
#[derive(Clone, PartialEq, Eq)]
pub struct LiteralCap(Vec<u8>);

impl LiteralCap {
    /// Puts a content into a capability, however long it is.
    pub fn new(content: Vec<u8>) -> Self {
        Self(content)
    }

    pub(crate) fn parse(fields: Fields<'_>) -> Result<Self, CapError> {
        fields.rest_as_bytes("content").map(Self)
    }

    pub(crate) fn fields_text(&self) -> String {
        base32::encode(&self.0)
    }

    /// The file's content.
    pub fn content(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for LiteralCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LiteralCap({} bytes)", self.0.len())
    }
}
