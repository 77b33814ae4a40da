//! The values that calls and answers carry.

use crate::{Clid, Limits};
use bytes::Bytes;

/// A value of a kind that Foolscap sends; `R` says what references are.
///
/// Numbers beyond 127 bits have no use in any protocol that we know and are refused. Sets and
/// dicts keep the order in which they came; whether keys repeat is for whoever takes them apart.
#[derive(Clone, PartialEq)]
pub enum Value<R = WireReference> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of any size that fits.
    Integer(i128),
    /// A number with a fraction.
    Float(f64),
    /// A byte string.
    Bytes(Bytes),
    /// A text.
    Text(String),
    /// A decimal number as text.
    Decimal(String),
    /// A list.
    List(Vec<Self>),
    /// A tuple.
    Tuple(Vec<Self>),
    /// A set that its owner may change.
    Set(Vec<Self>),
    /// A set that never changes.
    FrozenSet(Vec<Self>),
    /// Keys with their values.
    Dict(Vec<(Self, Self)>),
    /// An object that is passed by value.
    Copied(Box<CopiedObject<R>>),
    /// An object that is passed by reference.
    Reference(R),
}

/// An object that is passed by value: the name of its class and its attributes.
#[derive(Clone, PartialEq)]
pub struct CopiedObject<R = WireReference> {
    /// Which class it is, by a name that both sides know.
    pub class_name: String,
    /// Names and values, in the order sent.
    pub attributes: Vec<(String, Value<R>)>,
}

impl<R> CopiedObject<R> {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&Value<R>> {
        let mut found = self.attributes.iter();
        found.find(|(n, _)| n == name).map(|(_, value)| value)
    }
}

/// A reference as it goes over the wire, seen by whoever received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireReference {
    /// `my-reference`: an object of the sender.
    Sender {
        /// Its number.
        clid: Clid,
        /// What it can do; sent only the first time.
        interface: Option<String>,
        /// Its FURL, if it has one; sent only the first time.
        url: Option<String>,
    },
    /// `your-reference`: an object of the receiver.
    Receiver {
        /// Its number.
        clid: Clid,
    },
    /// `their-reference`: a gift, an object of a third tub.
    Third {
        /// What the receiver acknowledges; 0 if it needn't.
        gift: u64,
        /// Where the object is; empty if it can't be reached.
        url: String,
    },
}

impl<R> Value<R> {
    /// Makes a byte string.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// Makes a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Makes a dict whose keys are byte strings.
    pub fn dict<K: Into<Bytes>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        let entries = entries.into_iter();
        Self::Dict(
            entries
                .map(|(key, value)| (Self::bytes(key), value))
                .collect(),
        )
    }

    /// Turns each reference into something else; the first failure ends it.
    pub fn try_map<S, E>(self, each: &mut impl FnMut(R) -> Result<S, E>) -> Result<Value<S>, E> {
        let mut all = |items: Vec<Self>| -> Result<Vec<Value<S>>, E> {
            items.into_iter().map(|item| item.try_map(each)).collect()
        };
        Ok(match self {
            Self::None => Value::None,
            Self::Bool(b) => Value::Bool(b),
            Self::Integer(i) => Value::Integer(i),
            Self::Float(f) => Value::Float(f),
            Self::Bytes(b) => Value::Bytes(b),
            Self::Text(t) => Value::Text(t),
            Self::Decimal(d) => Value::Decimal(d),
            Self::List(items) => Value::List(all(items)?),
            Self::Tuple(items) => Value::Tuple(all(items)?),
            Self::Set(items) => Value::Set(all(items)?),
            Self::FrozenSet(items) => Value::FrozenSet(all(items)?),
            Self::Dict(entries) => {
                let mut pair =
                    |(key, value): (Self, Self)| Ok((key.try_map(each)?, value.try_map(each)?));
                Value::Dict(
                    entries
                        .into_iter()
                        .map(&mut pair)
                        .collect::<Result<_, E>>()?,
                )
            }
            Self::Copied(object) => {
                let mut attribute =
                    |(name, value): (String, Self)| Ok((name, value.try_map(each)?));
                let attributes = object.attributes.into_iter().map(&mut attribute);
                Value::Copied(Box::new(CopiedObject {
                    attributes: attributes.collect::<Result<_, E>>()?,
                    class_name: object.class_name,
                }))
            }
            Self::Reference(reference) => Value::Reference(each(reference)?),
        })
    }

    /// About how many bytes of memory the value takes.
    pub(crate) fn cost(&self) -> usize {
        let items = |items: &[Self]| {
            let costs = items.iter().map(Self::cost);
            costs.fold(0, usize::saturating_add)
        };
        let body = match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Text(text) | Self::Decimal(text) => text.len(),
            Self::List(all) | Self::Tuple(all) | Self::Set(all) | Self::FrozenSet(all) => {
                items(all)
            }
            Self::Dict(entries) => {
                let costs = entries
                    .iter()
                    .map(|(k, v)| k.cost().saturating_add(v.cost()));
                costs.fold(0, usize::saturating_add)
            }
            Self::Copied(object) => {
                let attributes = object.attributes.iter();
                let costs = attributes.map(|(n, v)| n.len().saturating_add(v.cost()));
                costs.fold(0, usize::saturating_add)
            }
            _ => 0,
        };
        body.saturating_add(Limits::TOKEN_COST)
    }
}

