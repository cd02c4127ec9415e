//! `polykad demo`.

use crate::program::run;

#[test]
fn every_value_is_found_after_the_kill() {
    let ended = run(&["demo", "--nodes", "12", "--values", "30", "--json"]).done();
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

#[test]
fn it_tells_people_what_happens_in_plain_lines() {
    let told = run(&["demo", "--nodes", "9", "--values", "10"]).done().out;
    for words in ["9 nodes on 9 loopback", "10 of 10 values stored", "read after kill", "Every one"]
    {
        assert!(told.contains(words), "'{words}' is not in {told}");
    }
    assert!(!told.contains('\x1b'), "no control sequences outside a terminal");
}
