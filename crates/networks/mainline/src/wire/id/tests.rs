use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn hexadecimal_both_ways(bytes: [u8; 20]) {
        let id = Id::new(bytes);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        prop_assert_eq!(Id::from(id.key()), id);
    }

    #[test]
    fn any_text_is_fine(text: String) {
        let _ = text.parse::<Id>();
    }
}

/// The vectors of RFC 4648, section 10, lengthened to 20 bytes.
#[test]
fn base32() {
    let check = |text: &str, bytes: &[u8; 20]| assert_eq!(text.parse(), Ok(Id::new(*bytes)));
    check("MZXW6YTBOJTG633CMFZGM33PMJQXEZTP", b"foobarfoobarfoobarfo");
    check("mzxw6ytbojtg633cmfzgm33pmjqxeztp", b"foobarfoobarfoobarfo");
    check("77777777777777777777777777777777", &[0xff; 20]);
    check("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &[0; 20]);
}

#[test]
fn errors_name_what_is_wrong() {
    let check = |text: &str, error: &str| {
        assert_eq!(text.parse::<Id>().unwrap_err().to_string(), error);
    };
    check("", "an id has 40 hexadecimal (or 32 base-32) digits, not 0");
    check("abc", "an id has 40 hexadecimal (or 32 base-32) digits, not 3");
    check(&"x".repeat(40), "'x' is not a hexadecimal digit");
    check(&"1".repeat(32), "'1' is not a base-32 digit");
}
