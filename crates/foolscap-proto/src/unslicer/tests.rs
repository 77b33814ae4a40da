use super::*;
use crate::Clid;
use crate::{CopiedObject, Slicer, TokenDecoder, WireReference};
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Result<Vec<Received>, ProtocolError> {
    let limits = Limits {
        message_bytes: 1 << 20,
        ..Limits::default()
    };
    let mut decoder = TokenDecoder::new(&limits);
    let mut unslicer = Unslicer::new(Vocabulary::numbered(1).unwrap(), limits);
    decoder.buffer().extend_from_slice(bytes);
    let mut all = Vec::new();
    while let Some(token) = decoder.next_token()? {
        all.extend(unslicer.token(token)?);
    }
    Ok(all)
}

fn slicer() -> Slicer {
    Slicer::new(Vocabulary::numbered(1).unwrap())
}

fn bytes_of(mut slicer: Slicer) -> Vec<u8> {
    std::iter::from_fn(|| slicer.next_chunk())
        .flatten()
        .collect()
}

/// Bytes of a message in which `{` opens a sequence, `}` closes it, words are words and numbers are
/// numbers.
fn stream(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut opened: Vec<u8> = Vec::new();
    let mut next = 0;
    for word in text.split_whitespace() {
        match word {
            "{" => {
                bytes.extend([next, 0x88]);
                opened.push(next);
                next += 1;
            }
            "}" => bytes.extend([opened.pop().unwrap(), 0x89]),
            "abort" => bytes.push(0x8a),
            word => match word.parse::<i8>() {
                Ok(number) if number < 0 => bytes.extend([number.unsigned_abs(), 0x83]),
                Ok(number) => bytes.extend([number.unsigned_abs(), 0x81]),
                Err(_) => {
                    bytes.extend([u8::try_from(word.len()).unwrap(), 0x82]);
                    bytes.extend(word.bytes());
                }
            },
        }
    }
    bytes
}

