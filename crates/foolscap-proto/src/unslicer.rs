//! From tokens to messages.

use std::collections::HashMap;

use crate::message::{Arguments, Message};
use crate::vocabulary::Vocabulary;
use crate::{Limits, ProtocolError, RemoteFailure, Token, Value, Violation};

mod frame;

use frame::{Child, Done, Frame};

/// Something that arrived completely.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// A message.
    Message(Message),
    /// A message that isn't acceptable; the rest of it is skipped.
    Refused(Refused),
}

/// Which message was refused, as far as it was known then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A call; its number is 0 if no answer is wanted or if that wasn't known yet.
    Call {
        /// The number of the request.
        request: u64,
        /// Whether the sender itself gave up, and so needs no answer.
        given_up: bool,
        /// What isn't acceptable.
        why: Violation,
    },
    /// The answer to a call of ours.
    Answer {
        /// The number of the request.
        request: u64,
        /// What isn't acceptable.
        why: Violation,
    },
    /// A message of a kind that we don't know, or that ended before it said for what it was.
    Unknown {
        /// What isn't acceptable.
        why: Violation,
    },
}

/// Where a sequence that has ended lies: in which other sequence, as which of its children.
#[derive(Debug, Clone, Copy)]
struct Place {
    parent: u64,
    ordinal: usize,
}

/// An OPEN whose kind is still to come.
#[derive(Debug)]
struct Opening {
    open: u64,
    index: u64,
    /// Set for a `copyable`, which needs a second word: the name of a class.
    copyable: bool,
}

/// Puts tokens together to messages.
///
/// A value that was sent before in the same message may come as a `reference` to it; it is copied,
/// and counts against the limits each time. A value inside itself is refused.
#[derive(Debug)]
pub struct Unslicer {
    limits: Limits,
    vocabulary: Vocabulary,
    stack: Vec<Frame>,
    opening: Option<Opening>,
    /// How many CLOSE tokens are still to be skipped, after a violation.
    skipping: usize,
    /// The number of the next OPEN of this connection.
    next_index: u64,
    /// What the message has cost so far, in bytes.
    cost: usize,
    /// Sequences of this message that have ended, by number.
    places: HashMap<u64, Place>,
}

impl Unslicer {
    /// Makes a reader for a connection on which this table was agreed upon.
    pub fn new(vocabulary: Vocabulary, limits: Limits) -> Self {
        Self {
            limits,
            vocabulary,
            stack: Vec::new(),
            opening: None,
            skipping: 0,
            next_index: 0,
            cost: 0,
            places: HashMap::new(),
        }
    }

    /// Changes how large a message may be.
    pub(crate) fn set_message_bytes(&mut self, message_bytes: usize) {
        self.limits.message_bytes = message_bytes;
    }

    /// Takes the next token; PING, PONG and ERROR don't belong here.
    pub fn token(&mut self, token: Token) -> Result<Option<Received>, ProtocolError> {
        if self.skipping > 0 {
            self.skip(&token)?;
            return Ok(None);
        }
        match self.accept(token)? {
            Ok(received) => Ok(received.map(Received::Message)),
            Err((why, given_up)) => Ok(Some(Received::Refused(self.refuse(why, given_up)))),
        }
    }

