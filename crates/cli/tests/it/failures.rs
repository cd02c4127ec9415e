//! What goes wrong around a daemon: each ends with a message that says what to do, without loss.

use std::path::Path;

use crate::http::Api;
use crate::program::{Server, run};

const SERVE: [&str; 4] = ["serve", "--no-default-bootstrap", "--listen", "127.0.0.1:0"];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A daemon alone, with a folder.
fn with_data(folder: &Path) -> (Server, Api) {
    let server = Server::start("127.0.0.1:0", &["--http", "127.0.0.1:0", "--data", text(folder)]);
    let api = Api::of(&server);
    (server, api)
}

fn put(api: &Api) -> String {
    let put = api.send("POST", "/v1/poly/values?quorum=1", &[], b"kept");
    assert_eq!(put.status, 201, "{}", put.head);
    format!("/v1/poly/values/{}", put.json()["key"].as_str().unwrap())
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, api) = with_data(folder.path());
    let path = put(&api);
    // `kill` is SIGKILL: nothing is written after it.
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let (again, api) = with_data(folder.path());
    assert_eq!(again.introduction["id_poly"], server.introduction["id_poly"]);
    assert_eq!(api.get(&path).body, b"kept");
}

#[test]
fn a_folder_that_can_not_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let data = ["--data", text(&file.join("data"))].map(str::to_owned);
    let data = data.each_ref().map(String::as_str);
    run(&[&SERVE[..], &data].concat()).failed(2, &["data folder", "choose another folder"]);
    let used = folder.path().join("used");
    let (_server, _) = with_data(&used);
    let second = run(&[&SERVE[..], &["--data", text(&used)]].concat());
    second.failed(2, &["in use by another process", "choose another data folder"]);
}

#[test]
fn a_taken_port_of_poly_is_named_with_its_flag() {
    let server = Server::start("127.0.0.1:0", &[]);
    let taken = server.introduction["listen_poly"][0].as_str().unwrap();
    let second = run(&[&SERVE[..], &["--poly-listen", taken]].concat());
    second.failed(2, &[taken, "in use", "--poly-listen"]);
}

#[test]
fn a_damaged_file_is_set_aside_and_values_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, api) = with_data(folder.path());
    let path = put(&api);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    std::fs::write(folder.path().join("poly.redb"), "no database".repeat(1000)).unwrap();
    let (_server, api) = with_data(folder.path());
    assert_eq!(api.get(&path).body, b"kept");
    let names = std::fs::read_dir(folder.path()).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.any(|name| name.starts_with("poly.redb.damaged-")));
}
