//! Which announcement of a server counts: the rules by which a newer one replaces an older one.
//!
//! Introducers and their clients keep one announcement for each pair of service and server. The same
//! announcement again changes nothing. Another one replaces it if its sequence number is larger, so
//! nobody can bring back an old one by repeating it; one without a number can always be replaced.

use crate::Announcement;
use std::collections::BTreeMap;
use tahoe_crypto::ServerId;

/// What an announcement changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is the first of its server.
    New,
    /// It replaced an older one.
    Updated,
    /// It was known already.
    Known,
    /// The one that is known is newer.
    TooOld,
    /// The one that is known has a sequence number and this one hasn't.
    WithoutSeqnum,
    /// There are too many already.
    Full,
}

impl Change {
    /// Whether others must be told.
    pub fn is_news(self) -> bool {
        matches!(self, Self::New | Self::Updated)
    }
}

/// The announcements that count, each with something of the owner's beside it.
#[derive(Debug)]
pub struct AnnouncementIndex<T> {
    /// By service and server.
    entries: BTreeMap<(String, ServerId), Entry<T>>,
    /// Bytes of all entries together.
    size: usize,
    max_entries: usize,
    max_size: usize,
}

#[derive(Debug)]
struct Entry<T> {
    announcement: Announcement,
    size: usize,
    beside: T,
}

impl<T> AnnouncementIndex<T> {
    /// Makes an index for so many announcements, and bytes of them, at most.
    pub fn new(max_entries: usize, max_size: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            size: 0,
            max_entries,
            max_size,
        }
    }

    /// Takes an announcement whose signature was checked, if it is news; `size` are its bytes.
    pub fn consider(
        &mut self,
        server: &ServerId,
        announcement: Announcement,
        size: usize,
        beside: T,
    ) -> Change {
        let key = (announcement.service_name().to_owned(), server.clone());
        let known = self.entries.get(&key);
        let change = match known {
            None if self.entries.len() >= self.max_entries => Change::Full,
            None => Change::New,
            Some(known) => compare(&known.announcement, &announcement),
        };
        if !change.is_news() {
            return change;
        }
        let freed = known.map_or(0, |known| known.size);
        let total = (self.size - freed).saturating_add(size);
        if total > self.max_size {
            return Change::Full;
        }
        self.size = total;
        let entry = Entry {
            announcement,
            size,
            beside,
        };
        self.entries.insert(key, entry);
        change
    }

    /// All announcements, by service and server.
    pub fn iter(&self) -> impl Iterator<Item = (&ServerId, &Announcement, &T)> {
        let entries = self.entries.iter();
        entries.map(|((_, server), entry)| (server, &entry.announcement, &entry.beside))
    }

    /// All announcements of a service.
    pub fn of_service(&self, name: &str) -> impl Iterator<Item = (&ServerId, &Announcement, &T)> {
        self.iter()
            .filter(move |(_, announcement, _)| announcement.service_name() == name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn compare(known: &Announcement, other: &Announcement) -> Change {
    if known == other {
        return Change::Known;
    }
    if !known.has_seqnum() {
        return Change::Updated;
    }
    match (known.seqnum(), other.seqnum()) {
        (_, None) => Change::WithoutSeqnum,
        (Some(known), Some(other)) if other <= known => Change::TooOld,
        (_, Some(_)) => Change::Updated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn announcement(service: &str, fields: Value) -> Announcement {
        let mut fields = fields.as_object().unwrap().clone();
        fields.insert("service-name".to_owned(), service.into());
        Announcement::from_fields(fields).unwrap()
    }

    #[test]
    fn larger_sequence_numbers_replace_smaller_ones() {
        let mut index = AnnouncementIndex::new(10, 100);
        let server = ServerId::new("v0-a");
        let mut check = |fields: Value, expected| {
            let change = index.consider(&server, announcement("storage", fields.clone()), 1, ());
            assert_eq!(change, expected, "{fields}");
        };
        check(json!({"x": 1}), Change::New);
        check(json!({"x": 1}), Change::Known);
        check(json!({"x": 2}), Change::Updated);
        check(json!({"seqnum": -1}), Change::Updated);
        check(json!({"seqnum": 5}), Change::Updated);
        check(json!({"seqnum": 5}), Change::Known);
        check(json!({"seqnum": 5, "x": 1}), Change::TooOld);
        check(json!({"seqnum": 4}), Change::TooOld);
        check(json!({"x": 1}), Change::WithoutSeqnum);
        check(json!({"seqnum": "6"}), Change::WithoutSeqnum);
        check(json!({"seqnum": 6.5}), Change::WithoutSeqnum);
        check(json!({"seqnum": u64::MAX}), Change::Updated);
    }

    #[test]
    fn services_and_servers_are_kept_apart_up_to_a_limit() {
        let mut index = AnnouncementIndex::new(3, 100);
        let (one, other) = (ServerId::new("v0-a"), ServerId::new("v0-b"));
        let ann = |service, number: u64| announcement(service, json!({"seqnum": number}));
        let mut consider = |server, service, number, size, beside| {
            index.consider(server, ann(service, number), size, beside)
        };
        assert_eq!(consider(&one, "storage", 1, 10, 'a'), Change::New);
        assert_eq!(consider(&other, "storage", 1, 81, 'x'), Change::New);
        assert_eq!(consider(&other, "storage", 2, 10, 'b'), Change::Updated);
        assert_eq!(consider(&one, "helper", 1, 81, 'c'), Change::Full);
        assert_eq!(consider(&one, "helper", 1, 80, 'c'), Change::New);
        assert_eq!(consider(&other, "helper", 1, 0, 'd'), Change::Full);
        assert_eq!(consider(&one, "helper", 2, 80, 'e'), Change::Updated);
        let beside = |service| {
            index
                .of_service(service)
                .map(|(_, _, c)| *c)
                .collect::<String>()
        };
        assert_eq!(
            (beside("storage"), beside("helper")),
            ("ab".into(), "e".into())
        );
        assert_eq!(index.len(), 3);
    }
}
