//! Foolscap's negotiation in every role and order, and FURLs.
#![no_main]

use foolscap_proto::negotiation::{BlockReader, Negotiation, NegotiationStep, Role, duplicate, http};
use foolscap_proto::{Furl, TubId};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(Ok(furl)) = std::str::from_utf8(input).map(Furl::parse) {
        assert!(Furl::parse(&furl.to_text()) == Ok(furl));
    }
    let mut reader = BlockReader::default();
    reader.receive(input);
    if let Ok(Some(block)) = reader.next_block() {
        let _ = (http::parse_request(&block).is_ok(), http::parse_response(&block).is_ok());
    }
    // The peer of the seeds is the tub of 20 bytes 5.
    let peer = TubId::from_bytes([5; 20]);
    for us in [TubId::from_bytes([1; 20]), TubId::from_bytes([9; 20])] {
        let client = Role::Client {
            target: peer,
            last_connection: None,
        };
        for role in [client, Role::Server] {
            let mut negotiation = Negotiation::new(role, us, "0123456789abcdef", Some(peer));
            for chunk in input.chunks(100) {
                negotiation.receive(chunk);
                match negotiation.step() {
                    Ok(NegotiationStep::Decide(hello)) => {
                        let existing = duplicate::Existing {
                            peer_incarnation: Some("cafe".to_owned()),
                            sequence: 3,
                        };
                        let _ = duplicate::replaces(&hello, &existing, "0123456789abcdef");
                        assert_eq!(hello.tub_id, peer);
                        assert!(negotiation.accept(4).is_some());
                        assert!(negotiation.accept(4).is_none());
                    }
                    Ok(NegotiationStep::Done(agreed)) => assert_eq!(agreed.peer, peer),
                    Ok(NegotiationStep::Wait) => {}
                    Err(error) => {
                        negotiation.report(&error);
                        break;
                    }
                }
            }
            let _ = negotiation.take_output();
        }
    }
});
