//! SHA-256 of many independent messages at once.
//!
//! Each round of SHA-256 waits for the one before, so that one message never keeps a processor busy.
//! Here each message is a *lane*; an [`Engine`] takes the next blocks of several lanes in one go, and a
//! lane that ends makes room for the next message. The longest messages begin, so that they don't stay
//! behind alone.
//!
//! Engines are chosen by the processor's features: AVX-512 for 16 lanes ([`wide`]), the SHA instructions
//! for 2 to 4 ([`lanes`]), `sha2` for one. Nothing is measured at the start: on Intel's Sapphire Rapids the
//! first is twice as fast as the second. On AMD, where several lanes of the SHA instructions bring more,
//! the two should be about equal; that was not measured.

#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod wide;

use super::Hash;

/// A message in pieces.
pub(super) type Message<'a> = Vec<&'a [u8]>;

/// What is compressed at a time.
type Block = [u8; BLOCK_LENGTH];
const BLOCK_LENGTH: usize = 64;
/// The words a to h.
type State = [u32; 8];

/// The state before the first block.
#[rustfmt::skip]
const INITIAL: State = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

/// The constants of the rounds.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const CONSTANTS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// A way to compress blocks of several messages at once.
#[derive(Clone, Copy)]
struct Engine {
    /// With fewer lanes a narrower engine is faster.
    least: usize,
    most: usize,
    /// Takes as many blocks of each message as all of them have.
    compress: fn(&mut [State], &[&[Block]]),
}

const ONE_BY_ONE: Engine = Engine {
    least: 1,
    most: 1,
    compress: |states, messages| {
        for (state, blocks) in states.iter_mut().zip(messages) {
            sha2::block_api::compress256(state, blocks);
        }
    },
};

