use super::*;

#[test]
fn the_seed_decides_everything() {
    let plan = Plan::draw(7, 50, 100);
    assert_eq!(format!("{plan:?}"), format!("{:?}", Plan::draw(7, 50, 100)));
    assert_ne!(plan.blobs, Plan::draw(8, 50, 100).blobs);
}

#[test]
fn three_of_ten_processes_die() {
    for (nodes, processes, victims) in [(50, 10, 3), (12, 10, 3), (4, 4, 1)] {
        let plan = Plan::draw(1, nodes, 10);
        assert_eq!((plan.processes, plan.victims.len()), (processes, victims));
        assert!(plan.victims.iter().all(|victim| *victim < processes));
    }
}

#[test]
fn values_are_of_all_lengths() {
    let blobs = Plan::draw(1, 4, 1000).blobs;
    let lengths = blobs.iter().filter_map(|blob| match blob {
        Value::Blob { bytes, .. } => Some(*bytes),
        Value::Record { .. } | Value::Entry { .. } | Value::Topic { .. } => None,
    });
    let mut lengths: Vec<usize> = lengths.collect();
    assert_eq!(lengths.len(), 1000);
    lengths.sort_unstable();
    assert_eq!((lengths[0], lengths[999]), (LEAST_BYTES, MOST_BYTES));
    assert!(lengths[300] > 100 && lengths[300] < 20_000, "{}", lengths[300]);
    assert!(lengths[900] > 10_000, "{}", lengths[900]);
}
