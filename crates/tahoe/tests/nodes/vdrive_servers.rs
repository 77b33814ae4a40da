//! Several vdrive servers over one PostgreSQL database.

use crate::ours;
use crate::vdrive::{hear, listen, names, page};
use std::fs;
use tahoe_test_support::{DriveGrid, Node, Postgres, handed_out, wait_until};

/// What a page that listens is told.
const EVENT: &str = "data: changed";

/// Lets a vdrive server that isn't started yet keep its drive in a database.
fn keep_in(database: &str, vdrive: &Node) {
    vdrive.set("vdrive", "database", &database.replace('%', "%%"));
}

/// What the FURL of a drive is made of: the hints, and what stands before and after them.
fn split(furl: &str) -> [&str; 3] {
    let (tub, rest) = furl.split_once('@').unwrap();
    let (hints, name_and_key) = rest.split_once('/').unwrap();
    [tub, hints, name_and_key]
}

fn copy(from: &Node, to: &Node, name: &str) {
    let contents = fs::read(from.directory().join(name)).unwrap();
    to.write_file(name, contents);
}

fn put(node: &Node, path: &str) -> bool {
    let put = node.request("PUT", path, b"text");
    [200, 201].contains(&put.status)
}

#[test]
fn servers_that_are_started_at_once_agree_on_a_key() {
    let postgres = Postgres::start();
    let database = postgres.database();
    let folder = tempfile::tempdir().unwrap();
    let program = ours();
    let mut vdrives = ["one", "two", "three"].map(|name| {
        let directory = folder.path().join(name);
        let node = Node::create_service(&program, &directory, &["create-vdrive"]);
        keep_in(&database, &node);
        node
    });
    vdrives.iter_mut().for_each(Node::spawn);
    vdrives.iter_mut().for_each(Node::wait_until_up);

    // The others serve the drive without its key, and say what to do.
    let has_key = |node: &Node| node.directory().join("private/vdrive.furl").exists();
    vdrives.sort_by_key(|node| !has_key(node));
    let [first, others @ ..] = &mut vdrives;
    assert!(has_key(first) && !others.iter().any(has_key));
    let furl = handed_out(first, "vdrive.furl");
    let [_, _, name_and_key] = split(&furl);
    assert!(name_and_key.contains('#'));
    for other in others {
        assert!(!other.directory().join("vdrive.furl").exists());
        assert!(
            other.log().contains("copy private/vdrive.furl"),
            "{}",
            other.log()
        );
        other.stop();
        copy(first, other, "private/vdrive.furl");
        other.start();
        let furl = handed_out(other, "vdrive.furl");
        assert_eq!(split(&furl)[2], name_and_key);
    }
}

#[test]
fn servers_over_one_database_stand_in_for_each_other() {
    let postgres = Postgres::start();
    let database = postgres.database();
    let mut grid = DriveGrid::create(&ours());
    let directory = grid.folder().join("second");
    let mut second = Node::create_service(&ours(), &directory, &["create-vdrive"]);
    keep_in(&database, &grid.vdrive);
    keep_in(&database, &second);
    grid.vdrive.start();
    for secret in ["private/node.pem", "private/vdrive.furl"] {
        copy(&grid.vdrive, &second, secret);
    }
    second.start();
    let [here, there] = [&grid.vdrive, &second].map(|node| handed_out(node, "vdrive.furl"));
    let one = grid.writer_with("one", &here);
    let other = grid.writer_with("other", &there);

    // What is changed through either is seen through the other, and at once by who listens there.
    assert!(put(&one, "/vdrive/dir/a"));
    assert_eq!(page(&other, "/vdrive/dir/a"), "text");
    let mut heard_there = listen(&other, "/vdrive/dir/", "", EVENT);
    assert!(put(&one, "/vdrive/dir/b"));
    hear(&mut heard_there, EVENT);
    assert_eq!(names(&other, "/vdrive/dir/"), ["a", "b"]);
    let mut heard_here = listen(&one, "/vdrive/dir/", "", EVENT);
    assert!(put(&other, "/vdrive/dir/c"));
    hear(&mut heard_here, EVENT);
    assert_eq!(names(&one, "/vdrive/dir/"), ["a", "b", "c"]);

    // With a location that names both, both write the same FURL.
    let ([tub, at_first, rest], [_, at_second, _]) = (split(&here), split(&there));
    let location = format!("{at_first},{at_second}");
    for vdrive in [&mut grid.vdrive, &mut second] {
        vdrive.stop();
        vdrive.set("node", "tub.location", &location);
        vdrive.start();
        let furl = handed_out(vdrive, "vdrive.furl");
        assert_eq!(furl, format!("{tub}@{location}/{rest}"));
    }
    let either = grid.writer("either");

    // Whichever server is lost, who knows both goes on, and the others' clients see what it does.
    let mut expected = names(&either, "/vdrive/dir/");
    let rounds = [
        (&mut grid.vdrive, &one, &other, "d"),
        (&mut second, &other, &one, "e"),
    ];
    for (lost, its_client, others_client, name) in rounds {
        lost.kill();
        let path = format!("/vdrive/dir/{name}");
        wait_until("it goes on at the other server", || put(&either, &path));
        expected.push(name.to_owned());
        wait_until("it is seen there", || {
            names(others_client, "/vdrive/dir/") == expected
        });
        let refused = its_client.request("PUT", "/vdrive/refused", b"text");
        assert_eq!(refused.status, 503, "{}", refused.text());
        lost.start();
        let what = "its own client is connected again";
        wait_until(what, || put(its_client, &path));
        assert_eq!(names(its_client, "/vdrive/dir/"), expected);
    }
}
