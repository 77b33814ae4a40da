//! What a client has seen, so that nobody can make it believe in something older.
//!
//! It is kept of the last [`REMEMBERED_VERSIONS`] entries at least; what is learned is also told to
//! who keeps it on disk ([`Seen`](super::seen::Seen)).

use super::seen::Fact;
use crate::DriveError;
use crate::ids::{Place, Version};
use crate::limits::REMEMBERED_VERSIONS;
use std::collections::HashMap;

/// The least version that each entry can still have, as far as is known.
#[derive(Default)]
pub(super) struct Memory {
    /// Two generations: when the younger one is full, the older one is forgotten.
    young: HashMap<Place, Floor>,
    old: HashMap<Place, Floor>,
    /// Counts what was learned.
    time: u64,
    /// What was learned and isn't on disk yet; nothing if it needn't go there.
    unwritten: Option<Vec<Fact>>,
}

#[derive(Clone, Copy)]
struct Floor {
    least: Version,
    learned: u64,
}

/// When a question was asked. An answer can be as old as that, and isn't blamed for what was learned
/// between.
#[derive(Clone, Copy)]
pub(super) struct Asked(u64);

impl Memory {
    /// What was known before, older facts first; from now on what is learned is to be written down.
    pub(super) fn recall(facts: Vec<Fact>) -> Self {
        let mut memory = Self::default();
        for (place, least) in facts {
            memory.learn(place, least);
        }
        memory.unwritten = Some(Vec::new());
        memory
    }

    /// Takes what is to be written down.
    pub(super) fn take_unwritten(&mut self) -> Vec<Fact> {
        self.unwritten
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    pub(super) fn ask(&self) -> Asked {
        Asked(self.time)
    }

    /// Checks a version that an entry is said to have, and remembers it.
    pub(super) fn check(
        &mut self,
        place: Place,
        found: Version,
        asked: Asked,
    ) -> Result<(), DriveError> {
        if let Some(floor) = self.floor(&place)
            && floor.learned <= asked.0
            && found < floor.least
        {
            let seen = floor.least;
            return Err(DriveError::RolledBack { found, seen });
        }
        self.learn(place, found);
        Ok(())
    }

    /// Remembers that an entry is gone that had a version.
    pub(super) fn removed(&mut self, place: Place, version: Version) {
        self.learn(place, Version(version.0.saturating_add(1)));
    }

    /// Remembers that an entry that was known when it was asked for is gone.
    pub(super) fn gone(&mut self, place: Place, asked: Asked) {
        if let Some(floor) = self.floor(&place).filter(|floor| floor.learned <= asked.0) {
            self.removed(place, floor.least);
        }
    }

    fn floor(&self, place: &Place) -> Option<Floor> {
        let found = self.young.get(place).or_else(|| self.old.get(place));
        found.copied()
    }

    pub(super) fn learn(&mut self, place: Place, least: Version) {
        let known = self.floor(&place);
        let floor = match known {
            Some(known) if known.least >= least => known,
            _ => {
                self.time += 1;
                let learned = self.time;
                if let Some(unwritten) = &mut self.unwritten {
                    unwritten.push((place, least));
                }
                Floor { least, learned }
            }
        };
        if self.young.len() >= REMEMBERED_VERSIONS && !self.young.contains_key(&place) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(place, floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{DirectoryId, EntryId};

    const PLACE: Place = Place {
        directory: DirectoryId::ROOT,
        entry: EntryId::from_bytes([1; 16]),
    };

    #[test]
    fn what_is_older_than_what_was_seen_is_refused() {
        let mut memory = Memory::default();
        let first = memory.ask();
        assert!(memory.check(PLACE, Version(5), first).is_ok());
        assert!(
            memory.check(PLACE, Version(4), first).is_ok(),
            "asked before 5 was seen"
        );
        let second = memory.ask();
        assert!(memory.check(PLACE, Version(4), second).is_err());
        assert!(memory.check(PLACE, Version(5), second).is_ok());
        assert!(memory.check(PLACE, Version(6), second).is_ok());
    }

    #[test]
    fn what_is_gone_does_not_come_back_as_it_was() {
        let mut memory = Memory::default();
        memory.learn(PLACE, Version(5));
        let asked = memory.ask();
        memory.gone(PLACE, asked);
        let asked = memory.ask();
        assert!(memory.check(PLACE, Version(5), asked).is_err());
        assert!(memory.check(PLACE, Version(6), asked).is_ok());
    }

    #[test]
    fn absence_asked_for_before_the_entry_was_there_means_nothing() {
        let mut memory = Memory::default();
        let asked = memory.ask();
        memory.learn(PLACE, Version(5));
        memory.gone(PLACE, asked);
        assert!(memory.check(PLACE, Version(5), memory.ask()).is_ok());
    }

    #[test]
    fn it_is_bounded_and_keeps_the_latest() {
        let mut memory = Memory::default();
        let place = |number: u64| {
            let mut entry = [0; 16];
            entry[..8].copy_from_slice(&number.to_be_bytes());
            let entry = EntryId::from_bytes(entry);
            Place { entry, ..PLACE }
        };
        let all = u64::try_from(REMEMBERED_VERSIONS).unwrap() * 3;
        (0..all).for_each(|number| memory.learn(place(number), Version(1)));
        assert!(memory.young.len() + memory.old.len() <= 2 * REMEMBERED_VERSIONS);
        assert!(memory.floor(&place(all - 1)).is_some());
        assert!(memory.floor(&place(0)).is_none());
    }
}
