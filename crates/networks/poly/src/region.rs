//! Regions: which nodes should hold a key, by the size of the network instead of by a count.
//!
//! A key's region is all that is nearer to it than the radius that should hold
//! [`REGION_NODES`] nodes. Who crowds a key with ids of his own cannot push honest nodes out of its
//! region: they stay as near as they were (SR-DHT-Store, 2025). The radius follows from the size of
//! the whole network, which is estimated over many targets, so that a crowd around one of them does
//! not shrink it.

use kademlia::Key;
use kademlia::size::{Size, SizeEstimate};

/// Nodes that a region should hold.
pub const REGION_NODES: f64 = 20.0;
/// Holders that a value must have whatever the region holds: the closest ones.
pub const MIN_HOLDERS: usize = 8;
/// How much farther than the radius a node accepts what others take to be its: estimates of the
/// size differ, by a factor of two at the worst moment of a network that grows.
pub const TOLERANCE: u64 = 4;

/// The distance from which on a node is no longer in a region: its leading 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Radius(u64);

impl Radius {
    /// Everything.
    pub const ALL: Self = Self(u64::MAX);

    /// The radius with these leading 64 bits.
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// The radius that holds `count` of `nodes` nodes.
    pub fn of(count: f64, nodes: f64) -> Self {
        let share = count / nodes.max(1.0);
        if share >= 1.0 {
            return Self::ALL;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^64")]
        Self((share * 2f64.powi(64)) as u64)
    }

    /// Its leading 64 bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// A radius so many times as large.
    #[must_use]
    pub const fn times(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// Whether `node` and `key` are nearer to each other than this.
    pub fn holds(self, node: &Key, key: &Key) -> bool {
        self == Self::ALL || leading(node) ^ leading(key) < self.0
    }
}

fn leading(key: &Key) -> u64 {
    u64::from_be_bytes(key.id())
}

/// What a node believes about the size of its network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Census {
    /// By lookups that ran to their end.
    estimate: SizeEstimate,
    /// By the contacts around ourselves, before there were lookups.
    first: SizeEstimate,
    /// The radius in use.
    radius: Option<Radius>,
    /// The step it stands for.
    step: Option<f64>,
}

impl Census {
    /// A lookup has found these, closest first.
    pub fn observe<'a>(&mut self, target: &Key, closest: impl IntoIterator<Item = &'a Key>) {
        self.estimate.observe(target, closest);
        self.settle();
    }

    /// These are all contacts near us, closest first.
    pub fn observe_home<'a>(&mut self, me: &Key, closest: impl IntoIterator<Item = &'a Key>) {
        self.first = SizeEstimate::new();
        self.first.observe(me, closest);
        self.settle();
    }

    /// Makes this the census of a node that has seen many lookups end in a network of `nodes`
    /// nodes: for the simulator, whose networks are born in steady state.
    pub fn settle_at(&mut self, nodes: f64) {
        self.observe_ideal(nodes);
        // Real distances scatter, and a correction for that is made which these do not need.
        let told = self.estimate.size().map_or(nodes, |size| size.nodes.max(1.0));
        self.estimate = SizeEstimate::new();
        self.observe_ideal(nodes * nodes / told);
        self.settle();
    }

    /// Sees lookups end at the distances that are to be expected among so many nodes.
    fn observe_ideal(&mut self, nodes: f64) {
        let radius = |count: usize| {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            Radius::of(f64::from(count), nodes + 1.0).bits()
        };
        for target in 0..SETTLED_LOOKUPS {
            let head = u64::from(target) << 56;
            let at = |distance: u64| {
                let mut key = [0; Key::BYTES];
                let bytes = (head ^ distance).to_be_bytes();
                key.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
                Key::new(key)
            };
            let closest: Vec<Key> = (1..=MIN_HOLDERS).map(|count| at(radius(count))).collect();
            self.estimate.observe(&at(0), &closest);
        }
    }

    /// How many nodes the network has, without ourselves.
    pub fn size(&self) -> Option<Size> {
        let size = if self.estimate.lookups() >= ENOUGH { self.estimate.size() } else { None };
        size.or_else(|| self.first.size()).or_else(|| self.estimate.size())
    }

    /// The radius that holds [`REGION_NODES`] nodes. Everything, in a network of no more.
    pub fn radius(&self) -> Radius {
        self.radius.unwrap_or(Radius::ALL)
    }

    /// Follows the estimate in steps, and once it has left a step by a fair part: so most nodes
    /// have the same radius, and values at its edge are not moved to and fro.
    fn settle(&mut self) {
        let Some(size) = self.size() else { return };
        let step = STEPS * (size.nodes + 1.0).log2();
        if self.step.is_none_or(|old| (step - old).abs() > LEAVES_AT) {
            let step = step.round();
            self.step = Some(step);
            self.radius = Some(Radius::of(REGION_NODES, (step / STEPS).exp2()));
        }
    }

    /// Whether the contacts around ourselves tell of another size than lookups did, by more than
    /// chance explains: then the network may have grown or shrunk.
    pub fn is_doubted(&self) -> bool {
        let (Some(home), Some(size)) = (self.first.size(), self.size()) else { return true };
        (home.nodes + 1.0).max(size.nodes + 1.0) > STRAYS * (home.nodes + 1.0).min(size.nodes + 1.0)
    }

    /// How many lookups say how large the network is.
    pub fn lookups(&self) -> u32 {
        self.estimate.lookups()
    }
}

/// Lookups that a node has seen which has been there for long.
const SETTLED_LOOKUPS: u32 = 64;
/// What 20 neighbours tell is off by a quarter; twice that is rare.
const STRAYS: f64 = 1.6;
/// Lookups after which their average is better than what our own neighbourhood says.
const ENOUGH: u32 = 4;
/// Steps of a size for each doubling. With fewer estimates fall on the same one more often, but two
/// who swap a record at once and do not may each find more than half of what they take for all.
const STEPS: f64 = 4.0;
/// How far an estimate strays from its step before the next is taken.
const LEAVES_AT: f64 = 0.75;

#[cfg(test)]
mod tests;
