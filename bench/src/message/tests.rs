use super::*;

const ID: [u8; 20] = *b"abcdefghij0123456789";
const TARGET: [u8; 20] = *b"mnopqrstuvwxyz123456";

#[test]
fn queries_are_those_of_bep_5() {
    let mut buffer = [0; 200];
    for (kind, expected) in [
        (Kind::Ping, &b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t4:\0\0\0\x011:y1:qe"[..]),
        (
            Kind::FindNode,
            b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node\
              1:t4:\0\0\0\x011:y1:qe",
        ),
    ] {
        let length = kind.write(&mut buffer, &ID, &TARGET, 1);
        assert_eq!(&buffer[..length], expected);
    }
}

#[test]
fn answers_are_read() {
    let answer = b"d2:ip6:abcdef1:rd2:id20:abcdefghij01234567895:nodes3:xyz5:token2:ttee\
                   1:t4:\0\0\0\x091:v4:xx001:y1:re";
    assert_eq!(answer_id(answer), Some(9));
    assert_eq!(nodes(answer), b"xyz");
    assert_eq!(token(answer), Some(&b"tt"[..]));
    assert_eq!(answer_id(b"d1:eli201e2:noe1:t4:aaaa1:y1:ee"), None);
    assert_eq!(echoed_id(b"d1:q1:x1:t4:\0\0\0\x021:y1:qe..."), Some(2));
}

#[test]
fn cut_strings_are_none() {
    for bytes in [&b"5:abc"[..], b"abc", b":", b"-1:a", b""] {
        assert_eq!(string(bytes), None);
    }
}
