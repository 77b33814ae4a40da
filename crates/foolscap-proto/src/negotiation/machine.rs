//! Negotiation after TLS has begun, as a state machine.

use super::hello::{BANANA_RANGE, best_overlap};
use super::{Block, BlockReader, Hello, LastConnection, NegotiationError};
use crate::vocabulary::{self, Vocabulary};
use crate::{Slicer, TubId};

/// Which side made the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// We did, in order to talk to this tub.
    Client {
        /// Whom we want to talk to.
        target: TubId,
        /// What we remember of our last connection with it.
        last_connection: Option<LastConnection>,
    },
    /// The peer did.
    Server,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NegotiationStep {
    /// Nothing until more bytes are received.
    Wait,
    /// We are the master, and the peer offers this: [`Negotiation::accept`] it or not.
    Decide(Hello),
    /// Agreed.
    Done(Negotiated),
}

/// What was agreed upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// Who the peer is: what its certificate proves.
    pub peer: TubId,
    /// The words that both sides abbreviate.
    pub vocabulary: Vocabulary,
    /// If the peer is the master: what to remember for the next time.
    pub current_connection: Option<LastConnection>,
    /// Bytes that were received already and belong to the connection.
    pub rest: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The peer's hello is to come.
    Hello,
    /// We are the master and have to decide.
    Deciding { peer: TubId, vocabulary: Vocabulary },
    /// The master's decision is to come.
    Decision { peer: TubId },
    /// Agreed or failed.
    Over,
}

/// One negotiation. Bytes go in with [`Negotiation::receive`], steps come out.
#[derive(Debug)]
pub struct Negotiation {
    role: Role,
    tub_id: TubId,
    incarnation: String,
    /// What the peer's certificate proves.
    certified: Option<TubId>,
    state: State,
    reader: BlockReader,
    output: Vec<u8>,
}

impl Negotiation {
    /// Begins, right after the TLS handshake; `certified` is the tub id of the peer's certificate.
    pub fn new(role: Role, tub_id: TubId, incarnation: &str, certified: Option<TubId>) -> Self {
        let mut hello = Hello::new(tub_id, incarnation);
        if let Role::Client {
            last_connection, ..
        } = &role
        {
            hello.last_connection = Some(last_connection.clone());
        }
        Self {
            role,
            tub_id,
            incarnation: incarnation.to_owned(),
            certified,
            state: State::Hello,
            reader: BlockReader::default(),
            output: hello.to_block().to_bytes(),
        }
    }

