//! The fault table, over real processes: five servers of ours that are killed, frozen, full, wrong or
//! hostile, and a gateway of ours that must neither lose nor deliver a wrong byte.

use crate::ours;
use std::sync::mpsc;
use std::time::Duration;
use tahoe_test_support::{
    Action, Encoding, Grid, Node, Proxy, Random, Region, ShareFile, sample, wait_until,
    write_servers,
};

const ENCODING: Encoding = Encoding {
    needed: 3,
    happy: 3,
    total: 5,
};

/// Does something to a share, given a share of another file.
type Damage = Box<dyn Fn(&ShareFile, &ShareFile)>;

fn five_servers() -> Grid {
    let ours = ours();
    Grid::start(&[&ours; 5], &[&ours], ENCODING)
}

/// All shares in the order of their servers; one on each.
fn shares(grid: &Grid) -> Vec<ShareFile> {
    grid.servers
        .iter()
        .flat_map(|server| server.shares())
        .collect()
}

/// Says what the gateway answers to a fetch, by status and length of body.
fn fetch(grid: &Grid, capability: &str) -> (u16, Vec<u8>) {
    let answer = grid.gateway(0).try_get(capability);
    (answer.status, answer.body)
}

#[test]
fn servers_killed_before_and_after_an_upload() {
    let mut grid = five_servers();
    let contents = sample(1, 400_000);
    grid.servers[0].kill();
    grid.servers[1].kill();
    // The gateway may not have noticed yet: the upload finds out.
    let capability = grid.gateway(0).put(&contents);
    assert_eq!(grid.gateway(0).get(&capability), contents);
    grid.servers[2].kill();
    let (status, body) = fetch(&grid, &capability);
    let text = String::from_utf8_lossy(&body);
    // With three servers left, some hold two shares; what is left may or may not suffice.
    match status {
        200 => assert_eq!(body, contents),
        410 => assert!(text.contains("NotEnoughSharesError"), "{text}"),
        other => panic!("{other}: {text}"),
    }
    let unhappy = grid.gateway(0).try_put(&sample(2, 100_000));
    assert_eq!(unhappy.status, 500);
    assert!(
        unhappy.text().contains("UploadUnhappinessError"),
        "{}",
        unhappy.text()
    );
    for server in &mut grid.servers[..3] {
        server.start();
    }
    grid.wait_until_connected();
    assert_eq!(grid.gateway(0).get(&capability), contents);
}

#[test]
fn fewer_shares_than_needed_are_gone_for_good() {
    let grid = five_servers();
    let capability = grid.gateway(0).put(&sample(3, 100_000));
    for share in &shares(&grid)[..3] {
        share.delete();
    }
    let answer = grid.gateway(0).try_get(&capability);
    assert_eq!(answer.status, 410);
    assert!(
        answer.text().contains("NotEnoughSharesError"),
        "{}",
        answer.text()
    );
    grid.delete_shares();
    let answer = grid.gateway(0).try_get(&capability);
    assert_eq!(answer.status, 410);
    assert!(answer.text().contains("NoSharesError"), "{}", answer.text());
}

#[test]
fn frozen_servers_are_worked_around() {
    let grid = five_servers();
    let contents = sample(4, 3_000_000);
    let capability = grid.gateway(0).put(&contents);
    grid.servers[0].pause();
    grid.servers[3].pause();
    assert_eq!(grid.gateway(0).get(&capability), contents);
    let stored_meanwhile = sample(5, 200_000);
    let second = grid.gateway(0).put(&stored_meanwhile);
    grid.servers[0].resume();
    grid.servers[3].resume();
    grid.gateway(0).wait_for_servers(5);
    assert_eq!(grid.gateway(0).get(&second), stored_meanwhile);
}

