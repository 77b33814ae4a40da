//! What every store does, whatever database it is in.

use crate::support::{name, sqlite};
use std::time::{Duration, SystemTime};
use tahoe_vdrive::limits::{MAX_DEPTH, MAX_TRASH_ENTRIES, SWEEP_STEP, TRASH_TIME};
use tahoe_vdrive::store::{Change, Changed, Expected, Store, StoreError, StoredTrash};
use tahoe_vdrive::{
    CapText, Caps, Contents, DirectoryId, Metadata, Place, Record, Target, Version, WriteKeys,
};

const ROOT: DirectoryId = DirectoryId::ROOT;

/// An entry with its sealed bytes, as a client makes it.
pub(crate) fn sealed(
    directory: DirectoryId,
    text: &str,
    target: Target,
    version: u64,
) -> (Place, Record) {
    let keys = WriteKeys::from_secret([7; 32]);
    let contents = Contents {
        name: name(text),
        target,
        metadata: Metadata::default(),
    };
    let entry = keys.read_keys().entry_id(directory, &contents.name);
    let record = keys.seal(directory, Version(version), &contents, &[0; 24]);
    (Place { directory, entry }, record)
}

pub(crate) fn file(text: &str) -> Target {
    let (write, read) = (None, CapText::new(text));
    Target::File(Caps { write, read })
}

pub(crate) fn directory(number: u8) -> DirectoryId {
    DirectoryId::from_bytes([number; 16])
}

struct Tested(Store);

impl Tested {
    async fn apply(&self, change: Change) -> Result<(), StoreError> {
        let applied = self.0.apply(change, SystemTime::now()).await;
        applied.map(drop)
    }

    async fn add_directory(&self, parent: DirectoryId, text: &str, number: u8, version: u64) {
        let (place, record) = sealed(parent, text, Target::Directory(directory(number)), version);
        self.apply(Change::AddDirectory { place, record })
            .await
            .unwrap();
    }

    async fn add_file(
        &self,
        parent: DirectoryId,
        text: &str,
        version: u64,
        expected: Expected,
    ) -> Result<(), StoreError> {
        let (place, record) = sealed(parent, text, file("cap"), version);
        let change = Change::AddFile {
            place,
            record,
            expected,
        };
        self.apply(change).await
    }

    async fn remove(
        &self,
        parent: DirectoryId,
        text: &str,
        version: Option<u64>,
        recursive: bool,
    ) -> Result<(), StoreError> {
        let (place, _) = sealed(parent, text, file(""), 1);
        let version = version.map(Version);
        let change = Change::Remove {
            place,
            version,
            recursive,
        };
        self.apply(change).await
    }

    async fn relocate(
        &self,
        (from, text, version): (DirectoryId, &str, u64),
        (to, new_text, new_version): (DirectoryId, &str, u64),
        target: Target,
        expected: Expected,
    ) -> Result<(), StoreError> {
        let (from, _) = sealed(from, text, file(""), 1);
        let (to, record) = sealed(to, new_text, target, new_version);
        let change = Change::Move {
            from,
            version: Version(version),
            to,
            record,
            expected,
        };
        self.apply(change).await
    }

