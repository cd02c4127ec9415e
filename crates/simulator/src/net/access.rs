//! Access lines: what a node can send and receive in a second, and the queues before that.

use std::time::Duration;

use kademlia::Moment;

use super::Packet;

/// The access lines of all nodes.
#[derive(Clone, Copy, Debug)]
pub struct AccessSettings {
    /// Bytes a second that a node can send.
    pub up: u64,
    /// Bytes a second that a node can receive.
    pub down: u64,
    /// A message that would wait longer than this for its turn is dropped.
    pub queue: Duration,
}

/// Bytes on the line with every datagram: Ethernet, IPv4 and UDP headers.
const OVERHEAD: usize = 46;

/// When each line is free again.
#[derive(Clone, Debug)]
pub(super) struct Access {
    settings: AccessSettings,
    up: Vec<Moment>,
    down: Vec<Moment>,
}

impl Access {
    pub(super) const fn new(settings: AccessSettings) -> Self {
        Self { settings, up: Vec::new(), down: Vec::new() }
    }

    /// When a message has passed both lines that would arrive at `base` if they were free; `None`:
    /// it is dropped.
    pub(super) fn pass(&mut self, now: Moment, base: Moment, packet: &Packet) -> Option<Moment> {
        let AccessSettings { up, down, queue } = self.settings;
        let bytes = packet.bytes + OVERHEAD;
        let sent = occupy(&mut self.up, packet.from, now, time(bytes, up), queue)?;
        let base = base + sent.since(now);
        occupy(&mut self.down, packet.to, base, time(bytes, down), queue)
    }
}

fn time(bytes: usize, per_second: u64) -> Duration {
    Duration::from_micros(bytes as u64 * 1_000_000 / per_second.max(1))
}

/// Waits for a line that `place` has, and uses it.
fn occupy(
    lines: &mut Vec<Moment>,
    place: u32,
    from: Moment,
    takes: Duration,
    queue: Duration,
) -> Option<Moment> {
    let at = place as usize;
    if lines.len() <= at {
        lines.resize(at + 1, Moment::START);
    }
    let free = lines.get_mut(at)?;
    let begin = from.max(*free);
    if begin.since(from) > queue {
        return None;
    }
    *free = begin + takes;
    Some(*free)
}
