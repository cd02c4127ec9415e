use super::*;
use crate::item::{Salt, mutable_target};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;

const HOST: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(198, 51, 100, 7));

fn store() -> ItemStore {
    ItemStore::new(StoreSettings::default(), &mut ChaCha8Rng::seed_from_u64(1))
}

fn at(seconds: u64) -> Moment {
    Moment::from_micros(seconds * 1_000_000)
}

/// The store never checks signatures, so any will do.
fn item(salt: &[u8], seq: i64, value: &[u8]) -> MutableItem {
    MutableItem {
        public_key: [3; 32],
        salt: Salt::new(salt).unwrap(),
        seq,
        value: value.into(),
        signature: [9; 64],
    }
}

#[test]
fn versions_follow_bep_44() {
    // Stored seq and value, put seq and value, cas, what comes of it.
    for (stored, put, cas, expected) in [
        (None, (5, "1:a"), None, Ok(())),
        (None, (5, "1:a"), Some(4), Ok(())),
        (Some((5, "1:a")), (6, "1:b"), None, Ok(())),
        (Some((5, "1:a")), (6, "1:b"), Some(5), Ok(())),
        (Some((5, "1:a")), (6, "1:b"), Some(6), Err(ItemRefused::CasMismatch)),
        (Some((5, "1:a")), (6, "1:b"), Some(4), Err(ItemRefused::CasMismatch)),
        (Some((5, "1:a")), (5, "1:a"), None, Ok(())),
        (Some((5, "1:a")), (5, "1:a"), Some(5), Ok(())),
        (Some((5, "1:a")), (5, "1:b"), None, Err(ItemRefused::SequenceTooLow)),
        (Some((5, "1:a")), (5, "1:b"), Some(5), Err(ItemRefused::SequenceTooLow)),
        (Some((5, "1:a")), (4, "1:a"), None, Err(ItemRefused::SequenceTooLow)),
        (Some((5, "1:a")), (4, "1:a"), Some(5), Err(ItemRefused::SequenceTooLow)),
        (Some((5, "1:a")), (4, "1:a"), Some(4), Err(ItemRefused::CasMismatch)),
        (Some((-1, "1:a")), (0, "1:b"), Some(-1), Ok(())),
        (Some((i64::MAX, "1:a")), (i64::MIN, "1:b"), None, Err(ItemRefused::SequenceTooLow)),
    ] {
        let mut store = store();
        if let Some((seq, value)) = stored {
            store.put_mutable(at(0), &item(b"", seq, value.as_bytes()), None, HOST).unwrap();
        }
        let new = item(b"", put.0, put.1.as_bytes());
        let result = store.put_mutable(at(1), &new, cas, HOST).map(drop);
        let case = format!("{stored:?} {put:?} {cas:?}");
        assert_eq!(result, expected, "{case}");
        let (seq, value) = if expected.is_ok() { put } else { stored.unwrap() };
        let Some(StoredItem::Mutable { seq: held, value: bytes, .. }) =
            store.get(at(1), &new.target())
        else {
            panic!("{case}");
        };
        assert_eq!((held, bytes), (seq, value.as_bytes()), "{case}");
    }
}

#[test]
fn the_same_again_renews() {
    let mut store = store();
    let first = item(b"s", 1, b"1:a");
    let target = first.target();
    assert_eq!(store.put_mutable(at(0), &first, None, HOST), Ok(at(7200)));
    assert_eq!(store.put_mutable(at(5000), &first, None, HOST), Ok(at(12_200)));
    assert!(store.get(at(12_199), &target).is_some());
    assert_eq!(store.get(at(12_200), &target), None);
    // Once it has expired, an older version may come.
    assert!(store.put_mutable(at(12_200), &item(b"s", 0, b"1:z"), Some(7), HOST).is_ok());

    let (value, target) = (b"5:hello", immutable_target(b"5:hello"));
    store.put_immutable(at(0), &target, value, HOST).unwrap();
    store.put_immutable(at(5000), &target, value, HOST).unwrap();
    assert_eq!(store.get(at(12_000), &target), Some(StoredItem::Immutable { value }));
}

#[test]
fn what_is_too_long_is_refused() {
    for (len, expected) in
        [(MAX_VALUE_BYTES, Ok(at(7200))), (MAX_VALUE_BYTES + 1, Err(ItemRefused::ValueTooLong))]
    {
        let (mut store, value) = (store(), vec![b'x'; len]);
        let target = immutable_target(&value);
        assert_eq!(store.put_immutable(at(0), &target, &value, HOST), expected);
        let longest_salt = item(&[1; MAX_SALT_BYTES], 1, &value);
        assert_eq!(store.put_mutable(at(0), &longest_salt, None, HOST), expected);
    }
}

#[test]
fn a_site_has_a_quota() {
    let mut store = store();
    let put = |store: &mut ItemStore, number: u32, host: &str| {
        let value = [b"998:".as_slice(), &[0; 994], &number.to_be_bytes()].concat();
        let target = immutable_target(&value);
        store.put_immutable(at(0), &target, &value[..1000], host.parse().unwrap())
    };
    let stored = (0..400).filter(|i| put(&mut store, *i, "198.51.100.1").is_ok()).count();
    assert_eq!(stored, (256 << 10) / 1053);
    assert_eq!(put(&mut store, 2000, "198.51.100.2"), Err(ItemRefused::Quota));
    assert!(put(&mut store, 2000, "198.51.101.2").is_ok());
}

