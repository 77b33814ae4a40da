//! What can be done with one directory, or two.

use crate::grid::{Grid, SSK, children, empty, literal, name, names, new_child, node, read_only};
use tahoe_caps::{CapKind, MutableFormat};
use tahoe_directory::{
    Children, Directory, DirectoryError, EditError, EntryError, Replace, TableError,
};
use tahoe_storage_api::testing::{Call, Fault};

const FORMATS: [(MutableFormat, CapKind); 2] = [
    (MutableFormat::Sdmf, CapKind::Dir2),
    (MutableFormat::Mdmf, CapKind::Dir2Mdmf),
];

#[tokio::test]
async fn children_come_and_go() {
    let grid = Grid::new(4, 2, 4);
    let gateway = grid.gateway().await;
    for (format, kind) in FORMATS {
        let initial = children([("b", literal("b")), ("caf\u{e9}", node(SSK))]);
        let directory = gateway.create(format, None, initial).await.unwrap();
        assert_eq!(directory.to_node().kind(), Some(kind));
        let link = |at: &str, content: &str, replace| {
            let child = new_child(literal(content));
            gateway.link(&directory, name(at), child, replace)
        };
        link("a", "1", Replace::Nothing).await.unwrap();
        let exists = link("cafe\u{301}", "1", Replace::Nothing)
            .await
            .unwrap_err();
        assert!(
            matches!(exists, DirectoryError::Edit(EditError::ChildExists(_))),
            "{exists}"
        );
        link("cafe\u{301}", "2", Replace::OnlyFiles).await.unwrap();
        assert_eq!(names(&gateway, &directory).await, ["a", "b", "caf\u{e9}"]);

        let unlinked = gateway.unlink(&directory, name("caf\u{e9}")).await.unwrap();
        assert_eq!(unlinked.unwrap().node, literal("2"));
        let missing = gateway.unlink(&directory, name("x")).await.unwrap_err();
        assert!(
            matches!(missing, DirectoryError::Edit(EditError::NoSuchChild(_))),
            "{missing}"
        );
        let more = ["c", "d"]
            .map(|at| (name(at), new_child(literal(at))))
            .to_vec();
        gateway
            .link_all(&directory, more, Replace::Nothing)
            .await
            .unwrap();
        // Another gateway sees the same.
        let other = grid.gateway().await;
        assert_eq!(names(&other, &directory).await, ["a", "b", "c", "d"]);
        assert_eq!(
            other.child(&directory, &name("d")).await.unwrap().node,
            literal("d")
        );
    }
}

#[tokio::test]
async fn readers_see_no_write_capability_and_change_nothing() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    let initial = children([("f", node(SSK))]);
    let directory = gateway
        .create(MutableFormat::Sdmf, None, initial)
        .await
        .unwrap();
    let reader = read_only(&directory);
    let child = gateway.child(&reader, &name("f")).await.unwrap();
    assert_eq!(child.node, node(SSK).to_read_only().unwrap());
    let other = empty(&gateway).await;
    let refused = [
        gateway
            .link(
                &reader,
                name("x"),
                new_child(literal("")),
                Replace::Anything,
            )
            .await,
        gateway.unlink(&reader, name("f")).await.map(drop),
        gateway
            .relink((&reader, name("f")), (&other, name("f")), Replace::Anything)
            .await,
        gateway
            .relink(
                (&directory, name("f")),
                (&reader, name("g")),
                Replace::Anything,
            )
            .await,
    ];
    for result in refused {
        assert!(
            matches!(result, Err(DirectoryError::NotWritable)),
            "{result:?}"
        );
    }
    assert_eq!(names(&gateway, &directory).await, ["f"]);
}

#[tokio::test]
async fn children_move() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    let (from, to) = (empty(&gateway).await, empty(&gateway).await);
    for at in ["a", "b"] {
        let child = new_child(literal(at));
        gateway
            .link(&from, name(at), child, Replace::Nothing)
            .await
            .unwrap();
    }
    let before = grid.count(Call::ReadTestWrite);
    gateway
        .relink((&from, name("a")), (&from, name("c")), Replace::Nothing)
        .await
        .unwrap();
    assert_eq!(names(&gateway, &from).await, ["b", "c"]);
    assert_eq!(
        grid.count(Call::ReadTestWrite) - before,
        3,
        "one write per server"
    );
    gateway
        .relink((&from, name("c")), (&to, name("d")), Replace::Nothing)
        .await
        .unwrap();
    let exists = gateway
        .relink((&from, name("b")), (&to, name("d")), Replace::Nothing)
        .await;
    assert!(exists.is_err());
    gateway
        .relink((&from, name("b")), (&from, name("b")), Replace::Nothing)
        .await
        .unwrap();
    assert_eq!(names(&gateway, &from).await, ["b"]);
    assert_eq!(names(&gateway, &to).await, ["d"]);
    let missing = gateway
        .relink((&from, name("x")), (&to, name("x")), Replace::Anything)
        .await;
    assert!(matches!(
        missing,
        Err(DirectoryError::Edit(EditError::NoSuchChild(_)))
    ));
}

