//! `polykad serve`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::program::{Server, command, run};

#[test]
fn a_busy_port_is_named() {
    let server = Server::start("127.0.0.1:0", &[]);
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    let second = run(&["serve", "--no-default-bootstrap", "--listen", &server.address]);
    second.failed(2, &[&port, "in use"]);
}

#[test]
fn a_taken_address_of_the_dashboard_keeps_nobody_from_serving() {
    let Ok(_held) = std::net::TcpListener::bind("127.0.0.1:6880") else {
        // A daemon of this machine has it, and may give it back at any time.
        return;
    };
    let mut command = command(&["serve", "--no-default-bootstrap", "--listen", "127.0.0.1:0"]);
    command.env_remove("POLYKAD_NO_HTTP").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let lines: Vec<String> =
        out.lines().map(Result::unwrap).take_while(|line| !line.starts_with("ready")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.contains("no dashboard, because 127.0.0.1:6880 is in use"), "{said}");
    assert!(!lines.iter().any(|line| line.contains("dashboard")), "{lines:?}");
}

#[test]
fn networks_run_side_by_side_and_alone() {
    let both = Server::start("127.0.0.1:0", &[]);
    assert_eq!(both.introduction["networks"], serde_json::json!(["poly", "mainline"]));
    assert!(both.introduction["id_poly"].is_string() && both.introduction["id_v4"].is_string());
    let poly = Server::start("127.0.0.1:0", &["--network", "poly"]);
    assert_eq!(poly.introduction["networks"], serde_json::json!(["poly"]));
    assert_eq!(poly.introduction["listen"], poly.introduction["listen_poly"]);
    let mainline = Server::start("127.0.0.1:0", &["--network", "mainline"]);
    assert!(mainline.introduction["id_poly"].is_null());
}

#[cfg(unix)]
#[test]
fn limits_are_read_again_when_asked() {
    use std::io::Read;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("polykad.toml");
    let write = |streams: &str| {
        std::fs::write(&file, format!("[http.limits]\nstreams = {streams}\n")).unwrap();
    };
    write("1");
    let more = ["--http", "127.0.0.1:0", "--config", file.to_str().unwrap()];
    let mut server = Server::start("127.0.0.1:0", &more);
    let api = crate::http::Api::of(&server);
    let status = || {
        let mut stream = std::net::TcpStream::connect(&api.0).unwrap();
        let request = format!("GET /v1/live HTTP/1.1\r\nhost: {}\r\n\r\n", api.0);
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        (stream, String::from_utf8(head[9..].to_vec()).unwrap())
    };
    let (_first, one) = status();
    assert_eq!((one.as_str(), status().1.as_str()), ("200", "503"));
    let told = BufReader::new(server.child.stderr.take().unwrap());
    let mut told = told.lines().map_while(Result::ok);
    let hang_up = || {
        let pid = server.child.id().to_string();
        let killed = std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap();
        assert!(killed.success());
    };
    write("2");
    hang_up();
    assert!(told.next().unwrap().contains("reloaded: "));
    assert_eq!(status().1, "200");
    write("many");
    hang_up();
    assert!(told.next().unwrap().contains("not reloaded"));
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
