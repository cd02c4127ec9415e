use super::*;
use proptest::prelude::*;

#[test]
fn one_canonical_element() {
    let check = |bytes: &[u8], expected: bool| {
        assert_eq!(is_one_element(bytes), expected, "{}", bytes.escape_ascii());
    };
    for good in [
        &b"0:"[..],
        b"3:abc",
        b"10:0123456789",
        b"i0e",
        b"i-1e",
        b"i42e",
        b"i99999999999999999999999999999999e",
        b"le",
        b"de",
        b"l1:ai1eldeee",
        b"d0:i1e1:ai2e2:aai3e1:bi4ee",
        b"d1:ad1:zi1ee1:bd1:ai1eee",
        b"ld1:bi1eed1:ai1eee",
    ] {
        check(good, true);
    }
    for bad in [
        &b""[..],
        b"e",
        b"x",
        b":",
        b"-1:a",
        b"4:abc",
        b"3:abcd",
        b"03:abc",
        b"00:",
        b"99999999999999999999999999:a",
        b"18446744073709551617:a",
        b"i1ei2e",
        b"ie",
        b"i-e",
        b"i-0e",
        b"i00e",
        b"i01e",
        b"i-01e",
        b"i+1e",
        b"i1",
        b"i1.0e",
        b"l",
        b"li1e",
        b"d",
        b"d1:a",
        b"d1:ae",
        b"di1ei1ee",
        b"d1:bi1e1:ai1ee",
        b"d1:ai1e1:ai1ee",
        b"dlei1ee",
    ] {
        check(bad, false);
    }
}

/// Nesting of `levels` lists around an integer.
fn nested(levels: u32) -> Vec<u8> {
    let levels = levels as usize;
    [&b"l".repeat(levels)[..], b"i1e", &b"e".repeat(levels)].concat()
}

#[test]
fn depth_is_bounded() {
    assert!(is_one_element(&nested(MAX_VALUE_DEPTH)));
    assert!(!is_one_element(&nested(MAX_VALUE_DEPTH + 1)));
    let read = |bytes: &[u8]| Reader::new(bytes).element(u32::MAX).map(<[u8]>::len);
    assert_eq!(read(&nested(MAX_DEPTH)), Ok(35));
    assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(Fault::TooDeep));
    assert_eq!(read(&b"l".repeat(60_000)), Err(Fault::TooDeep));
    assert_eq!(read(&b"d1:a".repeat(15_000)), Err(Fault::TooDeep));
    assert_eq!(Reader::new(b"le").element(0), Err(Fault::TooDeep));
    assert_eq!(Reader::new(b"i1e").element(0), Ok(&b"i1e"[..]));
}

#[test]
fn tolerance_in_reading() {
    let unsorted = b"d1:bi1e1:ai01e1:a02:xye";
    assert_eq!(Reader::new(unsorted).element(1), Ok(&unsorted[..]));
    assert_eq!(Reader::new(b"03:abc").string(), Ok(&b"abc"[..]));
    assert_eq!(Reader::new(b"i-007e").integer(), Ok(-7));
}

#[test]
fn faults() {
    let element = |bytes| Reader::new(bytes).element(MAX_DEPTH).unwrap_err();
    for (bytes, fault) in [
        (&b""[..], Fault::Truncated),
        (b"5:abcd", Fault::Truncated),
        (b"5", Fault::Truncated),
        (b"i5", Fault::Truncated),
        (b"l", Fault::Truncated),
        (b"d1:ae", Fault::Unexpected),
        (b"di1ee", Fault::Unexpected),
        (b"ixe", Fault::Unexpected),
        (b"z", Fault::Unexpected),
        (b"5x", Fault::Unexpected),
        (b"1xa", Fault::Unexpected),
    ] {
        assert_eq!(element(bytes), fault, "{}", bytes.escape_ascii());
    }
}

#[test]
fn integers_beyond_64_bits_are_refused_and_passed() {
    for (text, expected) in [
        ("9223372036854775807", Ok(i64::MAX)),
        ("-9223372036854775808", Ok(i64::MIN)),
        ("9223372036854775808", Err(Fault::IntegerRange)),
        ("-9223372036854775809", Err(Fault::IntegerRange)),
        ("18446744073709551616", Err(Fault::IntegerRange)),
        ("99999999999999999999999999", Err(Fault::IntegerRange)),
    ] {
        let bytes = format!("i{text}e2:ok");
        let mut reader = Reader::new(bytes.as_bytes());
        assert_eq!(reader.integer(), expected, "{text}");
        assert_eq!(reader.string(), Ok(&b"ok"[..]), "{text}");
    }
}

/// A value as BEP 3 describes it, to write canonically and to check against.
#[derive(Clone, Debug)]
enum Value {
    Integer(i64),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Dictionary(std::collections::BTreeMap<Vec<u8>, Value>),
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(number) => write_integer(out, *number),
            Self::Bytes(bytes) => write_string(out, bytes),
            Self::List(list) => {
                out.push(b'l');
                for value in list {
                    value.write(out);
                }
                out.push(b'e');
            }
            Self::Dictionary(map) => {
                out.push(b'd');
                for (key, value) in map {
                    write_string(out, key);
                    value.write(out);
                }
                out.push(b'e');
            }
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..120);
    let leaf = prop_oneof![any::<i64>().prop_map(Value::Integer), bytes().prop_map(Value::Bytes),];
    leaf.prop_recursive(6, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            proptest::collection::btree_map(bytes(), inner, 0..6).prop_map(Value::Dictionary),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_one_element(value in value()) {
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        prop_assert!(is_one_element(&bytes));
        prop_assert_eq!(Reader::new(&bytes).element(MAX_DEPTH), Ok(&bytes[..]));
        for length in 0..bytes.len() {
            prop_assert!(!is_one_element(&bytes[..length]));
        }
        bytes.push(b'e');
        prop_assert!(!is_one_element(&bytes));
    }

    #[test]
    fn integers_as_the_standard_library_writes_them(number: i64) {
        let mut bytes = Vec::new();
        write_integer(&mut bytes, number);
        prop_assert_eq!(bytes.clone(), format!("i{number}e").into_bytes());
        prop_assert_eq!(Reader::new(&bytes).integer(), Ok(number));
    }

    #[test]
    fn any_bytes_are_fine(bytes: Vec<u8>) {
        let _ = is_one_element(&bytes);
        if let Ok(element) = Reader::new(&bytes).element(MAX_DEPTH) {
            prop_assert!(bytes.starts_with(element));
        }
    }

    /// Denser in valid bencode than arbitrary bytes.
    #[test]
    fn any_letters_of_bencode_are_fine(text in "[deil0-9:-]{0,60}") {
        if is_one_element(text.as_bytes()) {
            prop_assert_eq!(Reader::new(text.as_bytes()).element(MAX_DEPTH), Ok(text.as_bytes()));
        }
    }
}
