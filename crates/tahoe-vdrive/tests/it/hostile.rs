//! Servers that lie, and clients that only may read.

use crate::support::{Client, Served, listening, metadata, name, patient, set};
use async_trait::async_trait;
use bytes::Bytes;
use foolscap::{Arguments, Call, Reference, Referenceable, RemoteFailure, RemoteReference, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tahoe_vdrive::{DriveError, DriveFurl, RemoveMode, Replace};

/// How a server lies.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    /// Not yet.
    Nothing,
    /// It gives the first entry of a name that it ever had.
    RollBack,
    /// It gives the entry of another name.
    Exchange,
    /// It changes a byte.
    Forge,
    /// It says that nothing is there.
    Withhold,
}

/// A directory of files that lies.
struct Liar(Mutex<(Lie, BTreeMap<Bytes, Vec<Bytes>>)>);

impl Liar {
    fn begin(&self, lie: Lie) {
        self.0.lock().unwrap().0 = lie;
    }

    /// What it says is there.
    fn entries(&self) -> Vec<(Bytes, Bytes)> {
        let state = self.0.lock().unwrap();
        let (lie, entries) = &*state;
        let last = |records: &Vec<Bytes>| records.last().unwrap().clone();
        let other = entries.values().rev().map(last).collect::<Vec<_>>();
        let said = entries.iter().zip(other).map(|((id, records), other)| {
            let record = match lie {
                Lie::RollBack => records[0].clone(),
                Lie::Exchange => other,
                Lie::Forge => {
                    let mut bytes = last(records).to_vec();
                    bytes[60] ^= 1;
                    bytes.into()
                }
                Lie::Nothing | Lie::Withhold => last(records),
            };
            (id.clone(), record)
        });
        match lie {
            Lie::Withhold => Vec::new(),
            _ => said.collect(),
        }
    }
}

