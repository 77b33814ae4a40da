//! The padding of a segment: zeros after its ciphertext, so that k blocks of one size hold it.

/// The first `length` bytes of the pieces, which is what they hold without padding.
pub(crate) fn without_padding<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    length: usize,
) -> Vec<&'a [u8]> {
    let mut rest = length;
    let used = pieces.map(|piece| {
        let used = &piece[..rest.min(piece.len())];
        rest -= used.len();
        used
    });
    used.collect()
}
