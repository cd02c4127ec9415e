use super::{of_tap, of_unittest};
use crate::shell::Output;
use crate::suite::Tally;

fn output(success: bool, stdout: &str, stderr: &str) -> Output {
    Output { success, stdout: stdout.to_owned(), stderr: stderr.to_owned() }
}

#[test]
fn nodes_counts_are_read() {
    let mut tally = Tally::default();
    of_tap(&output(true, "ok 1 - a\n# tests 3\n# pass 3\n# fail 0\n", ""), &mut tally);
    assert_eq!((tally.passed, tally.failures.len()), (3, 0));
    of_tap(&output(false, "    not ok 1 - b\n# pass 1\n# fail 1\n", ""), &mut tally);
    assert_eq!((tally.passed, tally.failures), (4, vec!["JavaScript: 1 - b".to_owned()]));
}

#[test]
fn unittests_counts_are_read() {
    let mut tally = Tally::default();
    of_unittest(&output(true, "", "...\nRan 5 tests in 0.1s\n\nOK\n"), &mut tally);
    assert_eq!((tally.passed, tally.failures.len()), (5, 0));
    let failed = "FAIL: test_a (a.A)\nERROR: test_b (a.A)\nRan 5 tests in 0.1s\n\nFAILED\n";
    of_unittest(&output(false, "", failed), &mut tally);
    assert_eq!((tally.passed, tally.failures.len()), (8, 2));
}

#[test]
fn a_crash_is_a_failure() {
    let mut tally = Tally::default();
    of_tap(&output(false, "", ""), &mut tally);
    of_unittest(&output(false, "", "Segmentation fault"), &mut tally);
    assert_eq!((tally.passed, tally.failures.len()), (0, 2));
}
