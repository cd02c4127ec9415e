//! A table holds only contacts that have answered. For networks whose nodes joined for real.

use std::collections::BTreeSet;

use kademlia::Moment;

use super::{Checker, Hears, Verdict};
use crate::engine::Place;
use crate::network::Network;

#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Who was answered by whom.
    heard: BTreeSet<(Place, Place)>,
}

impl<N: Network> Checker<N> for Answered {
    fn name(&self) -> &'static str {
        "answered"
    }

    fn hears(&self) -> Hears {
        Hears { arrived: true, ..Hears::default() }
    }

    fn arrived(&mut self, _now: Moment, from: Place, to: Place, message: &[u8]) -> Verdict {
        if N::is_answer(message) {
            self.heard.insert((to, from));
        }
        Ok(())
    }

    fn stepped(&mut self, network: &N, _now: Moment, place: Place, node: &N::Node) -> Verdict {
        let stranger =
            network.contacts(node).into_iter().find(|other| !self.heard.contains(&(place, *other)));
        match stranger {
            Some(other) => Err(format!("has {other} in its table, which never answered it")),
            None => Ok(()),
        }
    }
}
