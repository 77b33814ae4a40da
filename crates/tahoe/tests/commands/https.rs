//! Nodes behind TLS: `--node-url https:`.

use crate::ours;
use tahoe_test_support::{Output, Program, answer_over_tls};

/// Runs `tahoe get` with the authorities of this file.
fn get(program: &Program, home: &std::path::Path, url: &str, authorities: &str) -> Output {
    let mut command = program.command(home);
    command.args(["get", "--node-url", url, "URI:LIT:mfrgg"]);
    command.env("SSL_CERT_FILE", home.join(authorities));
    let done = command.output().unwrap();
    Output {
        code: done.status.code().unwrap(),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

#[test]
fn nodes_behind_tls_are_used_if_their_certificate_is_trusted() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (port, certificate) = answer_over_tls("what the node says");
    std::fs::write(home.join("trusted.pem"), certificate).unwrap();
    let (_, other) = answer_over_tls("nobody asks");
    std::fs::write(home.join("others.pem"), other).unwrap();
    for program in [ours(), Program::python()] {
        let name = program.name();
        let url = format!("https://localhost:{port}/");
        let answered = get(&program, home, &url, "trusted.pem");
        assert_eq!(answered.code, 0, "{name}: {answered:?}");
        assert_eq!(answered.stdout, "what the node says", "{name}");
        let refused = get(&program, home, &url, "others.pem");
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{name}");
        let words = format!("Error trying to connect to https://localhost:{port}/");
        assert!(refused.stderr.contains(&words), "{name}: {refused:?}");
        // The certificate isn't one of this name.
        let url = format!("https://127.0.0.1:{port}/");
        assert_eq!(get(&program, home, &url, "trusted.pem").code, 1, "{name}");
    }
}
