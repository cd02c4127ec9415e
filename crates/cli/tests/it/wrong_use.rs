//! Wrong use ends at once, with code 2 and one line that says what to do.

use crate::program::{command, run};

#[test]
fn is_told_in_one_line() {
    let hash = "00112233445566778899aabbccddeeff00112233";
    let long = "x".repeat(997);
    let cases: &[(&[&str], &[&str])] = &[
        (&["no-such-command"], &["no-such-command", "polykad --help"]),
        (&["serve", "--listen", "1.2.3.4:99999"], &["1.2.3.4:99999", "65535"]),
        (&["serve", "--bootstrap", "nobody:x"], &["nobody:x", "port"]),
        (&["serve", "--config", "no-such-file.toml"], &["no-such-file.toml"]),
        (&["serve", "--no-default-bootstrap", "--listen", "192.0.2.1:1"], &["no address of this"]),
        (&["mainline", "ping", "10.77.4.1"], &["10.77.4.1:6881"]),
        (&["mainline", "find-node", "xyz"], &["'xyz'", "40 hexadecimal"]),
        (&["mainline", "get-peers", "magnet:?dn=x"], &["urn:btih"]),
        (&["mainline", "put"], &["VALUE"]),
        (&["mainline", "put", &long, "--bootstrap", "127.0.0.1:9"], &["1000", "996"]),
        (&["mainline", "put", "x", "--bencoded"], &["leave out --bencoded"]),
        (&["mainline", "put", "x", "--seq", "1"], &["--key-file"]),
        (&["mainline", "put", "x", "--key-file", "no.key"], &["no.key", "keygen"]),
        (&["mainline", "put", "x", "--key-file", "k", "--salt", &long], &["64 bytes"]),
        (&["mainline", "put", "x", "--no-default-bootstrap"], &["--bootstrap IP:PORT"]),
        (&["mainline", "announce", hash, "--for", "soon"], &["'soon'", "unit"]),
        (&["mainline", "get", "--public-key", "ab"], &["64 hexadecimal"]),
        (&["demo", "--nodes", "3"], &["4"]),
        (&["demo", "--log", "x=y=z"], &["log filter"]),
    ];
    for (arguments, words) in cases {
        run(arguments).failed(2, words);
    }
}

#[test]
fn help_is_none() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["mainline", "put", "-h"]] {
        assert!(run(arguments).done().out.contains("Usage: polykad"));
    }
    assert_eq!(run(&[]).code, Some(2));
    assert!(run(&["--version"]).done().out.starts_with("polykad "));
}

#[test]
fn every_command_of_mainline_shows_an_example() {
    for name in [
        "ping",
        "find-node",
        "get-peers",
        "announce",
        "put",
        "get",
        "scrape",
        "sample",
        "crawl",
        "keygen",
    ] {
        let help = run(&["mainline", name, "--help"]).done().out;
        assert!(help.contains("Example") && help.contains(&format!("mainline {name} ")), "{help}");
    }
}

#[test]
fn scripts_get_an_object() {
    let object = run(&["mainline", "ping", "nowhere", "--json"]).failed(2, &["nowhere"]).json();
    assert!(object["error"].as_str().unwrap().contains("nowhere"));
}

#[test]
fn the_environment_is_checked_as_well() {
    let ended = command(&["serve"]).env("POLYKAD_LISTEN", "somewhere").output().unwrap();
    crate::program::Ended::from(ended).failed(2, &["POLYKAD_LISTEN", "somewhere"]);
}
