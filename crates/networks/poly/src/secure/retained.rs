//! The last messages that went out in sessions: a peer that has lost its session says so, and gets
//! them in the handshake that follows, one round trip later than it should have.

use std::collections::VecDeque;

use kademlia::Moment;

/// Messages kept: what is on its way at 1,000 requests a second and a quarter of a second of round
/// trip. At 1,171 bytes each, 300 KB at most.
const MAX_RETAINED: usize = 256;

/// The messages, oldest first. Buffers are reused.
#[derive(Debug, Default)]
pub(super) struct Retained(VecDeque<Entry>);

#[derive(Debug)]
struct Entry {
    session: u32,
    sent: Moment,
    message: Vec<u8>,
}

impl Retained {
    /// Keeps a message sent in a session, and forgets the oldest.
    pub(super) fn keep(&mut self, now: Moment, session: u32, message: &[u8]) {
        let oldest = if self.0.len() < MAX_RETAINED { None } else { self.0.pop_front() };
        let mut buffer = oldest.map(|entry| entry.message).unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(message);
        self.0.push_back(Entry { session, sent: now, message: buffer });
    }

    /// What was sent in a session since a moment, oldest first, at most `max`.
    pub(super) fn take(&mut self, session: u32, since: Moment, max: usize) -> Vec<Vec<u8>> {
        let mut taken = Vec::new();
        for entry in &mut self.0 {
            let is_wanted = entry.session == session && entry.sent >= since;
            if is_wanted && !entry.message.is_empty() && taken.len() < max {
                taken.push(core::mem::take(&mut entry.message));
            }
        }
        taken
    }
}
