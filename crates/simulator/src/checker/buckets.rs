//! A table keeps to its limit: of contacts that share equally many bits with their owner it holds
//! no more than a bucket may. Counted from outside, whatever the node says of itself.

use kademlia::{Key, Moment};

use super::{Checker, Hears, Verdict};
use crate::engine::Place;
use crate::network::Network;

#[derive(Debug)]
pub(super) struct Buckets;

impl<N: Network> Checker<N> for Buckets {
    fn name(&self) -> &'static str {
        "buckets"
    }

    fn hears(&self) -> Hears {
        Hears::default()
    }

    fn stepped(&mut self, network: &N, _now: Moment, place: Place, node: &N::Node) -> Verdict {
        let Some(most) = network.bucket_size() else { return Ok(()) };
        let ids = network.ids();
        let me = ids.key(place);
        let mut counts = [0_usize; Key::BITS as usize + 1];
        // Who lies about his id may be filed under any.
        for other in network.contacts(node).into_iter().filter(|place| network.is_honest(*place)) {
            let shared = me.shared_prefix(&ids.key(other));
            if let Some(count) = counts.get_mut(shared as usize) {
                *count += 1;
            }
        }
        match counts.iter().enumerate().find(|(_, count)| **count > most) {
            Some((bits, count)) => Err(format!(
                "has {count} contacts that share {bits} bits with it, of {most} at most"
            )),
            None => Ok(()),
        }
    }
}