    /// Takes bytes to send.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Adds received bytes.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.reader.receive(bytes);
    }

    /// Says what to do next. After an error, [`Negotiation::report`] it and close.
    pub fn step(&mut self) -> Result<NegotiationStep, NegotiationError> {
        match self.state.clone() {
            State::Hello => match self.reader.next_block()? {
                None => Ok(NegotiationStep::Wait),
                Some(block) => self.hello(&Block::parse(&block)?),
            },
            State::Decision { peer } => match self.reader.next_block()? {
                None => Ok(NegotiationStep::Wait),
                Some(block) => self.decision(peer, &Block::parse(&block)?),
            },
            State::Deciding { .. } | State::Over => Ok(NegotiationStep::Wait),
        }
    }

    fn hello(&mut self, block: &Block) -> Result<NegotiationStep, NegotiationError> {
        let hello = Hello::from_block(block)?;
        best_overlap(BANANA_RANGE, hello.banana, "banana version")?;
        let peer = self.certified.ok_or(NegotiationError::NoCertificate)?;
        if hello.tub_id != peer {
            return Err(NegotiationError::WrongTubId);
        }
        if matches!(self.role, Role::Client { target, .. } if target != peer) {
            return Err(NegotiationError::WrongPeer);
        }
        if peer == self.tub_id {
            return Err(NegotiationError::Ourselves);
        }
        if self.tub_id < peer {
            self.state = State::Decision { peer };
            return self.step();
        }
        let number = best_overlap(vocabulary::RANGE, hello.vocabulary, "initial vocab set")?;
        let vocabulary = Vocabulary::numbered(number).unwrap_or_default();
        self.state = State::Deciding { peer, vocabulary };
        Ok(NegotiationStep::Decide(hello))
    }

    /// Accepts the offer as our connection of this number with the peer.
    ///
    /// `None` if there was nothing to accept.
    pub fn accept(&mut self, sequence: u64) -> Option<Negotiated> {
        let State::Deciding { peer, vocabulary } = self.state else {
            return None;
        };
        let connection = LastConnection {
            incarnation: self.incarnation.clone(),
            sequence,
        };
        let table = format!("{} {}", vocabulary.number(), vocabulary.hash());
        let decision = Block::default()
            .with("banana-decision-version", BANANA_RANGE.1)
            .with("current-connection", connection)
            .with("initial-vocab-table-index", table);
        self.output.extend(decision.to_bytes());
        Some(self.agreed(peer, vocabulary, None))
    }

    fn decision(
        &mut self,
        peer: TubId,
        block: &Block,
    ) -> Result<NegotiationStep, NegotiationError> {
        if let Some(error) = block.value("error") {
            self.state = State::Over;
            return Err(NegotiationError::Refused(error.to_owned()));
        }
        const VERSION: &str = "banana-decision-version";
        let version = block
            .value(VERSION)
            .and_then(|version| version.parse().ok());
        let version: u32 = version.ok_or(NegotiationError::Missing(VERSION))?;
        if !(BANANA_RANGE.0..=BANANA_RANGE.1).contains(&version) {
            return Err(NegotiationError::Missing(VERSION));
        }
        let vocabulary = decided_vocabulary(block.value("initial-vocab-table-index"))?;
        let connection = block
            .value("current-connection")
            .and_then(LastConnection::parse);
        let agreed = self.agreed(peer, vocabulary, connection);
        Ok(NegotiationStep::Done(agreed))
    }

    fn agreed(
        &mut self,
        peer: TubId,
        vocabulary: Vocabulary,
        current_connection: Option<LastConnection>,
    ) -> Negotiated {
        self.state = State::Over;
        Negotiated {
            peer,
            vocabulary,
            current_connection,
            rest: std::mem::take(&mut self.reader).into_rest(),
        }
    }

    /// Writes to the peer why it's over, in the form that it expects now.
    pub fn report(&mut self, error: &NegotiationError) {
        match self.state {
            _ if matches!(error, NegotiationError::Refused(_)) => {}
            State::Hello | State::Deciding { .. } => {
                let block = Block::default()
                    .with("banana-decision-version", 1)
                    .with("error", error);
                self.output.extend(block.to_bytes());
            }
            // Whoever isn't the master speaks Banana next.
            State::Decision { .. } => {
                let mut slicer = Slicer::default();
                slicer.protocol_error(&error.to_string());
                while let Some(chunk) = slicer.next_chunk() {
                    self.output.extend_from_slice(&chunk);
                }
            }
            State::Over => {}
        }
        self.state = State::Over;
    }
}

fn decided_vocabulary(text: Option<&str>) -> Result<Vocabulary, NegotiationError> {
    const INDEX: &str = "initial-vocab-table-index";
    let Some(text) = text else {
        return Ok(Vocabulary::default());
    };
    let (index, hash) = text.split_once(' ').unwrap_or((text, ""));
    let index = index
        .parse()
        .map_err(|_| NegotiationError::Missing(INDEX))?;
    let vocabulary = Vocabulary::numbered(index).ok_or(NegotiationError::NoOverlap {
        who: "I",
        what: "initial vocab table index",
        number: index,
    })?;
    if index > 0 && vocabulary.hash() != hash.trim() {
        return Err(NegotiationError::VocabularyMismatch(index));
    }
    Ok(vocabulary)
}

#[cfg(test)]
mod tests;
