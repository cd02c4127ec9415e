//! Whole networks of nodes, in virtual time.

use std::net::SocketAddr;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use mainline::command::{Acknowledgements, Command, Failure, Item, Outcome, Progress, Report};
use mainline::item::{immutable_target, mutable_target};
use mainline::node::MAX_OPERATIONS;
use mainline::wire::{ErrorReply, Id, Message};
use mainline::{MutableItem, Salt, Settings};

use crate::world::{Place, World};

fn network(seed: u64, count: u32) -> (World, Vec<Place>) {
    let mut world = World::new(seed);
    let places = world.populate(count, &Settings::default());
    (world, places)
}

fn id_of(world: &World, place: Place) -> Id {
    let status = world.node(place).status(world.now);
    status.v4.or(status.v6).unwrap().id
}

fn stored(outcome: Outcome) -> Acknowledgements {
    match outcome {
        Outcome::Stored(acknowledgements) => acknowledgements,
        other => panic!("not stored: {other:?}"),
    }
}

fn item(seed: u8, seq: i64, value: &[u8]) -> MutableItem {
    MutableItem::sign(&SigningKey::from_bytes(&[seed; 32]), Salt::none(), seq, value).unwrap()
}

fn get(item: &MutableItem) -> Command {
    Command::GetMutable { public_key: item.public_key, salt: item.salt.clone() }
}

#[test]
fn nodes_find_the_closest_to_any_target() {
    let (mut world, places) = network(1, 60);
    for round in 0..10u8 {
        let target = Id::new([round.wrapping_mul(77); 20]);
        let from = places[usize::from(round) * 5];
        let mut truth: Vec<_> =
            places.iter().filter(|p| **p != from).map(|p| (id_of(&world, *p), *p)).collect();
        truth.sort_by_key(|(id, _)| target.key().distance(&id.key()));
        truth.truncate(8);
        let (outcome, report) = world.perform(from, Command::FindNode(target));
        let Outcome::Nodes(nodes) = outcome else { panic!("{outcome:?}") };
        let found: Vec<_> = nodes.iter().map(|c| (Id::from(c.key), c.address)).collect();
        assert_eq!(found, truth);
        assert!(report.asked <= 25 && report.failed == 0, "{report:?}");
    }
}

#[test]
fn a_value_put_is_found_from_anywhere_and_by_its_hash_alone() {
    let (mut world, places) = network(2, 40);
    let value: Box<[u8]> = (*b"12:Hello World!").into();
    let (outcome, _) = world.perform(places[3], Command::PutImmutable(value.clone()));
    assert_eq!(stored(outcome).stored.len(), 8);
    for from in [places[0], places[20], places[39]] {
        let (outcome, _) = world.perform(from, Command::GetImmutable(immutable_target(&value)));
        assert_eq!(outcome, Outcome::Item(Some(Item::Immutable(value.clone()))));
    }
    let (outcome, _) = world.perform(places[1], Command::GetImmutable(Id::new([9; 20])));
    assert_eq!(outcome, Outcome::Item(None));
}

