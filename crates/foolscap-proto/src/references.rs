//! Who holds references to what, on one connection.
//!
//! Each side numbers the objects that it shows the other. It keeps an object for as long as the
//! other side has received it more often than it has given it back.

use std::collections::HashMap;

use crate::{Furl, ProtocolError, TubId, Violation};

/// An object's number on one connection, chosen by whoever has the object; 0 is its broker.
///
/// Python numbers bound methods downward from -1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Clid(pub i64);

/// Objects of ours that the peer holds.
#[derive(Debug)]
pub(crate) struct OurObjects<T> {
    by_clid: HashMap<Clid, OurObject<T>>,
    by_identity: HashMap<usize, Clid>,
    next: i64,
    limit: usize,
}

#[derive(Debug)]
struct OurObject<T> {
    object: T,
    identity: usize,
    /// How often it was sent, less what came back.
    count: u64,
}

impl<T> OurObjects<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            by_clid: HashMap::new(),
            by_identity: HashMap::new(),
            next: 1,
            limit,
        }
    }

    /// Counts that an object is sent; says under which number and whether for the first time.
    pub(crate) fn send(&mut self, identity: usize, object: T) -> Result<(Clid, bool), Violation> {
        if let Some(clid) = self.by_identity.get(&identity)
            && let Some(known) = self.by_clid.get_mut(clid)
        {
            known.count = known.count.saturating_add(1);
            return Ok((*clid, false));
        }
        if self.by_clid.len() >= self.limit {
            return Err(Violation::new("the peer holds too many references"));
        }
        let clid = Clid(self.next);
        self.next = self.next.saturating_add(1);
        self.by_identity.insert(identity, clid);
        let entry = OurObject {
            object,
            identity,
            count: 1,
        };
        self.by_clid.insert(clid, entry);
        Ok((clid, true))
    }

    pub(crate) fn object(&self, clid: Clid) -> Option<&T> {
        self.by_clid.get(&clid).map(|entry| &entry.object)
    }

    /// Counts what the peer gives back; an object that is gone already is no breach.
    pub(crate) fn give_back(&mut self, clid: Clid, count: u64) -> Result<(), ProtocolError> {
        let Some(entry) = self.by_clid.get_mut(&clid) else {
            return Ok(());
        };
        let left = entry.count.checked_sub(count);
        entry.count = left.ok_or(ProtocolError::DecrefTooLarge)?;
        if entry.count == 0 {
            let identity = entry.identity;
            self.by_identity.remove(&identity);
            self.by_clid.remove(&clid);
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.by_clid.len()
    }
}

/// What we know of an object of the peer.
#[derive(Debug, Default)]
pub(crate) struct PeerObject {
    pub(crate) interface: Option<String>,
    pub(crate) url: Option<String>,
    /// How often it was received since it was last given back.
    count: u64,
}

/// Objects of the peer that we hold.
#[derive(Debug)]
pub(crate) struct PeerObjects {
    by_clid: HashMap<Clid, PeerObject>,
    peer: Option<TubId>,
    limit: usize,
}

impl PeerObjects {
    pub(crate) fn new(peer: Option<TubId>, limit: usize) -> Self {
        Self {
            by_clid: HashMap::new(),
            peer,
            limit,
        }
    }

    /// Counts that an object was received.
    pub(crate) fn receive(
        &mut self,
        clid: Clid,
        interface: Option<String>,
        url: Option<String>,
    ) -> Result<(), ProtocolError> {
        if let Some(known) = self.by_clid.get_mut(&clid) {
            known.count = known.count.saturating_add(1);
            return Ok(());
        }
        let limit = self.limit;
        if self.by_clid.len() >= limit {
            return Err(ProtocolError::TooManyReferences { limit });
        }
        let url = url.filter(|url| !url.is_empty());
        if let (Some(url), Some(peer)) = (&url, self.peer)
            && Furl::parse(url).is_ok_and(|furl| furl.tub_id != peer)
        {
            return Err(ProtocolError::ForeignReference);
        }
        let entry = PeerObject {
            interface: interface.filter(|name| !name.is_empty()),
            url,
            count: 1,
        };
        self.by_clid.insert(clid, entry);
        Ok(())
    }

    pub(crate) fn object(&self, clid: Clid) -> Option<&PeerObject> {
        self.by_clid.get(&clid)
    }

    /// How much is to be given back now that nobody uses the object; `None` if nothing.
    pub(crate) fn give_back(&mut self, clid: Clid) -> Option<u64> {
        let entry = self.by_clid.get_mut(&clid)?;
        let count = std::mem::take(&mut entry.count);
        (count > 0).then_some(count)
    }

