//! Bytes that a message provokes at once, back to where it says it comes from, over its own: what
//! an attacker gains by writing another's address on it. A measure, not a fault: Mainline forces
//! some.

use kademlia::Moment;

use super::{Checker, Hears, Verdict};
use crate::engine::Place;
use crate::network::Network;

/// Bytes around each datagram: IPv4 and UDP headers.
const HEADERS: usize = 28;

#[derive(Debug, Default)]
pub(super) struct Reflection {
    /// The message that has arrived: who sent it, who handles it, its bytes, bytes sent back so
    /// far.
    arrived: Option<(Place, Place, usize, usize)>,
    /// The message whose handling causes what is sent now.
    handled: Option<(Place, Place, usize, usize)>,
    worst: f64,
    received: u64,
    sent: u64,
}

#[expect(clippy::cast_precision_loss, reason = "message sizes")]
fn ratio(sent: usize, received: usize) -> f64 {
    sent as f64 / received as f64
}

impl<N: Network> Checker<N> for Reflection {
    fn name(&self) -> &'static str {
        "reflection"
    }

    fn hears(&self) -> Hears {
        Hears { sent: true, arrived: true, turned: true }
    }

    fn sent(&mut self, _now: Moment, from: Place, to: Option<Place>, message: &[u8]) -> Verdict {
        if let Some((asker, place, bytes, sent)) = &mut self.handled
            && *place == from
            && Some(*asker) == to
        {
            *sent += message.len() + HEADERS;
            self.sent += (message.len() + HEADERS) as u64;
            self.worst = self.worst.max(ratio(*sent, *bytes));
        }
        Ok(())
    }

    fn arrived(&mut self, _now: Moment, from: Place, to: Place, message: &[u8]) -> Verdict {
        self.arrived = Some((from, to, message.len() + HEADERS, 0));
        self.received += (message.len() + HEADERS) as u64;
        Ok(())
    }

    fn turned(&mut self, place: Place) {
        self.handled = self.arrived.take().filter(|(_, handles, ..)| *handles == place);
    }

    fn measures(&self) -> Vec<(&'static str, f64)> {
        vec![("reflection.worst", self.worst)]
    }
}
