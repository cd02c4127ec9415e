#![expect(clippy::cast_possible_truncation, reason = "small test numbers")]

use super::*;
use core::net::{Ipv4Addr, SocketAddrV4};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

type A = SocketAddrV4;

fn at(seconds: u64) -> Moment {
    Moment::from_micros(seconds * 1_000_000)
}

#[expect(clippy::unnecessary_wraps, reason = "as `answered` takes it")]
fn ms(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

fn address(ip: u32) -> A {
    SocketAddrV4::new(Ipv4Addr::from_bits(ip), 6881)
}

/// A contact in bucket `prefix` of the zero key, told apart by `tail`, in a subnet of its own.
fn contact(prefix: u32, tail: u8) -> Contact<A> {
    let mut id = [0u8; 20];
    id[prefix as usize / 8] = 0x80 >> (prefix % 8);
    id[19] = tail;
    Contact {
        key: Key::from_id(&id),
        address: address(0x0b00_0001 + (prefix << 16) + (u32::from(tail) << 8)),
    }
}

fn table() -> Table<A> {
    Table::new(Key::ZERO, TableSettings::default())
}

fn filled(table: &mut Table<A>, seed: u64, count: usize) -> Vec<Contact<A>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Vec::new();
    for n in 0..count {
        let key = Key::random(160, &mut rng);
        let contact = Contact { key, address: address(0x0b00_0000 + ((n as u32) << 8) + 1) };
        if table.answered(at(1), contact, ms(50), true) == Placement::Added {
            all.push(contact);
        }
    }
    all
}

#[test]
fn a_full_bucket_keeps_those_who_answer() {
    let mut table = table();
    for tail in 0..8 {
        assert_eq!(table.answered(at(0), contact(0, tail), ms(50), true), Placement::Added);
    }
    assert_eq!(table.answered(at(1), contact(0, 8), ms(50), true), Placement::Spare);
    assert_eq!(table.answered(at(2), contact(0, 3), ms(50), true), Placement::Known);
    assert!(table.members().all(|m| m.contact != contact(0, 8)));
}

#[test]
fn a_spare_takes_the_place_of_one_that_turns_bad() {
    let mut table = table();
    (0..9).for_each(|tail| {
        table.answered(at(0), contact(0, tail), ms(50), true);
    });
    table.failed(&contact(0, 3));
    assert!(table.members().any(|m| m.contact == contact(0, 3)));
    table.failed(&contact(0, 3));
    assert!(!table.members().any(|m| m.contact == contact(0, 3)));
    assert!(table.members().any(|m| m.contact == contact(0, 8)));
}

