//! Walks through trees and what is counted on them.

use crate::grid::{Grid, SSK, children, empty, literal, name, new_child, node};
use serde_json::json;
use tahoe_caps::MutableFormat;
use tahoe_directory::{DeepStats, Directories, Directory, DirectoryError, Node, Replace, Visit};
use tahoe_storage_api::testing::Fault;

/// The paths of a walk, and its statistics.
async fn walk(
    gateway: &Directories,
    root: &Directory,
) -> Result<(Vec<String>, DeepStats), DirectoryError> {
    let (mut paths, mut stats) = (Vec::new(), DeepStats::default());
    let mut walk = gateway.walk(root);
    while let Some(visit) = walk.next().await? {
        match visit {
            Visit::Node { path, node } => {
                let path: Vec<_> = path.iter().map(|name| name.as_str()).collect();
                paths.push(path.join("/"));
                stats.add_node(&node);
            }
            Visit::Entered { size, children } => stats.enter_directory(size, children),
        }
    }
    Ok((paths, stats))
}

fn chk(size: u64) -> Node {
    let number = tahoe_encoding::base32::encode(&[u8::try_from(size % 250).unwrap(); 16]);
    node(&format!("URI:CHK:{number}:{}:1:1:{size}", "a".repeat(52)))
}

#[tokio::test]
async fn everything_is_met_once_files_first() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    let leaf = children([("z", chk(5)), ("y", literal("same"))]);
    let leaf = gateway
        .create(MutableFormat::Mdmf, None, leaf)
        .await
        .unwrap();
    let frozen = children([("one", chk(1000)), ("two", literal("same")), ("u", chk(5))]);
    let frozen = gateway.create_immutable(frozen).await.unwrap();
    let root = empty(&gateway).await;
    let future = Node::from_slots(Some("future:w"), Some("future:r"), false).unwrap();
    for (at, child) in [
        ("a", leaf.to_node()),
        ("b", chk(1001)),
        ("c", future),
        ("d", frozen.to_node()),
        ("e", node(SSK)),
        ("f", node(SSK).to_read_only().unwrap()),
        ("g", leaf.to_node().to_read_only().unwrap()),
        ("h", root.to_node()),
        ("i", literal("same")),
    ] {
        gateway
            .link(&root, name(at), new_child(child), Replace::Nothing)
            .await
            .unwrap();
    }
    // A cycle through two directories.
    let back = new_child(root.to_node());
    gateway
        .link(&leaf, name("x"), back, Replace::Nothing)
        .await
        .unwrap();

    let (paths, stats) = walk(&gateway, &root).await.unwrap();
    let expected = [
        "", "c", "b", "e", "i", "a", "a/y", "a/z", "d", "d/one", "d/two",
    ];
    assert_eq!(paths, expected);
    let sizes: Vec<_> = [&root, &leaf, &frozen]
        .map(|directory| gateway.list(directory))
        .into();
    let mut total = 0;
    for listing in futures_util::future::join_all(sizes).await {
        total += listing.unwrap().size();
    }
    let mut counted = stats.to_json();
    assert_eq!(counted.shift_remove("size-directories"), Some(total.into()));
    assert!(
        counted
            .shift_remove("largest-directory")
            .unwrap()
            .as_u64()
            .unwrap()
            > 1000
    );
    assert_eq!(stats.total_size(), total + 5 + 1000 + 1001);
    let expected = json!({
        "api-version": 1,
        "count-immutable-files": 3,
        "count-mutable-files": 1,
        "count-literal-files": 3,
        "count-files": 7,
        "count-directories": 3,
        "count-unknown": 1,
        "size-immutable-files": 2006,
        "size-literal-files": 12,
        "largest-directory-children": 9,
        "largest-immutable-file": 1001,
        "size-files-histogram": [[4, 10, 4], [317, 1000, 1], [1001, 3162, 1]],
    });
    assert_eq!(serde_json::Value::Object(counted), expected);
}

#[tokio::test]
async fn many_directories_come_in_order_although_some_are_read_ahead() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    let mut leaves = Vec::new();
    for number in 0..20 {
        let at = format!("file {number}");
        let leaf = gateway
            .create_immutable(children([(&*at, literal(&"x".repeat(40)))]))
            .await;
        leaves.push((format!("{number:02}"), leaf.unwrap().to_node()));
    }
    let children = leaves
        .iter()
        .map(|(at, node)| (name(at), new_child(node.clone())));
    let root = empty(&gateway).await;
    gateway
        .link_all(&root, children.collect(), Replace::Nothing)
        .await
        .unwrap();
    let (paths, _) = walk(&gateway, &root).await.unwrap();
    let expected = (0..20).flat_map(|n| [format!("{n:02}"), format!("{n:02}/file {n}")]);
    assert_eq!(paths[1..], expected.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_cannot_be_read_ends_the_walk() {
    let grid = Grid::new(3, 1, 3);
    let gateway = grid.gateway().await;
    let leaf = empty(&gateway).await;
    let initial = children([("a", literal("a")), ("b", leaf.to_node())]);
    let root = gateway
        .create(MutableFormat::Sdmf, None, initial)
        .await
        .unwrap();
    let mut walk = gateway.walk(&root);
    let mut met = 0;
    let error = loop {
        match walk.next().await {
            Ok(Some(Visit::Node { path, .. })) => {
                met += 1;
                if path.len() == 1 {
                    for faulty in &grid.faults {
                        faulty.add(Fault::Vanish.always());
                    }
                }
            }
            Ok(Some(Visit::Entered { .. })) => {}
            Ok(None) => panic!("it can't end well"),
            Err(error) => break error,
        }
    };
    assert_eq!(
        met, 3,
        "the root, the file, and the directory before it is read"
    );
    assert!(matches!(error, DirectoryError::Read(_)), "{error}");
}
