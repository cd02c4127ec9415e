use super::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

/// A network of random 160-bit ids.
struct Network {
    sorted: Vec<Key>,
    rng: ChaCha8Rng,
}

impl Network {
    fn new(nodes: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut sorted: Vec<_> = (0..nodes).map(|_| Key::random(160, &mut rng)).collect();
        sorted.sort_unstable();
        Self { sorted, rng }
    }

    /// A random target and the `k` ids closest to it.
    fn lookup(&mut self, k: usize) -> (Key, Vec<Key>) {
        let target = Key::random(160, &mut self.rng);
        (target, closest(&self.sorted, &target, k))
    }

    fn observe(&mut self, estimate: &mut SizeEstimate, k: usize, lookups: usize) {
        for _ in 0..lookups {
            let (target, closest) = self.lookup(k);
            estimate.observe(&target, &closest);
        }
    }
}

/// All ids that share the longest prefix with `target` that at least `k` share, sorted and cut.
fn closest(sorted: &[Key], target: &Key, k: usize) -> Vec<Key> {
    let mut range = sorted;
    for bit in 0..Key::BITS {
        let one = range.partition_point(|key| !key.bit(bit));
        let half = if target.bit(bit) { &range[one..] } else { &range[..one] };
        if half.len() < k {
            break;
        }
        range = half;
    }
    let mut found = range.to_vec();
    found.sort_unstable_by_key(|key| target.distance(key));
    found.truncate(k);
    found
}

fn count(nodes: usize) -> f64 {
    f64::from(u32::try_from(nodes).unwrap())
}

/// The share by which the estimate exceeds the truth.
fn error(estimate: &SizeEstimate, nodes: usize) -> f64 {
    estimate.size().unwrap().nodes / count(nodes) - 1.0
}

/// Over many networks the estimate is neither biased nor wider than it says.
#[test]
fn unbiased_and_honest_about_its_deviation() {
    for (nodes, k, lookups, bias_limit) in [
        (30, 8, 40, 0.025),
        (100, 8, 40, 0.02),
        (1000, 8, 40, 0.02),
        (10_000, 8, 40, 0.02),
        (1000, 20, 40, 0.015),
        (1000, 8, 1000, 0.02),
        (1000, 3, 40, 0.03),
    ] {
        let runs = 100;
        let (mut sum, mut squares, mut stated) = (0.0, 0.0, 0.0);
        for seed in 0..runs {
            let mut network = Network::new(nodes, seed);
            let mut estimate = SizeEstimate::new();
            network.observe(&mut estimate, k, lookups);
            let error = error(&estimate, nodes);
            sum += error;
            squares += error * error;
            stated += estimate.size().unwrap().deviation / count(nodes);
        }
        let runs = count(usize::try_from(runs).unwrap());
        let (bias, deviation, stated) = (sum / runs, (squares / runs).sqrt(), stated / runs);
        let case =
            format!("n {nodes} k {k} lookups {lookups}: {bias:.4} ±{deviation:.4} ({stated:.4})");
        assert!(bias.abs() < bias_limit, "{case}");
        assert!((0.7..1.5).contains(&(stated / deviation)), "{case}");
    }
}

#[test]
fn within_a_few_percent_from_a_hundred_nodes_to_a_million() {
    for nodes in [100, 1000, 10_000, 100_000, 1_000_000] {
        let mut network = Network::new(nodes, 11);
        let mut estimate = SizeEstimate::new();
        network.observe(&mut estimate, 20, 60);
        assert!(error(&estimate, nodes).abs() < 0.08, "{nodes}: {estimate:?}");
        let Size { nodes: n, deviation } = estimate.size().unwrap();
        assert!((0.01..0.06).contains(&(deviation / n)), "{nodes}: {estimate:?}");
    }
}

#[test]
fn follows_a_network_that_grows_and_shrinks() {
    let mut estimate = SizeEstimate::new();
    for nodes in [1000, 10_000, 10_000, 1000] {
        Network::new(nodes, 12).observe(&mut estimate, 8, 300);
        assert!(error(&estimate, nodes).abs() < 0.15, "{nodes}: {estimate:?}");
    }
}

#[test]
fn notices_at_once_that_a_network_has_grown_tenfold() {
    for seed in 0..20 {
        let mut estimate = SizeEstimate::new();
        Network::new(24, seed).observe(&mut estimate, 8, 100);
        Network::new(240, seed + 100).observe(&mut estimate, 8, 8);
        assert!(error(&estimate, 240).abs() < 0.5, "{seed}: {estimate:?}");
    }
}

