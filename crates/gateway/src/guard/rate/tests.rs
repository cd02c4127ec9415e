use super::*;

#[test]
fn a_burst_passes_and_then_so_many_a_second() {
    let rates = Rates::new(10, 5);
    let (host, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
    let allowed =
        |host, now, tries: usize| (0..tries).filter(|_| rates.allow_at(host, 1, now)).count();
    assert_eq!(allowed(host, 0.0, 20), 5);
    // A debt is paid first: no more than the burst.
    assert_eq!(allowed(host, 0.3, 20), 0);
    assert_eq!(allowed(host, 2.0, 20), 5);
    assert!(allowed(other, 2.0, 20) <= 5);
}

#[test]
fn wrong_tokens_cost_more() {
    let rates = Rates::new(10, 100);
    let host = IpAddr::from([192, 0, 2, 1]);
    let guesses = (0..50).filter(|_| rates.allow_at(host, 20, 0.0)).count();
    assert_eq!(guesses, 5);
}
