//! Sequences that haven't ended yet.

use super::{Arguments, Message, Refused, failure, request_number};
use crate::{Clid, CopiedObject, Limits, ProtocolError, Value, Violation, WireReference};

/// A sequence whose CLOSE is still to come.
#[derive(Debug)]
pub(super) struct Frame {
    /// The number that its OPEN carried and its CLOSE must carry.
    pub(super) open: u64,
    /// Which OPEN of the connection it is, as `reference` counts them.
    pub(super) index: u64,
    /// Whether its CLOSE has come, and it stays only to say what was refused.
    pub(super) ended: bool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Call {
        request: Option<u64>,
        target: Option<i64>,
        method: Option<String>,
        arguments: Option<Arguments>,
    },
    Arguments {
        expected: Option<usize>,
        found: Arguments,
        name: Option<String>,
    },
    /// An answer, or an error.
    Reply {
        request: Option<u64>,
        value: Option<Value>,
        is_error: bool,
    },
    Items {
        make: fn(Vec<Value>) -> Value,
        items: Vec<Value>,
    },
    Dict {
        entries: Vec<(Value, Value)>,
        key: Option<Value>,
    },
    Copied {
        object: Box<CopiedObject>,
        name: Option<String>,
    },
    /// A sequence of a few plain tokens.
    Leaf { leaf: Leaf, tokens: Vec<Value> },
}

#[derive(Debug, Clone, Copy)]
enum Leaf {
    None,
    Boolean,
    Unicode,
    Decimal,
    Reference,
    MyReference,
    YourReference,
    TheirReference,
}

/// What a sequence is given.
pub(super) enum Child {
    Value(Value),
    Arguments(Arguments),
}

impl Child {
    pub(super) fn is_container(&self) -> bool {
        let Self::Value(value) = self else {
            return false;
        };
        matches!(
            value,
            Value::List(_)
                | Value::Tuple(_)
                | Value::Set(_)
                | Value::FrozenSet(_)
                | Value::Dict(_)
                | Value::Copied(_)
        )
    }
}

/// What a sequence turned out to be.
pub(super) enum Done {
    Message(Message),
    Child(Child),
    /// The same as an earlier sequence of this number.
    Same(u64),
}

impl Frame {
    /// Begins a sequence of the kind that `word` names, inside of `parent`.
    pub(super) fn new(
        open: u64,
        index: u64,
        word: &str,
        parent: Option<&Self>,
    ) -> Result<Self, Violation> {
        let kind = match (parent, word) {
            (None, _) => Kind::message(word),
            (Some(_), "arguments") => Some(Kind::Arguments {
                expected: None,
                found: Arguments::default(),
                name: None,
            }),
            (Some(_), "dict") => Some(Kind::Dict {
                entries: Vec::new(),
                key: None,
            }),
            (Some(_), _) => Kind::items(word).or_else(|| Kind::leaf(word)),
        };
        let kind = kind.ok_or_else(|| Violation::new(format!("unknown OPEN type {word:?}")))?;
        Ok(Self::of(open, index, kind))
    }

    /// Begins an object that is passed by value.
    pub(super) fn copied(open: u64, index: u64, class_name: &str) -> Self {
        let object = CopiedObject {
            class_name: class_name.to_owned(),
            attributes: Vec::new(),
        };
        let kind = Kind::Copied {
            object: Box::new(object),
            name: None,
        };
        Self::of(open, index, kind)
    }

    fn of(open: u64, index: u64, kind: Kind) -> Self {
        Self {
            open,
            index,
            ended: false,
            kind,
        }
    }

    /// What is left of a message for saying later which one was refused.
    pub(super) fn request(&self) -> Option<Self> {
        let kind = match &self.kind {
            Kind::Reply {
                request, is_error, ..
            } => Kind::Reply {
                request: *request,
                value: None,
                is_error: *is_error,
            },
            _ => return None,
        };
        Some(Self {
            ended: true,
            ..Self::of(self.open, self.index, kind)
        })
    }

