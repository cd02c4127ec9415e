//! `polykad demo`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{Ended, command, run};

#[test]
fn every_value_is_found_after_kills_and_restart() {
    let ended = run(&["demo", "--nodes", "12", "--values", "30", "--json"]).done();
    assert!(ended.err.is_empty(), "{ended:?}");
    let findings = ended.json();
    let killed: Vec<u64> = serde_json::from_value(findings["killed"].clone()).unwrap();
    assert!(killed[0] >= 3 && killed[0] + killed[1] == 12, "{findings}");
    assert_eq!(findings["put"]["found"], 30, "{findings}");
    assert_eq!((&findings["late_refused"], &findings["late_accepted"]), (&3.into(), &0.into()));
    let reads = findings["reads"].as_array().unwrap();
    assert_eq!(reads.len(), 3, "{findings}");
    for read in reads {
        assert_eq!(read["found"], read["tried"], "{findings}");
        assert!(read["latency_ms"]["p99"].as_f64().unwrap() > 0.0, "{findings}");
    }
    for told in findings["told"].as_array().unwrap() {
        assert_eq!(told["found"], told["tried"], "{findings}");
    }
    assert!(findings["lost"].as_array().unwrap().is_empty());
    assert!(findings["copies"]["after"].as_u64().unwrap() > 30, "{findings}");
}

#[test]
fn it_tells_people_what_happens_in_plain_lines() {
    let told = run(&["demo", "--nodes", "9", "--values", "10"]).done().out;
    for words in ["9 nodes in 9 processes", "10 of 10 values", "kill -9", "restart", "Every one"] {
        assert!(told.contains(words), "'{words}' is not in {told}");
    }
    assert!(!told.contains('\x1b'), "no control sequences outside a terminal");
}

#[test]
fn mainline_keeps_its_values_too() {
    let words = ["demo", "--network", "mainline", "--nodes", "12", "--values", "30", "--json"];
    let ended = run(&words).done();
    assert!(ended.err.is_empty(), "{ended:?}");
    let findings = ended.json();
    assert_eq!((&findings["nodes"], &findings["killed"]), (&12.into(), &3.into()));
    for act in ["put", "before", "after"] {
        assert_eq!(findings[act]["found"], 30, "{findings}");
        assert!(findings[act]["latency_ms"]["p50"].as_f64().unwrap() > 0.0, "{findings}");
    }
    assert!(findings["lost"].as_array().unwrap().is_empty());
    let (stored, left) = (&findings["copies"]["stored"], &findings["copies"]["left"]);
    assert!(left.as_u64().unwrap() < stored.as_u64().unwrap(), "{findings}");
}

/// A demo that has started its nodes, with its data in a folder of ours.
#[cfg(unix)]
fn begun(folder: &Path) -> Child {
    let mut command = command(&["demo", "--nodes", "8", "--values", "5000"]);
    command.env("TMPDIR", folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = command.spawn().unwrap();
    let out = demo.stdout.as_mut().unwrap();
    let mut lines = BufReader::new(out).lines();
    assert!(lines.any(|line| line.unwrap().contains("every node has found others")));
    assert!(!is_empty(folder), "the nodes have folders");
    demo
}

#[cfg(unix)]
fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[cfg(unix)]
#[test]
fn interrupted_it_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let demo = begun(folder.path());
    let id = demo.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    Ended::from(demo.wait_with_output().unwrap()).failed(1, &["interrupted"]);
    assert!(is_empty(folder.path()));
}

#[cfg(unix)]
#[test]
fn killed_it_takes_its_nodes_along() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = begun(folder.path());
    demo.kill().unwrap();
    demo.wait().unwrap();
    let begun = Instant::now();
    while !is_empty(folder.path()) {
        assert!(begun.elapsed() < Duration::from_mins(2), "its nodes run on");
        std::thread::sleep(Duration::from_millis(50));
    }
}