    /// The version of what is there.
    async fn version(&self, parent: DirectoryId, text: &str) -> Option<u64> {
        let (place, _) = sealed(parent, text, file(""), 1);
        match self.0.entry(place).await {
            Ok(stored) => Some(Record::parse(stored.bytes).unwrap().version().0),
            Err(StoreError::NoSuchEntry) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

macro_rules! refused {
    ($result:expr, $pattern:pat) => {
        let result = $result;
        assert!(matches!(result, Err($pattern)), "{result:?}");
    };
}

/// Runs all that every store has to do, each on a drive of its own.
pub(crate) async fn conformance<F: Future<Output = Store>>(empty: impl Fn() -> F) {
    entries_come_and_go(&Tested(empty().await)).await;
    versions_only_grow(&Tested(empty().await)).await;
    directories_are_careful(&Tested(empty().await)).await;
    moves_are_whole(&Tested(empty().await)).await;
    depth_is_bounded(&Tested(empty().await)).await;
    trash_gives_back(&Tested(empty().await)).await;
    ways_lead_to_what_is_there_and_what_was(&Tested(empty().await)).await;
    trash_is_swept(&Tested(empty().await)).await;
    pages_cover_a_directory(&Tested(empty().await)).await;
    changes_are_announced(&Tested(empty().await)).await;
    a_drive_has_one_key(&empty().await).await;
}

/// Whatever servers that are started at once propose, all are told the same.
async fn a_drive_has_one_key(store: &Store) {
    assert_eq!(store.key().await.unwrap(), None);
    let proposals: Vec<[u8; 32]> = (0..8).map(|number| [number; 32]).collect();
    let kept = proposals.iter().map(|proposed| store.keep_key(proposed));
    let kept = futures_util::future::join_all(kept).await;
    let kept: Vec<[u8; 32]> = kept.into_iter().map(Result::unwrap).collect();
    assert!(proposals.contains(&kept[0]));
    assert!(kept.iter().all(|key| *key == kept[0]));
    assert_eq!(store.key().await.unwrap(), Some(kept[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicUsize::new(0);
    conformance(async || {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = directory.path().join(number.to_string());
        std::fs::create_dir(&path).unwrap();
        sqlite(&path).await
    })
    .await;
}

#[tokio::test]
async fn sqlite_keeps_what_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let store = Tested(sqlite(directory.path()).await);
    store
        .add_file(ROOT, "a", 1, Expected::Absent)
        .await
        .unwrap();
    drop(store);
    let store = Tested(sqlite(directory.path()).await);
    assert_eq!(store.version(ROOT, "a").await, Some(1));
}

async fn entries_come_and_go(store: &Tested) {
    assert_eq!(store.version(ROOT, "a").await, None);
    refused!(
        store.remove(ROOT, "a", None, false).await,
        StoreError::NoSuchEntry
    );
    store
        .add_file(ROOT, "a", 1, Expected::Absent)
        .await
        .unwrap();
    assert_eq!(store.version(ROOT, "a").await, Some(1));
    // The same bytes again are the same change, whose answer was lost.
    store
        .add_file(ROOT, "a", 1, Expected::Absent)
        .await
        .unwrap();
    refused!(
        store.add_file(ROOT, "a", 2, Expected::Absent).await,
        StoreError::NameTaken
    );
    let other = Expected::Version(Version(7));
    refused!(
        store.add_file(ROOT, "a", 2, other).await,
        StoreError::Changed {
            current: Some(Version(1))
        }
    );
    refused!(
        store.add_file(ROOT, "b", 2, other).await,
        StoreError::Changed { current: None }
    );
    store
        .add_file(ROOT, "a", 2, Expected::Version(Version(1)))
        .await
        .unwrap();
    store.add_file(ROOT, "a", 3, Expected::Any).await.unwrap();
    refused!(
        store.remove(ROOT, "a", Some(2), false).await,
        StoreError::Changed {
            current: Some(Version(3))
        }
    );
    store.remove(ROOT, "a", Some(3), false).await.unwrap();
    assert_eq!(store.version(ROOT, "a").await, None);
    let missing = directory(9);
    refused!(
        store.add_file(missing, "a", 1, Expected::Any).await,
        StoreError::NoSuchDirectory
    );
    refused!(
        store.0.list(missing, None, 1).await,
        StoreError::NoSuchDirectory
    );
    let (place, record) = sealed(ROOT, "d", Target::Directory(directory(1)), 9);
    let expected = Expected::Any;
    let wrong = Change::AddFile {
        place,
        record,
        expected,
    };
    refused!(store.apply(wrong).await, StoreError::WrongRecord);
    let (place, record) = sealed(ROOT, "d", file("cap"), 9);
    let wrong = Change::AddDirectory { place, record };
    refused!(store.apply(wrong).await, StoreError::WrongRecord);
}

async fn versions_only_grow(store: &Tested) {
    store.add_file(ROOT, "a", 10, Expected::Any).await.unwrap();
    for version in [9, 10] {
        let (place, record) = sealed(ROOT, "a", file("other"), version);
        let expected = Expected::Any;
        let change = Change::AddFile {
            place,
            record,
            expected,
        };
        refused!(
            store.apply(change).await,
            StoreError::Stale {
                latest: Version(10)
            }
        );
    }
    store.remove(ROOT, "a", None, false).await.unwrap();
    refused!(
        store.add_file(ROOT, "a", 10, Expected::Any).await,
        StoreError::Stale {
            latest: Version(10)
        }
    );
    store.add_file(ROOT, "a", 11, Expected::Any).await.unwrap();
    refused!(
        store
            .relocate((ROOT, "a", 11), (ROOT, "a", 11), file("cap"), Expected::Any)
            .await,
        StoreError::Stale {
            latest: Version(11)
        }
    );
}

async fn directories_are_careful(store: &Tested) {
    store.add_directory(ROOT, "d", 1, 1).await;
    let again = sealed(ROOT, "d", Target::Directory(directory(2)), 2);
    let (place, record) = again;
    refused!(
        store.apply(Change::AddDirectory { place, record }).await,
        StoreError::NameTaken
    );
    let (place, record) = sealed(ROOT, "e", Target::Directory(directory(1)), 2);
    refused!(
        store.apply(Change::AddDirectory { place, record }).await,
        StoreError::NameTaken
    );
    refused!(
        store.add_file(ROOT, "d", 2, Expected::Any).await,
        StoreError::NameTaken
    );
    store
        .add_file(directory(1), "a", 1, Expected::Any)
        .await
        .unwrap();
    refused!(
        store.remove(ROOT, "d", None, false).await,
        StoreError::NotEmpty
    );
    store.remove(ROOT, "d", None, true).await.unwrap();
    // It can still be read, as what is in the trash can, but not changed.
    assert_eq!(store.version(directory(1), "a").await, Some(1));
    refused!(
        store.add_file(directory(1), "b", 2, Expected::Any).await,
        StoreError::NoSuchDirectory
    );
    refused!(
        store.remove(directory(1), "a", None, false).await,
        StoreError::NoSuchDirectory
    );
    store.add_directory(ROOT, "empty", 3, 2).await;
    store.remove(ROOT, "empty", None, false).await.unwrap();
}

async fn moves_are_whole(store: &Tested) {
    store.add_directory(ROOT, "d", 1, 1).await;
    store.add_directory(directory(1), "e", 2, 1).await;
    store.add_file(ROOT, "a", 1, Expected::Any).await.unwrap();
    store
        .add_file(directory(2), "b", 1, Expected::Any)
        .await
        .unwrap();
    let a = file("a moved");
    let to = (directory(2), "b", 5);
    refused!(
        store
            .relocate((ROOT, "a", 2), to, a.clone(), Expected::Any)
            .await,
        StoreError::Changed {
            current: Some(Version(1))
        }
    );
    refused!(
        store
            .relocate((ROOT, "a", 1), to, a.clone(), Expected::Absent)
            .await,
        StoreError::NameTaken
    );
    refused!(
        store
            .relocate((ROOT, "x", 1), to, a.clone(), Expected::Any)
            .await,
        StoreError::NoSuchEntry
    );
    let as_directory = Target::Directory(directory(2));
    refused!(
        store
            .relocate((ROOT, "a", 1), to, as_directory, Expected::Any)
            .await,
        StoreError::WrongRecord
    );
    store
        .relocate((ROOT, "a", 1), to, a.clone(), Expected::Any)
        .await
        .unwrap();
    assert_eq!(store.version(ROOT, "a").await, None);
    assert_eq!(store.version(directory(2), "b").await, Some(5));
    assert_eq!(
        store.0.trash(None, 9).await.unwrap().len(),
        1,
        "what was replaced"
    );
    // A directory goes elsewhere with all that is in it, but not into itself.
    let d = Target::Directory(directory(1));
    for inside in [directory(1), directory(2)] {
        refused!(
            store
                .relocate(
                    (ROOT, "d", 1),
                    (inside, "x", 6),
                    d.clone(),
                    Expected::Absent
                )
                .await,
            StoreError::Cycle
        );
    }
    let e = Target::Directory(directory(2));
    store
        .relocate((directory(1), "e", 1), (ROOT, "e", 6), e, Expected::Absent)
        .await
        .unwrap();
    store
        .relocate((ROOT, "d", 1), (directory(2), "d", 6), d, Expected::Absent)
        .await
        .unwrap();
    store
        .add_file(directory(1), "deep", 7, Expected::Any)
        .await
        .unwrap();
    // A name alone changes, or nothing but the version.
    store
        .relocate(
            (directory(1), "deep", 7),
            (directory(1), "deeper", 8),
            a.clone(),
            Expected::Any,
        )
        .await
        .unwrap();
    store
        .relocate(
            (directory(1), "deeper", 8),
            (directory(1), "deeper", 9),
            a,
            Expected::Absent,
        )
        .await
        .unwrap();
    assert_eq!(store.version(directory(1), "deeper").await, Some(9));
}

async fn depth_is_bounded(store: &Tested) {
    let mut parent = ROOT;
    let depth = u8::try_from(MAX_DEPTH).unwrap();
    for number in 1..depth {
        store.add_directory(parent, "d", number, 1).await;
        parent = directory(number);
    }
    store.add_file(parent, "a", 1, Expected::Any).await.unwrap();
    let (place, record) = sealed(parent, "d", Target::Directory(directory(depth)), 1);
    refused!(
        store.apply(Change::AddDirectory { place, record }).await,
        StoreError::TooDeep
    );
    store.add_directory(ROOT, "other", 200, 2).await;
    let other = Target::Directory(directory(200));
    refused!(
        store
            .relocate((ROOT, "other", 2), (parent, "d", 3), other, Expected::Any)
            .await,
        StoreError::TooDeep
    );
}

async fn trash_gives_back(store: &Tested) {
    store.add_directory(ROOT, "d", 1, 1).await;
    store
        .add_file(directory(1), "a", 1, Expected::Any)
        .await
        .unwrap();
    store.add_file(ROOT, "b", 1, Expected::Any).await.unwrap();
    store.add_file(ROOT, "b", 2, Expected::Any).await.unwrap();
    store.remove(ROOT, "d", None, true).await.unwrap();
    let trash = store.0.trash(None, 10).await.unwrap();
    let record = |item: &StoredTrash| Record::parse(item.bytes.clone()).unwrap();
    let versions: Vec<_> = trash.iter().map(|item| record(item).version().0).collect();
    let children: Vec<_> = trash.iter().map(|item| record(item).child()).collect();
    assert_eq!(
        (versions, children),
        (vec![1, 1], vec![Some(directory(1)), None])
    );
    let before = store.0.trash(Some(trash[0].id), 10).await.unwrap();
    assert_eq!(before, trash[1..]);
    let restore = |item: usize, text: &str, target, version| {
        let (place, record) = sealed(ROOT, text, target, version);
        let trash = trash[item].id;
        store.apply(Change::Restore {
            trash,
            place,
            record,
        })
    };
    let d = || Target::Directory(directory(1));
    refused!(restore(0, "b", d(), 9).await, StoreError::NameTaken);
    refused!(restore(0, "d", file("x"), 9).await, StoreError::WrongRecord);
    refused!(
        restore(0, "d", d(), 1).await,
        StoreError::Stale { latest: Version(1) }
    );
    restore(0, "again", d(), 9).await.unwrap();
    refused!(restore(0, "more", d(), 10).await, StoreError::NotInTrash);
    store
        .add_file(directory(1), "c", 2, Expected::Any)
        .await
        .unwrap();
    assert_eq!(store.version(directory(1), "a").await, Some(1));
    restore(1, "old b", file("x"), 10).await.unwrap();
    assert!(store.0.trash(None, 10).await.unwrap().is_empty());
}

async fn ways_lead_to_what_is_there_and_what_was(store: &Tested) {
    store.add_directory(ROOT, "d", 1, 1).await;
    store.add_directory(directory(1), "e", 2, 1).await;
    store.add_directory(directory(2), "f", 3, 1).await;
    let way = async |number| {
        let way = store.0.way_to(directory(number)).await?;
        Ok::<_, StoreError>(way.into_iter().map(|link| link.place).collect::<Vec<_>>())
    };
    let place = |parent, text: &str| sealed(parent, text, file(""), 1).0;
    let d = place(ROOT, "d");
    let [e, f] = [(1, "e"), (2, "f")].map(|(number, text)| place(directory(number), text));
    assert_eq!(store.0.way_to(ROOT).await.unwrap(), []);
    assert_eq!(way(3).await.unwrap(), [f, e, d]);
    refused!(way(4).await, StoreError::NoSuchDirectory);
    // One after the other goes into the trash, where the way still is.
    store.remove(directory(1), "e", None, true).await.unwrap();
    assert_eq!(way(3).await.unwrap(), [f, e, d]);
    let from = (ROOT, "d", 1);
    let to = (ROOT, "moved", 2);
    let target = Target::Directory(directory(1));
    store
        .relocate(from, to, target, Expected::Absent)
        .await
        .unwrap();
    store.remove(ROOT, "moved", None, true).await.unwrap();
    assert_eq!(way(3).await.unwrap(), [f, e, place(ROOT, "moved")]);
}

async fn trash_is_swept(store: &Tested) {
    store.add_directory(ROOT, "d", 1, 1).await;
    store.add_directory(directory(1), "e", 2, 1).await;
    let many = SWEEP_STEP + 1;
    fill(store, directory(2), many).await;
    store.remove(ROOT, "d", None, true).await.unwrap();
    let now = SystemTime::now();
    assert!(!store.0.sweep(now).await.unwrap(), "nothing is old");
    assert_eq!(store.0.trash(None, 10).await.unwrap().len(), 1);
    let later = now + TRASH_TIME + Duration::from_secs(1);
    let mut steps = 0;
    while store.0.sweep(later).await.unwrap() {
        steps += 1;
    }
    assert!((3..20).contains(&steps), "{steps}");
    assert!(store.0.trash(None, 10).await.unwrap().is_empty());
    for gone in [directory(1), directory(2)] {
        assert!(!store.0.has_directory(gone).await.unwrap());
        refused!(
            store.0.list(gone, None, 1).await,
            StoreError::NoSuchDirectory
        );
    }
    assert!(
        MAX_TRASH_ENTRIES > many,
        "or the number is what this test sees"
    );
}

/// Adds many files side by side, so that they share transactions.
async fn fill(store: &Tested, parent: DirectoryId, count: usize) {
    let add = |number: usize| {
        let text = number.to_string();
        async move {
            store
                .add_file(parent, &text, 1, Expected::Absent)
                .await
                .unwrap();
        }
    };
    futures_util::future::join_all((0..count).map(add)).await;
}

async fn pages_cover_a_directory(store: &Tested) {
    store.add_directory(ROOT, "d", 1, 1).await;
    fill(store, directory(1), 25).await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.0.list(directory(1), after, 10).await.unwrap();
        assert!(page.entries.len() <= 10);
        seen.extend(page.entries.iter().map(|stored| stored.entry));
        after = seen.last().copied();
        if !page.more {
            break;
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted());
    let whole = store.0.list(directory(1), None, 25).await.unwrap();
    assert!(!whole.more, "all of it fits");
    let newest = whole.entries.iter().map(|stored| stored.revision).max();
    assert_eq!(newest, Some(whole.revision));
}

async fn changes_are_announced(store: &Tested) {
    let mut changes = store.0.changes();
    store.add_directory(ROOT, "d", 1, 1).await;
    assert_eq!(changes.recv().await, Ok(Changed::Directory(ROOT)));
    store.add_file(ROOT, "a", 1, Expected::Any).await.unwrap();
    assert_eq!(changes.recv().await, Ok(Changed::Directory(ROOT)));
    store
        .relocate(
            (ROOT, "a", 1),
            (directory(1), "a", 2),
            file("cap"),
            Expected::Any,
        )
        .await
        .unwrap();
    let both = [changes.recv().await.unwrap(), changes.recv().await.unwrap()];
    assert!(both.contains(&Changed::Directory(ROOT)));
    assert!(both.contains(&Changed::Directory(directory(1))));
}
