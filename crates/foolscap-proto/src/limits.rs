//! What a peer may make us hold.

/// The most that one connection's peer can make us hold or do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest message (call, answer or error) in bytes, with [`Limits::TOKEN_COST`] for each token.
    pub message_bytes: usize,
    /// Deepest nesting of sequences in a message.
    pub depth: usize,
    /// Most calls of the peer that we haven't answered yet.
    pub calls_in_progress: usize,
    /// Most references to the peer's objects that we keep for it.
    pub references: usize,
}

impl Limits {
    /// What a token costs beside its body: about what a value takes in memory.
    pub const TOKEN_COST: usize = 64;
    /// Largest message of a peer that has no reference of ours yet and of which we asked nothing: all
    /// that it can do is look up a name.
    pub const STRANGER_MESSAGE_BYTES: usize = 64 << 10;
    /// Longest prefix of a token, in bytes; the original's limit.
    pub const TOKEN_PREFIX_BYTES: usize = 64;
    /// Longest text of an ERROR token, in bytes; the original's limit.
    pub const ERROR_BYTES: usize = 1000;
    /// Longest name of a kind of sequence, a class, a method or an argument, in bytes.
    pub const NAME_BYTES: usize = 300;
    /// Longest interface name or FURL of a reference, in bytes.
    pub const URL_BYTES: usize = 8192;
    /// Longest integer that we read, in bytes of its magnitude.
    pub const INTEGER_BYTES: usize = 1024;
    /// Longest negotiation block in bytes; the original's limit.
    pub const BLOCK_BYTES: usize = 4096;
}

impl Default for Limits {
    /// 64 MiB a message, 100 levels, 4096 calls, 100 000 references.
    fn default() -> Self {
        Self {
            message_bytes: 64 << 20,
            depth: 100,
            calls_in_progress: 4096,
            references: 100_000,
        }
    }
}
