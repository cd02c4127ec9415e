//! Randomness that does not depend on the order in which things happen.
//!
//! Nothing in a simulation draws from a shared stream. What is random about a message, a node or a
//! pair of nodes is a hash of the run's seed and of what names that thing, so one more message in
//! one place changes nothing elsewhere.

use core::convert::Infallible;
use std::time::Duration;

use rand_core::TryRng;

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, 2014): a bijection that spreads every bit.
pub const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A hash of two numbers; the order matters.
pub const fn mix2(a: u64, b: u64) -> u64 {
    mix(mix(a.wrapping_add(GOLDEN)) ^ b.wrapping_mul(GOLDEN))
}

/// A hash of three numbers; the order matters.
pub const fn mix3(a: u64, b: u64, c: u64) -> u64 {
    mix2(mix2(a, b), c)
}

/// A number below `bound`, which is above zero, from a hash.
pub const fn below(hash: u64, bound: u64) -> u64 {
    ((hash as u128 * bound as u128) >> 64) as u64
}

/// A number from 0 up to 1 from a hash.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
pub const fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A short stream of random numbers that belongs to one thing.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    state: u64,
}

impl Draw {
    /// The stream of what the numbers name.
    pub const fn new(seed: u64, about: u64, which: u64) -> Self {
        Self { state: mix3(seed, about, which) }
    }

    /// The stream of what the numbers name, of which the first two come as [`mix2`] makes one of
    /// them: for those who need many such streams.
    pub const fn of(mixed: u64, which: u64) -> Self {
        Self { state: mix2(mixed, which) }
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// From 0 up to 1.
    pub const fn unit(&mut self) -> f64 {
        unit(self.next())
    }

    /// Below `bound`, which is above zero.
    pub const fn below(&mut self, bound: u64) -> u64 {
        below(self.next(), bound)
    }

    /// A time below `most`, to the microsecond.
    pub fn span(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(most.as_micros()).unwrap_or(u64::MAX)))
    }

    /// True with this probability.
    pub const fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Exponentially distributed with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Weibull distributed: heavy-tailed for shapes below 1.
    pub fn weibull(&mut self, shape: f64, scale: f64) -> f64 {
        scale * (-(1.0 - self.unit()).ln()).powf(1.0 / shape)
    }

    /// Gamma distributed with this shape, above 1, and scale 1 (Marsaglia and Tsang, 2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            // Box and Muller: one of the two normal numbers.
            let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
            let normal = radius * (core::f64::consts::TAU * self.unit()).cos();
            let v = (1.0 + c * normal).powi(3);
            let bound = 0.5 * normal * normal + d * (1.0 - v + v.max(f64::MIN_POSITIVE).ln());
            if v > 0.0 && (1.0 - self.unit()).ln() < bound {
                return d * v;
            }
        }
    }

    /// A 32-byte seed.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for chunk in seed.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        seed
    }
}

impl TryRng for Draw {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(word) {
                *to = from;
            }
        }
        Ok(())
    }
}

/// Ranks with probabilities that fall as a power of the rank: what is popular, and how much.
#[derive(Clone, Debug)]
pub struct Zipf {
    /// Sums of the weights up to each rank.
    cumulated: Vec<f64>,
}

impl Zipf {
    /// `ranks` ranks with weights `1 / rank^exponent`. Exponent 0: all alike.
    pub fn new(ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let mut rank = 0.0_f64;
        let weights = core::iter::repeat_with(|| {
            rank += 1.0;
            sum += rank.powf(-exponent);
            sum
        });
        Self { cumulated: weights.take(ranks.max(1)).collect() }
    }

    /// A rank, counted from 0.
    pub fn draw(&self, draw: &mut Draw) -> usize {
        let total = self.cumulated.last().copied().unwrap_or(0.0);
        let point = draw.unit() * total;
        self.cumulated.partition_point(|sum| *sum <= point).min(self.cumulated.len() - 1)
    }
}

#[cfg(test)]
mod tests;