#[test]
fn the_newest_item_wins_and_conflicts_name_the_winner() {
    let (mut world, places) = network(3, 40);
    let put = |item: &MutableItem, cas| Command::PutMutable { item: item.clone(), cas };
    let (first, second) = (item(1, 1, b"i1e"), item(1, 2, b"i2e"));
    stored(world.perform(places[1], put(&first, None)).0);
    stored(world.perform(places[2], put(&second, Some(1))).0);
    let (outcome, _) = world.perform(places[3], get(&first));
    assert_eq!(outcome, Outcome::Item(Some(Item::Mutable(second.clone()))));

    let conflicts = [
        (put(&first, None), "an old seq"),
        (put(&item(1, 2, b"i3e"), None), "the same seq with another value"),
        (put(&item(1, 3, b"i3e"), Some(1)), "compare and swap with an old seq"),
        (put(&second, Some(9)), "the stored item with a cas that is not its seq"),
    ];
    for (command, what) in conflicts {
        match world.perform(places[4], command).0 {
            Outcome::Failed(Failure::Conflict { winner, .. }) => {
                assert_eq!(winner.seq, 2, "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    // Putting again what is there renews it.
    assert_eq!(stored(world.perform(places[5], put(&second, None)).0).stored.len(), 8);
}

#[test]
fn items_under_different_salts_do_not_meet() {
    let (mut world, places) = network(4, 20);
    let key = SigningKey::from_bytes(&[4; 32]);
    for salt in ["", "a", "b"] {
        let salt = Salt::new(salt.as_bytes()).unwrap();
        let value = format!("{}:{:?}", format!("{salt:?}").len(), salt);
        let item = MutableItem::sign(&key, salt, 1, value.as_bytes()).unwrap();
        stored(world.perform(places[0], Command::PutMutable { item: item.clone(), cas: None }).0);
        let (outcome, _) = world.perform(places[7], get(&item));
        assert_eq!(outcome, Outcome::Item(Some(Item::Mutable(item.clone()))));
        assert_eq!(item.target(), mutable_target(&item.public_key, &item.salt));
    }
}

#[test]
fn wrong_items_are_refused_before_anything_is_sent() {
    let (mut world, places) = network(5, 3);
    let before = world.messages;
    let mut forged = item(1, 1, b"i1e");
    forged.seq = 2;
    let long = [b"1000:".as_slice(), &[0; 1000]].concat().into_boxed_slice();
    for command in [
        Command::PutMutable { item: forged, cas: None },
        Command::PutImmutable(long),
        Command::PutImmutable((*b"not bencoded").into()),
    ] {
        let (outcome, _) = world.perform(places[0], command);
        assert!(matches!(outcome, Outcome::Failed(Failure::Invalid(_))), "{outcome:?}");
    }
    assert_eq!(world.messages, before);
}

#[test]
fn announced_peers_are_found_counted_and_sampled() {
    let (mut world, places) = network(6, 40);
    let torrent = Id::new([0x5a; 20]);
    for (n, place) in places.iter().take(12).enumerate() {
        let announce = Command::Announce { info_hash: torrent, port: Some(7000), seed: n % 3 == 0 };
        world.command(*place, announce);
    }
    world.run_for(Duration::from_secs(5));
    let (outcome, _) = world.perform(places[30], Command::GetPeers(torrent));
    let Outcome::Peers(peers) = outcome else { panic!("{outcome:?}") };
    let expected: Vec<_> = places.iter().take(12).map(|p| SocketAddr::new(p.ip(), 7000)).collect();
    assert_eq!(peers, expected);
    let (outcome, _) = world.perform(places[31], Command::Scrape(torrent));
    let Outcome::Scrape { seeds, downloaders, filters } = outcome else { panic!("{outcome:?}") };
    assert!((seeds - 4.0).abs() < 0.5 && (downloaders - 8.0).abs() < 0.5, "{seeds} {downloaders}");
    assert!(filters >= 8);
    let (_, _) = world.perform(places[32], Command::Sample(torrent));
    let sampled = world.events.values().flatten().any(|progress| {
        matches!(progress, Progress::Sample(sample) if sample.info_hashes.contains(&torrent))
    });
    assert!(sampled);
}

#[test]
fn an_announcement_is_renewed_until_it_is_cancelled() {
    let (mut world, places) = network(7, 20);
    let torrent = Id::new([7; 20]);
    let announce = Command::Announce { info_hash: torrent, port: None, seed: false };
    let id = world.command(places[1], announce);
    world.run_for(Duration::from_hours(3));
    let (outcome, _) = world.perform(places[9], Command::GetPeers(torrent));
    assert_eq!(outcome, Outcome::Peers(vec![places[1]]), "implied port");
    world.command(places[1], Command::Cancel(id));
    assert!(world.done.contains_key(&(places[1], id)));
    world.run_for(Duration::from_hours(2));
    let (outcome, _) = world.perform(places[9], Command::GetPeers(torrent));
    assert_eq!(outcome, Outcome::Peers(vec![]));
}

#[test]
fn values_survive_the_death_of_a_third_of_the_nodes() {
    let (mut world, places) = network(8, 50);
    let values: Vec<Box<[u8]>> =
        (0..40).map(|n| format!("i{n}e").into_bytes().into_boxed_slice()).collect();
    for value in &values {
        stored(world.perform(places[0], Command::PutImmutable(value.clone())).0);
    }
    for victim in 0..15 {
        world.kill(places[3 * victim + 1]);
    }
    for value in &values {
        let get = Command::GetImmutable(immutable_target(value));
        let (outcome, report) = world.perform(places[2], get);
        assert_eq!(outcome, Outcome::Item(Some(Item::Immutable(value.clone()))));
        assert!(report.elapsed < Duration::from_secs(3), "{report:?}");
    }
}

#[test]
fn what_we_hold_ourselves_is_found_too() {
    let (mut world, places) = network(14, 2);
    let (owner, holder) = (places[0], places[1]);
    let signed = item(5, 1, b"i1e");
    let torrent = Id::new([5; 20]);
    stored(world.perform(owner, Command::PutImmutable((*b"i5e").into())).0);
    stored(world.perform(owner, Command::PutMutable { item: signed.clone(), cas: None }).0);
    world.command(owner, Command::Announce { info_hash: torrent, port: None, seed: true });
    world.run_for(Duration::from_secs(5));
    let searches = [
        (
            Command::GetImmutable(immutable_target(b"i5e")),
            Outcome::Item(Some(Item::Immutable((*b"i5e").into()))),
        ),
        (get(&signed), Outcome::Item(Some(Item::Mutable(signed)))),
        (Command::GetPeers(torrent), Outcome::Peers(vec![owner])),
    ];
    for (search, expected) in searches {
        assert_eq!(world.perform(holder, search).0, expected);
    }
}

#[test]
fn every_operation_ends_though_nobody_answers() {
    let (mut world, places) = network(9, 10);
    for place in &places[1..] {
        world.kill(*place);
    }
    let deadline = Settings::default().deadline;
    for command in [
        Command::FindNode(Id::new([1; 20])),
        Command::GetPeers(Id::new([1; 20])),
        Command::GetImmutable(Id::new([1; 20])),
        Command::PutImmutable((*b"i1e").into()),
        Command::Ping(places[3]),
        Command::SampleNode(places[3]),
        Command::Bootstrap(vec![places[3]]),
    ] {
        let (outcome, report) = world.perform(places[0], command.clone());
        assert!(matches!(outcome, Outcome::Failed(_)), "{command:?}: {outcome:?}");
        assert!(report.elapsed <= deadline, "{report:?}");
    }
}

/// A thousand puts at once wait for each other, and none is stored less well for it.
#[test]
fn a_thousand_operations_at_once_are_done_well() {
    let mut world = World::new(15);
    let places = world.populate(30, &Settings { rate_limit: None, ..Settings::default() });
    let value = |n: usize| format!("i{n}e").into_bytes().into_boxed_slice();
    let mut perform = |at, commands: Vec<Command>| -> Vec<(Outcome, Report)> {
        let ids: Vec<_> = commands.into_iter().map(|c| world.command(at, c)).collect();
        world.run_for(Settings::default().deadline);
        ids.into_iter().map(|id| world.done[&(at, id)].clone()).collect()
    };
    let puts = (0..MAX_OPERATIONS + 10).map(|n| Command::PutImmutable(value(n))).collect();
    for (n, (outcome, report)) in perform(places[3], puts).into_iter().enumerate() {
        if n >= MAX_OPERATIONS {
            let limit = MAX_OPERATIONS;
            assert_eq!(outcome, Outcome::Failed(Failure::TooManyOperations { limit }));
            continue;
        }
        assert_eq!(stored(outcome).stored.len(), 8, "{n}: {report:?}");
        assert!(report.elapsed < Duration::from_secs(20), "{n}: {report:?}");
    }
    let target = |n| Command::GetImmutable(immutable_target(&value(n)));
    let gets = (0..MAX_OPERATIONS).map(target).collect();
    for (n, (outcome, _)) in perform(places[20], gets).into_iter().enumerate() {
        assert_eq!(outcome, Outcome::Item(Some(Item::Immutable(value(n)))));
    }
}

#[test]
fn a_node_without_contacts_says_so_at_once() {
    let mut world = World::new(10);
    let alone = world.add("10.77.0.1:1", Settings::default());
    let (outcome, report) = world.perform(alone, Command::GetPeers(Id::new([1; 20])));
    assert_eq!(outcome, Outcome::Failed(Failure::NoContacts));
    assert_eq!(report.elapsed, Duration::ZERO);
    let (outcome, _) = world.perform(alone, Command::Ping("[2001:db8::1]:1".parse().unwrap()));
    assert_eq!(outcome, Outcome::Failed(Failure::WrongFamily));
}

#[test]
fn a_restarted_node_needs_no_bootstrap() {
    let (mut world, places) = network(11, 40);
    let old = world.kill(places[5]);
    let id = old.status(world.now).v4.unwrap().id;
    let contacts: Vec<_> = old.contacts().collect();
    assert!(contacts.len() >= 8);
    let settings = Settings { id_v4: Some(id), ..Settings::default() };
    world.add(&places[5].to_string(), settings);
    world.node_mut(places[5]).restore_contacts(contacts);
    let (outcome, _) = world.perform(places[5], Command::FindNode(Id::new([0x33; 20])));
    assert!(matches!(&outcome, Outcome::Nodes(nodes) if nodes.len() == 8), "{outcome:?}");
    world.run_for(Duration::from_secs(10));
    assert!(world.node(places[5]).status(world.now).v4.unwrap().census.good >= 8);
}

#[test]
fn a_node_that_only_others_found_keeps_its_table_fresh() {
    let mut world = World::new(15);
    let first = world.add("10.77.0.1:1", Settings::default());
    for n in 2..30 {
        let place = world.add(&format!("10.77.0.{n}:1"), Settings::default());
        world.command(place, Command::Bootstrap(vec![first]));
    }
    world.run_for(Duration::from_secs(30));
    let (_, report) = world.perform(first, Command::FindNode(id_of(&world, first)));
    assert_eq!(report.hops, 1, "it knows its neighbourhood");
    let requests = world.node(first).status(world.now).counters.requests;
    assert!(requests > 20, "{requests}");
}

#[test]
fn a_read_only_node_asks_but_is_not_known() {
    let (mut world, places) = network(12, 20);
    let reader = world.add("10.77.9.9:1", Settings { read_only: true, ..Settings::default() });
    world.perform(reader, Command::Bootstrap(vec![places[0]]));
    let (outcome, _) = world.perform(reader, Command::PutImmutable((*b"i1e").into()));
    stored(outcome);
    world.run_for(Duration::from_mins(10));
    for place in &places {
        assert!(world.node(*place).contacts().all(|contact| contact.address != reader));
    }
    assert!(
        world
            .inject(
                "10.77.0.2:1",
                reader,
                b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qe"
            )
            .is_empty()
    );
}

#[test]
fn ids_follow_the_address_that_others_see() {
    let mut world = World::new(13);
    let places: Vec<_> =
        (1..30u8).map(|n| world.add(&format!("45.{n}.3.{n}:6881"), Settings::default())).collect();
    for place in &places[1..] {
        world.command(*place, Command::Bootstrap(vec![places[0]]));
    }
    world.run_for(Duration::from_mins(30));
    for place in &places {
        let side = world.node(*place).status(world.now).v4.unwrap();
        assert_eq!(side.external, Some(*place));
        assert!(mainline::external::id_matches(place.ip(), &side.id), "{place}");
    }
    let (outcome, _) = world.perform(places[4], Command::FindNode(Id::new([1; 20])));
    assert!(matches!(outcome, Outcome::Nodes(nodes) if nodes.len() == 8));
}

/// Some nodes answer nobody whose id does not fit its address, and say which address that is.
#[test]
fn a_node_refused_for_its_id_mends_it_and_asks_again() {
    let mut world = World::new(14);
    let place = world.add("45.1.3.1:6881", Settings::default());
    let before = id_of(&world, place);
    world.command(place, Command::Bootstrap(vec!["46.1.1.1:1".parse().unwrap()]));
    world.run_for(Duration::from_millis(1));
    let query = world.sent_to("46.1.1.1:1").pop().unwrap();
    let Ok(Message::Query(query)) = Message::decode(&query) else { panic!("no query") };
    let mut refusal = Vec::new();
    ErrorReply {
        external: Some(place),
        ..ErrorReply::new(query.transaction, 203, b"invalid node ID")
    }
    .encode(&mut refusal);
    let sent = world.inject("46.1.1.1:1", place, &refusal);
    assert_eq!(sent.len(), 1, "asked again");
    assert_ne!(id_of(&world, place), before);
    assert!(mainline::external::id_matches(place.ip(), &id_of(&world, place)));
    // The same refusal of the new id is believed no more.
    let Ok(Message::Query(query)) = Message::decode(&sent[0].1) else { panic!("no query") };
    let mut refusal = Vec::new();
    ErrorReply {
        external: Some("45.9.9.9:1".parse().unwrap()),
        ..ErrorReply::new(query.transaction, 203, b"invalid node ID")
    }
    .encode(&mut refusal);
    assert!(world.inject("46.1.1.1:1", place, &refusal).is_empty());
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let (mut world, places) = network(seed, 25);
        world.loss = 0.05;
        world.perform(places[1], Command::PutImmutable((*b"i1e").into()));
        world.command(places[2], Command::GetPeers(Id::new([2; 20])));
        world.kill(places[4]);
        world.run_for(Duration::from_hours(1));
        world.trace_hash()
    };
    let hash = run(77);
    assert_eq!(run(77), hash);
    assert_ne!(run(78), hash);
    // `cargo xtask test` compares this line between debug and release builds.
    println!("trace hash: {hash:016x}");
}
