//! Which of two connections with one peer is kept.
//!
//! Only the master decides, so the two sides can't each drop another one. An old connection may be
//! dead without our knowing; a new one may be just another of several attempts of the peer. What
//! the peer remembers tells the cases apart.

use super::Hello;

/// What the master remembers of a connection it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Which run of the peer it was made with.
    pub peer_incarnation: Option<String>,
    /// Which of our connections with this peer it is.
    pub sequence: u64,
}

/// Says whether the connection that `offer` came over replaces the existing one.
pub fn replaces(offer: &Hello, existing: &Existing, our_incarnation: &str) -> bool {
    let (Some(incarnation), Some(last)) = (&offer.incarnation, &offer.last_connection) else {
        // The peer is too old to say, or is the server and didn't ask for this connection.
        return false;
    };
    if existing.peer_incarnation.as_ref() != Some(incarnation) {
        return true; // the peer was restarted since
    }
    match last {
        // It has never heard from us: another of its first attempts.
        None => false,
        Some(last) if last.incarnation != our_incarnation => true, // it remembers an earlier us
        // It knows of the connection and yet makes another: the old one must be dead. If it knows
        // only of an earlier one, this is one of several attempts at once.
        Some(last) => last.sequence == existing.sequence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TubId;
    use crate::negotiation::LastConnection;

    #[test]
    fn each_case_of_the_original() {
        let existing = Existing {
            peer_incarnation: Some("peer".to_owned()),
            sequence: 5,
        };
        let last = |incarnation: &str, sequence| {
            let incarnation = incarnation.to_owned();
            Some(Some(LastConnection {
                incarnation,
                sequence,
            }))
        };
        let table = [
            (None, last("us", 5), false, "no incarnation"),
            (Some("peer"), None, false, "no last connection"),
            (Some("reborn"), Some(None), true, "the peer was restarted"),
            (Some("peer"), Some(None), false, "another first attempt"),
            (Some("peer"), last("past", 9), true, "we were restarted"),
            (Some("peer"), last("us", 5), true, "it knows this one"),
            (Some("peer"), last("us", 4), false, "an earlier one"),
            (Some("peer"), last("us", 6), false, "one that wasn't yet"),
        ];
        for (incarnation, last_connection, expected, case) in table {
            let mut offer = Hello::new(TubId::from_bytes([0; 20]), "");
            offer.incarnation = incarnation.map(str::to_owned);
            offer.last_connection = last_connection;
            assert_eq!(replaces(&offer, &existing, "us"), expected, "{case}");
        }
    }
}
