//! Clients and a server, over tubs.

use crate::support::{Client, Served, cap, metadata, name, patient, set};
use tahoe_vdrive::{
    CapText, Caps, Directory, DirectoryId, DriveError, EntryId, Freshness, RemoveMode, Replace,
    Target, TrashQuery,
};

macro_rules! refused {
    ($result:expr, $pattern:pat) => {
        let result = $result;
        assert!(matches!(result, Err($pattern)), "{result:?}");
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_share_a_tree() {
    let served = Served::start().await;
    let (furl, _) = served.furls();
    let (one, other) = (
        Client::connect(furl.clone()).await,
        Client::connect(furl).await,
    );
    let music = one
        .root()
        .make_directory(&name("music"), metadata())
        .await
        .unwrap();
    let version = set(&music, "a", "URI:a", Replace::Never).await.unwrap();
    let there = other.drive.open(&[name("music")]).await.unwrap();
    let found = there.get(&name("a")).await.unwrap();
    assert_eq!(found.freshness, Freshness::Fresh);
    assert_eq!(found.entry.version, version);
    assert_eq!(found.entry.target, Target::File(cap("URI:a")));
    assert_eq!(found.entry.metadata, metadata());
    refused!(
        one.root().make_directory(&name("music"), metadata()).await,
        DriveError::NameTaken
    );
    refused!(
        other.drive.open(&[name("x")]).await,
        DriveError::NoSuchEntry
    );
    let path = [name("music"), name("a")];
    refused!(other.drive.open(&path).await, DriveError::NotADirectory);
    refused!(
        other
            .root()
            .remove(&name("music"), RemoveMode::Empty, None)
            .await,
        DriveError::NotEmpty
    );
    other
        .root()
        .remove(&name("music"), RemoveMode::Recursive, None)
        .await
        .unwrap();
    refused!(
        set(&music, "b", "URI:b", Replace::Never).await,
        DriveError::NoSuchDirectory
    );
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_of_the_database_leaves_the_others_to_be_listed() {
    let served = Served::start().await;
    let client = Client::connect(served.furls().0).await;
    let root = client.root();
    for text in ["a", "b", "c", "d"] {
        set(&root, text, text, Replace::Never).await.unwrap();
    }
    let page = root.list(None, 2).await.unwrap();
    let last = page.entries[1].name.clone();
    // The first page ends with an entry that was changed, the next one begins with what is none.
    let database = rusqlite::Connection::open(served.path().join("vdrive.sqlite")).unwrap();
    let ids = "SELECT entry FROM entries ORDER BY entry";
    let mut ids = database.prepare(ids).unwrap();
    let ids = ids.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let ids: Vec<Vec<u8>> = ids.map(Result::unwrap).collect();
    let select = "SELECT record FROM entries WHERE entry = ?";
    let record = database.query_row(select, [&ids[1]], |row| row.get::<_, Vec<u8>>(0));
    let mut record = record.unwrap();
    record[100] ^= 1;
    let update = "UPDATE entries SET record = ? WHERE entry = ?";
    database.execute(update, [&record, &ids[1]]).unwrap();
    database.execute(update, [&vec![7; 9], &ids[2]]).unwrap();

    for limit in 1..5 {
        let mut page = root.list(None, limit).await.unwrap();
        let (mut good, mut bad) = (page.entries, page.bad);
        while page.next.is_some() {
            page = root.list(page.next, limit).await.unwrap();
            good.extend(page.entries);
            bad.extend(page.bad);
        }
        assert_eq!(good.len(), 2, "pages of {limit}");
        assert!(good.iter().all(|entry| entry.name != last));
        let found: Vec<&[u8]> = bad.iter().map(|bad| &bad.id.as_bytes()[..]).collect();
        assert_eq!(found, [&ids[1][..], &ids[2][..]], "pages of {limit}");
        let problems: Vec<String> = bad.iter().map(|bad| chain(&bad.problem)).collect();
        assert!(problems[0].ends_with("no valid signature for its place"));
        assert!(problems[1].ends_with("a sealed entry of 9 bytes"));
    }
    let bad = root.list_all().await.unwrap().bad;
    assert_eq!(bad.len(), 2);
    refused!(root.get(&last).await, DriveError::Forged(_));

    // They are removed by their ids, but no good one is, and hide nothing in the trash either.
    let good = EntryId::from_bytes(ids[0].clone().try_into().unwrap());
    refused!(root.unreadable(good).await, DriveError::NoSuchEntry);
    let removed = root.remove_unreadable(good, RemoveMode::Recursive);
    refused!(removed.await, DriveError::NoSuchEntry);
    for one in bad {
        assert!(root.unreadable(one.id).await.is_ok());
        root.remove_unreadable(one.id, RemoveMode::Empty)
            .await
            .unwrap();
        let again = root.remove_unreadable(one.id, RemoveMode::Empty);
        refused!(again.await, DriveError::NoSuchEntry);
    }
    let left = root.list_all().await.unwrap();
    assert_eq!((left.entries.len(), left.bad.len()), (2, 0));
    let gone = left.entries[0].name.clone();
    root.remove(&gone, RemoveMode::Empty, None).await.unwrap();
    let all = TrashQuery {
        limit: 10,
        ..TrashQuery::default()
    };
    let trash = client.drive.search_trash(&all).await.unwrap().items;
    let names: Vec<_> = trash.iter().map(|item| &item.entry.name).collect();
    assert_eq!(names, [&gone]);
    set(&root, last.as_str(), "again", Replace::Never)
        .await
        .unwrap();
    served.stop().await;
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_is_given_no_capability_that_writes() {
    let served = Served::start().await;
    let (furl, read_only) = served.furls();
    let (writer, reader) = (
        Client::connect(furl).await,
        Client::connect(read_only).await,
    );
    let caps = Caps {
        write: CapText::new("URI:SSK:writes"),
        read: CapText::new("URI:SSK-RO:reads"),
    };
    let (a, b) = (name("a"), name("b"));
    let root = writer.root();
    root.set_file(&a, caps.clone(), metadata(), Replace::Never)
        .await
        .unwrap();
    // Who moves an entry seals it anew, with both.
    root.move_entry(&a, &root, &b, Replace::Never)
        .await
        .unwrap();
    let whole = root.get(&b).await.unwrap().entry.target;
    assert_eq!(whole, Target::File(caps.clone()));
    let read = Target::File(Caps {
        write: None,
        ..caps
    });
    assert_eq!(reader.root().get(&b).await.unwrap().entry.target, read);
    let listed = reader.root().list_all().await.unwrap().entries;
    assert_eq!(listed[0].target, read);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_listed_in_order_and_move_in_one_step() {
    let served = Served::start().await;
    let client = Client::connect(served.furls().0).await;
    let root = client.root();
    for text in ["b", "a", "c", "e\u{301}"] {
        set(&root, text, text, Replace::Never).await.unwrap();
    }
    let listing = root.list_all().await.unwrap();
    let names: Vec<&str> = listing
        .entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c", "\u{e9}"]);
    let page = root.list(None, 3).await.unwrap();
    assert_eq!(page.entries.len(), 3);
    let rest = root.list(page.next, 3).await.unwrap();
    assert_eq!((rest.entries.len(), rest.next), (1, None));

    let d = root.make_directory(&name("d"), metadata()).await.unwrap();
    refused!(
        root.move_entry(&name("a"), &root, &name("b"), Replace::Never)
            .await,
        DriveError::NameTaken
    );
    let before = root.get(&name("a")).await.unwrap().entry;
    let moved = root
        .move_entry(&name("a"), &d, &name("z"), Replace::Never)
        .await;
    let after = d.get(&name("z")).await.unwrap().entry;
    assert_eq!(
        (after.version, after.target),
        (moved.unwrap(), before.target)
    );
    assert_eq!(after.metadata, before.metadata);
    refused!(root.get(&name("a")).await, DriveError::NoSuchEntry);
    refused!(
        root.move_entry(&name("d"), &d, &name("d"), Replace::Never)
            .await,
        DriveError::Cycle
    );
    let (d, e) = (name("d"), name("e"));
    root.move_entry(&d, &root, &e, Replace::Never)
        .await
        .unwrap();
    assert!(client.drive.open(&[e]).await.is_ok());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_or_replaced_comes_back() {
    let served = Served::start().await;
    let client = Client::connect(served.furls().0).await;
    let root = client.root();
    for text in ["first", "second"] {
        set(&root, "a", text, Replace::Always).await.unwrap();
    }
    root.remove(&name("a"), RemoveMode::Empty, None)
        .await
        .unwrap();
    let all = TrashQuery {
        limit: 10,
        ..TrashQuery::default()
    };
    let trash = client.drive.search_trash(&all).await.unwrap().items;
    let caps: Vec<_> = trash.iter().map(|item| item.entry.target.clone()).collect();
    assert_eq!(
        caps,
        ["second", "first"].map(|text| Target::File(cap(text)))
    );
    client
        .drive
        .restore(&trash[1], &root, &name("a"))
        .await
        .unwrap();
    let found = root.get(&name("a")).await.unwrap();
    assert_eq!(found.entry.target, Target::File(cap("first")));
    refused!(
        client.drive.restore(&trash[1], &root, &name("b")).await,
        DriveError::NotInTrash
    );
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trash_is_searched_by_place_and_name() {
    let served = Served::start().await;
    let client = Client::connect(served.furls().0).await;
    let root = client.root();
    let music = root.make_directory(&name("music"), metadata()).await;
    let music = music.unwrap();
    for (directory, entry) in [(&root, "a"), (&music, "a"), (&root, "b"), (&root, "a")] {
        set(directory, entry, "URI:x", Replace::Never)
            .await
            .unwrap();
        let entry = name(entry);
        let removed = directory.remove(&entry, RemoveMode::Empty, None);
        removed.await.unwrap();
    }
    let search = async |query: TrashQuery| {
        let page = client.drive.search_trash(&query).await.unwrap();
        let names = page.items.iter().map(|item| item.entry.name.to_string());
        (names.collect::<Vec<_>>().concat(), page.next)
    };
    let here = |directory: &Directory, limit| TrashQuery {
        directory: Some(directory.id()),
        limit,
        ..TrashQuery::default()
    };
    let all = TrashQuery {
        limit: 9,
        ..TrashQuery::default()
    };
    assert_eq!(search(all).await, ("abaa".to_owned(), None));
    let drive = &client.drive;
    assert_eq!(drive.way_to(music.id()).await.unwrap(), [name("music")]);
    assert_eq!(drive.way_to(root.id()).await.unwrap(), []);
    let nowhere = DirectoryId::from_bytes([7; 16]);
    refused!(drive.way_to(nowhere).await, DriveError::NoSuchDirectory);
    assert_eq!(search(here(&music, 9)).await, ("a".to_owned(), None));
    assert_eq!(search(here(&root, 3)).await, ("aba".to_owned(), None));
    let (names, before) = search(here(&root, 2)).await;
    assert!(names == "ab" && before.is_some());
    let rest = TrashQuery {
        before,
        ..here(&root, 2)
    };
    assert_eq!(search(rest).await, ("a".to_owned(), None));
    let named = TrashQuery {
        name: Some(name("a")),
        ..here(&root, 1)
    };
    let (names, next) = search(named).await;
    assert!(names == "a" && next.is_some());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_who_change_what_they_saw_one_wins() {
    let served = Served::start().await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(Client::connect(served.furls().0).await);
    }
    let entry = name("contended");
    let first = set(&clients[0].root(), "contended", "0", Replace::Never).await;
    let mut version = first.unwrap();
    for round in 0..10 {
        let change = |number: usize, client: &Client| {
            let root = client.root();
            async move {
                let replace = Replace::IfVersion(version);
                let cap = format!("{round} {number}");
                (number, set(&root, "contended", &cap, replace).await)
            }
        };
        let changes = clients
            .iter()
            .enumerate()
            .map(|(number, client)| change(number, client));
        let results = futures_util::future::join_all(changes).await;
        let winners: Vec<_> = results
            .iter()
            .filter(|(_, result)| result.is_ok())
            .collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        for (_, result) in &results {
            assert!(
                matches!(result, Ok(_) | Err(DriveError::Changed { .. })),
                "{result:?}"
            );
        }
        let (winner, _) = winners[0];
        let found = clients[winner.wrapping_add(1) % 10]
            .root()
            .get(&entry)
            .await
            .unwrap();
        assert_eq!(
            found.entry.target,
            Target::File(cap(&format!("{round} {winner}")))
        );
        version = found.entry.version;
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_only_read() {
    let served = Served::start().await;
    let (furl, read_only) = served.furls();
    let writer = Client::connect(furl).await;
    let reader = Client::connect(read_only).await;
    let d = writer
        .root()
        .make_directory(&name("d"), metadata())
        .await
        .unwrap();
    set(&d, "a", "URI:a", Replace::Never).await.unwrap();
    let there = reader.drive.open(&[name("d")]).await.unwrap();
    assert!(there.get(&name("a")).await.is_ok());
    assert!(reader.drive.is_read_only());
    refused!(
        set(&there, "a", "x", Replace::Always).await,
        DriveError::ReadOnly
    );
    refused!(
        there.remove(&name("a"), RemoveMode::Empty, None).await,
        DriveError::ReadOnly
    );
    let everything = TrashQuery::default();
    refused!(
        reader.drive.search_trash(&everything).await,
        DriveError::ReadOnly
    );
    // A writer can give a reader's FURL away, a reader too.
    for client in [&writer, &reader] {
        let furl = client.drive.read_only_furl().await.unwrap();
        let given = Client::connect(furl).await;
        assert!(given.drive.is_read_only());
        assert_eq!(given.root().list_all().await.unwrap().entries.len(), 1);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_hear_of_changes() {
    let served = Served::start().await;
    let (furl, read_only) = served.furls();
    let writer = Client::connect(furl).await;
    let reader = Client::connect(read_only).await;
    let mut changes = reader.root().subscribe().await;
    set(&writer.root(), "a", "1", Replace::Never).await.unwrap();
    assert!(patient(changes.changed()).await);
    assert_eq!(served.server.subscriptions(), 1);
    drop(changes);
    // Nobody listens: at the next change, the server is told so.
    set(&writer.root(), "a", "2", Replace::Always)
        .await
        .unwrap();
    patient(async {
        while served.server.subscriptions() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_last_listing_is_shown_as_old() {
    let served = Served::start().await;
    let client = Client::connect(served.furls().0).await;
    let root = client.root();
    let d = root.make_directory(&name("d"), metadata()).await.unwrap();
    set(&d, "a", "URI:a", Replace::Never).await.unwrap();
    let fresh = root.list_all().await.unwrap();
    client
        .drive
        .open(&[name("d")])
        .await
        .unwrap()
        .list_all()
        .await
        .unwrap();
    served.stop().await;
    let old = root.list_all().await.unwrap();
    assert_eq!(old.entries, fresh.entries);
    assert!(matches!(old.freshness, Freshness::Old { .. }));
    let there = client.drive.open(&[name("d")]).await.unwrap();
    let found = there.get(&name("a")).await.unwrap();
    assert!(matches!(found.freshness, Freshness::Old { .. }));
    let set = set(&d, "a", "x", Replace::Always).await;
    refused!(set, DriveError::NotConnected | DriveError::Lost(_));
    assert!(!client.drive.status().is_connected);
}
