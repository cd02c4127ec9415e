use super::*;

fn output(success: bool, stdout: &str) -> Output {
    Output { success, stdout: stdout.into(), stderr: String::new() }
}

#[test]
fn counts_before_words() {
    let line = "ok. 12 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out";
    for (word, expected) in [(" passed", 12), (" failed", 3), (" ignored", 1), (" nothing", 0)] {
        assert_eq!(count_before(line, word), expected, "{word}");
    }
}

#[test]
fn adds_up_cargo_tests() {
    let text = "test a::b ... FAILED\n\
                test result: FAILED. 4 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out\n\
                test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
    let tally = cargo_tests(&output(false, text));
    assert_eq!(tally.passed, 6);
    assert_eq!(tally.failures, ["a::b"]);
    assert_eq!(tally.skipped.len(), 1);
}

#[test]
fn a_build_failure_counts_once() {
    let tally = cargo_tests(&output(false, ""));
    assert_eq!((tally.passed, tally.failures.len()), (0, 1));
}

#[test]
fn reads_trace_hashes() {
    let text = "running\ntrace hash: 12ab\nx trace hash: 9f, more\n";
    assert_eq!(trace_hashes(text), ["12ab", "9f"]);
}
