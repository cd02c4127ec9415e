//! How many nodes a network has, estimated from where lookups end.
//!
//! Of `n` ids drawn at random, the `i`-th closest to a target lies at expected distance `i/(n+1)`
//! of the key space. One lookup therefore estimates `n`: a line through the origin is fitted to the
//! distances `dᵢ` of the `k` closest contacts by least squares, `n + 1 = Σi² / Σi·dᵢ`. (The method
//! is folklore; the `mainline` crate and Sohl, 2020, describe it.)
//!
//! One such estimate is off by about 40 % for `k` = 8 and 25 % for `k` = 20, so [`SizeEstimate`]
//! averages over many targets. It averages *logarithms*: a lookup that failed to get close makes
//! its own estimate far too small, and one towards a key that somebody crowds with Sybils far too
//! large, and either would rule an average of distances or of estimates. The bias this brings,
//! `E[ln X]` < `ln E[X]`, is known and removed; what still strays too far from the median of the
//! last few lookups is cut back.

use crate::key::Key;

/// An estimate of a network's size that follows the network as it changes.
///
/// A hundred bytes, whatever it has seen: fit for a million simulated nodes.
#[derive(Clone, Copy, Default, Debug)]
pub struct SizeEstimate {
    /// Average of `ln(n + 1)`, with weights that fade.
    mean_ln: f64,
    /// Average square by which lookups stray from `mean_ln`, with the same weights.
    variance: f64,
    /// Sum of the squares of the weights: the variance of `mean_ln` is this share of `variance`.
    weights_squared: f64,
    lookups: u32,
    /// The lookups taken in last, newest first.
    recent: [Sample; RECENT],
}

/// What one lookup said.
#[derive(Clone, Copy, Default, Debug)]
struct Sample {
    /// The leading bits of its target.
    target: u32,
    /// Its estimate of `ln(n + 1)`, and the variance that theory expects of that.
    ln: f32,
    expected_variance: f32,
}

/// A network's size.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Size {
    /// How many nodes it has. Without ourselves, if our lookups never return ourselves.
    pub nodes: f64,
    /// The standard deviation of `nodes`.
    pub deviation: f64,
}

/// The estimate is the plain average of this many lookups; after that each older one counts for
/// 1/64 less with each new one. Accuracy then settles at 0.4/√128, some 4 % for `k` = 8, and a
/// network that halves or doubles is followed within 64 lookups.
const MEMORY: f64 = 64.0;

/// When the median of the recent lookups is off the average by more than so many of the deviations
/// that an average of them had, the network has changed: what was before is forgotten. Of chance
/// the median is so far off once in 16,000 lookups.
const JUMP: f64 = 5.0;

/// A lookup that strays from the median of the recent ones by more than this many deviations is
/// taken to stray by so many.
const OUTLIER: f64 = 3.0;

/// Lookups remembered: their median is what outliers are measured by, right from the start. And a
/// target seen among them is passed over: what is looked up again (a watched torrent, our own id)
/// tells nothing new, and would weigh as much as all others together.
const RECENT: usize = RECENT_COUNT as usize;
const RECENT_COUNT: u32 = 8;