fn answer_to_1(text: &str) -> Received {
    let mut all = read(&stream(&format!("{{ answer 1 {text} }}"))).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn value(text: &str) -> Value {
    match answer_to_1(text) {
        Received::Message(Message::Answer { request: 1, value }) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_is_put_together() {
    let text = "{ call 3 -5 get { arguments 1 { none } size 7 } }";
    let arguments = Arguments::positional([Value::None]).with("size", 7);
    let call = Message::Call {
        request: 3,
        target: -5,
        method: "get".to_owned(),
        arguments,
    };
    assert_eq!(read(&stream(text)).unwrap(), [Received::Message(call)]);
}

#[test]
fn a_value_may_be_sent_again_by_number() {
    let list = || Value::List(vec![Value::from(7)]);
    // Sequence 0 is the answer, 1 the tuple, 2 the list.
    assert_eq!(
        value("{ tuple { list 7 } { reference 2 } }"),
        Value::Tuple(vec![list(), list()])
    );
    // The list lies in a tuple that has ended, in a dict that hasn't.
    assert_eq!(
        value("{ dict 1 { tuple { list 7 } } 2 { reference 3 } }"),
        Value::Dict(vec![
            (Value::from(1), Value::Tuple(vec![list()])),
            (Value::from(2), list())
        ])
    );
    let refused = |text: &str| matches!(answer_to_1(text), Received::Refused(_));
    assert!(refused("{ list { reference 1 } }"), "inside itself");
    assert!(refused("{ list { reference 9 } }"), "nothing there");
}

#[test]
fn copies_of_copies_hit_the_limit() {
    let mut text = "{ answer 1 { list { list 1 1 1 1 1 1 1 1 1 1 }".to_owned();
    for level in 0..6 {
        // Each list holds ten times the one before it.
        let before = if level == 0 { 2 } else { 3 + (level - 1) * 11 };
        let references = format!("{{ reference {before} }} ").repeat(10);
        text.push_str(&format!(" {{ list {references} }}"));
    }
    text.push_str(" } }");
    let limit = 1 << 20;
    assert_eq!(
        read(&stream(&text)),
        Err(ProtocolError::MessageTooLarge { limit })
    );
}

#[test]
fn a_violation_costs_one_message_only() {
    let good = "{ answer 2 5 }";
    for (bad, request) in [
        ("{ answer 1 { list { instance x { dict } 3 } 4 } }", 1),
        ("{ answer 1 { list 4 abort } }", 1),
        ("{ error 1 { list 4 } }", 1),
        ("{ error 1 { copyable strange a { list } } }", 1),
    ] {
        let all = read(&stream(&format!("{bad} {good}"))).unwrap();
        let [
            Received::Refused(refused),
            Received::Message(Message::Answer { request: 2, .. }),
        ] = &all[..]
        else {
            panic!("{bad}: {all:?}")
        };
        assert!(
            matches!(refused, Refused::Answer { request: found, .. } if *found == request),
            "{bad}: {refused:?}"
        );
    }
    let all = read(&stream(&format!(
        "{{ call 7 1 m {{ arguments 1 {{ what }} }} }} {good}"
    )));
    let refused = &all.unwrap()[0];
    assert!(matches!(
        refused,
        Received::Refused(Refused::Call {
            request: 7,
            given_up: false,
            ..
        })
    ));
    let all = read(&stream(&format!("{{ instance 1 }} {good}"))).unwrap();
    assert!(matches!(all[0], Received::Refused(Refused::Unknown { .. })));
    assert_eq!(all.len(), 2);
}

#[test]
fn breaches_end_the_connection() {
    for bad in [
        "5",
        "}",
        "{ answer x",
        "{ answer 1 2 3 }",
        "{ answer 1 }",
        "{ call 1 1 m 5",
        "{ call 1 1 m }",
        "{ call 1 x",
        "{ answer 1 { none 1",
        "{ answer 1 { boolean 2 } }",
        "{ answer 1 { unicode 2 } }",
        "{ answer 1 { list { arguments 0 } } }",
        "{ answer { 1",
        "{ 5",
        "{ answer 1 { dict 1 } }",
        "{ answer 1 { your-reference } }",
        "{ answer 1 { your-reference { none } } }",
        "{ answer 1 { their-reference 1 } }",
        "abort",
    ] {
        let bad = if bad == "}" {
            vec![0, 0x89]
        } else {
            stream(bad)
        };
        assert!(read(&bad).is_err(), "{bad:?}");
    }
    let deep = "{ list ".repeat(101);
    let limit = 100;
    assert_eq!(
        read(&stream(&format!("{{ answer 1 {deep}"))),
        Err(ProtocolError::TooDeep { limit })
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i128>()
            .prop_filter("the one number without an opposite", |i| *i != i128::MIN)
            .prop_map(Value::Integer),
        (-1e300..1e300).prop_map(Value::Float),
        "[a-z]{0,9}".prop_map(|text| Value::bytes(text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..6000).prop_map(Value::bytes),
        ".*".prop_map(Value::text),
        "[0-9]{1,9}".prop_map(Value::Decimal),
        any::<i64>()
            .prop_map(|clid| Value::Reference(WireReference::Receiver { clid: Clid(clid) })),
        (any::<i32>(), "[a-z]{0,5}").prop_map(|(clid, name)| {
            Value::Reference(WireReference::Sender {
                clid: Clid(clid.into()),
                interface: Some(name.clone()),
                url: Some(name),
            })
        }),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.clone().prop_map(Value::Tuple),
            items.clone().prop_map(Value::Set),
            items.prop_map(Value::FrozenSet),
            prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Dict),
            prop::collection::vec(("[a-z]{1,5}", inner), 0..4).prop_map(|attributes| {
                let class_name = "some.Class".to_owned();
                Value::Copied(Box::new(CopiedObject {
                    class_name,
                    attributes,
                }))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_survives(value in any_value(), request in 1_u64..1 << 40) {
        let mut slicer = slicer();
        slicer.answer(request, &value);
        slicer.call(request, -3, "method", std::slice::from_ref(&value), &[("n".to_owned(), value.clone())]);
        let all = read(&bytes_of(slicer)).unwrap();
        let arguments = Arguments::positional([value.clone()]).with("n", value.clone());
        let method = "method".to_owned();
        prop_assert_eq!(all, [
            Received::Message(Message::Answer { request, value }),
            Received::Message(Message::Call { request, target: -3, method, arguments }),
        ]);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes).is_ok();
    }

    #[test]
    fn damaged_messages_don_t_make_it_panic(value in any_value(), at: prop::sample::Index, byte: u8) {
        let mut slicer = slicer();
        slicer.answer(1, &value);
        let mut bytes = bytes_of(slicer);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read(&bytes).is_ok();
    }
}
