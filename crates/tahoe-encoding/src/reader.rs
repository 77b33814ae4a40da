//! A cursor over bytes from strangers: every read is checked, all integers are big-endian.

/// The input ended before the field did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ends at byte {length} inside a field that starts at byte {offset}")]
pub struct UnexpectedEnd {
    /// Where the field begins.
    pub offset: usize,
    /// Length of the whole input in bytes.
    pub length: usize,
}

/// Reads fields one after the other from a byte slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    input: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, offset: 0 }
    }

    /// Bytes read so far.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What hasn't been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.input.get(self.offset..).unwrap_or_default()
    }

    /// Says whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Reads `length` bytes.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], UnexpectedEnd> {
        let short = UnexpectedEnd {
            offset: self.offset,
            length: self.input.len(),
        };
        let end = self.offset.checked_add(length).ok_or(short)?;
        let field = self.input.get(self.offset..end).ok_or(short)?;
        self.offset = end;
        Ok(field)
    }

    /// Reads a field of fixed size.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], UnexpectedEnd> {
        let short = UnexpectedEnd {
            offset: self.offset,
            length: self.input.len(),
        };
        self.bytes(N)?.try_into().map_err(|_| short)
    }

    /// Reads one byte.
    pub fn u8(&mut self) -> Result<u8, UnexpectedEnd> {
        self.array().map(u8::from_be_bytes)
    }

    /// Reads two bytes, big-endian.
    pub fn u16(&mut self) -> Result<u16, UnexpectedEnd> {
        self.array().map(u16::from_be_bytes)
    }

    /// Reads four bytes, big-endian.
    pub fn u32(&mut self) -> Result<u32, UnexpectedEnd> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads eight bytes, big-endian.
    pub fn u64(&mut self) -> Result<u64, UnexpectedEnd> {
        self.array().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_in_order_and_refuses_past_the_end() {
        let mut reader = Reader::new(&[1, 0, 2, 0, 0, 0, 3, 9, 9]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(
            reader.u64(),
            Err(UnexpectedEnd {
                offset: 7,
                length: 9
            })
        );
        assert_eq!(
            reader.bytes(usize::MAX),
            Err(UnexpectedEnd {
                offset: 7,
                length: 9
            })
        );
        assert_eq!(reader.bytes(2), Ok(&[9u8, 9][..]));
        assert!(reader.is_empty());
    }
}
