use super::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The test vectors of BEP 42.
#[test]
fn bep42_vectors() {
    for (address, id) in [
        ("124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
        ("21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
        ("65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
        ("84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
        ("43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
    ] {
        let id: Id = id.parse().unwrap();
        assert!(id_matches(ip(address), &id), "{address}");
        assert!(!id_matches(ip("8.8.8.8"), &id), "{address}");
    }
}

/// The check value that catalogues give for this CRC.
#[test]
fn crc_of_the_nine_digits() {
    assert_eq!(crc32c(*b"123456789"), 0xe306_9283);
}

#[test]
fn local_addresses_are_exempt() {
    let id = Id::default();
    for exempt in ["10.77.0.1", "172.16.3.4", "192.168.1.1", "169.254.0.9", "127.0.0.1", "::1"] {
        assert!(id_matches(ip(exempt), &id), "{exempt}");
    }
    for bound in ["172.32.0.1", "11.0.0.1", "2001:db8::1"] {
        assert!(!id_matches(ip(bound), &id), "{bound}");
    }
}

proptest! {
    #[test]
    fn derived_ids_match(seed: u64, v4: u32, v6: u128, bit in 0_usize..21) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for ip in [IpAddr::from(v4.to_be_bytes()), IpAddr::from(v6.to_be_bytes())] {
            let id = derive_id(ip, &mut rng);
            prop_assert!(id_matches(ip, &id));
            let mut other = *id.as_bytes();
            other[bit / 8] ^= 0x80 >> (bit % 8);
            let local = SocketAddr::new(ip, 0).is_local();
            prop_assert_eq!(id_matches(ip, &Id::new(other)), local);
        }
    }
}

fn at(seconds: u64) -> Moment {
    Moment::from_micros(seconds * 1_000_000)
}

/// A vote of the node 1.1.`network`.`host`.
fn vote(
    votes: &mut ExternalVote,
    seconds: u64,
    (network, host): (u8, u8),
    claim: &str,
) -> Option<SocketAddr> {
    let voter = SocketAddr::from(([1, 1, network, host], 6881));
    votes.vote(at(seconds), voter, claim.parse().unwrap())
}

#[test]
fn three_networks_decide_and_one_does_not() {
    let mut votes = ExternalVote::new();
    for host in 0..20 {
        assert_eq!(vote(&mut votes, 0, (1, host), "9.9.9.9:1"), None);
    }
    assert_eq!(vote(&mut votes, 1, (2, 1), "9.9.9.9:1"), None);
    let believed = "9.9.9.9:1".parse().ok();
    assert_eq!(vote(&mut votes, 2, (3, 1), "9.9.9.9:1"), believed);
    assert_eq!(vote(&mut votes, 3, (4, 1), "9.9.9.9:1"), None, "no news");
    assert_eq!(votes.winner(), believed);
}

#[test]
fn half_of_the_votes_do_not_decide() {
    let mut votes = ExternalVote::new();
    for (network, claim) in (0..).zip([9, 9, 8, 8, 7, 9]) {
        let claim = format!("{claim}.9.9.9:1");
        assert_eq!(vote(&mut votes, 0, (network, 1), &claim), None);
    }
    let believed = "9.9.9.9:1".parse().ok();
    assert_eq!(vote(&mut votes, 0, (9, 1), "9.9.9.9:1"), believed);
}

#[test]
fn a_change_is_believed_as_old_votes_turn_or_age() {
    let mut votes = ExternalVote::new();
    for network in 0..10 {
        vote(&mut votes, 0, (network, 1), "9.9.9.9:1");
    }
    assert_eq!(vote(&mut votes, 4000, (50, 1), "8.8.8.8:1"), None);
    assert_eq!(votes.winner(), "9.9.9.9:1".parse().ok(), "until disproved");
    assert_eq!(vote(&mut votes, 4000, (51, 1), "8.8.8.8:1"), None);
    let believed = "8.8.8.8:1".parse().ok();
    assert_eq!(vote(&mut votes, 4000, (52, 1), "8.8.8.8:1"), believed);
}

#[test]
fn ports_that_differ_are_not_believed() {
    let mut votes = ExternalVote::new();
    for port in 1..6 {
        vote(&mut votes, 0, (port, 1), &format!("9.9.9.9:{port}"));
    }
    assert_eq!(votes.winner(), "9.9.9.9:0".parse().ok());
}

#[test]
fn votes_are_bounded_and_nonsense_is_no_vote() {
    let mut votes = ExternalVote::new();
    for network in 0..=255 {
        vote(&mut votes, 0, (network, 1), "9.9.9.9:1");
        vote(&mut votes, 0, (network, 1), "0.0.0.0:1");
        vote(&mut votes, 0, (network, 1), "9.9.9.9:0");
        vote(&mut votes, 0, (network, 1), "192.168.1.2:1");
        vote(&mut votes, 0, (network, 1), "[2001:db8::1]:1");
    }
    assert_eq!(votes.votes.len(), ExternalVote::MAX_VOTES);
    assert_eq!(votes.winner(), "9.9.9.9:1".parse().ok());
}