#[test]
fn what_is_doubted_is_left_behind_sooner() {
    let (mut estimate, mut doubted) = (SizeEstimate::new(), SizeEstimate::new());
    let (mut large, mut small) = (Network::new(1700, 61), Network::new(1200, 62));
    for _ in 0..100 {
        let (target, closest) = large.lookup(20);
        estimate.observe(&target, &closest);
        doubted.observe(&target, &closest);
    }
    let before = doubted.size();
    doubted.fade();
    assert_eq!(doubted.size(), before, "nothing else is known yet");
    for _ in 0..16 {
        let (target, closest) = small.lookup(20);
        estimate.observe(&target, &closest);
        doubted.observe(&target, &closest);
    }
    let (sooner, later) = (error(&doubted, 1200), error(&estimate, 1200));
    assert!(sooner < 0.2 && later > 0.2, "off by {sooner} instead of {later}");
}

/// One lookup in ten ends far off, one in ten at a key crowded by Sybils.
#[test]
fn failures_and_crowded_keys_do_not_rule_it() {
    let mut network = Network::new(10_000, 13);
    let mut estimate = SizeEstimate::new();
    for round in 0..300 {
        let (target, mut closest) = network.lookup(8);
        match round % 10 {
            3 => closest = network.sorted.iter().step_by(1000).take(8).copied().collect(),
            7 => {
                closest = (100..108)
                    .map(|prefix| target.random_in_bucket(prefix, 160, &mut network.rng))
                    .rev()
                    .collect();
            }
            _ => {}
        }
        estimate.observe(&target, &closest);
    }
    assert!(error(&estimate, 10_000).abs() < 0.15, "{estimate:?}");
}

#[test]
fn repeated_targets_count_once() {
    let mut network = Network::new(1000, 14);
    let mut estimate = SizeEstimate::new();
    let (target, closest) = network.lookup(8);
    for _ in 0..100 {
        estimate.observe(&target, &closest);
    }
    assert_eq!(estimate.lookups(), 1);
    let zero = Key::ZERO;
    estimate.observe(&zero, &closest);
    assert_eq!(estimate.lookups(), 2, "the zero key is news too");
}

#[test]
fn tiny_networks() {
    assert_eq!(SizeEstimate::new().size(), None);
    for nodes in 1..8 {
        let mut network = Network::new(nodes, 15);
        let mut estimate = SizeEstimate::new();
        network.observe(&mut estimate, 8, 100);
        let size = estimate.size().unwrap();
        assert!((size.nodes - count(nodes)).abs() < 0.5 * count(nodes), "{nodes}: {size:?}");
    }
}

#[test]
fn digamma_is_right() {
    for (x, expected) in [
        (1.0, -0.577_215_664_9),
        (2.0, 0.422_784_335_1),
        (6.5, 1.792_911_330_4),
        (1000.0, 6.907_255_195_6),
    ] {
        assert!((digamma(x) - expected).abs() < 2e-6, "{x}: {}", digamma(x));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a lookup hands over, sorted or not, the estimate stays a number.
    #[test]
    fn any_input_leaves_a_finite_estimate(
        lookups in prop::collection::vec(
            (any::<[u8; 32]>(), prop::collection::vec(any::<[u8; 32]>(), 0..25), any::<bool>()),
            0..30,
        ),
    ) {
        let mut estimate = SizeEstimate::new();
        for (target, mut closest, same) in lookups {
            if same {
                closest.fill(target);
            }
            let closest: Vec<_> = closest.into_iter().map(Key::new).collect();
            estimate.observe(&Key::new(target), &closest);
        }
        if let Some(size) = estimate.size() {
            prop_assert!(size.nodes.is_finite() && size.nodes >= 0.0);
            prop_assert!(size.deviation.is_finite() && size.deviation >= 0.0);
        }
    }

    #[test]
    fn near_enough_for_any_size(seed in any::<u64>(), nodes in 100usize..3000) {
        let mut estimate = SizeEstimate::new();
        Network::new(nodes, seed).observe(&mut estimate, 8, 50);
        // Five of its deviations.
        prop_assert!(error(&estimate, nodes).abs() < 5.0 * 0.4 / 50f64.sqrt());
    }
}