/// What this processor has, the widest first.
#[cfg(target_arch = "x86_64")]
fn engines() -> Vec<Engine> {
    let engines = [wide::engine(), lanes::engine(), Some(ONE_BY_ONE)];
    engines.into_iter().flatten().collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn engines() -> Vec<Engine> {
    vec![ONE_BY_ONE]
}

/// The SHA-256 of each message.
pub(super) fn digests(messages: &[Message<'_>]) -> Vec<Hash> {
    digests_by(&engines(), messages)
}

fn digests_by(engines: &[Engine], messages: &[Message<'_>]) -> Vec<Hash> {
    let width = engines.iter().map(|engine| engine.most).max().unwrap_or(1);
    let mut digests = vec![Hash::default(); messages.len()];
    let mut waiting: Vec<usize> = (0..messages.len()).collect();
    waiting.sort_by_key(|index| length_of(&messages[*index]));
    let mut lanes: Vec<Lane<'_>> = Vec::with_capacity(width);
    loop {
        while lanes.len() < width
            && let Some(index) = waiting.pop()
        {
            lanes.push(Lane::new(index, &messages[index]));
        }
        if lanes.is_empty() {
            return digests;
        }
        let fitting = engines.iter().find(|engine| engine.least <= lanes.len());
        step(fitting.unwrap_or(&ONE_BY_ONE), &mut lanes);
        lanes.retain(|lane| {
            let goes_on = !lane.blocks().is_empty();
            if !goes_on {
                digests[lane.index] = lane.digest();
            }
            goes_on
        });
    }
}

fn length_of(message: &Message<'_>) -> usize {
    message.iter().map(|piece| piece.len()).sum()
}

/// Takes as many blocks as lie ready in all of the first lanes.
fn step(engine: &Engine, lanes: &mut [Lane<'_>]) {
    let used = lanes.len().min(engine.most);
    let lanes = &mut lanes[..used];
    let mut states: Vec<State> = lanes.iter().map(|lane| lane.state).collect();
    let blocks: Vec<&[Block]> = lanes.iter().map(Lane::blocks).collect();
    let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    let blocks: Vec<&[Block]> = blocks.iter().map(|blocks| &blocks[..count]).collect();
    (engine.compress)(&mut states, &blocks);
    for (lane, state) in lanes.iter_mut().zip(states) {
        lane.state = state;
        lane.advance(count);
    }
}

/// A message that is being hashed.
struct Lane<'a> {
    /// Which of the messages it is.
    index: usize,
    state: State,
    /// Bytes of the whole message.
    length: usize,
    /// What is left of the present piece.
    rest: &'a [u8],
    /// Pieces after that.
    pieces: std::slice::Iter<'a, &'a [u8]>,
    /// Blocks that don't lie in one piece: those over a seam, and the end with its padding.
    gathered: [Block; 2],
    /// Which of them are next; if none, `rest` is.
    ready: std::ops::Range<usize>,
    padded: bool,
}

impl<'a> Lane<'a> {
    fn new(index: usize, message: &'a Message<'a>) -> Self {
        let mut lane = Self {
            index,
            state: INITIAL,
            length: length_of(message),
            rest: &[],
            pieces: message.iter(),
            gathered: [[0; BLOCK_LENGTH]; 2],
            ready: 0..0,
            padded: false,
        };
        lane.gather();
        lane
    }

    /// The next blocks that lie ready; none at the end of the message.
    fn blocks(&self) -> &[Block] {
        if self.ready.is_empty() {
            self.rest.as_chunks().0
        } else {
            &self.gathered[self.ready.clone()]
        }
    }

    fn advance(&mut self, count: usize) {
        if self.ready.is_empty() {
            self.rest = &self.rest[count * BLOCK_LENGTH..];
        } else {
            self.ready.start += count;
        }
        self.gather();
    }

    /// Puts the next block together if it doesn't lie ready.
    fn gather(&mut self) {
        if self.padded || !self.blocks().is_empty() {
            return;
        }
        let bytes = self.gathered.as_flattened_mut();
        let mut filled = 0;
        loop {
            let (taken, rest) = self
                .rest
                .split_at(self.rest.len().min(BLOCK_LENGTH - filled));
            bytes[filled..filled + taken.len()].copy_from_slice(taken);
            filled += taken.len();
            self.rest = rest;
            if filled == BLOCK_LENGTH {
                self.ready = 0..1;
                return;
            }
            match self.pieces.next() {
                Some(piece) => self.rest = piece,
                None => break,
            }
        }
        let bits = (self.length as u64).wrapping_mul(8).to_be_bytes();
        let used = if filled < BLOCK_LENGTH - bits.len() {
            1
        } else {
            2
        };
        let end = used * BLOCK_LENGTH - bits.len();
        bytes[filled..].fill(0);
        bytes[filled] = 0x80;
        bytes[end..end + bits.len()].copy_from_slice(&bits);
        self.ready = 0..used;
        self.padded = true;
    }

    fn digest(&self) -> Hash {
        let mut digest = Hash::default();
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    /// Each engine of this processor, also where it isn't the fastest, with one that does single lanes.
    fn each_engine_alone() -> Vec<Vec<Engine>> {
        let alone = |engine: Engine| {
            vec![
                Engine {
                    least: engine.most.min(2),
                    ..engine
                },
                ONE_BY_ONE,
            ]
        };
        let mut choices: Vec<_> = engines().into_iter().map(alone).collect();
        choices.push(engines());
        choices
    }

    fn check(messages: &[Message<'_>]) {
        let digest = |message: &Message<'_>| Sha256::digest(message.concat()).into();
        let expected: Vec<Hash> = messages.iter().map(digest).collect();
        for engines in each_engine_alone() {
            let widths: Vec<usize> = engines.iter().map(|engine| engine.most).collect();
            assert_eq!(
                digests_by(&engines, messages),
                expected,
                "engines of {widths:?} lanes"
            );
        }
    }

    #[test]
    fn the_widest_engine_of_this_processor_is_used() {
        let most = engines().first().map(|engine| engine.most);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512bw") {
            assert_eq!(most, Some(16));
        }
        assert!(most.is_some());
    }

    /// All lengths around the ends of SHA-256's own blocks, for all numbers of lanes and some more.
    #[test]
    fn messages_of_one_length() {
        let bytes: Vec<u8> = (0..700_u32).map(|i| i.to_le_bytes()[0] ^ 0x5a).collect();
        for length in (0..140).chain([511, 512, 600]) {
            for count in 0..40 {
                let message = |i: usize| vec![&b"prefix"[..i % 7], &bytes[i..i + length]];
                check(&(0..count).map(message).collect::<Vec<_>>());
            }
        }
    }

    proptest! {
        #[test]
        fn messages_of_several_lengths(
            messages in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..5),
                0..41,
            ),
        ) {
            let messages = messages.iter();
            let messages = messages.map(|pieces| pieces.iter().map(|piece| &piece[..]).collect());
            check(&messages.collect::<Vec<Message<'_>>>());
        }
    }
}
