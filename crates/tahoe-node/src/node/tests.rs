use super::*;
use crate::{Listen, NewNode, StorageAnnouncement, add_servers};
use std::path::Path;

const VERSION: &str = "tahoe-lafs/test";

fn create(path: &Path, storage: bool) -> NodeDirectory {
    let new = NewNode {
        nickname: "n".to_owned(),
        introducer: None,
        web_port: "tcp:0:interface=127.0.0.1".to_owned(),
        listen: match storage {
            true => Listen::Hostname("127.0.0.1".to_owned()),
            false => Listen::Nowhere,
        },
        shares_needed: 1,
        shares_happy: 1,
        shares_total: 1,
        storage,
        storage_directory: None,
        helper: false,
        privacy: crate::Privacy::Open,
    };
    new.create(path).unwrap();
    NodeDirectory::new(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_a_client_find_each_other_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let server = create(&folder.path().join("server"), true);
    let client = create(&folder.path().join("client"), false);
    let announcement = StorageAnnouncement::read(&server).unwrap();
    add_servers(&client, &announcement.to_servers_yaml()).unwrap();

    let server_node = Node::start(&server, VERSION).await.unwrap();
    let client_node = Node::start(&client, VERSION).await.unwrap();
    let url = client.read("node.url").unwrap().unwrap();
    let port = client_node.web_address().unwrap().port();
    assert_eq!(url, format!("http://127.0.0.1:{port}/"));
    assert_eq!(server_node.storage_addresses().len(), 1);
    assert!(client_node.storage_addresses().is_empty());
    let connected = client_node.client().broker().wait_for_servers(1);
    tokio::time::timeout(Duration::from_secs(120), connected)
        .await
        .unwrap();
    let known = &client_node.client().broker().servers()[0];
    assert_eq!(known.id(), &announcement.server_id);
    let version = known.status().version.unwrap();
    assert_eq!(version.application_version, VERSION);

    let started = std::time::Instant::now();
    client_node.stop().await;
    server_node.stop().await;
    assert!(started.elapsed() < MAX_STOP_TIME);
    // Everything can be had again at once.
    Node::start(&server, VERSION).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (section, option) in [
        ("web.port", "web.port = tcp:0"),
        ("tub.port", "tub.port = tcp:"),
    ] {
        let directory = create(&folder.path().join(section), true);
        let text = directory.read("tahoe.cfg").unwrap().unwrap();
        let start = text.find(option).unwrap();
        let end = start + text[start..].find('\n').unwrap();
        let line = format!("{section} = tcp:{port}:interface=127.0.0.1");
        let text = format!("{}{line}{}", &text[..start], &text[end..]);
        directory.write("tahoe.cfg", &text).unwrap();
        let error = Node::start(&directory, VERSION).await.unwrap_err();
        let expected = format!("cannot listen on 127.0.0.1:{port} ({section})");
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_available_stops_the_node_before_it_does_anything() {
    let folder = tempfile::tempdir().unwrap();
    let directory = create(&folder.path().join("node"), false);
    let text = directory.read("tahoe.cfg").unwrap().unwrap();
    let text = text.replace("[helper]", "[sftpd]\nenabled = true\n\n[helper]");
    directory.write("tahoe.cfg", &text).unwrap();
    let error = Node::start(&directory, VERSION).await.unwrap_err();
    assert!(matches!(error, StartError::Unavailable(_)));
    assert!(!directory.private_file("node.pem").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_trigger_stops_the_node_when_it_vanishes() {
    let folder = tempfile::tempdir().unwrap();
    let directory = create(&folder.path().join("node"), false);
    directory.write("exit_trigger", "").unwrap();
    let node = Node::start(&directory, VERSION).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(300), node.exit_triggered()).await;
    assert!(early.is_err(), "it is new");
    std::fs::remove_file(directory.file("exit_trigger")).unwrap();
    let in_time = tokio::time::timeout(Duration::from_secs(120), node.exit_triggered());
    in_time.await.unwrap();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_needs_no_storage_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("helper");
    let new = NewNode {
        nickname: "h".to_owned(),
        introducer: None,
        web_port: "tcp:0:interface=127.0.0.1".to_owned(),
        listen: Listen::Hostname("127.0.0.1".to_owned()),
        shares_needed: 1,
        shares_happy: 1,
        shares_total: 1,
        storage: false,
        storage_directory: None,
        helper: true,
        privacy: crate::Privacy::Open,
    };
    new.create(&path).unwrap();
    let helper = NodeDirectory::new(path);
    let helper_node = Node::start(&helper, VERSION).await.unwrap();
    let furl = helper.read("private/helper.furl").unwrap().unwrap();
    assert!(helper.file("helper/CHK_incoming").is_dir());

    let client = create(&folder.path().join("client"), false);
    let text = client.read("tahoe.cfg").unwrap().unwrap();
    let text = text.replace("helper.furl =", &format!("helper.furl = {furl}"));
    client.write("tahoe.cfg", &text).unwrap();
    let client_node = Node::start(&client, VERSION).await.unwrap();
    let connected = async {
        let is_connected = || {
            client_node
                .client()
                .helper_connection()
                .unwrap()
                .is_connected
        };
        while !is_connected() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), connected)
        .await
        .unwrap();
    let connection = client_node.client().helper_connection().unwrap();
    let secret = furl.rsplit('/').next().unwrap();
    assert!(!connection.location.contains(secret), "{connection:?}");
    client_node.stop().await;
    helper_node.stop().await;
    // The FURL stays.
    let helper_node = Node::start(&helper, VERSION).await.unwrap();
    assert_eq!(helper.read("private/helper.furl").unwrap(), Some(furl));
    helper_node.stop().await;
}
