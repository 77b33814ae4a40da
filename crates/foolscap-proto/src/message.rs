//! The three messages of a connection.

use crate::{RemoteFailure, Value, WireReference};

/// The arguments of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Arguments<R = WireReference> {
    /// Without names, in order.
    pub positional: Vec<Value<R>>,
    /// With names, in the order sent.
    pub named: Vec<(String, Value<R>)>,
}

impl<R> Default for Arguments<R> {
    fn default() -> Self {
        Self {
            positional: Vec::new(),
            named: Vec::new(),
        }
    }
}

impl<R> Arguments<R> {
    /// Arguments without names.
    pub fn positional(values: impl IntoIterator<Item = Value<R>>) -> Self {
        Self {
            positional: values.into_iter().collect(),
            named: Vec::new(),
        }
    }

    /// Adds an argument with a name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value<R>>) -> Self {
        self.named.push((name.to_owned(), value.into()));
        self
    }

    /// Puts the arguments into the order of these parameters' names.
    ///
    /// `None` if one is missing, unknown or given twice: whoever calls may give each by place or by
    /// name, as Python callers do.
    pub fn take<const N: usize>(self, names: [&str; N]) -> Option<[Value<R>; N]> {
        if self.positional.len() > N {
            return None;
        }
        let mut found: [Option<Value<R>>; N] = [const { None }; N];
        for (slot, value) in found.iter_mut().zip(self.positional) {
            *slot = Some(value);
        }
        for (name, value) in self.named {
            let place = names.iter().position(|known| *known == name)?;
            let slot = found.get_mut(place)?;
            if slot.replace(value).is_some() {
                return None;
            }
        }
        if found.iter().any(Option::is_none) {
            return None;
        }
        Some(found.map(|value| value.unwrap_or(Value::None)))
    }

    /// Turns each reference into something else; the first failure ends it.
    pub fn try_map<S, E>(
        self,
        each: &mut impl FnMut(R) -> Result<S, E>,
    ) -> Result<Arguments<S>, E> {
        let positional = self.positional.into_iter().map(|value| value.try_map(each));
        let positional = positional.collect::<Result<_, E>>()?;
        let named = self.named.into_iter();
        let named = named.map(|(name, value)| Ok((name, value.try_map(each)?)));
        Ok(Arguments {
            positional,
            named: named.collect::<Result<_, E>>()?,
        })
    }

    /// About how many bytes of memory the arguments take.
    pub fn cost(&self) -> usize {
        let named = self.named.iter().map(|(_, value)| value);
        let costs = self.positional.iter().chain(named).map(Value::cost);
        costs.fold(0, usize::saturating_add)
    }
}

/// What one side tells the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Asks for a method to be run.
    Call {
        /// What the answer will carry; 0 if none is wanted.
        request: u64,
        /// Which of the receiver's objects; 0 is its broker.
        target: i64,
        /// Which method.
        method: String,
        /// With what.
        arguments: Arguments,
    },
    /// What a method returned.
    Answer {
        /// Which call.
        request: u64,
        /// What it returned.
        value: Value,
    },
    /// Why a call failed.
    Error {
        /// Which call.
        request: u64,
        /// Why.
        failure: RemoteFailure,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_given_by_place_or_name_but_once() {
        let one = || Arguments::<()>::positional([Value::from(1)]);
        let two = Some([Value::from(1), Value::from(2)]);
        assert_eq!(one().with("b", 2).take(["a", "b"]), two);
        assert_eq!(one().with("a", 2).take(["a", "b"]), None);
        assert_eq!(one().with("c", 2).take(["a", "b"]), None);
        assert_eq!(one().take(["a", "b"]), None);
        assert_eq!(one().take([]), None);
    }
}