    /// Forgets an object that was given back, unless it came again meanwhile.
    pub(crate) fn given_back(&mut self, clid: Clid) {
        if self
            .by_clid
            .get(&clid)
            .is_some_and(|entry| entry.count == 0)
        {
            self.by_clid.remove(&clid);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_clid.len()
    }
}

/// References to third tubs' objects that the peer hasn't fetched yet.
#[derive(Debug, Default)]
pub(crate) struct Gifts {
    by_number: HashMap<u64, (usize, u64)>,
    by_key: HashMap<usize, u64>,
    last: u64,
}

impl Gifts {
    /// Counts that a reference is given; `key` tells references apart.
    pub(crate) fn give(&mut self, key: usize) -> u64 {
        let number = match self.by_key.get(&key) {
            Some(number) => *number,
            None => {
                self.last = self.last.saturating_add(1);
                self.by_key.insert(key, self.last);
                self.last
            }
        };
        let (_, count) = self.by_number.entry(number).or_insert((key, 0));
        *count = count.saturating_add(1);
        number
    }

    /// Counts what the peer has fetched; returns the key of what needn't be kept any longer.
    pub(crate) fn fetched(&mut self, number: u64, count: u64) -> Option<usize> {
        let (key, left) = self.by_number.get_mut(&number)?;
        *left = left.saturating_sub(count);
        if *left > 0 {
            return None;
        }
        let key = *key;
        self.by_number.remove(&number);
        self.by_key.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_stays_until_all_of_it_is_given_back() {
        let mut ours = OurObjects::new(2);
        assert_eq!(ours.send(7, "a"), Ok((Clid(1), true)));
        assert_eq!(ours.send(7, "a"), Ok((Clid(1), false)));
        assert_eq!(ours.send(8, "b"), Ok((Clid(2), true)));
        assert!(ours.send(9, "c").is_err(), "over the limit");
        ours.give_back(Clid(1), 1).unwrap();
        assert_eq!(ours.object(Clid(1)), Some(&"a"));
        assert_eq!(
            ours.give_back(Clid(1), 2),
            Err(ProtocolError::DecrefTooLarge)
        );
        ours.give_back(Clid(1), 1).unwrap();
        assert_eq!(ours.object(Clid(1)), None);
        assert_eq!(
            ours.send(7, "a"),
            Ok((Clid(3), true)),
            "a number is never used twice"
        );
        assert_eq!(ours.give_back(Clid(1), 5), Ok(()), "gone already");
    }

    #[test]
    fn what_comes_again_while_it_is_given_back_stays() {
        let mut theirs = PeerObjects::new(None, 1);
        theirs
            .receive(Clid(4), Some("RI".to_owned()), Some(String::new()))
            .unwrap();
        theirs.receive(Clid(4), None, None).unwrap();
        assert_eq!(theirs.give_back(Clid(4)), Some(2));
        assert_eq!(theirs.give_back(Clid(4)), None);
        theirs.receive(Clid(4), None, None).unwrap();
        theirs.given_back(Clid(4));
        assert_eq!(
            theirs.object(Clid(4)).unwrap().interface.as_deref(),
            Some("RI")
        );
        assert_eq!(theirs.object(Clid(4)).unwrap().url, None);
        let limit = 1;
        assert_eq!(
            theirs.receive(Clid(5), None, None),
            Err(ProtocolError::TooManyReferences { limit })
        );
        assert_eq!(theirs.give_back(Clid(4)), Some(1));
        theirs.given_back(Clid(4));
        assert_eq!(theirs.len(), 0);
    }

    #[test]
    fn a_furl_of_another_tub_is_a_breach() {
        let peer = TubId::from_bytes([1; 20]);
        let mut theirs = PeerObjects::new(Some(peer), 9);
        let url = |id: u8| format!("pb://{}@tcp:a:1/x", TubId::from_bytes([id; 20]));
        assert_eq!(theirs.receive(Clid(1), None, Some(url(1))), Ok(()));
        let foreign = theirs.receive(Clid(2), None, Some(url(2)));
        assert_eq!(foreign, Err(ProtocolError::ForeignReference));
    }

    #[test]
    fn gifts_are_kept_until_they_are_fetched() {
        let mut gifts = Gifts::default();
        let number = gifts.give(77);
        assert_eq!(gifts.give(77), number);
        assert_ne!(gifts.give(78), number);
        assert_eq!(gifts.fetched(number, 1), None);
        assert_eq!(gifts.fetched(number, 1), Some(77));
        assert_eq!(gifts.fetched(number, 1), None);
    }
}