/// A hundred sites fill the store with two hundred items each; whoever comes with a few is served.
#[test]
fn a_flood_does_not_keep_others_out() {
    let settings = StoreSettings { item_bytes: 256 << 10, ..StoreSettings::default() };
    let mut store = ItemStore::new(settings, &mut ChaCha8Rng::seed_from_u64(2));
    let put = |store: &mut ItemStore, number: u32, host: [u8; 4]| {
        let value = [b"104:".as_slice(), &[0; 97], &number.to_be_bytes()].concat();
        store.put_immutable(at(0), &immutable_target(&value), &value, host.into())
    };
    for number in 0..4000u32 {
        let [_, _, _, low] = (number % 100).to_be_bytes();
        let _ = put(&mut store, number, [11, 0, low, 1]);
    }
    assert!(store.usage().refused > 2000);
    for number in 0..200u32 {
        let [_, _, high, low] = number.to_be_bytes();
        assert!(put(&mut store, 50_000 + number, [12, high, low, 1]).is_ok(), "{number}");
    }
    assert_eq!(store.usage().displaced, 200);
}

#[test]
fn comes_back_from_a_snapshot() {
    let mut store = store();
    let key = SigningKey::from_bytes(&[5; 32]);
    let signed = MutableItem::sign(&key, Salt::new(b"salt").unwrap(), 8, b"i5e").unwrap();
    store.put_mutable(at(0), &signed, None, HOST).unwrap();
    store.put_immutable(at(100), &immutable_target(b"i7e"), b"i7e", HOST).unwrap();

    let mut again = ItemStore::new(StoreSettings::default(), &mut ChaCha8Rng::seed_from_u64(9));
    for (_, item, expires) in store.iter(at(200)) {
        let owned = match item {
            StoredItem::Immutable { value } => Item::Immutable(value.into()),
            StoredItem::Mutable { public_key, salt, signature, seq, value } => {
                Item::Mutable(MutableItem {
                    public_key: *public_key,
                    salt: Salt::new(salt).unwrap(),
                    seq,
                    value: value.into(),
                    signature: *signature,
                })
            }
        };
        again.restore(owned, expires);
    }
    let all = |store: &ItemStore| {
        let all = store.iter(at(200)).map(|(id, item, at)| (id, format!("{item:?}"), at));
        all.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(all(&store), all(&again));
    assert_eq!(again.len(), 2);
    // What is there already is newer.
    again.restore(Item::Mutable(MutableItem { seq: 3, ..signed.clone() }), at(9000));
    let held = again.get(at(200), &mutable_target(&signed.public_key, &signed.salt));
    assert!(matches!(held, Some(StoredItem::Mutable { seq: 8, .. })));
}

#[derive(Clone, Debug)]
enum Step {
    Immutable(u8),
    Mutable { salt: u8, seq: i64, value: u8, cas: Option<i64> },
    Pass(u64),
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => any::<u8>().prop_map(Step::Immutable),
        6 => (0u8..4, 0i64..6, 0u8..3, prop::option::weighted(0.3, 0i64..6))
            .prop_map(|(salt, seq, value, cas)| Step::Mutable { salt, seq, value, cas }),
        1 => (0u64..4000).prop_map(Step::Pass),
        1 => Just(Step::Expire),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec(step(), 1..80)) {
        let (mut store, mut now) = (store(), 0);
        // Kind and salt or value; seq, value, expiry.
        let mut model = BTreeMap::<(bool, u8), (i64, u8, u64)>::new();
        for step in steps {
            model.retain(|_, (_, _, expires)| *expires > now);
            match step {
                Step::Immutable(value) => {
                    let target = immutable_target(&[value]);
                    store.put_immutable(at(now), &target, &[value], HOST).unwrap();
                    model.insert((false, value), (0, value, now + 7200));
                }
                Step::Mutable { salt, seq, value, cas } => {
                    let item = item(&[salt], seq, &[value]);
                    let result = store.put_mutable(at(now), &item, cas, HOST);
                    let held = model.get(&(true, salt)).copied();
                    let expected = match held {
                        Some((held, ..)) if cas.is_some_and(|cas| cas != held) => {
                            Err(ItemRefused::CasMismatch)
                        }
                        Some((held, old, _)) if (seq, value) != (held, old) && seq <= held => {
                            Err(ItemRefused::SequenceTooLow)
                        }
                        _ => Ok(at(now + 7200)),
                    };
                    prop_assert_eq!(result, expected);
                    if result.is_ok() {
                        model.insert((true, salt), (seq, value, now + 7200));
                    }
                }
                Step::Pass(seconds) => now += seconds,
                Step::Expire => store.expire(at(now)),
            }
            for ((mutable, name), (seq, value, expires)) in &model {
                let target = if *mutable {
                    item(&[*name], 0, b"").target()
                } else {
                    immutable_target(&[*name])
                };
                match store.get(at(now), &target) {
                    Some(StoredItem::Mutable { seq: held, value: bytes, salt, .. }) => {
                        prop_assert_eq!((held, bytes, salt), (*seq, &[*value][..], &[*name][..]));
                    }
                    Some(StoredItem::Immutable { value: bytes }) => {
                        prop_assert_eq!(bytes, &[*value]);
                    }
                    None => prop_assert!(*expires <= now),
                }
            }
        }
    }
}
