//! Invited clients on a living grid.

use crate::{ours, python};
use tahoe_test_support::{MailboxServer, Node, Program, free_port, sample};

/// A grid of one program: an introducer, a server, and a client to invite from.
fn check(host: &Program, guest: &Program) {
    let mailbox = MailboxServer::start();
    let at = |name: &str| mailbox.folder().join(name);
    let mut introducer = Node::create_introducer(host, &at("introducer"));
    introducer.start();
    let furl = introducer.introducer_furl();
    let mut server = Node::create_server(host, &at("server"));
    std::fs::create_dir_all(server.directory().join("private")).unwrap();
    let yaml = format!("introducers:\n  default:\n    furl: {furl}\n");
    server.write_file("private/introducers.yaml", yaml);
    server.start();
    let furl = format!("--introducer={furl}");
    let shares = ["--shares-needed=1", "--shares-happy=1", "--shares-total=1"];
    let options = [&shares[..], &[&furl]].concat();
    let member = Node::create_gateway(host, &at("member"), &options);

    let inviting = mailbox.invite(host, member.directory(), &[]);
    let port = free_port();
    let webport = format!("--webport=tcp:{port}:interface=127.0.0.1");
    let path = at("guest");
    let path_text = path.to_str().unwrap();
    guest.run_well(
        mailbox.folder(),
        [
            "--wormhole-server",
            mailbox.url(),
            "create-client",
            &webport,
            "--join",
            inviting.code(),
            path_text,
        ],
    );
    let done = inviting.finish();
    assert_eq!(done.code, 0, "{done:?}");

    let mut guest = Node::existing_gateway(guest, &path, port);
    guest.start();
    guest.wait_for_servers(1);
    let contents = sample(1, 100_000);
    let capability = guest.put(&contents);
    assert_eq!(server.shares().len(), 1);
    assert!(guest.get(&capability) == contents);
}

#[test]
fn a_python_client_is_invited_to_our_grid() {
    check(&ours(), &python());
}

#[test]
fn our_client_is_invited_to_a_python_grid() {
    check(&python(), &ours());
}