    /// Says which message is refused by whose outermost sequence this is.
    pub(super) fn refused(&self, why: Violation, given_up: bool) -> Refused {
        match &self.kind {
            Kind::Call { request, .. } => Refused::Call {
                request: request.unwrap_or(0),
                given_up,
                why,
            },
            Kind::Reply {
                request: Some(request),
                ..
            } => Refused::Answer {
                request: *request,
                why,
            },
            _ => Refused::Unknown { why },
        }
    }

    /// Takes the next part and says which child it became.
    pub(super) fn receive(
        &mut self,
        child: Child,
    ) -> Result<Result<usize, Violation>, ProtocolError> {
        let value = match (child, &mut self.kind) {
            (
                Child::Arguments(found),
                Kind::Call {
                    arguments, method, ..
                },
            ) if arguments.is_none() && method.is_some() => {
                *arguments = Some(found);
                return Ok(Ok(0));
            }
            (Child::Arguments(_), _) => {
                return Err(ProtocolError::Unexpected("arguments outside of a call"));
            }
            (Child::Value(value), _) => value,
        };
        self.kind.receive(value)
    }

    /// Ends the sequence.
    pub(super) fn finish(self) -> Result<Result<Done, Violation>, ProtocolError> {
        self.kind.finish()
    }

    /// The child of this number, if it is a value.
    pub(super) fn child(&self, ordinal: usize) -> Option<&Value> {
        match &self.kind {
            Kind::Arguments { found, .. } => match ordinal.checked_sub(found.positional.len()) {
                None => found.positional.get(ordinal),
                Some(named) => found.named.get(named).map(|(_, value)| value),
            },
            Kind::Items { items, .. } => items.get(ordinal),
            Kind::Dict { entries, key } => {
                let of_entry = entry_child(entries, ordinal);
                of_entry.or(key
                    .as_ref()
                    .filter(|_| ordinal == entries.len().saturating_mul(2)))
            }
            Kind::Copied { object, .. } => object.attributes.get(ordinal).map(|(_, value)| value),
            Kind::Reply { value, .. } => value.as_ref(),
            Kind::Call { .. } | Kind::Leaf { .. } => None,
        }
    }
}

impl Kind {
    fn message(word: &str) -> Option<Self> {
        match word {
            "call" => Some(Self::Call {
                request: None,
                target: None,
                method: None,
                arguments: None,
            }),
            "answer" | "error" => Some(Self::Reply {
                request: None,
                value: None,
                is_error: word == "error",
            }),
            _ => None,
        }
    }

    fn items(word: &str) -> Option<Self> {
        let make = match word {
            "list" => Value::List,
            "tuple" => Value::Tuple,
            "set" => Value::Set,
            "immutable-set" => Value::FrozenSet,
            _ => return None,
        };
        let items = Vec::new();
        Some(Self::Items { make, items })
    }

    fn leaf(word: &str) -> Option<Self> {
        let leaf = match word {
            "none" => Leaf::None,
            "boolean" => Leaf::Boolean,
            "unicode" => Leaf::Unicode,
            "decimal" => Leaf::Decimal,
            "reference" => Leaf::Reference,
            "my-reference" => Leaf::MyReference,
            "your-reference" => Leaf::YourReference,
            "their-reference" => Leaf::TheirReference,
            _ => return None,
        };
        let tokens = Vec::new();
        Some(Self::Leaf { leaf, tokens })
    }