impl SizeEstimate {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the end of a lookup that ran to completion: the closest contacts that answered,
    /// closest first. As many as the lookup aims for (`k`), or all there are in a smaller network.
    /// Anything unfinished must not come here.
    pub fn observe<'a>(&mut self, target: &Key, closest: impl IntoIterator<Item = &'a Key>) {
        let fit = Fit::new(target, closest);
        if fit.weighted_distances <= 0.0 || self.is_known(target) {
            return;
        }
        let slope = fit.squares / fit.weighted_distances;
        let expected_variance = fit.variance(slope.max(fit.count));
        // The fitted distance is a sum of exponentials, all but Gamma distributed.
        let shape = 1.0 / expected_variance;
        #[expect(clippy::cast_possible_truncation, reason = "24 bits of a logarithm are plenty")]
        self.remember(Sample {
            target: leading_bits(target),
            ln: (slope.ln() + digamma(shape) - shape.ln()) as f32,
            expected_variance: (expected_variance + log_skew(shape)) as f32,
        });
    }

    /// The network's size; `None` before the first lookup.
    pub fn size(&self) -> Option<Size> {
        if self.lookups == 0 {
            return None;
        }
        let ids = self.mean_ln.exp();
        Some(Size {
            nodes: (ids - 1.0).max(0.0),
            deviation: ids * (self.variance * self.weights_squared).sqrt(),
        })
    }

    /// The network may have changed: all lookups so far count for no more than the recent ones do,
    /// so that the estimate follows within as many.
    pub fn fade(&mut self) {
        self.lookups = self.lookups.min(RECENT_COUNT);
    }

    /// How many lookups it has taken in.
    pub const fn lookups(&self) -> u32 {
        self.lookups
    }

    fn remember(&mut self, sample: Sample) {
        self.recent.rotate_right(1);
        self.recent[0] = sample;
        self.lookups = self.lookups.saturating_add(1);
        let (median, known) = self.median();
        if self.lookups as usize > RECENT {
            if !self.has_jumped(median) {
                self.add(sample.cut(median), self.lookups);
                return;
            }
            self.lookups = RECENT_COUNT;
        }
        // At the start each further lookup can change who counts as an outlier. How much lookups
        // stray is not known yet either; theory counts as if it were one of them.
        self.variance = sample.expected_variance.into();
        let recent = self.recent;
        for (sample, count) in recent.iter().take(known).zip(1..) {
            self.add(sample.cut(median), count);
        }
    }

    /// Whether the recent samples are of another network than those before.
    fn has_jumped(&self, median: f64) -> bool {
        let expected: f64 =
            self.recent.iter().map(|sample| f64::from(sample.expected_variance)).sum();
        let deviation = expected.sqrt() / f64::from(RECENT_COUNT);
        (median - self.mean_ln).abs() > JUMP * deviation
    }

    /// Moves the averages towards the `count`-th sample.
    fn add(&mut self, ln: f64, count: u32) {
        let gain = (1.0 / f64::from(count)).max(1.0 / MEMORY);
        let stray = ln - self.mean_ln;
        self.mean_ln += gain * stray;
        self.weights_squared = (1.0 - gain).powi(2) * self.weights_squared + gain.powi(2);
        if count > 1 {
            // By the factor the square is larger that measures from a mean itself uncertain.
            self.variance += gain * ((1.0 - gain) * stray * stray - self.variance);
        }
    }

    fn is_known(&self, target: &Key) -> bool {
        let known = self.recent.iter().take(self.lookups as usize);
        known.into_iter().any(|sample| sample.target == leading_bits(target))
    }

    /// The median of the recent samples, and how many those are.
    fn median(&self) -> (f64, usize) {
        let known = RECENT.min(self.lookups as usize);
        let mut sorted = self.recent;
        let (sorted, _) = sorted.split_at_mut(known);
        sorted.sort_unstable_by(|a, b| a.ln.total_cmp(&b.ln));
        let at = |index: usize| sorted.get(index).map_or(0.0, |sample| f64::from(sample.ln));
        let median = at(known / 2).midpoint(at(known.saturating_sub(1) / 2));
        (median, known)
    }
}

impl Sample {
    /// The estimate, pulled towards `median` if it strays too far to be chance.
    fn cut(&self, median: f64) -> f64 {
        let bound = OUTLIER * f64::from(self.expected_variance).sqrt();
        f64::from(self.ln).clamp(median - bound, median + bound)
    }
}

fn leading_bits(target: &Key) -> u32 {
    u32::from_be_bytes(target.id())
}

/// The sums of one least-squares fit.
struct Fit {
    count: f64,
    /// `Σ i²`.
    squares: f64,
    /// `Σ i·dᵢ`.
    weighted_distances: f64,
}

impl Fit {
    fn new<'a>(target: &Key, closest: impl IntoIterator<Item = &'a Key>) -> Self {
        let mut fit = Self { count: 0.0, squares: 0.0, weighted_distances: 0.0 };
        for key in closest {
            fit.count += 1.0;
            fit.squares += fit.count * fit.count;
            fit.weighted_distances += fit.count * target.distance(key).as_fraction();
        }
        fit
    }

    /// The relative variance of `Σ i·dᵢ` when there are `ids` − 1 nodes: the `i`-th and `j`-th of
    /// `n` order statistics, `i` ≤ `j`, have covariance `i·(n+1−j) / ((n+1)²(n+2))`.
    fn variance(&self, ids: f64) -> f64 {
        let (mut sum, mut below, mut i) = (0.0, 0.0, 0.0);
        while i < self.count {
            i += 1.0;
            let rest = i * (ids - i).max(0.0);
            // Once with itself, twice with each closer one, whose `i²` are summed up in `below`.
            sum += i * i * rest + 2.0 * rest * below;
            below += i * i;
        }
        // Never zero: a network whose nodes were all found still has distances left to chance.
        (sum / (ids + 1.0) / (self.squares * self.squares)).max(1e-3)
    }
}

/// The derivative of `ln Γ`, for arguments of 1 and more: five terms of its asymptotic series two
/// steps up the recurrence, exact to 10⁻⁶.
fn digamma(x: f64) -> f64 {
    let y = x + 2.0;
    let square = 1.0 / (y * y);
    let series = square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0));
    y.ln() - 0.5 / y - series - 1.0 / x - 1.0 / (x + 1.0)
}

/// By how much the variance of the logarithm of a Gamma variable exceeds its relative variance: the
/// second term of `ψ'(a) = 1/a + 1/2a² + …`.
fn log_skew(shape: f64) -> f64 {
    0.5 / (shape * shape)
}

#[cfg(test)]
mod tests;
