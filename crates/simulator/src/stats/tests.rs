use super::*;

#[test]
fn quantiles_are_right_to_a_bin() {
    let mut distribution = Distribution::default();
    (1..=100_000).for_each(|value| distribution.add(value));
    for (share, expected) in [(0.01, 1000.0), (0.5, 50_000.0), (0.99, 99_000.0)] {
        let found = distribution.quantile(share);
        assert!((found / expected - 1.0_f64).abs() < 0.02, "{found} for {expected}");
    }
    assert!((distribution.mean() - 50_000.5).abs() < 1e-6);
    assert_eq!(distribution.max(), 100_000);
}

#[test]
fn small_values_are_exact() {
    for value in 0..128 {
        assert_eq!(middle(bin(value)), value);
    }
    for value in [128, 1000, 123_456, u64::MAX / 3] {
        let found = to_f64(middle(bin(value))) / to_f64(value);
        assert!((0.99..1.01).contains(&found), "{value}: {found}");
    }
}

#[test]
fn intervals_follow_student() {
    let one = Estimate::new(&[3.0]);
    assert_eq!((one.mean, one.half_width), (3.0, 0.0));
    let three = Estimate::new(&[1.0, 2.0, 3.0]);
    assert!((three.half_width - 4.303 / 3f64.sqrt()).abs() < 1e-9);
}
