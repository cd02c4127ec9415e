use ed25519_dalek::{Signer, SigningKey};

use super::*;

fn bytes_field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    assert!(length < 128);
    [&[number << 3 | 2, length], bytes].concat()
}

/// A record as the specification lays it out, all in its signed part.
fn record(key: &SigningKey, sequence: u64, validity: &str) -> Vec<u8> {
    let mut data = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut data);
    encoder.map(5).unwrap().str("TTL").unwrap().u64(60_000_000_000).unwrap();
    encoder.str("Value").unwrap().bytes(b"/ipfs/x").unwrap();
    encoder.str("Sequence").unwrap().u64(sequence).unwrap();
    encoder.str("Validity").unwrap().bytes(validity.as_bytes()).unwrap();
    encoder.str("ValidityType").unwrap().u64(0).unwrap();
    let signature = key.sign(&[CONTEXT, &data].concat()).to_bytes();
    [&[5 << 3, 1][..], &bytes_field(8, &signature), &bytes_field(9, &data)].concat()
}

#[test]
fn a_record_is_taken_only_from_its_author_and_alive() {
    let key = SigningKey::from_bytes(&[3; 32]);
    let public_key = key.verifying_key().to_bytes();
    let good = record(&key, 7, "2033-05-18T03:33:20.123456789Z");
    let facts = Facts { sequence: 7, expires: 2_000_000_000, ttl_s: 60 };
    assert_eq!(verify(&good, &public_key, 1_999_999_999), Some(facts));
    assert_eq!(verify(&good, &public_key, 2_000_000_000), None, "expired");
    assert_eq!(verify(&good, &[3; 32], 1), None, "of another");
    for at in 0..good.len() {
        let mut wrong = good.clone();
        wrong[at] ^= 1;
        let known = verify(&wrong, &public_key, 1);
        // What is not signed may differ: the first field, which nothing is read from.
        assert!(known.is_none() || at < 2, "byte {at}");
        assert!(verify(&good[..at], &public_key, 1).is_none(), "{at} bytes");
    }
    assert!(verify(&record(&key, 8, "tomorrow"), &public_key, 1).is_none());
    assert!(Facts { sequence: 8, ..facts } > facts);
}
