use super::*;

const KEY: Option<[u8; 32]> = Some([7; 32]);

#[test]
fn a_network_is_called_the_same_everywhere_and_by_its_members_alone() {
    let public = Called::new("polykad", None);
    // As docs/poly-protocol.md has them.
    assert_eq!(public.service(), "_polykad-2da3667._udp.local.");
    assert_eq!(
        hex(&public.info_hash().as_bytes()[..20]),
        "00fe21cf7516f6e20e3d52e0ec2111cf6976715a"
    );
    let all = [public, Called::new("club", None), Called::new("club", KEY)];
    for (at, one) in all.iter().enumerate() {
        let name = one.service();
        let (label, rest) = name.split_once('.').unwrap();
        assert!(label.len() <= 16 && label.starts_with("_polykad-"), "{name}");
        assert_eq!(rest, "_udp.local.");
        for other in &all[at + 1..] {
            assert_ne!(one.service(), other.service());
            assert_ne!(one.info_hash(), other.info_hash());
        }
    }
    assert!(all.iter().all(|one| one.info_hash().as_bytes()[20..] == [0; 12]));
}

#[test]
fn whoever_is_alone_looks_again_soon_and_then_ever_later() {
    let mut pace = Pace::new();
    let alone: Vec<u64> = (0..8).map(|_| pace.next(true).as_secs()).collect();
    assert_eq!(alone, [5, 10, 20, 40, 80, 160, 300, 300]);
    assert_eq!(pace.next(false), Pace::IN_COMPANY);
    assert_eq!(pace.next(true), Pace::FIRST);
}
