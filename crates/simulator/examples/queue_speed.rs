//! What taking out an event and scheduling another costs, by how many are pending, against a binary
//! heap: `cargo run --release -p polykad-simulator --example queue_speed`.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "measures time")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use simulator::queue::{Queue, Timed};
use simulator::random::Draw;

/// Events taken out and scheduled for one figure.
const ROUNDS: u32 = 2_000_000;
/// How far ahead events are scheduled, in microseconds: half within 400 ms, as messages are, and
/// half within a quarter of an hour, as timers are.
const NEAR: u64 = 400_000;
const FAR: u64 = 900_000_000;

fn ahead(draw: &mut Draw) -> u64 {
    let bound = if draw.chance(0.5) { NEAR } else { FAR };
    draw.below(bound)
}

fn main() {
    println!("{:>10}  {:>12}  {:>12}", "pending", "wheel ns", "heap ns");
    for pending in [10_000, 100_000, 1_000_000, 10_000_000] {
        println!("{pending:>10}  {:>12.0}  {:>12.0}", wheel(pending), heap(pending));
    }
}

fn wheel(pending: u64) -> f64 {
    let mut draw = Draw::new(1, 2, 3);
    let mut queue = Queue::default();
    for sequence in 0..pending {
        queue.push(Timed { at: ahead(&mut draw), sequence, what: [0_u32; 3] });
    }
    let begun = Instant::now();
    for sequence in (pending..).take(ROUNDS as usize) {
        let Some(event) = queue.pop_until(u64::MAX) else { return 0.0 };
        queue.push(Timed { at: event.at + ahead(&mut draw), sequence, what: event.what });
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
}

fn heap(pending: u64) -> f64 {
    let mut draw = Draw::new(1, 2, 3);
    let mut queue = BinaryHeap::new();
    for sequence in 0..pending {
        queue.push(Reverse((ahead(&mut draw), sequence, [0_u32; 3])));
    }
    let begun = Instant::now();
    for sequence in (pending..).take(ROUNDS as usize) {
        let Some(Reverse((at, _, what))) = queue.pop() else { return 0.0 };
        queue.push(Reverse((at + ahead(&mut draw), sequence, what)));
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
}