    fn receive(&mut self, received: Value) -> Result<Result<usize, Violation>, ProtocolError> {
        match self {
            Self::Call {
                request,
                target,
                method,
                ..
            } => {
                const TOO_MANY: ProtocolError =
                    ProtocolError::Unexpected("arguments must be an 'arguments' sequence");
                const NO_TARGET: ProtocolError =
                    ProtocolError::Unexpected("object ID must be an INT/NEG");
                if request.is_none() {
                    *request = Some(request_number(&received)?);
                } else if target.is_none() {
                    *target = Some(received.as_integer().ok_or(NO_TARGET)?);
                } else if method.is_none() {
                    return name(&received).map(|read| {
                        read.map(|word| {
                            *method = Some(word);
                            0
                        })
                    });
                } else {
                    return Err(TOO_MANY);
                }
            }
            Self::Arguments {
                expected,
                found,
                name,
            } => return receive_argument(expected, found, name, received),
            Self::Reply { request, value, .. } => match (*request, &value) {
                (None, _) => *request = Some(request_number(&received)?),
                (Some(_), None) => *value = Some(received),
                _ => return Err(ProtocolError::Unexpected("stop sending me stuff!")),
            },
            Self::Items { items, .. } => {
                items.push(received);
                return Ok(Ok(items.len().saturating_sub(1)));
            }
            Self::Dict { entries, key } => {
                let ordinal = entries.len().saturating_mul(2);
                match key.take() {
                    None => *key = Some(received),
                    Some(key) => {
                        entries.push((key, received));
                        return Ok(Ok(ordinal.saturating_add(1)));
                    }
                }
                return Ok(Ok(ordinal));
            }
            Self::Copied { object, name: key } => match key.take() {
                None => {
                    return name(&received).map(|read| {
                        read.map(|word| {
                            *key = Some(word);
                            0
                        })
                    });
                }
                Some(key) => {
                    object.attributes.push((key, received));
                    return Ok(Ok(object.attributes.len().saturating_sub(1)));
                }
            },
            Self::Leaf { leaf, tokens } => {
                if tokens.len() >= leaf.most_tokens() {
                    return Err(ProtocolError::Unexpected("too many tokens in a sequence"));
                }
                tokens.push(received);
            }
        }
        Ok(Ok(0))
    }

    fn finish(self) -> Result<Result<Done, Violation>, ProtocolError> {
        const EARLY: ProtocolError = ProtocolError::Unexpected("sequence ended too early");
        let value = match self {
            Self::Call {
                request: Some(request),
                target: Some(target),
                method: Some(method),
                arguments: Some(arguments),
            } => {
                let message = Message::Call {
                    request,
                    target,
                    method,
                    arguments,
                };
                return Ok(Ok(Done::Message(message)));
            }
            Self::Arguments {
                expected: Some(expected),
                found,
                name: None,
            } if found.positional.len() == expected => {
                return Ok(Ok(Done::Child(Child::Arguments(found))));
            }
            Self::Reply {
                request: Some(request),
                value: Some(value),
                is_error,
            } => return Ok(reply(request, value, is_error).map(Done::Message)),
            Self::Items { make, items } => make(items),
            Self::Dict { entries, key: None } => Value::Dict(entries),
            Self::Copied { object, name: None } => Value::Copied(object),
            Self::Leaf { leaf, tokens } => return leaf.finish(tokens),
            _ => return Err(EARLY),
        };
        Ok(Ok(Done::Child(Child::Value(value))))
    }
}

fn reply(request: u64, value: Value, is_error: bool) -> Result<Message, Violation> {
    Ok(if is_error {
        let failure = failure(&value)?;
        Message::Error { request, failure }
    } else {
        Message::Answer { request, value }
    })
}

fn receive_argument(
    expected: &mut Option<usize>,
    found: &mut Arguments,
    key: &mut Option<String>,
    received: Value,
) -> Result<Result<usize, Violation>, ProtocolError> {
    const NO_COUNT: ProtocolError = ProtocolError::Unexpected("posarg count must be an INT");
    let Some(count) = *expected else {
        *expected = Some(received.as_integer().ok_or(NO_COUNT)?);
        return Ok(Ok(0));
    };
    if found.positional.len() < count {
        found.positional.push(received);
        return Ok(Ok(found.positional.len().saturating_sub(1)));
    }
    match key.take() {
        None => name(&received).map(|read| {
            read.map(|word| {
                *key = Some(word);
                0
            })
        }),
        Some(key) => {
            found.named.push((key, received));
            let ordinal = count.saturating_add(found.named.len()).saturating_sub(1);
            Ok(Ok(ordinal))
        }
    }
}

