use kademlia::Moment;
use proptest::prelude::*;

use super::*;
use crate::clock::Clock;

fn address() -> impl Strategy<Value = SocketAddr> {
    let ip = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
    ];
    (ip, 1..=u16::MAX).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn stored() -> impl Strategy<Value = Stored> {
    let expires = (1..10_000_u64).prop_map(|s| Moment::from_micros(s * 1_000_000));
    let peer = (any::<[u8; 20]>(), address(), any::<bool>(), expires.clone()).prop_map(
        |(info_hash, peer, seed, expires)| Stored::Peer {
            info_hash: Id::new(info_hash),
            peer,
            seed,
            expires,
        },
    );
    let value = proptest::collection::vec(any::<u8>(), 0..=1000);
    let immutable = (value.clone(), expires.clone())
        .prop_map(|(value, expires)| Stored::Item { item: Item::Immutable(value.into()), expires });
    let salt = proptest::collection::vec(any::<u8>(), 0..=64);
    let mutable = (any::<[u8; 32]>(), salt, any::<i64>(), value, any::<[u8; 32]>(), expires)
        .prop_map(|(public_key, salt, seq, value, half, expires)| {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&half);
            let item = MutableItem {
                public_key,
                salt: Salt::new(&salt).unwrap(),
                seq,
                value: value.into(),
                signature,
            };
            Stored::Item { item: Item::Mutable(item), expires }
        });
    prop_oneof![peer, immutable, mutable]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_stored_comes_back(changes in proptest::collection::vec(stored(), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        let calendar = Clock::start().calendar();
        let open = || Opened::open(folder.path(), "mainline.redb", 0).unwrap();
        let disk = open().start().unwrap();
        for change in &changes {
            keep(&disk, calendar, change);
        }
        drop(disk);
        let mut found = Vec::new();
        let take = |key: &[u8], value: &[u8], expires| {
            found.push(decode(key, value, expires, calendar).unwrap());
        };
        open().values(0, take).unwrap();
        prop_assert_eq!(found.len(), changes.len());
        for change in &changes {
            prop_assert!(found.iter().any(|found| same(found, change)), "{:?}", change);
        }
    }

    #[test]
    fn contacts_come_back(
        contacts in proptest::collection::vec((any::<[u8; 20]>(), address()), 0..30),
    ) {
        let mut contacts: Vec<_> = contacts
            .into_iter()
            .map(|(id, address)| Contact { key: Key::from(id), address })
            .collect();
        let found: Vec<_> = decode_contacts(&encode_contacts(&contacts)).collect();
        contacts.sort_by_key(|contact| contact.address.is_ipv6());
        prop_assert_eq!(found, contacts);
    }

    #[test]
    fn any_bytes_are_harmless(key: Vec<u8>, value: Vec<u8>, expires: u64) {
        let calendar = Clock::start().calendar();
        let _ = decode(&key, &value, expires, calendar);
        let _ = decode_contacts(&value).count();
    }
}

/// The same but for the expiry, which is kept to the second.
fn same(found: &Stored, kept: &Stored) -> bool {
    let within = |a: Moment, b: Moment| a.since(b).as_secs() <= 1 && b <= a;
    match (found, kept) {
        (
            Stored::Peer { info_hash, peer, seed, expires },
            Stored::Peer { info_hash: hash, peer: host, seed: full, expires: end },
        ) => info_hash == hash && peer == host && seed == full && within(*expires, *end),
        (Stored::Item { item, expires }, Stored::Item { item: other, expires: end }) => {
            item == other && within(*expires, *end)
        }
        _ => false,
    }
}
