//! Traced walks: each step is told.

use std::collections::BTreeSet;

use mainline::Settings;
use mainline::command::{Command, Outcome, Progress, Quest, Step};
use mainline::item::immutable_target;

use crate::world::World;

#[test]
fn every_step_of_a_walk_is_told() {
    let mut world = World::new(11);
    let places = world.populate(60, &Settings::default());
    let (outcome, _) = world.perform(places[3], Command::PutImmutable((*b"i7e").into()));
    let Outcome::Stored(stored) = outcome else { panic!("{outcome:?}") };
    let holders: BTreeSet<_> = stored.stored.iter().map(|holder| holder.address).collect();
    let target = immutable_target(b"i7e");
    let from = *places.iter().find(|place| !holders.contains(place)).unwrap();

    let trace = Command::Trace { target, quest: Quest::Item };
    let (outcome, report) = world.perform(from, trace);
    let Outcome::Nodes(nodes) = outcome else { panic!("{outcome:?}") };
    assert_eq!(nodes.len(), 8);
    let told = world.events.iter().filter(|((place, _), _)| *place == from);
    let steps = told.flat_map(|(_, told)| told).filter_map(|progress| match progress {
        Progress::Step(step) => Some(step),
        _ => None,
    });
    let mut asked = BTreeSet::new();
    let mut having = BTreeSet::new();
    for step in steps {
        match step {
            Step::Asked(to) => assert!(asked.insert(*to), "asked twice: {to}"),
            Step::Answered { by, named, holds, rtt } => {
                assert!(asked.contains(&by.address), "not asked: {by:?}");
                assert!(!named.is_empty() && !rtt.is_zero());
                having.extend(holds.then_some(by.address));
            }
            _ => panic!("{step:?}"),
        }
    }
    assert_eq!(asked.len(), report.asked as usize);
    assert_eq!(having, holders.intersection(&asked).copied().collect());
    assert!(having.len() >= 7, "{having:?} of {holders:?}");
}
