//! What is measured, and how this crate does it.

use std::error::Error;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use zfec::{Decoder, Encoder, Engine, Params};

/// One operation on one segment: making all check blocks, or getting back the primary blocks that
/// are lost when as many of the first ones are missing as can be.
pub(crate) struct Task {
    pub(crate) params: Params,
    pub(crate) segment: Vec<u8>,
    pub(crate) block_length: usize,
    pub(crate) is_decoding: bool,
    /// The numbers of the blocks that are given, ascending.
    pub(crate) given: Vec<u8>,
    /// The numbers of the blocks to make, ascending.
    pub(crate) wanted: Vec<u8>,
    /// All blocks, by the reference engine.
    blocks: Vec<Vec<u8>>,
}

/// An implementation of the code.
pub(crate) trait Contestant {
    /// Names the implementation and its version.
    fn name(&self) -> &str;

    /// Gets ready, does the task once and returns the digest of the blocks it made.
    fn prepare(&mut self, task: &Task) -> Result<String, Box<dyn Error>>;

    /// Does the task so many times and returns how long that took.
    fn run(&mut self, count: u32) -> Result<Duration, Box<dyn Error>>;
}

impl Task {
    pub(crate) fn new(
        params: Params,
        segment_length: usize,
        is_decoding: bool,
    ) -> Result<Self, Box<dyn Error>> {
        let block_length = params.block_length(segment_length);
        let padded = block_length * usize::from(params.needed());
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let segment: Vec<u8> = (0..padded).map(|_| next()).collect();
        let blocks = Encoder::with_engine(params, Engine::reference()).encode_segment(&segment);
        let needed = u8::try_from(params.needed())?;
        let total = u8::try_from(params.total())?;
        let lost = if is_decoding {
            needed.min(total - needed)
        } else {
            0
        };
        let (given, wanted) = match is_decoding {
            true => ((lost..needed + lost).collect(), (0..lost).collect()),
            false => ((0..needed).collect(), (needed..total).collect()),
        };
        Ok(Self {
            params,
            segment,
            block_length,
            is_decoding,
            given,
            wanted,
            blocks,
        })
    }

    /// Returns the given blocks: pieces of the segment as far as they are primary blocks.
    pub(crate) fn given_blocks(&self) -> Vec<&[u8]> {
        let block = |&number: &u8| {
            let start = usize::from(number) * self.block_length;
            let piece = self.segment.get(start..start + self.block_length);
            piece.unwrap_or_else(|| &self.blocks[usize::from(number)])
        };
        self.given.iter().map(block).collect()
    }

    /// Returns the coefficients of each wanted block, one row after the other.
    pub(crate) fn matrix(&self) -> Result<Vec<u8>, Box<dyn Error>> {
        let needed = self.given.len();
        let unit_vectors: Vec<Vec<u8>> = (0..needed)
            .map(|j| (0..needed).map(|i| u8::from(i == j)).collect())
            .collect();
        let blocks: Vec<(u8, &[u8])> = self
            .given
            .iter()
            .copied()
            .zip(unit_vectors.iter().map(Vec::as_slice))
            .collect();
        let mut rows = vec![0; needed * self.wanted.len()];
        let mut out: Vec<&mut [u8]> = rows.chunks_exact_mut(needed).collect();
        Decoder::with_params(self.params).reconstruct(&blocks, &self.wanted, &mut out)?;
        Ok(rows)
    }

    /// Returns the digest of the right result.
    pub(crate) fn digest(&self) -> String {
        digest(
            self.wanted
                .iter()
                .map(|&number| &self.blocks[usize::from(number)]),
        )
    }
}

/// Returns the digest of blocks in hexadecimal.
pub(crate) fn digest<'a>(blocks: impl IntoIterator<Item = &'a Vec<u8>>) -> String {
    let mut digest = Sha256::new();
    blocks.into_iter().for_each(|block| digest.update(block));
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// This crate.
pub(crate) struct Ours {
    name: String,
    engine: Engine,
    state: Option<State>,
}

struct State {
    encoder: Encoder,
    decoder: Decoder,
    is_decoding: bool,
    numbers: Vec<u8>,
    given: Vec<Vec<u8>>,
    wanted: Vec<u8>,
    outputs: Vec<Vec<u8>>,
}

impl Ours {
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            name: engine.name().to_owned(),
            engine,
            state: None,
        }
    }
}

impl Contestant for Ours {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self, task: &Task) -> Result<String, Box<dyn Error>> {
        self.state = Some(State {
            encoder: Encoder::with_engine(task.params, self.engine),
            decoder: Decoder::with_engine(task.params, self.engine),
            is_decoding: task.is_decoding,
            numbers: task.given.clone(),
            given: task
                .given_blocks()
                .into_iter()
                .map(<[u8]>::to_vec)
                .collect(),
            wanted: task.wanted.clone(),
            outputs: vec![vec![0; task.block_length]; task.wanted.len()],
        });
        self.run(1)?;
        Ok(digest(self.state.iter().flat_map(|state| &state.outputs)))
    }

    fn run(&mut self, count: u32) -> Result<Duration, Box<dyn Error>> {
        let state = self.state.as_mut().ok_or("not prepared")?;
        let start = Instant::now();
        for _ in 0..count {
            // The lists of slices belong to the interface, so making them belongs to the time.
            let mut out: Vec<&mut [u8]> = state.outputs.iter_mut().map(Vec::as_mut_slice).collect();
            if state.is_decoding {
                let given = state.numbers.iter().zip(&state.given);
                let given: Vec<(u8, &[u8])> = given.map(|(&n, block)| (n, &block[..])).collect();
                state.decoder.reconstruct(&given, &state.wanted, &mut out)?;
            } else {
                let given: Vec<&[u8]> = state.given.iter().map(Vec::as_slice).collect();
                state.encoder.encode(&given, &state.wanted, &mut out)?;
            }
        }
        Ok(start.elapsed())
    }
}
