use super::*;
use proptest::prelude::*;

const HOST: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 7));
const TARGET: Key = Key::new([3; 32]);

fn tokens(seed: u64) -> Tokens {
    Tokens::new(at(1000), &mut ChaCha8Rng::seed_from_u64(seed))
}

fn at(seconds: u64) -> Moment {
    Moment::from_micros(seconds * 1_000_000)
}

#[test]
fn lives_five_to_ten_minutes() {
    // The moment of issue, the moment of use, whether another token is issued in between.
    for (issued, used, busy, expected) in [
        (1000, 1000, false, true),
        (1000, 1299, true, true),
        (1299, 1300, false, true),
        (1299, 1300, true, true),
        (1000, 1599, false, true),
        (1000, 1599, true, true),
        (1000, 1600, false, false),
        (1000, 1600, true, false),
        (1299, 1600, true, false),
        (1300, 1899, true, true),
        (1300, 1900, true, false),
        (1300, 999_999, false, false),
        (1300, 999_999, true, false),
    ] {
        let mut tokens = tokens(1);
        let token = tokens.issue(at(issued), HOST, &TARGET);
        if busy {
            tokens.issue(at(used), HOST, &Key::ZERO);
        }
        assert_eq!(
            tokens.accepts(at(used), HOST, &TARGET, token.as_bytes()),
            expected,
            "issued {issued}, used {used}, busy {busy}"
        );
    }
}

#[test]
fn secrets_never_repeat() {
    let mut tokens = tokens(2);
    let mut seen = std::collections::BTreeSet::new();
    for period in 0..200 {
        assert!(seen.insert(tokens.issue(at(1000 + 300 * period), HOST, &TARGET).0));
    }
}

#[test]
fn a_seed_gives_the_same_tokens_again() {
    let issue = |seed| tokens(seed).issue(at(2000), HOST, &TARGET);
    assert_eq!(issue(5), issue(5));
    assert_ne!(issue(5), issue(6));
}

fn host() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

proptest! {
    #[test]
    fn bound_to_host_and_target(
        host in host(), other_host in host(), target in any::<[u8; 32]>(), byte in 0usize..32,
        garbage in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut tokens = tokens(3);
        let target = Key::new(target);
        let token = tokens.issue(at(1000), host, &target);
        let accepts = |host, target: &Key, token: &[u8]| {
            tokens.accepts(at(1100), host, target, token)
        };
        prop_assert!(accepts(host, &target, token.as_bytes()));
        prop_assert_eq!(accepts(other_host, &target, token.as_bytes()), host == other_host);
        let mut other_target = *target.as_bytes();
        other_target[byte] ^= 1;
        prop_assert!(!accepts(host, &Key::new(other_target), token.as_bytes()));
        prop_assert!(!accepts(host, &target, &garbage));
        prop_assert!(!accepts(host, &target, &[token.as_bytes().as_slice(), &[0]].concat()));
    }
}
