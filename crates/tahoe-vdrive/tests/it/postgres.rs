//! The same tests over PostgreSQL, and several servers over one database.

use crate::processes::ServerProcess;
use crate::store::conformance;
use crate::support::{Client, clock, furls, listening, metadata, name, patient, set};
use std::time::Duration;
use tahoe_test_support::Postgres;
use tahoe_vdrive::store::Store;
use tahoe_vdrive::{Replace, VdriveServer};

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms() {
    let postgres = Postgres::start();
    conformance(async || Store::open_postgres(&postgres.database()).await.unwrap()).await;
}

/// The database is empty: tables, names and key are made by whoever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_started_at_once_agree() {
    let postgres = Postgres::start();
    let database = postgres.database();
    let tubs = futures_util::future::join_all((0..4).map(|_| listening())).await;
    let starts = tubs.iter().enumerate().map(|(number, (tub, _))| {
        let database = &database;
        async move {
            let store = Store::open_postgres(database).await.unwrap();
            let server = VdriveServer::start(store.clone(), tub, clock())
                .await
                .unwrap();
            let key = [u8::try_from(number).unwrap(); 32];
            (server, store.keep_key(&key).await.unwrap())
        }
    });
    let started = futures_util::future::join_all(starts).await;
    let said = |(server, key): &(VdriveServer, [u8; 32])| {
        let (read_write, read_only) = server.furls();
        let names = [read_write, read_only].map(|furl| furl.swissnum.as_str().to_owned());
        (names, *key)
    };
    let first = said(&started[0]);
    assert!(started.iter().all(|other| said(other) == first));
    for ((server, _), (tub, _)) in started.iter().zip(&tubs) {
        server.stop().await;
        tub.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_over_one_database_are_one_drive() {
    let postgres = Postgres::start();
    let database = postgres.database();
    let (one, _) = listening().await;
    let (other, _) = listening().await;
    let mut servers = Vec::new();
    for tub in [&one, &other] {
        let store = Store::open_postgres(&database).await.unwrap();
        servers.push(VdriveServer::start(store, tub, clock()).await.unwrap());
    }
    let furl = |server: &VdriveServer| furls(server.furls().0, server.furls().1).0;
    let (here, there) = (furl(&servers[0]), furl(&servers[1]));
    let names = [&here, &there].map(|furl| furl.furl.swissnum.as_str().to_owned());
    assert_eq!(names[0], names[1], "the root has one name at all servers");
    let (here, there) = (Client::connect(here).await, Client::connect(there).await);
    let d = here
        .root()
        .make_directory(&name("d"), metadata())
        .await
        .unwrap();
    let seen = there.drive.open(&[name("d")]).await.unwrap();
    assert_eq!(seen.id(), d.id());
    // News come from the other server, by the database.
    let mut changes = seen.subscribe().await;
    set(&d, "a", "URI:a", Replace::Never).await.unwrap();
    patient(async {
        while seen.get(&name("a")).await.is_err() {
            assert!(changes.changed().await);
        }
    })
    .await;
    for (server, tub) in servers.iter().zip([one, other]) {
        server.stop().await;
        tub.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_at_whichever_server_is_there() {
    let postgres = Postgres::start();
    let database = postgres.database();
    // Both have the identity that the first one leaves in the directory.
    let directory = tempfile::tempdir().unwrap();
    let (mut one, mut furl) = ServerProcess::start(directory.path(), Some(database.clone()));
    let (mut other, furl_of_other) = ServerProcess::start(directory.path(), Some(database));
    assert_eq!(furl.furl.tub_id, furl_of_other.furl.tub_id);
    furl.furl.hints.extend(furl_of_other.furl.hints);
    let client = Client::connect(furl).await;
    let d = client
        .root()
        .make_directory(&name("d"), metadata())
        .await
        .unwrap();
    for (text, killed) in [("a", &mut one), ("b", &mut other)] {
        killed.kill();
        // A directory that was got from one server is the same at the other.
        patient(async {
            while set(&d, text, "URI:a", Replace::Always).await.is_err() {
                client.drive.connected().await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        killed.resume();
    }
    assert_eq!(d.list_all().await.unwrap().entries.len(), 2);
}
