//! Traced searches: each step is told, and what the node holds itself does not shorten the way.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::world::{CLOCK, Place, World};
use kademlia::Key;
use poly::Record;
use poly::command::{Command, Outcome, Progress, Quest, Report, Step};
use poly::value::{SigningKey, blob_key};

/// What a trace told: whom it asked, and who of these has what was looked for.
struct Told {
    outcome: Outcome,
    report: Report,
    asked: BTreeSet<SocketAddr>,
    having: BTreeSet<SocketAddr>,
}

fn trace(world: &mut World, at: Place, target: Key, quest: Quest) -> Told {
    world.progress.clear();
    let (outcome, report) = world.perform(at, Command::Trace { target, quest });
    let mut told = Told { outcome, report, asked: BTreeSet::new(), having: BTreeSet::new() };
    for progress in world.progress.values().flatten() {
        match progress {
            Progress::Step(Step::Asked(to)) => {
                told.asked.insert(to.address);
            }
            Progress::Step(Step::Answered { by, rtt, holds, .. }) => {
                assert!(told.asked.contains(&by.address), "not asked: {by:?}");
                assert!(!rtt.is_zero());
                told.having.extend(holds.then_some(by.address));
            }
            other => panic!("{other:?}"),
        }
    }
    told
}

#[test]
fn every_step_of_a_search_for_nodes_is_told() {
    let mut world = World::new(51);
    let places = world.populate(60);
    let target = world.peer(places[7]).id;
    let told = trace(&mut world, places[3], target, Quest::Nodes);
    let Outcome::Nodes(nodes) = told.outcome else { panic!("{:?}", told.outcome) };
    assert_eq!(nodes[0].id, target);
    assert_eq!(told.asked.len(), told.report.asked as usize);
    assert!(told.having.is_empty());
}

#[test]
fn a_holder_that_traces_a_value_still_asks_others() {
    let mut world = World::new(52);
    let places = world.populate(60);
    let (outcome, _) = world.perform(places[3], Command::put_blob(b"where?"));
    let Outcome::Stored(stored) = outcome else { panic!("{outcome:?}") };
    let holders: BTreeSet<_> = stored.stored.iter().map(|peer| peer.address).collect();
    let holder = places.iter().find(|at| holders.contains(at)).unwrap();
    let other = places.iter().find(|at| !holders.contains(at)).unwrap();
    for at in [*holder, *other] {
        let told = trace(&mut world, at, blob_key(b"where?"), Quest::Blob);
        assert_eq!(told.outcome, Outcome::Blob(Some((*b"where?").into())));
        assert!(!told.having.is_empty() && told.having.is_subset(&told.asked));
        assert!(told.report.hops >= 1);
    }
}

#[test]
fn a_trace_of_a_record_tells_which_replicas_have_it() {
    let mut world = World::new(53);
    let places = world.populate(60);
    let signer = SigningKey::from_bytes(&[5; 32]);
    let record = Record::sign(&signer, b"", 1, CLOCK + 7200, Some(b"one"));
    let key = record.key();
    let (outcome, _) = world.perform(places[3], Command::put_record(record, None));
    assert!(matches!(outcome, Outcome::Stored(_)), "{outcome:?}");
    let told = trace(&mut world, places[9], key, Quest::Record);
    assert!(matches!(&told.outcome, Outcome::Record(Some(found)) if found.seq == 1));
    assert!(told.having.len() >= 6, "{:?}", told.having);
}