#[test]
fn damaged_shares_are_reported_and_worked_around() {
    let mut grid = five_servers();
    let contents = sample(6, 300_000);
    let capability = grid.gateway(0).put(&contents);
    let ours = shares(&grid);
    let other_contents = sample(7, 300_000);
    let other = grid.gateway(0).put(&other_contents);
    let is_foreign = |share: &ShareFile| share.storage_index != ours[0].storage_index;
    let foreign: Vec<ShareFile> = shares(&grid).into_iter().filter(is_foreign).collect();
    let damage: Vec<Damage> = Region::ALL
        .into_iter()
        .map(|region| -> Damage { Box::new(move |share, _| share.flip_bit(region)) })
        .chain([
            Box::new(|share: &ShareFile, foreign: &ShareFile| share.write(&foreign.bytes())) as _,
            Box::new(|share: &ShareFile, _: &ShareFile| {
                let bytes = share.bytes();
                share.write(&bytes[..bytes.len() / 2]);
            }) as _,
        ])
        .collect();
    for damage in damage {
        let whole: Vec<Vec<u8>> = ours.iter().map(ShareFile::bytes).collect();
        // Two of five are damaged; the others must be found and suffice.
        damage(&ours[0], &foreign[0]);
        damage(&ours[3], &foreign[3]);
        // A new process remembers nothing of the shares.
        grid.gateways[0].stop();
        grid.gateways[0].start();
        grid.gateway(0).wait_for_servers(5);
        assert_eq!(grid.gateway(0).get(&capability), contents);
        assert_eq!(grid.gateway(0).get(&other), other_contents);
        for (share, bytes) in ours.iter().zip(whole) {
            share.write(&bytes);
        }
    }
    let advisories = |index: usize| {
        let folder = grid.servers[index]
            .directory()
            .join("storage/corruption-advisories");
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    };
    wait_until("a server was told of a corrupt share", || {
        (0..5).map(advisories).sum::<usize>() > 0
    });
}

#[test]
fn full_read_only_and_wrongly_addressed_servers() {
    let mut grid = five_servers();
    grid.servers[0].stop();
    grid.servers[0].set("storage", "reserved_space", "1E");
    grid.servers[0].start();
    grid.servers[1].stop();
    grid.servers[1].set("storage", "readonly", "true");
    grid.servers[1].start();
    let contents = sample(8, 250_000);
    grid.gateways[0].stop();
    grid.gateways[0].start();
    grid.gateway(0).wait_for_servers(5);
    let capability = grid.gateway(0).put(&contents);
    let holders: Vec<usize> = grid
        .placement()
        .iter()
        .map(|(server, ..)| *server)
        .collect();
    assert!(holders.iter().all(|server| *server >= 2), "{holders:?}");
    assert_eq!(grid.gateway(0).get(&capability), contents);

    // One server's key isn't the pinned one, another doesn't know the secret.
    let mut entries = grid.entries();
    let pin = entries[2].pin.clone();
    entries[3].pin = pin;
    entries[4].swissnum = "a".repeat(32);
    grid.gateways[0].stop();
    write_servers(&grid.gateways[0], &entries);
    grid.gateways[0].start();
    grid.gateway(0).wait_for_servers(3);
    let answer = grid.gateway(0).try_put(&sample(9, 100_000));
    assert_eq!(answer.status, 500, "only one usable server accepts shares");
    assert!(
        answer.text().contains("UploadUnhappinessError"),
        "{}",
        answer.text()
    );
    let status = grid.gateway(0).request("GET", "/?t=json", b"").text();
    assert!(
        !status.contains(&"a".repeat(32)),
        "the status tells no secret"
    );
}

