//! Numbers about many things: distributions, and how sure an average over several seeds is.

use std::time::Duration;

/// A distribution of durations or counts, to 1.6 %: 64 bins for each doubling.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    bins: Vec<u64>,
    count: u64,
    sum: f64,
    max: u64,
}

const BINS_BITS: u32 = 6;

impl Distribution {
    /// Takes in a value.
    pub fn add(&mut self, value: u64) {
        let bin = bin(value);
        if self.bins.len() <= bin {
            self.bins.resize(bin + 1, 0);
        }
        if let Some(count) = self.bins.get_mut(bin) {
            *count += 1;
        }
        self.count += 1;
        self.sum += to_f64(value);
        self.max = self.max.max(value);
    }

    /// Takes in a duration, in microseconds.
    pub fn add_span(&mut self, span: Duration) {
        self.add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many values.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The mean; 0 without values.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / to_f64(self.count) }
    }

    /// The largest.
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// The value that a share of the values do not exceed; 0 without values.
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = share * to_f64(self.count);
        let mut sum = 0;
        for (bin, count) in self.bins.iter().enumerate() {
            sum += count;
            if to_f64(sum) >= wanted && sum > 0 {
                return to_f64(middle(bin));
            }
        }
        0.0
    }

    /// The cumulative distribution: values, and the share that does not exceed them.
    pub fn cumulated(&self) -> Vec<(f64, f64)> {
        let mut sum = 0;
        let bins = self.bins.iter().enumerate().filter(|(_, count)| **count > 0);
        bins.map(|(bin, count)| {
            sum += count;
            (to_f64(middle(bin)), to_f64(sum) / to_f64(self.count))
        })
        .collect()
    }
}

/// Exact below 64; above, 64 bins for each doubling.
#[expect(clippy::cast_possible_truncation, reason = "below 4096")]
const fn bin(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    if bits <= BINS_BITS {
        return value as usize;
    }
    let shift = bits - BINS_BITS - 1;
    ((shift as usize) << BINS_BITS) + (value >> shift) as usize
}

/// The middle of a bin.
const fn middle(bin: usize) -> u64 {
    if bin < 2 << BINS_BITS {
        return bin as u64;
    }
    let shift = (bin >> BINS_BITS) - 1;
    let mantissa = (bin & ((1 << BINS_BITS) - 1)) | 1 << BINS_BITS;
    ((mantissa as u64) << shift) + (1 << shift) / 2
}

/// As a float; counts are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub const fn to_f64(count: u64) -> f64 {
    count as f64
}

/// The average over several seeds, and the half width of its 95 % confidence interval.
#[derive(Clone, Copy, PartialEq, Debug, Default, serde::Serialize)]
pub struct Estimate {
    /// The average.
    pub mean: f64,
    /// Half the width of the interval that holds the true mean with 95 %; 0 for a single seed.
    pub half_width: f64,
}

/// Student's t at 97.5 % for 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

impl Estimate {
    /// From one value of each seed.
    pub fn new(values: &[f64]) -> Self {
        let count = to_f64(values.len() as u64);
        let mean = values.iter().sum::<f64>() / count.max(1.0);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let Some(freedom) = values.len().checked_sub(2) else {
            return Self { mean, half_width: 0.0 };
        };
        let t = T.get(freedom).copied().unwrap_or(1.96);
        Self { mean, half_width: t * (squares / (count - 1.0) / count).sqrt() }
    }
}

#[cfg(test)]
mod tests;