/// What a value has to be, for whoever takes it apart; `None` if it isn't that.
impl<R> Value<R> {
    /// A byte string.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A text, or a byte string that is one: Python 2 peers don't tell the two apart.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// A truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// An integer that fits.
    pub fn as_integer<I: TryFrom<i128>>(&self) -> Option<I> {
        match self {
            Self::Integer(integer) => I::try_from(*integer).ok(),
            _ => None,
        }
    }

    /// The items of a list or tuple.
    pub fn as_sequence(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) | Self::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The items of a set of either kind.
    pub fn as_set(&self) -> Option<&[Self]> {
        match self {
            Self::Set(items) | Self::FrozenSet(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a dict.
    pub fn as_dict(&self) -> Option<&[(Self, Self)]> {
        match self {
            Self::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// A dict's value for a key that is a byte string or text.
    pub fn entry(&self, key: &str) -> Option<&Self> {
        let mut entries = self.as_dict()?.iter();
        entries
            .find(|(k, _)| k.as_text() == Some(key))
            .map(|(_, value)| value)
    }

    /// A reference.
    pub fn as_reference(&self) -> Option<&R> {
        match self {
            Self::Reference(reference) => Some(reference),
            _ => None,
        }
    }
}

macro_rules! from_integer {
    ($($integer:ty),*) => {$(
        impl<R> From<$integer> for Value<R> {
            fn from(integer: $integer) -> Self {
                Self::Integer(i128::from(integer))
            }
        }
    )*};
}
from_integer!(u8, u16, u32, u64, i32, i64);

impl<R> From<bool> for Value<R> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<R> From<Bytes> for Value<R> {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl<R> From<&str> for Value<R> {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Shows the shape only: values hold secrets.
impl<R: std::fmt::Debug> std::fmt::Debug for Value<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Integer(_) => f.write_str("integer"),
            Self::Float(_) => f.write_str("float"),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Text(text) => write!(f, "text of {} bytes", text.len()),
            Self::Decimal(_) => f.write_str("decimal"),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Tuple(items) => {
                let mut tuple = f.debug_tuple("");
                items.iter().for_each(|item| {
                    tuple.field(item);
                });
                tuple.finish()
            }
            Self::Set(items) | Self::FrozenSet(items) => f.debug_set().entries(items).finish(),
            Self::Dict(entries) => {
                let entries = entries.iter().map(|(key, value)| (key, value));
                f.debug_map().entries(entries).finish()
            }
            Self::Copied(object) => object.fmt(f),
            Self::Reference(reference) => reference.fmt(f),
        }
    }
}

impl<R: std::fmt::Debug> std::fmt::Debug for CopiedObject<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct(&self.class_name);
        for (name, value) in &self.attributes {
            shown.field(name, value);
        }
        shown.finish()
    }
}
