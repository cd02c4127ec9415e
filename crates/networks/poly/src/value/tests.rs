use super::*;
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_nothing_else(
        seed in any::<u8>(),
        salt in prop::collection::vec(any::<u8>(), 0..=64),
        seq in any::<u64>(),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
        bit in 0..8u8,
    ) {
        let record = Record::sign(&key(seed), &salt, seq, NOW + 60, value.as_deref());
        prop_assert_eq!(record.verify(NOW), Ok(()));
        prop_assert_eq!(record.borrow().to_owned(), record.clone());
        let bad = Err(ValueError::BadSignature);
        prop_assert_eq!(Record { seq: seq ^ 1 << bit, ..record.clone() }.verify(NOW), bad);
        prop_assert_eq!(Record { expires: NOW + 61, ..record.clone() }.verify(NOW), bad);
        let flipped = if value.is_some() { None } else { Some(Box::default()) };
        prop_assert_eq!(Record { value: flipped, ..record.clone() }.verify(NOW), bad);
        let other = key(seed.wrapping_add(1)).verifying_key().to_bytes();
        prop_assert_eq!(Record { public_key: other, ..record.clone() }.verify(NOW), bad);
        let mut signature = record.signature;
        signature[usize::from(bit)] ^= 1;
        prop_assert_eq!(Record { signature, ..record.clone() }.verify(NOW), bad);
        if let Some((_, rest)) = salt.split_first() {
            prop_assert_eq!(Record { salt: rest.into(), ..record }.verify(NOW), bad);
        }
    }

    #[test]
    fn entries_are_bound_to_topic_and_slot(
        seed in any::<u8>(),
        topic in any::<[u8; 32]>(),
        slot in any::<u16>(),
        payload in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
    ) {
        let entry =
            Entry::sign(&key(seed), Key::new(topic), slot, 7, NOW + 60, payload.as_deref());
        prop_assert_eq!(entry.verify(NOW), Ok(()));
        prop_assert_eq!(entry.borrow().to_owned(), entry.clone());
        let bad = Err(ValueError::BadSignature);
        prop_assert_eq!(Entry { slot: slot ^ 1, ..entry.clone() }.verify(NOW), bad);
        let mut other = topic;
        other[31] ^= 1;
        prop_assert_eq!(Entry { topic: Key::new(other), ..entry }.verify(NOW), bad);
    }

    #[test]
    fn of_two_versions_all_agree_which_wins(
        a in (0..3u64, prop::option::of(0..3u8), 1..3u64),
        b in (0..3u64, prop::option::of(0..3u8), 1..3u64),
    ) {
        let version = |(seq, value, life): (u64, Option<u8>, u64)| {
            let bytes = value.map(|value| vec![value]);
            let record = Record::sign(&key(1), b"", seq, NOW + life, bytes.as_deref());
            record.borrow().version()
        };
        prop_assert_eq!(version(a) == version(b), a == b);
        if a.0 > b.0 {
            prop_assert!(version(a) > version(b));
        }
        if a.0 == b.0 && a.1.is_none() && b.1.is_some() {
            prop_assert!(version(a) > version(b));
        }
    }
}

#[test]
fn a_signature_of_one_kind_is_none_of_another() {
    let record = Record::sign(&key(1), b"", 1, NOW + 60, Some(b"x"));
    let entry = Entry {
        topic: record.key(),
        public_key: record.public_key,
        slot: 0,
        seq: 1,
        expires: NOW + 60,
        payload: Some((*b"x").into()),
        signature: record.signature,
    };
    assert_eq!(entry.verify(NOW), Err(ValueError::BadSignature));
}

#[test]
fn limits_are_named() {
    let blob = |len: usize, lifetime_s: u32| {
        Value::Blob(BlobRef { bytes: &vec![0; len], lifetime_s }).verify(NOW)
    };
    assert_eq!(blob(MAX_VALUE_BYTES, MAX_LIFETIME_S), Ok(()));
    let error = blob(MAX_VALUE_BYTES + 1, 60).unwrap_err();
    assert_eq!(error.to_string(), "65537 bytes exceed the limit of 65536 bytes");
    assert_eq!(blob(1, 0), Err(ValueError::Expired { by_s: 0 }));
    let lifetime_s = MAX_LIFETIME_S + 3601;
    assert_eq!(
        blob(1, lifetime_s),
        Err(ValueError::LivesTooLong { lifetime_s: lifetime_s.into() })
    );

    let record = |salt: &[u8], len: usize, expires: u64| {
        Record::sign(&key(1), salt, 1, expires, Some(&vec![0; len])).verify(NOW)
    };
    assert_eq!(record(&[0; 64], MAX_VALUE_BYTES, NOW + 60), Ok(()));
    assert_eq!(record(&[0; 65], 1, NOW + 60), Err(ValueError::SaltTooLong { actual: 65 }));
    assert!(matches!(record(b"", MAX_VALUE_BYTES + 1, NOW + 60), Err(ValueError::TooLong { .. })));
    assert_eq!(record(b"", 1, NOW - 5), Err(ValueError::Expired { by_s: 5 }));
    let entry = |len: usize| {
        Entry::sign(&key(1), Key::ZERO, 0, 1, NOW + 60, Some(&vec![0; len])).verify(NOW)
    };
    assert_eq!(entry(1000), Ok(()));
    assert_eq!(entry(1001), Err(ValueError::TooLong { limit: 1000, actual: 1001 }));
}

#[test]
fn kinds_have_numbers() {
    for kind in [Kind::Blob, Kind::Record, Kind::Entry] {
        assert_eq!(Kind::from_code(kind.code()), Some(kind));
    }
    assert_eq!(Kind::from_code(3), None);
}