#[test]
fn hostile_servers_are_worked_around() {
    let mut grid = five_servers();
    let contents = sample(10, 700_000);
    let capability = grid.gateway(0).put(&contents);
    let proxies: Vec<Proxy> = grid.entries().iter().map(Proxy::start).collect();
    let entries: Vec<_> = proxies.iter().map(|proxy| proxy.entry().clone()).collect();
    let hostile: [fn() -> Action; 7] = [
        || Action::Endless,
        || Action::Change(|body| body.iter_mut().for_each(|byte| *byte ^= 0x55)),
        || Action::Change(|body| body.truncate(body.len() / 2)),
        || Action::Answer(200, "text/html", b"<h1>hello</h1>".to_vec()),
        || Action::Answer(500, "text/plain", b"no".to_vec()),
        || Action::Close,
        || Action::Delay(Duration::from_secs(3)),
    ];
    for action in hostile {
        for proxy in &proxies[..2] {
            proxy.set_rule(move |request| match request.is_share_read() {
                true => action(),
                false => Action::Forward,
            });
        }
        grid.gateways[0].stop();
        write_servers(&grid.gateways[0], &entries);
        grid.gateways[0].start();
        grid.gateway(0).wait_for_servers(5);
        assert_eq!(grid.gateway(0).get(&capability), contents);
    }
    // They list shares that they don't have, in bytes that aren't CBOR.
    for proxy in &proxies[..2] {
        proxy.set_rule(|request| match request.is_version() {
            true => Action::Forward,
            false => Action::Answer(200, "application/cbor", vec![0xff; 4096]),
        });
    }
    assert_eq!(grid.gateway(0).get(&capability), contents);
    let more = sample(11, 300_000);
    let second = grid.gateway(0).put(&more);
    assert_eq!(grid.gateway(0).get(&second), more);
}

/// Servers are killed without warning at random moments of uploads and started again. What was
/// acknowledged can be fetched with the servers that acknowledged it, and every share that is served
/// is whole.
#[test]
fn servers_killed_during_uploads_lose_nothing() {
    let mut random = Random::new(12);
    let mut grid = five_servers();
    let mut stored = Vec::new();
    for round in 0..8 {
        let contents = sample(100 + round, 2_000_000);
        let victim = random.below(5);
        let moment = Duration::from_millis(random.below(60) as u64);
        let (done, finished) = mpsc::channel();
        std::thread::scope(|scope| {
            let gateway = &grid.gateways[0];
            let (contents, stored) = (&contents, &mut stored);
            scope.spawn(move || {
                let answer = gateway.try_put(contents);
                if answer.status == 200 {
                    stored.push((answer.text().trim().to_owned(), contents.clone()));
                } else {
                    assert!(answer.text().contains("Unhappiness"), "{}", answer.text());
                }
                done.send(()).unwrap();
            });
            // Not synchronisation: the moment of the crash is what is varied.
            std::thread::sleep(moment);
            grid.servers[victim].kill();
            finished.recv().unwrap();
        });
        grid.servers[victim].start();
        grid.wait_until_connected();
    }
    assert!(!stored.is_empty(), "some uploads succeed");
    // The gateway tells servers in the background to forget what it gave up.
    wait_until("nothing is left half-written", || {
        let incoming = |server: &Node| ShareFile::incoming(server.directory());
        grid.servers.iter().map(incoming).sum::<usize>() == 0
    });
    for (capability, contents) in &stored {
        assert_eq!(grid.gateway(0).get(capability), *contents);
    }
}

/// However large the file, the gateway holds a few segments of it. What it has at the start is mostly the
/// program: 34 MiB in a debug build, 21 in a release, which so stays under 64.
#[test]
fn memory_is_bounded() {
    let grid = five_servers();
    let gateway = grid.gateway(0);
    let at_first = gateway.peak_memory_bytes();
    let size: u64 = 256 << 20;
    let request = tahoe_test_support::http::Request::new("PUT", "/uri");
    let mut source = tahoe_test_support::sample_reader(13, size);
    let answer = request
        .send_streaming(gateway.web_port(), size, &mut source)
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let path = format!("/uri/{}", answer.text().trim());
    let request = tahoe_test_support::http::Request::new("GET", &path);
    let mut received = 0;
    let mut count = |piece: &[u8]| received += piece.len() as u64;
    request
        .receive_streaming(gateway.web_port(), &mut count)
        .unwrap();
    assert_eq!(received, size);
    let more = gateway.peak_memory_bytes() - at_first;
    assert!(more < 40 << 20, "{} MiB", more >> 20);
}
