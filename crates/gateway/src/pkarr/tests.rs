use super::*;

fn encode(key: &[u8; 32]) -> String {
    let bit = |at: usize| key.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |at| (0..5).fold(0, |value, offset| value << 1 | bit(at * 5 + offset));
    (0..KEY_DIGITS).map(|at| char::from(ALPHABET[usize::from(digit(at))])).collect()
}

#[test]
fn names_are_keys() {
    let mut key = [0u8; 32];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::try_from(at * 37 % 256).unwrap();
    }
    for key in [[0; 32], [255; 32], key] {
        assert_eq!(parse(&encode(&key)).unwrap(), key);
    }
    let name = encode(&key);
    let cases = [
        ("", 400),
        ("robots.txt", 404),
        (&name[1..], 400),
        (&format!("l{}", &name[1..]), 400),
        (&format!("{}9", &name[..51]), 400),
    ];
    for (wrong, status) in cases {
        assert_eq!(parse(wrong).unwrap_err().problem.status, status, "{wrong}");
    }
}

#[test]
fn payloads_are_items() {
    let packet = [0, 0, 0x84, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut payload = vec![7; 64];
    payload.extend(5u64.to_be_bytes());
    payload.extend(packet);
    let item = item([1; 32], &payload).unwrap();
    assert_eq!((item.seq, item.signature), (5, [7; 64]));
    assert_eq!(item.value, byte_string(&packet));
    for wrong in [&payload[..72], &payload[..80], &payload[..10], &[]] {
        assert_eq!(super::item([1; 32], wrong).unwrap_err().problem.status, 400);
    }
}
