//! No timer leaks: a node that has nothing to do rests.

use std::collections::BTreeMap;

use kademlia::{Moment, Protocol};

use super::{Checker, Hears, Verdict};
use crate::engine::Place;
use crate::network::Network;

/// Steps without any message that a node may take in a second of virtual time. Each request has two
/// deadlines, and a busy node has some hundred requests a second.
const MAX_IDLE_STEPS: u32 = 2000;

#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The second that counts, and steps in it without a message, by place.
    idle: BTreeMap<Place, (u64, u32)>,
    /// Who has just received a message.
    busy: Option<Place>,
}

impl<N: Network> Checker<N> for Timers {
    fn name(&self) -> &'static str {
        "timers"
    }

    fn hears(&self) -> Hears {
        Hears { arrived: true, ..Hears::default() }
    }

    fn arrived(&mut self, _now: Moment, _from: Place, to: Place, _message: &[u8]) -> Verdict {
        self.busy = Some(to);
        Ok(())
    }

    fn stepped(&mut self, _network: &N, now: Moment, place: Place, node: &N::Node) -> Verdict {
        if self.busy.take() == Some(place) {
            return Ok(());
        }
        let second = now.as_micros() / 1_000_000;
        let idle = self.idle.entry(place).or_default();
        *idle = if idle.0 == second { (second, idle.1 + 1) } else { (second, 1) };
        if idle.1 == MAX_IDLE_STEPS {
            let next = node.next_timeout();
            return Err(format!("woke {MAX_IDLE_STEPS} times in a second; next at {next:?}"));
        }
        Ok(())
    }
}