#[test]
fn a_bad_contact_without_a_successor_stays_a_while() {
    let mut table = table();
    table.answered(at(0), contact(0, 1), ms(50), true);
    for _ in 0..5 {
        table.failed(&contact(0, 1));
    }
    assert_eq!(table.census(at(0)).bad, 1);
    assert!(table.closest::<8>(&Key::ZERO).is_empty());
    table.failed(&contact(0, 1));
    assert_eq!(table.len(), 1, "the last one is kept: we may be cut off ourselves");
    assert!(table.is_isolated());
    assert_eq!(table.seeds(&Key::ZERO, 8), [contact(0, 1)]);
    table.answered(at(1), contact(0, 2), ms(50), true);
    table.failed(&contact(0, 1));
    assert!(!table.is_isolated());
    assert_eq!(table.seeds(&Key::ZERO, 8), [contact(0, 2)]);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_much_nearer_contact_displaces_a_young_slow_one_only() {
    let mut table = table();
    (0..8).for_each(|tail| {
        table.answered(at(0), contact(0, tail), ms(100), true);
    });
    assert_eq!(table.answered(at(9), contact(0, 9), ms(60), true), Placement::Spare);
    assert_eq!(table.answered(at(9), contact(0, 10), ms(20), true), Placement::Added);
    (0..11).for_each(|tail| {
        table.answered(at(3600), contact(0, tail), ms(100), true);
    });
    assert_eq!(table.answered(at(3600), contact(0, 11), ms(1), true), Placement::Spare);
}

#[test]
fn an_id_that_answers_keeps_its_address() {
    let mut table = table();
    let here = contact(5, 1);
    let elsewhere = Contact { address: address(0x0c01_0101), ..here };
    table.answered(at(0), here, ms(5), true);
    assert_eq!(table.answered(at(1), elsewhere, ms(5), true), Placement::Refused);
    table.failed(&here);
    assert_eq!(table.answered(at(2), elsewhere, ms(5), true), Placement::Added);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_verified_id_displaces_an_unverified_one() {
    let mut table = table();
    (0..8).for_each(|tail| {
        table.answered(at(0), contact(0, tail), ms(50), tail != 4);
    });
    assert_eq!(table.answered(at(1), contact(0, 9), ms(50), false), Placement::Spare);
    assert_eq!(table.answered(at(1), contact(0, 10), ms(500), true), Placement::Added);
    assert!(table.members().all(|member| member.standing.verified));
}

#[test]
fn restored_contacts_seed_lookups_but_are_not_handed_on() {
    let mut table = table();
    table.restore(contact(3, 1));
    assert_eq!(table.seeds(&Key::ZERO, 8), [contact(3, 1)]);
    assert!(table.closest::<8>(&Key::ZERO).is_empty());
    assert_eq!(table.answered(at(1), contact(3, 1), ms(5), true), Placement::Known);
    assert_eq!(table.closest::<8>(&Key::ZERO)[..], [contact(3, 1)]);
}

#[test]
fn an_address_has_one_id() {
    let mut table = table();
    let before = contact(5, 1);
    let after = Contact { address: before.address, ..contact(7, 2) };
    table.answered(at(0), before, ms(5), true);
    assert_eq!(table.answered(at(1), after, ms(5), true), Placement::Added);
    assert_eq!(table.len(), 1);
}

#[test]
fn one_party_gets_few_places() {
    let mut table = table();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for n in 0..65_536u32 {
        let host = 0x2d01_0100 + n % 256;
        let address = SocketAddrV4::new(Ipv4Addr::from_bits(host), 1024 + (n / 256) as u16);
        table.answered(at(0), Contact { key: Key::random(160, &mut rng), address }, ms(5), true);
    }
    assert!(table.len() + table.census(at(0)).spare <= 10);
    table.check_invariants().unwrap();
}

#[test]
fn local_addresses_are_exempt_from_host_limits() {
    let mut table = table();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for port in 1..30 {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        table.answered(at(0), Contact { key: Key::random(160, &mut rng), address }, ms(5), true);
    }
    assert!(table.len() > 15);
}

#[test]
fn never_itself_never_unusable() {
    let mut table = table();
    let me = Contact { key: Key::ZERO, address: address(0x0b00_0001) };
    assert_eq!(table.answered(at(0), me, ms(1), true), Placement::Refused);
    assert!(!table.wants(&me));
    let no_port = Contact { address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), ..contact(1, 1) };
    assert_eq!(table.answered(at(0), no_port, ms(1), true), Placement::Refused);
}

#[test]
fn queries_put_a_check_off_but_not_for_ever() {
    let mut table = table();
    table.answered(at(100), contact(0, 1), ms(5), true);
    table.queried(at(150), &contact(0, 1));
    assert_eq!(table.next_check(at(0), &[]).unwrap().0, at(210));
    table.queried(at(990), &contact(0, 1));
    assert_eq!(table.next_check(at(0), &[]).unwrap().0, at(1000));
    table.failed(&contact(0, 1));
    assert_eq!(table.next_check(at(0), &[]).unwrap().0, at(220), "queries excuse no silence");
}

#[test]
fn young_contacts_are_checked_sooner_than_old_ones() {
    let mut table = table();
    table.answered(at(0), contact(0, 1), ms(5), true);
    assert_eq!(table.next_check(at(0), &[]).unwrap().0, at(60));
    table.answered(at(600), contact(0, 1), ms(5), true);
    assert_eq!(table.next_check(at(0), &[]).unwrap().0, at(900));
    table.answered(at(36_000), contact(0, 1), ms(5), true);
    assert_eq!(table.next_check(at(0), &[]).unwrap().0, at(36_900));
    table.failed(&contact(0, 1));
    assert_eq!(table.next_check(at(0), &[]).unwrap().0, at(36_960));
}

#[test]
fn seated_contacts_fill_places_then_reserve() {
    let mut table = table();
    let standing = Standing::new(at(5), Rtt::new(Duration::from_millis(50)), true);
    let member = |contact| Member { contact, standing };
    let mut members: Vec<_> = (0..20).map(|tail| member(contact(3, tail))).collect();
    members.push(member(Contact { key: Key::ZERO, address: address(1) }));
    members.push(member(contact(5, 30)));
    table.seat(&members);
    // Whom there was no place for finds none later either.
    table.seat(&members[18..20]);
    let census = table.census(at(6));
    assert_eq!((census.good, census.spare), (9, 8));
    table.check_invariants().unwrap();
}

#[test]
fn moving_to_another_id_keeps_the_contacts() {
    let mut table = table();
    filled(&mut table, 3, 300);
    table.move_to(Key::from_id(&[0xa5; 20]));
    table.check_invariants().unwrap();
    // The half of the space that was near is far now, and fills one bucket and its reserve.
    assert!(table.census(at(1)).spare >= 8);
    assert!(table.len() > 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn closest_agrees_with_sorting_everything(seed: u64, count in 0usize..400, target: [u8; 20]) {
        let mut table = table();
        let mut all = filled(&mut table, seed, count);
        let target = Key::from_id(&target);
        all.sort_by_key(|c| target.distance(&c.key));
        all.truncate(8);
        prop_assert_eq!(&table.closest::<8>(&target)[..], &all[..]);
        prop_assert_eq!(table.seeds(&target, 8), all);
    }

    #[test]
    fn invariants_hold_whatever_happens(seed: u64, steps in 1usize..600) {
        let mut table = table();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for step in 0..steps {
            let pick = rng.next_u32();
            let bits = rng.next_u32() % 24;
            let key = Key::ZERO.random_in_bucket(bits, 160, &mut rng);
            // Few subnets and hosts, so that limits bite.
            let host = 0x0b00_0000 + ((pick % 40) << 8) + pick / 64 % 4;
            let contact = Contact { key, address: address(host) };
            let known = table.members().nth(pick as usize % (table.len() + 1)).map(|m| m.contact);
            match (pick % 7, known) {
                (0, Some(known)) => table.failed(&known),
                (1, Some(known)) => drop(table.queried(at(step as u64), &known)),
                (2, Some(known)) => {
                    // The same id from another place, or the same place with another id.
                    let moved = Contact { address: address(host), ..known };
                    table.answered(at(step as u64), moved, ms(u64::from(pick % 300)), true);
                }
                (3, Some(_)) if pick % 50 == 3 => table.move_to(key),
                _ => {
                    let rtt = ms(u64::from(pick % 300));
                    table.answered(at(step as u64), contact, rtt, true);
                }
            }
            prop_assert_eq!(table.check_invariants(), Ok(()));
            let due = |member: &Member<A>| {
                (table.check_due(&member.standing, false), member.contact)
            };
            let expected = table.members().map(due).min();
            prop_assert_eq!(table.next_check(at(step as u64), &[]), expected);
        }
    }
}