/// Reads the name of a method, an argument or an attribute.
fn name(value: &Value) -> Result<Result<String, Violation>, ProtocolError> {
    let Value::Bytes(bytes) = value else {
        return Err(ProtocolError::Unexpected("a name must be a STRING"));
    };
    if bytes.len() > Limits::NAME_BYTES {
        return Ok(Err(Violation::new("a name is too long")));
    }
    let text = std::str::from_utf8(bytes);
    Ok(text
        .map(str::to_owned)
        .map_err(|_| Violation::new("a name isn't UTF-8")))
}

/// The child of this number of a value that is complete.
pub(super) fn child_of(value: &Value, ordinal: usize) -> Option<&Value> {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            items.get(ordinal)
        }
        Value::Dict(entries) => entry_child(entries, ordinal),
        Value::Copied(object) => object.attributes.get(ordinal).map(|(_, value)| value),
        _ => None,
    }
}

fn entry_child(entries: &[(Value, Value)], ordinal: usize) -> Option<&Value> {
    let (key, value) = entries.get(ordinal / 2)?;
    Some(if ordinal.is_multiple_of(2) {
        key
    } else {
        value
    })
}

impl Leaf {
    fn most_tokens(self) -> usize {
        match self {
            Self::None => 0,
            Self::Boolean | Self::Unicode | Self::Decimal => 1,
            Self::Reference | Self::YourReference => 1,
            Self::TheirReference => 2,
            Self::MyReference => 3,
        }
    }

    fn finish(self, tokens: Vec<Value>) -> Result<Result<Done, Violation>, ProtocolError> {
        const BAD: ProtocolError = ProtocolError::Unexpected("not what the sequence is made of");
        let mut tokens = tokens.into_iter();
        let first = tokens.next();
        let integer = || first.as_ref().and_then(Value::as_integer::<i64>).ok_or(BAD);
        let value = match self {
            Self::None => Value::None,
            Self::Boolean => Value::Bool(match integer()? {
                0 => false,
                1 => true,
                _ => return Err(BAD),
            }),
            Self::Unicode | Self::Decimal => {
                let bytes = first.as_ref().and_then(Value::as_bytes).ok_or(BAD)?;
                let Ok(text) = std::str::from_utf8(bytes) else {
                    return Ok(Err(Violation::new("a text isn't UTF-8")));
                };
                match self {
                    Self::Unicode => Value::Text(text.to_owned()),
                    _ => Value::Decimal(text.to_owned()),
                }
            }
            Self::Reference => {
                let earlier = u64::try_from(integer()?).map_err(|_| BAD)?;
                return Ok(Ok(Done::Same(earlier)));
            }
            Self::YourReference => Value::Reference(WireReference::Receiver {
                clid: Clid(integer()?),
            }),
            Self::MyReference => Value::Reference(WireReference::Sender {
                clid: Clid(integer()?),
                interface: url(tokens.next())?,
                url: url(tokens.next())?,
            }),
            Self::TheirReference => Value::Reference(WireReference::Third {
                gift: u64::try_from(integer()?).map_err(|_| BAD)?,
                url: url(tokens.next())?.ok_or(BAD)?,
            }),
        };
        Ok(Ok(Done::Child(Child::Value(value))))
    }
}

/// Reads an interface's name or a FURL.
fn url(token: Option<Value>) -> Result<Option<String>, ProtocolError> {
    const BAD: ProtocolError = ProtocolError::Unexpected("not a reference's name or URL");
    let Some(token) = token else {
        return Ok(None);
    };
    let text = token
        .as_text()
        .filter(|text| text.len() <= Limits::URL_BYTES);
    text.map(|text| Some(text.to_owned())).ok_or(BAD)
}
