//! What a node promises of its own state holds: table limits, no work for nobody.

use kademlia::Moment;

use super::{Checker, Hears, Verdict};
use crate::engine::Place;
use crate::network::Network;

#[derive(Debug)]
pub(super) struct Invariants;

impl<N: Network> Checker<N> for Invariants {
    fn name(&self) -> &'static str {
        "invariants"
    }

    fn hears(&self) -> Hears {
        Hears::default()
    }

    fn stepped(&mut self, network: &N, _now: Moment, _place: Place, node: &N::Node) -> Verdict {
        network.check(node).map_err(str::to_owned)
    }
}
