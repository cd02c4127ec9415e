use super::*;

#[test]
fn replays_name_seed_and_time() {
    let at = Duration::from_millis(2500);
    assert_eq!(replay("7@2.5s"), Ok(Replay { seed: 7, at }));
    for wrong in ["7", "@5s", "x@5s", "7@", "7@soon"] {
        assert!(replay(wrong).is_err_and(|error| error.contains("1@5s")), "{wrong}");
    }
}
