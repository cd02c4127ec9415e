//! What one host may ask: token buckets in a table of fixed size.
//!
//! Hosts share a bucket where they collide, so that no flood of addresses makes the table grow or
//! pushes others out. IPv6 hosts count by their /64.

use core::hash::BuildHasher;
use core::net::IpAddr;
use std::collections::hash_map::RandomState;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Buckets: 16 KiB of them.
const BUCKETS: usize = 1024;

/// The buckets of all hosts.
pub(crate) struct Rates {
    hasher: RandomState,
    start: Instant,
    shares: Mutex<Shares>,
}

struct Shares {
    per_second: f64,
    burst: f64,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    /// Seconds since the start.
    at: f64,
}

impl Rates {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let full = Bucket { left: burst.into(), at: 0.0 };
        Self {
            hasher: RandomState::new(),
            start: Instant::now(),
            shares: Mutex::new(Shares {
                per_second: per_second.into(),
                burst: burst.into(),
                buckets: vec![full; BUCKETS],
            }),
        }
    }

    /// From now on hosts have this share.
    pub(crate) fn set(&self, per_second: u32, burst: u32) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.per_second = per_second.into();
        shares.burst = burst.into();
    }

    /// Whether a request of this cost may pass; takes the cost.
    pub(crate) fn allow(&self, host: IpAddr, cost: u32) -> bool {
        self.allow_at(host, cost, self.start.elapsed().as_secs_f64())
    }

    fn allow_at(&self, host: IpAddr, cost: u32, now: f64) -> bool {
        let site = match host.to_canonical() {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64 | 1 << 63,
        };
        let place = usize::try_from(self.hasher.hash_one(site) % BUCKETS as u64).unwrap_or(0);
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let Shares { per_second, burst, buckets } = &mut *shares;
        let Some(bucket) = buckets.get_mut(place) else { return true };
        bucket.left = burst.min(bucket.left + (now - bucket.at).max(0.0) * *per_second);
        bucket.at = now;
        let allowed = bucket.left >= 1.0;
        // Debts are limited, so that who stops is served again soon.
        bucket.left = (bucket.left - f64::from(cost)).max(-*burst);
        allowed
    }
}

#[cfg(test)]
mod tests;
