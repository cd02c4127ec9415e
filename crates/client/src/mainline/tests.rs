use super::*;

#[test]
fn byte_strings() {
    for bytes in [&b""[..], b"a", b"0123456789", &[b':'; 999]] {
        assert_eq!(as_byte_string(&byte_string(bytes)), Some(bytes));
    }
    for other in [&b""[..], b"i1e", b"l1:ae", b"1:", b"1:ab", b"01:a", b"+1:a", b":", b"-1:a"] {
        let found = as_byte_string(other);
        assert_eq!(found, None, "{}", other.escape_ascii());
    }
}
