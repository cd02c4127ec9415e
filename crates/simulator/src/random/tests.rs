use super::*;

fn mean(count: u32, mut draw: impl FnMut() -> f64) -> f64 {
    (0..count).map(|_| draw()).sum::<f64>() / f64::from(count)
}

#[test]
fn distributions_have_their_means() {
    let mut draw = Draw::new(1, 2, 3);
    assert!((mean(100_000, || draw.unit()) - 0.5).abs() < 0.01);
    assert!((mean(100_000, || draw.exponential(7.0)) - 7.0).abs() < 0.2);
    // Γ(1 + 1/2) = 0.8862.
    assert!((mean(100_000, || draw.weibull(2.0, 10.0)) - 8.862).abs() < 0.1);
}

#[test]
fn zipf_ranks_fall_by_power() {
    let zipf = Zipf::new(1000, 1.0);
    let mut draw = Draw::new(1, 2, 3);
    let mut counts = vec![0_u32; 1000];
    for _ in 0..200_000 {
        counts[zipf.draw(&mut draw)] += 1;
    }
    let ratio = f64::from(counts[0]) / f64::from(counts[9]);
    assert!((8.0..12.0).contains(&ratio), "{ratio}");
}

#[test]
fn streams_differ_by_every_name() {
    let firsts = [(1, 2, 3), (1, 3, 2), (2, 1, 3), (3, 2, 1), (1, 2, 4)]
        .map(|(a, b, c)| Draw::new(a, b, c).next());
    let mut sorted = firsts.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), firsts.len());
}

#[test]
fn gamma_has_mean_and_variance_of_its_shape() {
    let mut draw = Draw::new(1, 2, 3);
    let numbers: Vec<f64> = (0..50_000).map(|_| draw.gamma(2.626)).collect();
    let mean = numbers.iter().sum::<f64>() / 50_000.0;
    let variance = numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 50_000.0;
    assert!((mean - 2.626).abs() < 0.04, "{mean}");
    assert!((variance - 2.626).abs() < 0.15, "{variance}");
}
