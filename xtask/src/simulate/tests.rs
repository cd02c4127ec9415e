use super::*;
use crate::shell::root;

#[test]
fn the_last_trace_counts() {
    assert_eq!(last_trace("trace 1\nFOUND nothing\ntrace 2\n3 s, 5 events/s\n"), Some("2"));
    assert_eq!(last_trace("no trace\n"), None);
}

#[test]
fn the_scenarios_are_there() {
    for (scenario, _) in SMALL {
        assert!(root().join(format!("scenarios/{scenario}.toml")).is_file(), "{scenario}");
    }
}