#[async_trait]
impl Referenceable for Liar {
    async fn call(&self, call: Call) -> Result<Value, RemoteFailure> {
        let id = call.arguments.positional.first().cloned();
        match call.method.as_str() {
            "add_file" => {
                let [id, record, _] = call
                    .arguments
                    .take(["entry", "record", "expected"])
                    .unwrap();
                let (id, record) = (id.as_bytes().unwrap(), record.as_bytes().unwrap());
                let entries = &mut self.0.lock().unwrap().1;
                entries.entry(id.clone()).or_default().push(record.clone());
                Ok(Value::from(1u64))
            }
            "get" => {
                let mut entries = self.entries().into_iter();
                let id = id.unwrap().as_bytes().unwrap().clone();
                let missing = RemoteFailure::new("tahoe.vdrive.NoSuchEntry", "");
                let (_, record) = entries.find(|(known, _)| *known == id).ok_or(missing)?;
                Ok(Value::Tuple(vec![
                    Value::from(1u64),
                    record.into(),
                    Value::None,
                ]))
            }
            "list" => {
                let entries = self.entries().into_iter().map(|(id, record)| {
                    Value::Tuple(vec![id.into(), Value::from(1u64), record.into()])
                });
                let entries = Value::List(entries.collect());
                Ok(Value::Tuple(vec![
                    Value::from(1u64),
                    entries,
                    Value::Bool(false),
                ]))
            }
            _ => Err(call.unknown_method("Liar")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_are_found_out() {
    let (tub, _) = listening().await;
    let liar = Arc::new(Liar(Mutex::new((Lie::Nothing, BTreeMap::new()))));
    let furl = tub
        .register(Arc::clone(&liar) as Arc<dyn Referenceable>, None)
        .unwrap();
    let (furl, _) = DriveFurl::of_new_drive(furl.clone(), furl, [7; 32]);
    let client = Client::connect(furl.clone()).await;
    let root = client.root();
    for text in ["a", "b"] {
        for cap in ["old", "new"] {
            set(&root, text, cap, Replace::Always).await.unwrap();
        }
    }
    assert_eq!(root.list_all().await.unwrap().entries.len(), 2);
    let forged = |error: &DriveError| matches!(error, DriveError::Forged(_));
    let rolled_back = |error: &DriveError| matches!(error, DriveError::RolledBack { .. });
    for (lie, is_found_out) in [
        (
            Lie::RollBack,
            &rolled_back as &(dyn Fn(&DriveError) -> bool + Sync),
        ),
        (Lie::Exchange, &forged),
        (Lie::Forge, &forged),
    ] {
        liar.begin(lie);
        let got = root.get(&name("a")).await.unwrap_err();
        assert!(is_found_out(&got), "{got}");
        // What is found out stands in the way of nothing else.
        let listed = root.list_all().await.unwrap();
        assert_eq!(listed.entries.len() + listed.bad.len(), 2);
        assert!(!listed.bad.is_empty());
        for bad in &listed.bad {
            assert!(is_found_out(&bad.problem), "{}", bad.problem);
            let is_named = matches!(bad.problem, DriveError::RolledBack { .. });
            assert_eq!(bad.name.is_some(), is_named);
        }
        liar.begin(Lie::Nothing);
        assert!(root.get(&name("a")).await.is_ok());
    }
    // What was said to be gone doesn't come back as it was.
    liar.begin(Lie::Withhold);
    let gone = root.get(&name("a")).await;
    assert!(matches!(gone, Err(DriveError::NoSuchEntry)), "{gone:?}");
    liar.begin(Lie::Nothing);
    let back = root.get(&name("a")).await;
    assert!(
        matches!(back, Err(DriveError::RolledBack { .. })),
        "{back:?}"
    );
    // Who comes new can be given the old entry: that much is admitted.
    liar.begin(Lie::RollBack);
    let newcomer = Client::connect(furl).await;
    assert!(newcomer.root().get(&name("a")).await.is_ok());
    tub.stop().await;
}

/// What a client keeps on disk is enough to find out a server that goes back while it is away.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_rolled_back_while_the_client_is_down_is_found_out() {
    let memory = tempfile::tempdir().unwrap();
    let seen = || Some(memory.path().join("seen/drive"));
    let connect = async |served: &Served, seen| {
        let client = Client::remembering(served.furls().0, seen);
        patient(client.drive.connected()).await;
        client
    };
    let served = Served::start().await;
    let client = connect(&served, seen()).await;
    let root = client.root();
    for text in ["changed", "removed", "same"] {
        set(&root, text, "old", Replace::Never).await.unwrap();
    }
    // The database as it is now, of which the server's owner has a copy.
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(served.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let another = connect(&served, None).await;
    let changed = name("changed");
    set(&another.root(), "changed", "new", Replace::Always)
        .await
        .unwrap();
    // One is only seen, by its own client, the other removed by it.
    assert!(root.get(&changed).await.is_ok());
    let removed = name("removed");
    root.remove(&removed, RemoveMode::Empty, None)
        .await
        .unwrap();
    drop(client);
    served.stop().await;

    let served = Served::start_in(copy).await;
    let client = connect(&served, seen()).await;
    let root = client.root();
    for entry in [&changed, &removed] {
        let got = root.get(entry).await.unwrap_err();
        assert!(matches!(got, DriveError::RolledBack { .. }), "{got}");
    }
    let listed = root.list_all().await.unwrap();
    let names = listed.entries.iter().map(|entry| entry.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["same"]);
    let bad = listed.bad.iter().map(|bad| bad.name.clone().unwrap());
    let bad: std::collections::BTreeSet<_> = bad.collect();
    assert!(bad.len() == 2 && bad.contains(&changed) && bad.contains(&removed));
    // Who has seen nothing can't know.
    let newcomer = connect(&served, None).await;
    assert!(newcomer.root().get(&changed).await.is_ok());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_reference_changes_nothing_by_any_call() {
    let served = Served::start().await;
    let (furl, read_only) = served.furls();
    let writer = Client::connect(furl).await;
    let d = writer
        .root()
        .make_directory(&name("d"), metadata())
        .await
        .unwrap();
    set(&d, "a", "URI:a", Replace::Never).await.unwrap();
    let (tub, _) = listening().await;
    let root = tub.reference(&read_only.furl).await.unwrap();
    let id = || Value::bytes(d.id().as_bytes().to_vec());
    let call = async |method: &str, arguments: Vec<Value>| {
        let answer = root.call(method, Arguments::positional(arguments)).await;
        answer
            .unwrap()
            .as_reference()
            .and_then(Reference::remote)
            .cloned()
            .unwrap()
    };
    let by_id = call("directory", vec![id()]).await;
    let weaker = call("read_only", vec![]).await;
    let listing = root.call(
        "list",
        Arguments::positional([Value::None, Value::from(9u64)]),
    );
    let listing = listing.await.unwrap();
    let entries = listing.as_sequence().unwrap()[1].as_sequence().unwrap();
    let [entry, _, record] = entries[0].as_sequence().unwrap() else {
        panic!("an entry has three parts");
    };
    let got = root
        .call("get", Arguments::positional([entry.clone()]))
        .await
        .unwrap();
    let by_name = got.as_sequence().unwrap()[2]
        .as_reference()
        .unwrap()
        .remote()
        .unwrap();
    for reference in [&root, &by_id, &weaker, by_name] {
        try_all(reference, entry, record, id()).await;
    }
    let before = writer.root().list_all().await.unwrap();
    assert_eq!(before.entries.len(), 1);
    served.stop().await;
    tub.stop().await;
}

/// Tries all calls that change something, with arguments that are right.
async fn try_all(reference: &RemoteReference, entry: &Value, record: &Value, id: Value) {
    let one = || Value::from(1u64);
    let entry = || entry.clone();
    // A writer could have given away a record of any kind.
    let mut file = record.as_bytes().unwrap().to_vec();
    file[9] = 0;
    file[10..26].fill(0);
    let file = || Value::bytes(file.clone());
    let record = || record.clone();
    for (method, arguments) in [
        ("add_file", vec![entry(), file(), Value::None]),
        ("add_directory", vec![entry(), record()]),
        ("remove", vec![entry(), Value::None, Value::Bool(true)]),
        (
            "move",
            vec![
                id.clone(),
                entry(),
                one(),
                id.clone(),
                entry(),
                record(),
                Value::None,
            ],
        ),
        ("restore", vec![one(), id.clone(), entry(), record()]),
        ("trash", vec![Value::None, one()]),
        ("way_to", vec![id.clone()]),
    ] {
        let tried = reference
            .call(method, Arguments::positional(arguments))
            .await;
        let Err(foolscap::CallError::Remote(failure)) = tried else {
            panic!("{method} answers {tried:?}");
        };
        // Only the root answers some of them at all.
        let is_root = failure.type_name == "tahoe.vdrive.ReadOnly";
        let is_unknown = failure.message.contains("not defined");
        assert!(is_root || is_unknown, "{method}: {}", failure.message);
    }
}