#[tokio::test]
async fn immutable_directories_are_files_or_literals() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    let empty = gateway.create_immutable(Children::new()).await.unwrap();
    assert_eq!(empty.to_node().cap_text().unwrap(), "URI:DIR2-LIT:");
    assert_eq!(names(&gateway, &empty).await, [""; 0]);

    let initial = children([
        ("a", literal("a")),
        ("d", empty.to_node()),
        ("f", literal("f")),
    ]);
    let directory = gateway.create_immutable(initial).await.unwrap();
    assert_eq!(directory.to_node().kind(), Some(CapKind::Dir2Chk));
    assert_eq!(names(&gateway, &directory).await, ["a", "d", "f"]);
    let reads = grid.count(Call::ReadShare);
    assert_eq!(names(&gateway, &directory).await, ["a", "d", "f"]);
    assert_eq!(grid.count(Call::ReadShare), reads, "it can't have changed");
    let path = [name("d"), name("x")];
    let missing = gateway.node_at(&directory, &path).await;
    assert!(matches!(
        missing,
        Err(DirectoryError::Edit(EditError::NoSuchChild(_)))
    ));
    let path = [name("a"), name("x")];
    let file = gateway.node_at(&directory, &path).await;
    assert!(matches!(file, Err(DirectoryError::NotADirectory(_))));

    for mutable in [node(SSK), node(SSK).to_read_only().unwrap()] {
        let refused = gateway.create_immutable(children([("x", mutable)])).await;
        let expected = EditError::BadEntry(name("x"), EntryError::MustBeDeepImmutable);
        assert!(matches!(refused, Err(DirectoryError::Edit(error)) if error == expected));
    }
    let change = gateway.unlink(&directory, name("a")).await;
    assert!(matches!(change, Err(DirectoryError::NotWritable)));
}

#[tokio::test]
async fn what_is_no_directory_is_said_to_be_none() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    assert_eq!(Directory::of(&node(SSK)), None);
    assert_eq!(Directory::of(&literal("x")), None);
    let junk = node("URI:DIR2-LIT:nbswy3dp");
    let directory = Directory::of(&junk).unwrap();
    let error = gateway.list(&directory).await.unwrap_err();
    let bad = TableError::BadEntry {
        offset: 0,
        source: tahoe_encoding::netstring::NetstringError::BadLength { offset: 0 },
    };
    assert!(
        matches!(error, DirectoryError::Table(found) if found == bad),
        "{error}"
    );
}

#[tokio::test]
async fn a_listing_that_is_repeated_reads_little() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    let directory = empty(&gateway).await;
    let child = new_child(literal("x"));
    gateway
        .link(&directory, name("x"), child, Replace::Nothing)
        .await
        .unwrap();
    gateway.list(&directory).await.unwrap();
    let before = grid.count(Call::ReadShare) + grid.count(Call::ListShares);
    gateway.list(&directory).await.unwrap();
    let after = grid.count(Call::ReadShare) + grid.count(Call::ListShares);
    assert!(after - before <= 3, "{}", after - before);
}

#[tokio::test(start_paused = true)]
async fn lost_servers_are_an_error_and_nothing_is_cached_wrongly() {
    let grid = Grid::new(3, 2, 3);
    let gateway = grid.gateway().await;
    let directory = empty(&gateway).await;
    for faulty in &grid.faults[..2] {
        faulty.add(Fault::Vanish.always());
    }
    let error = gateway.list(&directory).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Read(_)), "{error}");
    grid.faults[2].add(Fault::Vanish.always());
    let child = new_child(literal("x"));
    let error = gateway
        .link(&directory, name("x"), child.clone(), Replace::Nothing)
        .await;
    assert!(
        matches!(error, Err(DirectoryError::Publish(_))),
        "{error:?}"
    );
    for faulty in &grid.faults {
        faulty.heal();
    }
    gateway
        .link(&directory, name("x"), child, Replace::Nothing)
        .await
        .unwrap();
    assert_eq!(names(&gateway, &directory).await, ["x"]);
}
