//! Entries of a shared drive that aren't what they should be, because somebody has changed the database
//! of its server.

use crate::vdrive::{Drive, is_old, names, page};
use rusqlite::{Connection, params};
use serde_json::Value;
use tahoe_test_support::{Node, wait_until};

/// A row of the table of entries.
#[derive(Clone)]
struct Row {
    entry: Vec<u8>,
    is_directory: bool,
    version: i64,
    record: Vec<u8>,
}

/// The database of a vdrive server that doesn't run.
struct Tampered(Connection);

impl Tampered {
    fn open(vdrive: &Node) -> Self {
        let path = vdrive.directory().join("private/vdrive.sqlite");
        Self(Connection::open(path).unwrap())
    }

    /// The entries of the root in the order in which they were changed.
    fn entries(&self) -> Vec<Row> {
        let query = "SELECT entry, child IS NOT NULL, version, record FROM entries \
                     WHERE directory = ?1 ORDER BY revision";
        let mut statement = self.0.prepare(query).unwrap();
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Row {
                entry: row.get(0)?,
                is_directory: row.get(1)?,
                version: row.get(2)?,
                record: row.get(3)?,
            })
        };
        let rows = statement.query_map([&[0_u8; 16][..]], row).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    fn put(&self, row: &Row) {
        let query = "UPDATE entries SET version = ?2, record = ?3 WHERE entry = ?1";
        let values = params![row.entry, row.version, row.record];
        assert_eq!(self.0.execute(query, values).unwrap(), 1);
    }

    /// Changes a byte of what is enciphered; returns what the entry is shown as.
    fn forge(&self, row: &Row) -> String {
        let mut forged = row.clone();
        forged.record[60] ^= 1;
        self.put(&forged);
        shown(row)
    }
}

/// What an entry is shown as if it can't be read.
fn shown(row: &Row) -> String {
    let id = tahoe_encoding::base32::encode(&row.entry);
    format!("unreadable entry {id}")
}

fn problem(node: &Node, drive: &str, name: &str) -> String {
    let json = node.request("GET", &format!("{drive}?t=json"), b"").json();
    let child = &json[1]["children"][name];
    assert_eq!(child[0], "unknown", "{name}: {child}");
    assert_eq!(
        (&child[1]["ro_uri"], &child[1]["rw_uri"]),
        (&Value::Null, &Value::Null)
    );
    child[1]["problem"].as_str().unwrap().to_owned()
}

/// A path with the spaces that such names have.
fn url(name: &str) -> String {
    format!("/vdrive/{}", name.replace(' ', "%20"))
}

#[test]
fn bad_entries_say_what_is_wrong_and_can_be_removed() {
    let mut drive = Drive::start();
    let put = |drive: &Drive, path: &str| {
        let put = drive
            .writer
            .request("PUT", &format!("/vdrive/{path}"), b"text");
        assert!(put.status < 300, "{}", put.text());
    };
    put(&drive, "old");
    drive.grid.vdrive.stop();
    let before = Tampered::open(&drive.grid.vdrive).entries();
    drive.grid.vdrive.start();
    wait_until("it is connected again", || {
        !is_old(&drive.writer, "/vdrive/")
    });
    for path in ["old", "forged", "dir/inside", "good"] {
        put(&drive, path);
    }
    drive.grid.vdrive.stop();
    let database = Tampered::open(&drive.grid.vdrive);
    let [old, forged, directory, good] = &database.entries()[..] else {
        panic!("four entries");
    };
    assert!(before[0].entry == old.entry && directory.is_directory);
    database.put(&before[0]);
    let [forged, directory] = [forged, directory].map(|row| database.forge(row));
    let good = shown(good);
    drop(database);
    drive.grid.vdrive.start();
    let (writer, reader) = (&drive.writer, &drive.reader);
    wait_until("it is connected again", || {
        !is_old(writer, "/vdrive/") && !is_old(reader, "/vdrives/team/")
    });

    // They hide no other, and say what is wrong.
    let mut expected = vec!["good", "old", &forged, &directory];
    expected.sort_unstable();
    assert_eq!(names(writer, "/vdrive/"), expected);
    assert!(problem(writer, "/vdrive/", "old").contains("old entry for a newer one"));
    for name in [&forged, &directory] {
        for (node, path) in [(writer, "/vdrive/"), (reader, "/vdrives/team/")] {
            let problem = problem(node, path, name);
            assert!(problem.contains("signature"), "{problem}");
        }
        let shown = writer.request("GET", &url(name), b"");
        assert_eq!(shown.status, 502, "{}", shown.text());
        assert!(page(writer, "/vdrive/").contains("no valid signature"));
    }

    // Only who may change the drive removes them, and no other by such a name.
    let refused = drive.run(reader, &["unlink", &format!("team@vdrive:{forged}")]);
    assert_ne!(refused.code, 0, "{refused:?}");
    let refused = drive.run(writer, &["unlink", &format!("vdrive:{good}")]);
    assert!(
        refused.code == 1 && refused.stderr.contains("404"),
        "{refused:?}"
    );
    let unlink = |name: &str| drive.run(writer, &["unlink", &format!("vdrive:{name}")]);
    let full = unlink(&directory);
    assert!(
        full.code == 1 && full.stderr.contains("isn't empty"),
        "{full:?}"
    );
    drive.well(&["unlink", "--recursive", &format!("vdrive:{directory}")]);
    drive.well(&["unlink", &format!("vdrive:{forged}")]);
    drive.well(&["unlink", "vdrive:old"]);
    assert_eq!(names(writer, "/vdrive/"), ["good"]);
    assert_eq!(unlink(&forged).code, 1, "it is gone");

    // Their names can be given again, and what could be read is in the trash.
    for path in ["old", "forged", "dir/inside"] {
        put(&drive, path);
    }
    assert_eq!(names(writer, "/vdrive/"), ["dir", "forged", "good", "old"]);
    let trash = drive.well(&["trash"]);
    assert!(
        trash.contains("old") && !trash.contains("unreadable"),
        "{trash}"
    );
}
