use super::*;

#[test]
fn few_of_many_are_drawn() {
    let address = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
    let all: BTreeSet<_> = (1..=1000).map(address).collect();
    let some = drawn(all.clone());
    assert_eq!(some.len(), MAX_TRIED);
    assert!(some.is_subset(&all));
    assert_ne!(some, drawn(all), "one in some 10^33 times");
    let few: BTreeSet<_> = (1..=3).map(address).collect();
    assert_eq!(drawn(few.clone()), few);
}
