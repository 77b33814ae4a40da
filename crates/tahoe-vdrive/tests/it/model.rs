//! A store beside a simple model of what it should do.

use crate::store::{directory, file, sealed};
use crate::support::sqlite;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;
use tahoe_vdrive::store::{Change, Expected, Store, StoreError, TrashId};
use tahoe_vdrive::{DirectoryId, Record, Target, Version};

/// The directories that there can be; the first one is the root.
const DIRECTORIES: u8 = 4;
const NAMES: u8 = 3;

/// Where an entry is: in which directory, under which name.
type Spot = (u8, u8);

/// What is tried. Whether it can be done depends on what is there.
#[derive(Debug, Clone)]
enum Attempt {
    AddDirectory(Spot, u8),
    AddFile(Spot, Wanted),
    Remove(Spot, bool),
    Move(Spot, Spot, Wanted),
    Restore(usize, Spot),
}

#[derive(Debug, Clone, Copy)]
enum Wanted {
    Any,
    Absent,
    AsItIs,
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let spot = || (0..DIRECTORIES, 0..NAMES);
    let wanted = || {
        let all = [Wanted::Any, Wanted::Absent, Wanted::AsItIs];
        prop::sample::select(all.to_vec())
    };
    let attempt = prop_oneof![
        2 => (spot(), 1..DIRECTORIES).prop_map(|(spot, child)| Attempt::AddDirectory(spot, child)),
        3 => (spot(), wanted()).prop_map(|(spot, wanted)| Attempt::AddFile(spot, wanted)),
        2 => (spot(), any::<bool>()).prop_map(|(spot, recursive)| Attempt::Remove(spot, recursive)),
        3 => (spot(), spot(), wanted()).prop_map(|(from, to, wanted)| Attempt::Move(from, to, wanted)),
        1 => (0..4usize, spot()).prop_map(|(item, spot)| Attempt::Restore(item, spot)),
    ];
    prop::collection::vec(attempt, 1..40)
}

/// A drive, as simple as can be: versions only ever grow, so they are those of a clock.
#[derive(Default)]
struct Model {
    entries: BTreeMap<Spot, (u64, Option<u8>)>,
    /// All directories that were ever made.
    known: BTreeSet<u8>,
    /// What was removed or replaced, the last first.
    trash: Vec<Option<u8>>,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Done,
    NoSuchDirectory,
    NoSuchEntry,
    NameTaken,
    NotEmpty,
    Changed,
    Cycle,
    NotInTrash,
}

impl Model {
    /// A directory and those above it, if the root is among them.
    fn ancestors(&self, directory: u8) -> Option<Vec<u8>> {
        let mut found = vec![directory];
        while let Some(&last) = found.last().filter(|last| **last != 0) {
            let parent = |(spot, entry): (&Spot, &(u64, Option<u8>))| {
                (entry.1 == Some(last)).then_some(spot.0)
            };
            found.push(self.entries.iter().find_map(parent)?);
        }
        Some(found)
    }

    fn is_taken(&self, spot: Spot, wanted: Wanted) -> bool {
        let entry = self.entries.get(&spot);
        entry.is_some_and(|(_, child)| child.is_some() || matches!(wanted, Wanted::Absent))
    }

    fn put(&mut self, spot: Spot, version: u64, child: Option<u8>) {
        if let Some((_, replaced)) = self.entries.insert(spot, (version, child)) {
            self.trash.insert(0, replaced);
        }
    }

    fn run(&mut self, attempt: &Attempt, version: u64) -> Outcome {
        let is_live = |model: &Self, spot: &Spot| model.ancestors(spot.0).is_some();
        match attempt {
            Attempt::AddDirectory(spot, _)
            | Attempt::AddFile(spot, _)
            | Attempt::Remove(spot, _)
                if !is_live(self, spot) =>
            {
                Outcome::NoSuchDirectory
            }
            Attempt::AddDirectory(spot, child) => {
                if self.entries.contains_key(spot) || !self.known.insert(*child) {
                    return Outcome::NameTaken;
                }
                self.put(*spot, version, Some(*child));
                Outcome::Done
            }
            Attempt::AddFile(spot, wanted) => {
                // Without an entry, there is no version to expect: see `expected`.
                if self.is_taken(*spot, *wanted) {
                    return Outcome::NameTaken;
                }
                if matches!(wanted, Wanted::AsItIs) && !self.entries.contains_key(spot) {
                    return Outcome::Changed;
                }
                self.put(*spot, version, None);
                Outcome::Done
            }
            Attempt::Remove(spot, recursive) => {
                let Some((_, child)) = self.entries.get(spot).copied() else {
                    return Outcome::NoSuchEntry;
                };
                let mut inside = self.entries.keys();
                if !recursive && child.is_some_and(|child| inside.any(|spot| spot.0 == child)) {
                    return Outcome::NotEmpty;
                }
                self.entries.remove(spot);
                self.trash.insert(0, child);
                Outcome::Done
            }
            Attempt::Move(from, to, wanted) => self.relocate(*from, *to, *wanted, version),
            Attempt::Restore(item, spot) => {
                if self.trash.len() <= *item {
                    return Outcome::NotInTrash;
                }
                if !is_live(self, spot) {
                    return Outcome::NoSuchDirectory;
                }
                if self.entries.contains_key(spot) {
                    return Outcome::NameTaken;
                }
                let child = self.trash.remove(*item);
                self.put(*spot, version, child);
                Outcome::Done
            }
        }
    }

