//! Who is linked with whom in a baseline.

use crate::engine::Place;
use crate::ids::{Id, Ids};
use crate::random::{Draw, below, mix3};
use crate::scenario::Kind;

/// The links of all nodes.
#[derive(Clone, Debug)]
pub(super) struct Links {
    count: u32,
    shape: Shape,
    /// Each node's point on the ring, in order.
    points: Vec<u64>,
}

#[derive(Clone, Debug)]
enum Shape {
    /// All know the first node.
    Star,
    /// Each opens two links to any others, so that the mean degree is 4: neighbours of place i are
    /// at `ends[starts[i]..starts[i + 1]]`.
    Random { starts: Vec<u32>, ends: Vec<Place> },
    /// Successors, and a finger to each power of two of the ring.
    Fingers,
    /// Both neighbours on the ring, and links to others as likely as they are near.
    Near { seed: u64 },
}

const NEAR: u64 = 0xba_02;
const RANDOM: u64 = 0xba_03;
/// Links that each node opens in a random graph.
const OPENED: u32 = 2;
/// Successors that a node of the ring knows.
const SUCCESSORS: u32 = 4;
/// Far links of a node in the small world.
const FAR: u64 = 6;

impl Links {
    pub(super) fn new(kind: Kind, seed: u64, ids: &Ids) -> Self {
        let count = u32::try_from(ids.base()).unwrap_or(u32::MAX);
        let shape = match kind {
            Kind::Central => Shape::Star,
            Kind::Flooding | Kind::Walks => random(seed, count),
            Kind::Chord | Kind::Mainline | Kind::Poly => Shape::Fingers,
            Kind::SmallWorld => Shape::Near { seed },
        };
        Self { count, shape, points: (0..count).map(|place| point(&ids.id(place))).collect() }
    }

    /// A node's point on the ring.
    pub(super) fn point(&self, place: Place) -> u64 {
        self.points.get(place as usize).copied().unwrap_or(0)
    }

    /// The node responsible for a point: the first at it or after it.
    pub(super) fn successor(&self, point: u64) -> Place {
        let at = self.points.partition_point(|other| *other < point);
        u32::try_from(at).unwrap_or(0) % self.count
    }

    /// The node nearest to a point on the ring, on either side.
    pub(super) fn nearest(&self, point: u64) -> Place {
        let after = self.successor(point);
        let before = self.step(after, u64::from(self.count) - 1);
        let apart = |place: &Place| {
            let apart = self.point(*place).wrapping_sub(point);
            apart.min(apart.wrapping_neg())
        };
        [before, after].into_iter().min_by_key(apart).unwrap_or(after)
    }

    /// The nodes after a node on the ring.
    pub(super) fn successors(&self, place: Place) -> Vec<Place> {
        (1..=SUCCESSORS).map(|step| self.step(place, step.into())).collect()
    }

    fn step(&self, place: Place, by: u64) -> Place {
        u32::try_from((u64::from(place) + by) % u64::from(self.count)).unwrap_or(0)
    }

    /// Whom a node knows.
    pub(super) fn of(&self, place: Place) -> Vec<Place> {
        let mut links = match &self.shape {
            Shape::Star => vec![0],
            Shape::Random { starts, ends } => {
                let at = |index: usize| starts.get(index).copied().unwrap_or(0) as usize;
                let mine = at(place as usize)..at(place as usize + 1);
                ends.get(mine).unwrap_or_default().to_vec()
            }
            Shape::Fingers => {
                let own = self.point(place);
                let fingers = (0..64).map(|power| self.successor(own.wrapping_add(1 << power)));
                self.successors(place).into_iter().chain(fingers).collect()
            }
            Shape::Near { seed } => self.near(*seed, place),
        };
        links.retain(|other| *other != place);
        links.sort_unstable();
        links.dedup();
        links
    }

    /// Kleinberg's small world in one dimension: a link over a distance d with probability ∝ 1/d.
    fn near(&self, seed: u64, place: Place) -> Vec<Place> {
        let mut draw = Draw::new(seed, NEAR, place.into());
        let last = u64::from(self.count) - 1;
        let mut links = vec![self.step(place, 1), self.step(place, last)];
        for _ in 0..FAR {
            let distance = (f64::from(self.count) / 2.0).powf(draw.unit());
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "< 2^32")]
            let distance = distance as u64;
            let forward = draw.chance(0.5);
            let by = if forward { distance } else { u64::from(self.count) - distance };
            links.push(self.step(place, by));
        }
        links
    }
}

/// The first 64 bits of an id.
pub(super) fn point(id: &Id) -> u64 {
    id.first_chunk().map_or(0, |head| u64::from_be_bytes(*head))
}

fn random(seed: u64, count: u32) -> Shape {
    let mut pairs = Vec::new();
    for place in 0..count {
        for link in 0..OPENED {
            let hash = mix3(seed ^ RANDOM, place.into(), link.into());
            let other = u32::try_from(below(hash, count.into())).unwrap_or(0);
            if other != place {
                pairs.push((place, other));
                pairs.push((other, place));
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    let mut starts = vec![0; count as usize + 1];
    for (place, _) in &pairs {
        if let Some(degree) = starts.get_mut(*place as usize + 1) {
            *degree += 1;
        }
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    Shape::Random { starts, ends: pairs.into_iter().map(|(_, other)| other).collect() }
}
