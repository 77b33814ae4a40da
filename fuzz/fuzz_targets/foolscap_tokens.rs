//! A Foolscap connection after negotiation: whatever comes, it is refused or understood, and what we
//! hold stays within the limits.
#![no_main]

use foolscap_proto::{
    Broker, BrokerSettings, Event, Incoming, Limits, LocalObject, Outgoing, Value, vocabulary,
};
use std::time::Instant;

#[derive(Clone)]
struct Object(usize);

impl LocalObject for Object {
    fn identity(&self) -> usize {
        self.0
    }
    fn interface(&self) -> Option<String> {
        None
    }
    fn url(&self) -> Option<String> {
        None
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let now = Instant::now();
    let limits = Limits {
        message_bytes: 100_000,
        references: 50,
        ..Limits::default()
    };
    let settings = BrokerSettings {
        vocabulary: vocabulary::Vocabulary::numbered(1).unwrap(),
        limits,
        ..BrokerSettings::default()
    };
    let mut broker: Broker<Object> = Broker::new(settings, now);
    // Requests 1 to 3 wait for answers, and the objects 1 and 2 are known.
    for number in 1..=3 {
        let object = Value::Reference(Outgoing::Ours(Object(number % 2 + 1)));
        let arguments = foolscap_proto::Arguments::positional([object]);
        broker.call(foolscap_proto::Clid(1), "m", arguments).unwrap();
    }
    for chunk in input.chunks(7) {
        broker.receive(chunk, now);
        loop {
            match broker.poll_event() {
                Ok(None) => break,
                Ok(Some(Event::Call { request, arguments, .. })) => {
                    let home = |incoming| match incoming {
                        Incoming::Ours(object) => Ok::<_, ()>(Outgoing::Ours(object)),
                        Incoming::Peers(clid) => Ok(Outgoing::Peers(clid)),
                        Incoming::Gift { gift, url } => Ok(Outgoing::Gift { key: gift as usize, url }),
                    };
                    let mut home = home;
                    let back = arguments.try_map(&mut home).unwrap();
                    broker.answer(request, Value::List(back.positional));
                }
                Ok(Some(Event::LookUp { request, .. })) => {
                    broker.answer(request, Value::Reference(Outgoing::Ours(Object(7))));
                }
                Ok(Some(_)) => {}
                Err(error) => return broker.report(&error),
            }
        }
        let (ours, theirs) = broker.references_held();
        assert!(ours <= limits.references && theirs <= limits.references);
    }
});
