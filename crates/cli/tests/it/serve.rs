//! `polykad serve`.

use crate::program::{Server, run};

#[test]
fn a_busy_port_is_named() {
    let server = Server::start("127.0.0.1:0", &[]);
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    let second = run(&["serve", "--no-default-bootstrap", "--listen", &server.address]);
    second.failed(2, &[&port, "in use"]);
}

#[test]
fn the_id_and_values_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = ["--data", folder.path().to_str().unwrap()];
    let mut server = Server::start("127.0.0.1:0", &data);
    let put = server.mainline(&["put", "kept", "--json"]).done().json();
    end(&mut server);
    let again = Server::start("127.0.0.1:0", &data);
    assert_eq!(again.introduction["id_v4"], server.introduction["id_v4"]);
    let got = again.mainline(&["get", put["key"].as_str().unwrap()]).done();
    assert_eq!(got.out, "kept");
}

/// Ends a node as service managers do; it must end well.
fn end(server: &mut Server) {
    if cfg!(unix) {
        let pid = server.child.id().to_string();
        let killed = std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(killed.success());
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
    } else {
        // Without signals the last second of stores may be missing.
        std::thread::sleep(std::time::Duration::from_secs(2));
        server.child.kill().unwrap();
        server.child.wait().unwrap();
    }
}
