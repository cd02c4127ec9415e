//! Regions: which nodes should hold a key, by the size of the network instead of by a count.
//!
//! A key's region is all that is nearer to it than the radius that should hold
//! [`REGION_NODES`] nodes. Who crowds a key with ids of his own cannot push honest nodes out of its
//! region: they stay as near as they were (SR-DHT-Store, 2025). The radius follows from the size of
//! the whole network, which is estimated over many targets, so that a crowd around one of them does
//! not shrink it.

use core::f64::consts::LN_2;

use kademlia::Key;
use kademlia::size::{Size, SizeEstimate};
use rand_core::Rng;

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

    /// A key that is nearer to `centre` than this, each as likely as any.
    pub fn random_within(self, centre: &Key, rng: &mut impl Rng) -> Key {
        let distance = rng.next_u64() % self.0.max(1);
        let mut key = *centre.as_bytes();
        for (to, from) in key.iter_mut().zip((leading(centre) ^ distance).to_be_bytes()) {
            *to = from;
        }
        Key::new(key)
    }

    /// Whether `node` and `key` are nearer to each other than this.
    pub fn holds(self, node: &Key, key: &Key) -> bool {
        self == Self::ALL || leading(node) ^ leading(key) < self.0
    }
}

fn leading(key: &Key) -> u64 {
    u64::from_be_bytes(key.id())
}

/// By which magnitude a node goes that takes its network to have so many nodes besides itself, and
/// was told nothing: how often one node doubles to make as many, in eighths, in steps.
pub fn magnitude(nodes: f64) -> u8 {
    let exact = EIGHTHS * (nodes + 1.0).log2();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
    let nearest = (STEP * (exact / STEP).round()).clamp(0.0, 255.0) as u8;
    nearest
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
    /// The magnitude it stands for.
    magnitude: Option<u8>,
    /// By how much more densely nodes use to lie around ourselves than elsewhere, as a logarithm.
    denser: f64,
    /// What others told last.
    told: [Option<u8>; TOLD],
}

impl Census {
    /// Another node tells the magnitude it takes the network to have.
    pub fn hear(&mut self, magnitude: u8) {
        self.told.rotate_right(1);
        self.told[0] = Some(magnitude);
    }

    /// The magnitude we go by: how often one node doubles to make the network, in eighths.
    pub fn magnitude(&self) -> Option<u8> {
        self.magnitude
    }

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

    /// The network is another one now: what lookups have told holds no more.
    pub fn begin_anew(&mut self) {
        self.estimate = SizeEstimate::new();
        self.denser = 0.0;
    }

    /// Makes this the census of a node that has seen many lookups end as in a network of `nodes`
    /// nodes, and whom others told `magnitude`: for the simulator, whose networks are born in
    /// steady state.
    pub fn settle_at(&mut self, nodes: f64, magnitude: u8) {
        self.told = [Some(magnitude); TOLD];
        self.observe_ideal(nodes);
        // Real distances scatter, and a correction for that is made which these do not need.
        let told = self.estimate.size().map_or(nodes, |size| size.nodes.max(1.0));
        self.estimate = SizeEstimate::new();
        self.observe_ideal(nodes * nodes / told);
        self.denser = self.denser_here().unwrap_or(0.0).clamp(-STRAYS, STRAYS);
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
    /// have the same radius, and values at its edge are not moved to and fro. Where more than one
    /// step would do, for how sure the estimate is, it is that of most others.
    fn settle(&mut self) {
        let Some(size) = self.size() else { return };
        let exact = EIGHTHS * (size.nodes + 1.0).log2();
        let unsure = EIGHTHS * UNSURE * size.deviation / (size.nodes + 1.0) / LN_2;
        let is_within = |magnitude: u8, bound: f64| (f64::from(magnitude) - exact).abs() <= bound;
        let common = self.most_told().filter(|told| is_within(*told, LEAVES_AT + unsure));
        let kept = self.magnitude.filter(|old| is_within(*old, LEAVES_AT));
        let magnitude = common.or(kept).unwrap_or_else(|| magnitude(size.nodes));
        if self.magnitude != Some(magnitude) {
            self.magnitude = Some(magnitude);
            let nodes = (f64::from(magnitude) / EIGHTHS).exp2();
            self.radius = Some(Radius::of(REGION_NODES, nodes));
        }
    }

    /// What more than half of the others told, if enough have.
    fn most_told(&self) -> Option<u8> {
        let told = || self.told.iter().flatten();
        let count = |magnitude: u8| told().filter(|other| **other == magnitude).count();
        let enough = told().count().max(TOLD / 2);
        told().copied().find(|magnitude| 2 * count(*magnitude) > enough)
    }

    /// Whether the network seems to have grown or shrunk: whether the contacts around ourselves
    /// tell of a size that differs from what lookups tell in another way than it uses to. To be
    /// asked once a round; if so, what lookups told long ago counts for less from now on.
    pub fn doubts(&mut self) -> bool {
        let Some(denser) = self.denser_here() else { return true };
        let change = denser - self.denser;
        self.denser = (self.denser + change / SETTLES_IN).clamp(-STRAYS, STRAYS);
        let doubts = change.abs() > CHANGED;
        if doubts {
            self.estimate.fade();
        }
        doubts
    }

    fn denser_here(&self) -> Option<f64> {
        let (home, size) = (self.first.size()?, self.size()?);
        Some(((home.nodes + 1.0) / (size.nodes + 1.0)).ln())
    }

    /// How many lookups say how large the network is.
    pub fn lookups(&self) -> u32 {
        self.estimate.lookups()
    }
}

/// Lookups that a node has seen which has been there for long.
const SETTLED_LOOKUPS: u32 = 64;
/// Where ids are random 20 neighbours lie denser than others by a quarter, as a logarithm; by twice
/// that hardly ever.
const STRAYS: f64 = 0.5;
/// In how many rounds a node gets used to how dense its neighbours lie, and which change of that is
/// one of the network.
const SETTLES_IN: f64 = 8.0;
const CHANGED: f64 = 0.25;
/// Lookups after which their average is better than what our own neighbourhood says.
const ENOUGH: u32 = 4;
/// What magnitudes count for each doubling.
const EIGHTHS: f64 = 8.0;
/// The magnitudes that a node takes of its own accord are multiples of this: so estimates that
/// differ a little fall on the same.
const STEP: f64 = 4.0;
/// How far an estimate strays from the magnitude in use before another is taken.
const LEAVES_AT: f64 = 0.75 * STEP;
/// By how many of its standard deviations an estimate may be off for what others tell to count.
const UNSURE: f64 = 2.0;
/// Of so many others it is remembered what they told.
const TOLD: usize = 16;

#[cfg(test)]
mod tests;
