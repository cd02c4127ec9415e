//! No node sends to itself.

use kademlia::Moment;

use super::{Checker, Hears, Verdict};
use crate::engine::Place;
use crate::network::Network;

#[derive(Debug)]
pub(super) struct OwnMail;

impl<N: Network> Checker<N> for OwnMail {
    fn name(&self) -> &'static str {
        "own-mail"
    }

    fn hears(&self) -> Hears {
        Hears { sent: true, ..Hears::default() }
    }

    fn sent(&mut self, _now: Moment, from: Place, to: Option<Place>, message: &[u8]) -> Verdict {
        if to == Some(from) {
            return Err(format!("sends {} bytes to itself", message.len()));
        }
        Ok(())
    }
}
