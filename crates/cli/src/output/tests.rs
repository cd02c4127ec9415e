use super::*;

#[test]
fn writes_spans_short() {
    for (micros, text) in [
        (380, "0.4 ms"),
        (9_960, "10.0 ms"),
        (230_000, "230 ms"),
        (1_240_000, "1.2 s"),
        (180_000_000, "3 min"),
        (9_000_000_000, "2.5 h"),
    ] {
        assert_eq!(short_span(Duration::from_micros(micros)), text);
    }
}

#[test]
fn counts_in_words() {
    assert_eq!(
        [count(0, "node"), count(1, "node"), count(2, "node")],
        ["0 nodes", "1 node", "2 nodes"]
    );
}

#[test]
fn milliseconds_keep_microseconds() {
    assert!((millis(Duration::from_nanos(1_234_567)) - 1.235).abs() < 1e-9);
}

#[test]
fn failures_take_one_line() {
    assert_eq!(one_line("a\n  b\tc"), "a b c");
}
