use super::*;

#[test]
fn it_has_what_was_added_and_little_else() {
    for room in [1, 4, 5, 32, 240, 1000] {
        let mut marks = Marks::with_room(room);
        let mut added = 0_u64;
        while marks.has_room() {
            // Subnets of one operator follow each other.
            marks.add(0x5e00 + added);
            added += 1;
        }
        assert!(added >= room as u64, "{added} of {room}");
        assert!((0..added).all(|n| marks.may_contain(0x5e00 + n)));
        let others = (0..10_000_u64).map(|n| 0x9_0000 + n * 7);
        let wrong = others.filter(|other| marks.may_contain(*other)).count();
        assert!(wrong < 500, "{wrong} of 10,000 with room for {room}");
        assert_eq!(marks.heap_bytes(), 2 * usize::try_from(added).unwrap());
    }
    let none = Marks::default();
    assert!(!none.has_room() && !none.may_contain(7));
}
