use super::*;

#[test]
fn the_seed_decides_everything() {
    let plan = Plan::draw(7, 20, 10).unwrap();
    let same = Plan::draw(7, 20, 10).unwrap();
    assert_eq!(format!("{plan:?}"), format!("{same:?}"));
    let other = Plan::draw(8, 20, 10).unwrap();
    assert_ne!(plan.values, other.values);
}

#[test]
fn the_writer_dies_and_only_survivors_read_in_the_end() {
    for seed in 0..20 {
        let plan = Plan::draw(seed, 20, 50).unwrap();
        assert_eq!(plan.victims.len(), 6);
        assert!(plan.victims.contains(&plan.writer));
        assert!(plan.readers[0].iter().all(|reader| *reader != plan.writer));
        assert!(plan.readers[1].iter().all(|reader| !plan.victims.contains(reader)));
        assert!(plan.readers.iter().all(|readers| readers.len() == 50));
    }
}

#[test]
fn half_of_the_values_are_signed() {
    let plan = Plan::draw(1, 4, 9).unwrap();
    let signed = plan.values.iter().filter(|value| matches!(value, Value::Mutable { .. })).count();
    assert_eq!(signed, 4);
    assert_eq!(victims_of(4), 1);
}