    fn relocate(&mut self, from: Spot, to: Spot, wanted: Wanted, version: u64) -> Outcome {
        let (Some(_), Some(above)) = (self.ancestors(from.0), self.ancestors(to.0)) else {
            return Outcome::NoSuchDirectory;
        };
        let Some((_, child)) = self.entries.get(&from).copied() else {
            return Outcome::NoSuchEntry;
        };
        if child.is_some_and(|child| above.contains(&child)) {
            return Outcome::Cycle;
        }
        if from != to && self.is_taken(to, wanted) {
            return Outcome::NameTaken;
        }
        let is_there = from != to && self.entries.contains_key(&to);
        if matches!(wanted, Wanted::AsItIs) && !is_there {
            return Outcome::Changed;
        }
        self.entries.remove(&from);
        self.put(to, version, child);
        Outcome::Done
    }

    /// What a store is to expect.
    fn expected(&self, spot: Spot, wanted: Wanted) -> Expected {
        match wanted {
            Wanted::Any => Expected::Any,
            Wanted::Absent => Expected::Absent,
            Wanted::AsItIs => {
                let entry = self.entries.get(&spot);
                Expected::Version(Version(entry.map_or(1, |(version, _)| *version)))
            }
        }
    }

    /// The same as a change of a store. What isn't there is asked for as if it were a file.
    fn change(&self, attempt: &Attempt, version: u64, trash: &[TrashId]) -> Change {
        let seal = |spot: Spot, child: Option<u8>| {
            let target = child.map_or(file("cap"), |child| Target::Directory(directory_of(child)));
            sealed(directory_of(spot.0), &spot.1.to_string(), target, version)
        };
        match *attempt {
            Attempt::AddDirectory(spot, child) => {
                let (place, record) = seal(spot, Some(child));
                Change::AddDirectory { place, record }
            }
            Attempt::AddFile(spot, wanted) => {
                let (place, record) = seal(spot, None);
                let expected = self.expected(spot, wanted);
                Change::AddFile {
                    place,
                    record,
                    expected,
                }
            }
            Attempt::Remove(spot, recursive) => Change::Remove {
                place: seal(spot, None).0,
                version: None,
                recursive,
            },
            Attempt::Move(from, to, wanted) => {
                let (seen, child) = self.entries.get(&from).copied().unwrap_or((1, None));
                let (to_place, record) = seal(to, child);
                Change::Move {
                    from: seal(from, None).0,
                    version: Version(seen),
                    to: to_place,
                    record,
                    expected: self.expected(to, wanted),
                }
            }
            Attempt::Restore(item, spot) => {
                let child = self.trash.get(item).copied().flatten();
                let (place, record) = seal(spot, child);
                Change::Restore {
                    trash: trash.get(item).copied().unwrap_or(TrashId(0)),
                    place,
                    record,
                }
            }
        }
    }
}

fn directory_of(number: u8) -> DirectoryId {
    match number {
        0 => DirectoryId::ROOT,
        number => directory(number),
    }
}

fn outcome(result: Result<(), StoreError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(StoreError::NoSuchDirectory) => Outcome::NoSuchDirectory,
        Err(StoreError::NoSuchEntry) => Outcome::NoSuchEntry,
        Err(StoreError::NameTaken) => Outcome::NameTaken,
        Err(StoreError::NotEmpty) => Outcome::NotEmpty,
        Err(StoreError::Changed { .. }) => Outcome::Changed,
        Err(StoreError::Cycle) => Outcome::Cycle,
        Err(StoreError::NotInTrash) => Outcome::NotInTrash,
        Err(error) => panic!("{error}"),
    }
}

/// All entries of directories that were made, by place.
async fn stored(store: &Store, model: &Model) -> BTreeMap<Spot, (u64, Option<DirectoryId>)> {
    let mut found = BTreeMap::new();
    for number in std::iter::once(0).chain(model.known.iter().copied()) {
        let page = store.list(directory_of(number), None, 100).await.unwrap();
        for entry in page.entries {
            let names = (0..NAMES).filter(|name| {
                let (place, _) = sealed(directory_of(number), &name.to_string(), file(""), 1);
                place.entry == entry.entry
            });
            let record = Record::parse(entry.bytes).unwrap();
            let entry = (record.version().0, record.child());
            found.extend(names.map(|name| ((number, name), entry)));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_store_does_what_the_model_does(attempts in attempts()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let place = tempfile::tempdir().unwrap();
            let store = sqlite(place.path()).await;
            let mut model = Model::default();
            for (attempt, version) in attempts.iter().zip(2..) {
                let trash = store.trash(None, 100).await.unwrap();
                let trash: Vec<TrashId> = trash.iter().map(|item| item.id).collect();
                assert_eq!(trash.len(), model.trash.len(), "before {attempt:?}");
                let change = model.change(attempt, version, &trash);
                let expected = model.run(attempt, version);
                let result = store.apply(change, SystemTime::now()).await;
                assert_eq!(outcome(result.map(drop)), expected, "{attempt:?}");
            }
            let entries = model.entries.iter().map(|(spot, (version, child))| {
                (*spot, (*version, child.map(directory_of)))
            });
            let entries: BTreeMap<_, _> = entries.collect();
            assert_eq!(stored(&store, &model).await, entries);
        });
    }
}
