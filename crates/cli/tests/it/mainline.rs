//! `polykad mainline …` over nodes on loopback.

use std::fs;
use std::net::UdpSocket;
use std::process::Stdio;

use crate::program::{Server, command, run};

const HASH: &str = "00112233445566778899aabbccddeeff00112233";

#[test]
fn values_are_put_and_got() {
    let network = Server::network(3);
    let put = network[0].mainline(&["put", "hello", "--json"]).done().json();
    // SHA-1 of `5:hello`.
    assert_eq!(put["key"], "e28910ea0adb94dd45ced75fbff3e135c01bc437");
    assert_eq!(put["acknowledged"], 3);
    assert!(put["elapsed_ms"].as_f64().unwrap() > 0.0);
    let key = put["key"].as_str().unwrap();
    for node in &network {
        assert_eq!(node.mainline(&["get", key]).done().out, "hello");
    }
    assert_eq!(network[1].mainline(&["get", key, "--bencoded"]).done().out, "5:hello");
    let got = network[1].mainline(&["get", key, "--json"]).done().json();
    assert_eq!((&got["value"], &got["value_hex"]), (&"hello".into(), &"68656c6c6f".into()));
    let nobody = network[1].mainline(&["get", HASH, "--json"]).failed(1, &["not found"]).json();
    assert!(nobody["error"].as_str().unwrap().contains("not found"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("value");
    fs::write(&file, b"i42e").unwrap();
    let file = file.to_str().unwrap();
    let put = network[2].mainline(&["put", "--file", file, "--bencoded", "--json"]).done().json();
    let got = network[0].mainline(&["get", put["key"].as_str().unwrap(), "--json"]).done().json();
    assert_eq!((&got["value"], &got["bencoded"]), (&"i42e".into(), &true.into()));
}

#[test]
fn signed_values_are_replaced_and_conflicts_told() {
    let network = Server::network(3);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("me.key");
    let file = file.to_str().unwrap();
    let key = run(&["mainline", "keygen", file, "--json"]).done().json();
    let public_key = key["public_key"].as_str().unwrap();
    run(&["mainline", "keygen", file]).failed(2, &["exists already"]);

    let put = |value: &str, more: &[&str]| {
        let put = ["put", value, "--key-file", file, "--salt", "s", "--json"];
        network[0].mainline(&[&put, more].concat())
    };
    assert_eq!(put("one", &[]).done().json()["seq"], 1);
    assert_eq!(put("two", &[]).done().json()["seq"], 2);
    assert_eq!(put("seven", &["--seq", "7", "--cas", "2"]).done().json()["seq"], 7);
    for wrong in [&["--seq", "3"][..], &["--seq", "8", "--cas", "6"]] {
        let conflict = put("late", wrong).failed(1, &["conflict", "seq 7"]).json();
        assert_eq!(conflict["seq"], 7);
    }
    let get = ["get", "--public-key", public_key, "--salt", "s"];
    assert_eq!(network[2].mainline(&get).done().out, "seven");
    let magnet = format!("magnet:?xs=urn:btpk:{public_key}&s=73");
    let got = network[1].mainline(&["get", &magnet, "--json"]).done().json();
    assert_eq!((&got["seq"], &got["value"]), (&7.into(), &"seven".into()));
}

#[test]
fn torrents_are_announced_found_counted_and_sampled() {
    let network = Server::network(3);
    let announce = |port: &str, more: &[&str]| {
        network[0].mainline(&[&["announce", HASH, "--json", "--port", port], more].concat())
    };
    let first = announce("4711", &["--seed", "--once"]).done().json();
    assert_eq!((&first["acknowledged"], &first["rounds"]), (&3.into(), &1.into()));
    announce("4712", &["--for", "200ms"]).done();

    let magnet = format!("magnet:?xt=urn:btih:{HASH}");
    let found = network[2].mainline(&["get-peers", &magnet]).done().out;
    let mut peers: Vec<&str> = found.lines().collect();
    peers.sort_unstable();
    assert_eq!(peers, ["127.0.0.1:4711", "127.0.0.1:4712"]);
    let found = network[2].mainline(&["get-peers", HASH, "--json"]).done().json();
    assert_eq!(found["peers"].as_array().unwrap().len(), 2);
    let other = "ff".repeat(20);
    network[2].mainline(&["get-peers", &other]).failed(1, &["no peers"]);

    let scrape = network[1].mainline(&["scrape", HASH, "--json"]).done().json();
    assert!((scrape["seeds"].as_f64().unwrap() - 1.0).abs() < 0.1, "{scrape}");
    let none = network[1].mainline(&["scrape", &other]).done().out;
    assert!(none.starts_with("about 0 seeds and 0 downloaders"), "{none}");

    let sample = network[0].mainline(&["sample", &network[1].address, "--json"]).done().json();
    assert_eq!(sample["samples"][0]["info_hashes"][0], HASH);
    let around = network[0].mainline(&["sample", HASH, "--json"]).done().json();
    assert!(around["samples"].as_array().unwrap().len() >= 3, "{around}");

    let crawl = network[0].mainline(&["crawl", "--json"]).done().json();
    assert_eq!(crawl["nodes"].as_array().unwrap().len(), 3, "{crawl}");
    assert_eq!(crawl["info_hashes"][0], HASH);
    assert_eq!(crawl["complete"], true);
    let lines = network[0].mainline(&["crawl"]).done().out;
    assert_eq!(lines.lines().filter(|line| line.starts_with("node ")).count(), 3);
}

#[test]
fn a_magnet_to_an_item_leads_to_its_torrent() {
    let network = Server::network(2);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("me.key");
    let file = file.to_str().unwrap();
    let key = run(&["mainline", "keygen", file, "--json"]).done().json();
    // The 20 bytes of the info-hash are letters here, so that they pass as an argument.
    let value = "d2:ih20:abcdefghijklmnopqrste";
    network[0].mainline(&["put", value, "--bencoded", "--key-file", file]).done();
    let hash = "6162636465666768696a6b6c6d6e6f7071727374";
    network[0].mainline(&["announce", hash, "--once", "--port", "4713"]).done();
    let magnet = format!("magnet:?xs=urn:btpk:{}", key["public_key"].as_str().unwrap());
    let found = network[1].mainline(&["get-peers", &magnet, "--json"]).done().json();
    assert_eq!((&found["info_hash"], &found["peers"][0]), (&hash.into(), &"127.0.0.1:4713".into()));
}

#[test]
fn nodes_are_pinged_and_found() {
    let network = Server::network(3);
    let pong = run(&["mainline", "ping", &network[1].address, "--json"]).done().json();
    assert_eq!(pong["id"], network[1].introduction["id_v4"]);
    let found = network[0].mainline(&["find-node", HASH, "--json"]).done().json();
    assert_eq!(found["nodes"].as_array().unwrap().len(), 3);
}

#[test]
fn nobody_there_is_a_failure_in_time() {
    // A socket of ours that never answers.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let join = ["--no-default-bootstrap", "--bootstrap", &silent, "--timeout", "400ms"];
    for arguments in [
        &["ping", &silent][..],
        &["find-node", HASH],
        &["get-peers", HASH],
        &["announce", HASH],
        &["put", "x"],
        &["get", HASH],
        &["scrape", HASH],
        &["sample", HASH],
        &["sample", &silent],
        &["crawl", "--for", "200ms"],
    ] {
        let started = std::time::Instant::now();
        run(&[&["mainline"], arguments, &join].concat()).failed(1, &[]);
        assert!(started.elapsed().as_secs() < 5, "{arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let network = Server::network(2);
    let join = ["--no-default-bootstrap", "--bootstrap", &network[0].address];
    let arguments = [&["mainline", "find-node", HASH], &join[..]].concat();
    let mut child = command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn all_of_it_works_over_ipv6() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("this machine has no IPv6: not tested");
        return;
    }
    let server = Server::start("[::1]:0", &[]);
    let put = server.mainline(&["put", "six", "--json"]).done().json();
    assert_eq!(put["acknowledged"], 1);
    assert_eq!(server.mainline(&["get", put["key"].as_str().unwrap()]).done().out, "six");
    let pong = run(&["mainline", "ping", &server.address, "--json"]).done().json();
    assert_eq!(pong["id"], server.introduction["id_v6"]);
}
