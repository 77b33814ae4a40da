use super::*;

const LOW: TubId = TubId::from_bytes([0; 20]);
const HIGH: TubId = TubId::from_bytes([1; 20]);

fn client(me: TubId, target: TubId, certified: TubId) -> Negotiation {
    let role = Role::Client {
        target,
        last_connection: None,
    };
    Negotiation::new(role, me, "client", Some(certified))
}

fn server(me: TubId, certified: Option<TubId>) -> Negotiation {
    Negotiation::new(Role::Server, me, "server", certified)
}

/// Lets two sides exchange what they have to say until one has an error or an offer.
fn exchange(one: &mut Negotiation, other: &mut Negotiation) {
    let (from_one, from_other) = (one.take_output(), other.take_output());
    one.receive(&from_other);
    other.receive(&from_one);
}

#[test]
fn the_greater_tub_decides_whoever_connects() {
    for (client_id, server_id) in [(LOW, HIGH), (HIGH, LOW)] {
        let mut client = client(client_id, server_id, server_id);
        let mut server = server(server_id, Some(client_id));
        exchange(&mut client, &mut server);
        let (master, other) = if client_id == HIGH {
            (&mut client, &mut server)
        } else {
            (&mut server, &mut client)
        };
        assert!(matches!(master.step(), Ok(NegotiationStep::Decide(hello)) if hello.tub_id == LOW));
        assert_eq!(other.step(), Ok(NegotiationStep::Wait));
        let agreed = master.accept(4).unwrap();
        assert_eq!((agreed.peer, agreed.vocabulary.number()), (LOW, 1));
        assert_eq!(master.accept(5), None, "it has decided");
        let mut decision = master.take_output();
        decision.extend(b"banana");
        other.receive(&decision);
        let Ok(NegotiationStep::Done(agreed)) = other.step() else {
            panic!("the decision is accepted")
        };
        assert_eq!(
            (agreed.peer, agreed.rest.as_slice()),
            (HIGH, &b"banana"[..])
        );
        assert_eq!(agreed.vocabulary.number(), 1);
        assert_eq!(agreed.current_connection.unwrap().sequence, 4);
    }
}

#[test]
fn nobody_can_be_somebody_else() {
    let hello = |id| Hello::new(id, "x").to_block().to_bytes();
    let mut wanted_high = client(LOW, HIGH, TubId::from_bytes([7; 20]));
    wanted_high.receive(&hello(HIGH));
    assert_eq!(wanted_high.step(), Err(NegotiationError::WrongTubId));
    let other = TubId::from_bytes([7; 20]);
    let mut wanted_high = client(LOW, HIGH, other);
    wanted_high.receive(&hello(other));
    assert_eq!(wanted_high.step(), Err(NegotiationError::WrongPeer));
    let mut anonymous = server(LOW, None);
    anonymous.receive(&hello(HIGH));
    assert_eq!(anonymous.step(), Err(NegotiationError::NoCertificate));
    let mut ourselves = server(LOW, Some(LOW));
    ourselves.receive(&hello(LOW));
    assert_eq!(ourselves.step(), Err(NegotiationError::Ourselves));
}

#[test]
fn a_refusal_reaches_the_other_side() {
    let mut master = server(HIGH, Some(LOW));
    let mut other = client(LOW, HIGH, HIGH);
    exchange(&mut master, &mut other);
    assert!(matches!(master.step(), Ok(NegotiationStep::Decide(_))));
    assert_eq!(other.step(), Ok(NegotiationStep::Wait));
    master.report(&NegotiationError::Duplicate);
    other.receive(&master.take_output());
    let refused = other.step().unwrap_err();
    assert!(refused.is_duplicate(), "{refused}");
    other.report(&refused);
    assert!(other.take_output().is_empty(), "the peer knows");
}

#[test]
fn a_decision_that_isn_t_one_is_refused() {
    let decide = |block: Block| {
        let mut waiting = client(LOW, HIGH, HIGH);
        waiting.receive(&Hello::new(HIGH, "x").to_block().to_bytes());
        waiting.receive(&block.to_bytes());
        waiting.step()
    };
    let version = || Block::default().with("banana-decision-version", 3);
    assert!(matches!(decide(version()), Ok(NegotiationStep::Done(_))));
    let table = |text| decide(version().with("initial-vocab-table-index", text));
    assert!(matches!(table("1 bb33"), Ok(NegotiationStep::Done(_))));
    assert!(matches!(table("0 da39"), Ok(NegotiationStep::Done(_))));
    let mismatch = NegotiationError::VocabularyMismatch(1);
    assert_eq!(table("1 beef"), Err(mismatch.clone()));
    assert_eq!(table("1"), Err(mismatch));
    assert!(table("2 bb33").is_err());
    assert!(table("x").is_err());
    assert!(decide(Block::default().with("a", 1)).is_err());
    assert!(decide(Block::default().with("banana-decision-version", 4)).is_err());
}

#[test]
fn a_decision_sent_to_the_master_is_no_hello() {
    let mut master = server(HIGH, Some(LOW));
    let decision = Block::default().with("banana-decision-version", 3);
    master.receive(&decision.to_bytes());
    let error = master.step().unwrap_err();
    assert!(matches!(error, NegotiationError::Missing(_)));
    let _hello = master.take_output();
    master.report(&error);
    let told = String::from_utf8(master.take_output()).unwrap();
    assert!(
        told.contains("error: no valid banana-negotiation-range"),
        "{told}"
    );
    assert_eq!(master.step(), Ok(NegotiationStep::Wait), "it's over");
}

#[test]
fn who_waits_for_a_decision_reports_in_banana() {
    let mut waiting = client(LOW, HIGH, HIGH);
    waiting.receive(&Hello::new(HIGH, "x").to_block().to_bytes());
    assert_eq!(waiting.step(), Ok(NegotiationStep::Wait));
    let _hello = waiting.take_output();
    waiting.report(&NegotiationError::MalformedBlock);
    assert!(waiting.take_output().contains(&0x8d));
}
