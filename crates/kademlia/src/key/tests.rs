use super::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

fn key() -> impl Strategy<Value = Key> {
    any::<[u8; 32]>().prop_map(Key::new)
}

proptest! {
    #[test]
    fn distance_is_a_metric_with_unique_closest(a in key(), b in key(), c in key()) {
        prop_assert_eq!(a.distance(&a), Distance::ZERO);
        prop_assert_eq!(a.distance(&b), b.distance(&a));
        prop_assert_eq!(a == b, a.distance(&b) == Distance::ZERO);
        if b != c {
            prop_assert_ne!(a.distance(&b), a.distance(&c));
        }
    }

    #[test]
    fn nearer_is_as_distances_compare(a in key(), b in key(), c in key(), shared in 0u32..=256) {
        // Keys that differ in their first words alone would test half of it.
        let c = b.with_tail(c, shared, Key::BITS);
        prop_assert_eq!(a.nearer(&b, &c), a.distance(&b).cmp(&a.distance(&c)));
    }

    #[test]
    fn shared_prefix_is_where_bits_first_differ(a in key(), b in key()) {
        let prefix = a.shared_prefix(&b);
        prop_assert!((0..prefix).all(|i| a.bit(i) == b.bit(i)));
        if prefix < Key::BITS {
            prop_assert_ne!(a.bit(prefix), b.bit(prefix));
        }
    }

    #[test]
    fn random_keys_fall_into_their_bucket(
        a in key(), seed in any::<u64>(), bits in prop::sample::select(vec![128u32, 160, 256]),
        share: u32,
    ) {
        let prefix = share % bits;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let a = Key::ZERO.with_tail(a, 0, bits);
        let b = a.random_in_bucket(prefix, bits, &mut rng);
        prop_assert_eq!(a.shared_prefix(&b), prefix);
        prop_assert!((bits..Key::BITS).all(|i| !b.bit(i)));
    }

    #[test]
    fn ids_of_any_length_round_trip(id in any::<[u8; 20]>()) {
        prop_assert_eq!(Key::from_id(&id).id::<20>(), id);
        let padded = Key::from_id(&id);
        prop_assert_eq!(&padded.as_bytes()[20..], &[0; 12]);
    }
}

#[test]
fn fractions() {
    assert!((Distance::MAX.as_fraction() - 1.0).abs() < 1e-9);
    let half = Key::from_id(&[0x80]).distance(&Key::ZERO);
    assert!((half.as_fraction() - 0.5).abs() < 1e-9);
}
