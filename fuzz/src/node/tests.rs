use super::*;

/// The stage after the acts of a seed.
fn staged(seed: &[u8]) -> Stage {
    let mut script = Script { rest: seed };
    let mut stage = Stage::new(script.byte());
    while !script.rest.is_empty() {
        stage.act(&mut script);
    }
    stage
}

macro_rules! seed {
    ($name:literal) => {
        staged(include_bytes!(concat!("../../corpus/node/seed-", $name)))
    };
}

#[test]
fn seeds_get_through_to_the_stores() {
    let status = |stage: &Stage| stage.node.status(stage.now);
    assert_eq!(status(&seed!("announce")).info_hashes, 1);
    assert!(status(&seed!("announce")).peers >= 6);
    assert!(status(&seed!("put-signed")).items >= 2);
    assert!(status(&seed!("put-signed")).counters.errors >= 2, "an old seq, twice");
}

#[test]
fn seeds_get_through_to_the_operations() {
    let check = |name: &str, stage: &Stage, done: usize| {
        let counters = stage.node.status(stage.now).counters;
        assert_eq!(stage.done, done, "{name}: {counters:?}");
        assert!(counters.responses > 1, "{name}: {counters:?}");
    };
    check("join", &seed!("join"), 1);
    check("store", &seed!("store"), 2);
    check("values", &seed!("values"), 6);
    check("announcing", &seed!("announcing"), 3);
    check("external", &seed!("external"), 1);
}
