use super::*;

fn percentiles(latency: &Latency, ranks: &[usize]) -> Vec<f64> {
    let mut all: Vec<f64> = (0..20_000)
        .map(|i| latency.round_trip(99, 2 * i, 2 * i + 1).as_secs_f64() * 1000.0)
        .collect();
    all.sort_by(f64::total_cmp);
    ranks.iter().map(|rank| all[all.len() * rank / 100]).collect()
}

#[test]
fn the_model_has_the_measured_percentiles() {
    let ranks = [1, 5, 10, 25, 50, 75, 90, 95, 99];
    let found = percentiles(&Latency::default(), &ranks);
    let measured = [5.8, 19.0, 31.0, 59.0, 134.0, 203.0, 291.0, 326.0, 404.0];
    for ((rank, found), measured) in ranks.iter().zip(found).zip(measured) {
        assert!((found / measured - 1.0).abs() < 0.12, "p{rank}: {found} for {measured}");
    }
}

#[test]
fn is_symmetric() {
    let latency = Latency::default();
    for (a, b) in [(1, 2), (7, 900), (12, 12_000_000)] {
        assert_eq!(latency.round_trip(5, a, b), latency.round_trip(5, b, a));
    }
}

#[test]
fn reads_matrices() {
    let matrix = Matrix::read("0,10.5\n10.5,0\n".as_bytes()).unwrap();
    let latency = Latency::Matrix(matrix);
    let seen: std::collections::BTreeSet<_> =
        (0..100).map(|i| latency.round_trip(1, 0, i).as_micros()).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [500, 10_500]);
}

#[test]
fn says_what_is_wrong_with_a_matrix() {
    let check = |text: &str, expected: &str| {
        let error = Matrix::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("0,x\n1,0\n", "line 1: \"x\" is no number");
    check("0,1\n1\n", "line 2 has 1 fields");
    check("0,1\n", "not square");
    check("", "not square");
}
