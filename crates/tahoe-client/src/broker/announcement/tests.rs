use super::*;

const ID: &str = "v0-4rvwhswz6vmq7fhxkkxd5kz3uc5aht7x7whpoc5q5ucdq57pmxjq";
const TUB: &str = "47begbi5fjtikoe4lid7azoxlpwmfxvc";

fn parse(text: &str) -> Vec<ServerEntry> {
    ServerEntry::parse_servers_yaml(text).unwrap()
}

fn only(ann: &str) -> Result<Announcement, AnnouncementError> {
    let entries = parse(&format!("storage:\n  {ID}:\n    ann: {ann}\n"));
    assert_eq!(entries.len(), 1);
    entries[0].announcement.clone()
}

#[test]
fn reads_what_the_reference_writes() {
    let entries = parse(&format!(
        "storage:
  {ID}:
    ann:
      anonymous-storage-FURL: pb://{TUB}@tcp:127.0.0.1:45365/swissnum
      anonymous-storage-NURLs:
      - pb://7d3GzhVrtb611jhXrCtt3LBWDzGnZhqLZuOMCXvHyf4@127.0.0.1:45365/swissnum#v=1
      nickname: store1
      permutation-seed-base32: mfrgg
      my-version: tahoe-lafs/1.20.0
      app-versions: {{}}
      service-name: storage
    connections:
      tcp: tcp
"
    ));
    let announcement = entries[0].announcement.clone().unwrap();
    assert_eq!(entries[0].id.as_str(), ID);
    assert_eq!(announcement.nickname, "store1");
    assert_eq!(announcement.permutation_seed.0, b"abc");
    assert_eq!(announcement.tub_id.to_string(), TUB);
    assert_eq!(announcement.nurls.len(), 1);
    assert!(!entries[0].connections.is_empty());
    let shown = format!("{announcement:?}");
    assert!(!shown.contains("swissnum"), "{shown}");
}

#[test]
fn seed_comes_from_the_id_if_none_is_announced() {
    let furl = format!("{{anonymous-storage-FURL: 'pb://{TUB}@tcp:h:1/s'}}");
    let announcement = only(&furl).unwrap();
    let key = base32::decode(&ID[3..]).unwrap();
    assert_eq!(announcement.permutation_seed.0, key);
    assert_eq!(announcement.nickname, "");
    assert!(announcement.nurls.is_empty());
    assert_eq!(announcement.furl.unwrap().hints, ["tcp:h:1"]);
}

#[test]
fn tub_id_is_read_in_either_case() {
    let furl = format!(
        "{{anonymous-storage-FURL: 'pb://{}@tcp:h:1/s'}}",
        TUB.to_ascii_uppercase()
    );
    assert_eq!(only(&furl).unwrap().tub_id.to_string(), TUB);
}

#[test]
fn one_bad_entry_says_why_and_leaves_the_others() {
    let good = format!("{{ann: {{anonymous-storage-FURL: 'pb://{TUB}@tcp:h:1/s'}}}}");
    let entries = parse(&format!(
        "storage: {{v0-a: {good}, v0-b: {{ann: {{nickname: x}}}}, v0-c: {{}}, v0-d: 5}}"
    ));
    let outcomes: Vec<_> = entries
        .iter()
        .map(|entry| match &entry.announcement {
            Ok(_) => "good".to_owned(),
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!(outcomes[0], "good");
    assert_eq!(
        outcomes[1],
        "no anonymous-storage-FURL, from which lease secrets are derived"
    );
    assert!(outcomes[2].contains("ann"), "{}", outcomes[2]);
    assert!(outcomes[3].contains("isn't an announcement"));
}

#[test]
fn malformed_fields_are_named() {
    let furl = format!("anonymous-storage-FURL: 'pb://{TUB}@tcp:h:1/s'");
    for (ann, expected) in [
        (
            "{anonymous-storage-FURL: 'pb://short@tcp:h:1/s'}",
            AnnouncementError::BadFurl,
        ),
        (
            "{anonymous-storage-FURL: 'http://x/'}",
            AnnouncementError::BadFurl,
        ),
        (
            &format!("{{{furl}, permutation-seed-base32: 'A1'}}"),
            AnnouncementError::BadPermutationSeed,
        ),
    ] {
        assert_eq!(only(ann), Err(expected), "{ann}");
    }
}

#[test]
fn nurls_for_others_are_left_out() {
    let furl = format!("anonymous-storage-FURL: 'pb://{TUB}@/s'");
    let key = "7d3GzhVrtb611jhXrCtt3LBWDzGnZhqLZuOMCXvHyf4";
    let good = format!("'pb://{key}@h:1/s#v=1'");
    let tor = format!("'pb+tor://{key}@x.onion:1/s#v=1'");
    for (nurls, expected) in [
        (format!("[{tor}, {good}, 'pb://{key}@h:1/s#v=2']"), Ok(2)),
        (format!("[{good}, {good}]"), Ok(2)),
        ("[]".to_owned(), Ok(0)),
        (format!("[{tor}]"), Ok(1)),
        (
            "['pb://x@h:1/secret#v=1']".to_owned(),
            Err("none of anonymous-storage-NURLs can be used: bad key hash"),
        ),
    ] {
        let read = only(&format!("{{{furl}, anonymous-storage-NURLs: {nurls}}}"));
        let read = read.map(|announcement| announcement.nurls.len());
        let read = read.map_err(|error| error.to_string());
        assert_eq!(read, expected.map_err(str::to_owned), "{nurls}");
    }
}

#[test]
fn an_empty_file_has_no_servers() {
    for text in [
        "",
        "# nothing\n",
        "storage:\n",
        "storage: {}\n",
        "other: 1\n",
    ] {
        assert_eq!(parse(text), []);
    }
}

#[test]
fn what_is_not_a_server_list_is_refused() {
    for text in ["- a\n- b\n", "storage: 7\n", "storage: {a: b", "\"text\""] {
        assert!(ServerEntry::parse_servers_yaml(text).is_err(), "{text}");
    }
}

#[test]
fn a_missing_file_has_no_servers_and_a_bad_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("servers.yaml");
    assert_eq!(ServerEntry::read_servers_yaml(&path).unwrap(), []);
    std::fs::write(&path, "- 1").unwrap();
    let error = ServerEntry::read_servers_yaml(&path).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("servers.yaml isn't a list of servers")
    );
}

#[test]
fn where_no_nurl_can_be_used_there_is_the_furl() {
    let nurls = "anonymous-storage-NURLs: ['pb://x@h:1/secret#v=1']";
    let furl = |hints| format!("{{anonymous-storage-FURL: 'pb://{TUB}@{hints}/s', {nurls}}}");
    let announcement = only(&furl("tcp:h:1,tor:x.onion:1")).unwrap();
    assert!(announcement.nurls.is_empty());
    assert_eq!(announcement.furl.unwrap().hints.len(), 2);
    assert!(matches!(
        only(&furl("")),
        Err(AnnouncementError::BadNurls { .. })
    ));
}