    fn skip(&mut self, token: &Token) -> Result<(), ProtocolError> {
        match token {
            Token::Open(_) => {
                self.next_index = self.next_index.wrapping_add(1);
                self.skipping = self.skipping.saturating_add(1);
                if self.skipping > self.limits.depth.saturating_mul(2) {
                    return Err(ProtocolError::TooDeep {
                        limit: self.limits.depth,
                    });
                }
            }
            Token::Close(_) => self.skipping = self.skipping.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    /// The outer error ends the connection, the inner one the message.
    fn accept(
        &mut self,
        token: Token,
    ) -> Result<Result<Option<Message>, (Violation, bool)>, ProtocolError> {
        let body = match &token {
            Token::String(bytes) => bytes.len(),
            _ => 0,
        };
        self.spend(body.saturating_add(Limits::TOKEN_COST))?;
        let value = match token {
            Token::Open(open) => return self.open(open).map(Ok),
            Token::Close(open) => return self.close(open),
            Token::Abort if self.stack.is_empty() => {
                return Err(ProtocolError::Unexpected("ABORT outside of a sequence"));
            }
            Token::Abort => return Ok(Err((Violation::new("ABORT received"), true))),
            Token::Integer(integer) => Value::Integer(integer),
            Token::Float(float) => Value::Float(float),
            Token::String(bytes) => Value::Bytes(bytes),
            Token::Vocab(index) => {
                let word = self.vocabulary.word(index);
                Value::Bytes(word.ok_or(ProtocolError::UnknownWord(index))?.into())
            }
            Token::Error(_) | Token::Ping(_) | Token::Pong(_) => return Ok(Ok(None)),
        };
        let violation = match self.opening.take() {
            Some(opening) => self.name(opening, &value)?,
            None => self.deliver(Child::Value(value), None)?,
        };
        Ok(match violation {
            Some(violation) => Err((violation, false)),
            None => Ok(None),
        })
    }

    fn spend(&mut self, cost: usize) -> Result<(), ProtocolError> {
        self.cost = self.cost.saturating_add(cost);
        let limit = self.limits.message_bytes;
        if self.cost > limit.saturating_add(4096) {
            return Err(ProtocolError::MessageTooLarge { limit });
        }
        Ok(())
    }

    fn open(&mut self, open: u64) -> Result<Option<Message>, ProtocolError> {
        if self.opening.is_some() {
            return Err(ProtocolError::Unexpected("OPEN token followed by OPEN"));
        }
        let limit = self.limits.depth;
        if self.stack.len() >= limit {
            return Err(ProtocolError::TooDeep { limit });
        }
        self.opening = Some(Opening {
            open,
            index: self.next_index,
            copyable: false,
        });
        self.next_index = self.next_index.wrapping_add(1);
        Ok(None)
    }

    /// Takes a word that says what was opened.
    fn name(
        &mut self,
        mut opening: Opening,
        word: &Value,
    ) -> Result<Option<Violation>, ProtocolError> {
        let Some(word) = word.as_text() else {
            return Err(ProtocolError::Unexpected("index token is no word"));
        };
        if word.len() > Limits::NAME_BYTES {
            self.opening = Some(opening);
            return Ok(Some(Violation::new("the name of a sequence is too long")));
        }
        let made = if opening.copyable {
            Ok(Frame::copied(opening.open, opening.index, word))
        } else if word == "copyable" && !self.stack.is_empty() {
            opening.copyable = true;
            self.opening = Some(opening);
            return Ok(None);
        } else {
            Frame::new(opening.open, opening.index, word, self.stack.last())
        };
        match made {
            Ok(frame) => {
                self.stack.push(frame);
                Ok(None)
            }
            Err(violation) => {
                self.opening = Some(opening);
                Ok(Some(violation))
            }
        }
    }

    fn close(
        &mut self,
        open: u64,
    ) -> Result<Result<Option<Message>, (Violation, bool)>, ProtocolError> {
        let fits = self.opening.is_none() && self.stack.last().is_some_and(|f| f.open == open);
        let (true, Some(frame)) = (fits, self.stack.pop()) else {
            return Err(ProtocolError::LostSync { found: open });
        };
        let index = frame.index;
        let request = frame.request();
        let violation = match frame.finish()? {
            Ok(Done::Message(message)) => {
                self.forget();
                return Ok(Ok(Some(message)));
            }
            Ok(Done::Child(child)) => self.deliver(child, Some(index))?,
            Ok(Done::Same(earlier)) => match self.shared(earlier)? {
                Ok(value) => self.deliver(Child::Value(value), None)?,
                Err(violation) => Some(violation),
            },
            Err(violation) => {
                if let Some(request) = request {
                    // A message as a whole is wrong: it has ended, and nothing is to be skipped.
                    self.stack.push(request);
                    let refused = (violation, false);
                    return Ok(Err(refused));
                }
                Some(violation)
            }
        };
        Ok(match violation {
            Some(violation) => Err((violation, false)),
            None => Ok(None),
        })
    }

    /// Gives a value to the innermost sequence.
    fn deliver(
        &mut self,
        child: Child,
        index: Option<u64>,
    ) -> Result<Option<Violation>, ProtocolError> {
        let Some(frame) = self.stack.last_mut() else {
            return Err(ProtocolError::Unexpected("top-level must be OPEN"));
        };
        let is_container = child.is_container();
        let parent = frame.index;
        match frame.receive(child)? {
            Ok(ordinal) => {
                if let Some(index) = index.filter(|_| is_container) {
                    self.places.insert(index, Place { parent, ordinal });
                }
                Ok(None)
            }
            Err(violation) => Ok(Some(violation)),
        }
    }

    /// Copies a value that came earlier in the message.
    fn shared(&mut self, earlier: u64) -> Result<Result<Value, Violation>, ProtocolError> {
        let mut path = Vec::new();
        let mut at = earlier;
        let frame = loop {
            if let Some(frame) = self.stack.iter().find(|frame| frame.index == at) {
                break frame;
            }
            match self.places.get(&at) {
                Some(place) if path.len() <= self.limits.depth => {
                    path.push(place.ordinal);
                    at = place.parent;
                }
                _ => return Ok(Err(Violation::new("dangling reference"))),
            }
        };
        let mut steps = path.into_iter().rev();
        let mut found = steps.next().and_then(|ordinal| frame.child(ordinal));
        for ordinal in steps {
            found = found.and_then(|value| frame::child_of(value, ordinal));
        }
        let Some(found) = found else {
            return Ok(Err(Violation::new("a value that contains itself")));
        };
        let (cost, value) = (found.cost(), found.clone());
        self.spend(cost)?;
        Ok(Ok(value))
    }

    /// Gives up the message, and sees to it that the rest of it is skipped.
    fn refuse(&mut self, why: Violation, given_up: bool) -> Refused {
        let ended = self.stack.len() == 1 && self.stack.first().is_some_and(|f| f.ended);
        let opening = usize::from(self.opening.take().is_some());
        self.skipping = if ended {
            0
        } else {
            self.stack.len().saturating_add(opening)
        };
        let refused = match self.stack.first() {
            Some(frame) => frame.refused(why, given_up),
            None => Refused::Unknown { why },
        };
        self.forget();
        refused
    }

    fn forget(&mut self) {
        self.stack.clear();
        self.places.clear();
        self.cost = 0;
    }
}

/// Reads the failure that an `error` message carries.
fn failure(value: &Value) -> Result<RemoteFailure, Violation> {
    RemoteFailure::from_value(value).ok_or_else(|| Violation::new("an error without a failure"))
}

/// Reads the number of a request.
fn request_number(value: &Value) -> Result<u64, ProtocolError> {
    const NOT_A_NUMBER: ProtocolError = ProtocolError::Unexpected("request ID must be an INT");
    value.as_integer().ok_or(NOT_A_NUMBER)
}

#[cfg(test)]
mod tests;
