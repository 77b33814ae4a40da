//! An object like the one of `peer.py`.

use async_trait::async_trait;
use foolscap::{Arguments, Call, Reference, Referenceable, RemoteFailure, Value};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Counts.
#[derive(Default)]
pub(crate) struct Held(Mutex<i128>);

#[async_trait]
impl Referenceable for Held {
    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        match (call.method.as_str(), &call.arguments.positional[..]) {
            ("add", [Value::Integer(number)]) => {
                let mut count = self.0.lock().unwrap();
                *count += number;
                Ok(Value::Integer(*count))
            }
            _ => Err(call.unknown_method("Held")),
        }
    }
}

/// Gives back what it gets, and some more.
#[derive(Default)]
pub(crate) struct Echo {
    pub(crate) held: Mutex<Option<Reference>>,
    order: Mutex<Vec<Value>>,
    /// Set once it is known to whom it belongs.
    pub(crate) myself: Mutex<Option<std::sync::Weak<Self>>>,
}

impl Echo {
    pub(crate) fn new() -> Arc<Self> {
        let echo = Arc::new(Self::default());
        *echo.myself.lock().unwrap() = Some(Arc::downgrade(&echo));
        echo
    }

    fn myself(&self) -> Reference {
        let weak = self.myself.lock().unwrap();
        Reference::Local(weak.as_ref().unwrap().upgrade().unwrap())
    }

    fn held(&self) -> Option<Reference> {
        self.held.lock().unwrap().clone()
    }
}

#[async_trait]
impl Referenceable for Echo {
    fn interface(&self) -> Option<&str> {
        None
    }

    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        let Arguments { positional, named } = &call.arguments;
        Ok(match (call.method.as_str(), &positional[..]) {
            ("echo", _) if !named.is_empty() => {
                let named = named.iter();
                let named = named.map(|(name, value)| (Value::text(name), value.clone()));
                let named = Value::Dict(named.collect());
                Value::Tuple(vec![Value::List(positional.clone()), named])
            }
            ("echo", [one]) => one.clone(),
            ("fail", [Value::Text(text)]) => {
                return Err(RemoteFailure::new("builtins.KeyError", text));
            }
            ("panic", []) => panic!("as it should"),
            ("length", [Value::Bytes(data)]) => Value::from(data.len() as u64),
            ("large", [size]) => Value::bytes(vec![b'z'; size.as_integer().unwrap()]),
            ("wait", [Value::Float(seconds)]) => {
                tokio::time::sleep(Duration::from_secs_f64(*seconds)).await;
                Value::Float(*seconds)
            }
            ("note", [number]) => {
                self.order.lock().unwrap().push(number.clone());
                Value::None
            }
            ("noted", []) => Value::List(self.order.lock().unwrap().clone()),
            ("make", []) => Reference::value(Arc::new(Held::default())),
            ("hold", [Value::Reference(reference)]) => {
                *self.held.lock().unwrap() = Some(reference.clone());
                Value::None
            }
            ("use", [number]) => {
                let Some(Reference::Remote(held)) = self.held() else {
                    return Err(RemoteFailure::violation("nothing is held"));
                };
                let arguments = Arguments::positional([number.clone()]);
                let used = held.call("add", arguments).await;
                used.map_err(RemoteFailure::violation)?
            }
            ("drop", []) => {
                *self.held.lock().unwrap() = None;
                Value::None
            }
            ("same", [one, other]) => Value::Bool(one == other),
            ("mine", [Value::Reference(one)]) => Value::Bool(*one == self.myself()),
            ("myself", []) => Value::Reference(self.myself()),
            _ => return Err(call.unknown_method("Echo")),
        })
    }
}
