//! What a node remembers stays within its bounds: contacts, values, work under way, memory.

use kademlia::Moment;

use super::{Checker, Hears, Verdict};
use crate::engine::Place;
use crate::network::Network;

#[derive(Debug)]
pub(super) struct Bounds;

impl<N: Network> Checker<N> for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn hears(&self) -> Hears {
        Hears::default()
    }

    fn stepped(&mut self, network: &N, now: Moment, _place: Place, node: &N::Node) -> Verdict {
        let (is, most) = (network.standing(node, now), network.bounds());
        let checks = [
            ("contacts", is.contacts, most.contacts),
            ("values", is.values, most.values),
            ("operations", is.operations, most.operations),
            ("requests in flight", is.in_flight, most.in_flight),
            ("bytes", is.bytes, most.bytes),
        ];
        match checks.into_iter().find(|(_, is, most)| is > most) {
            Some((what, is, most)) => Err(format!("has {is} {what} where {most} are the bound")),
            None => Ok(()),
        }
    }
}
