use super::*;
use proptest::prelude::*;
use std::cmp::Reverse;

#[derive(Clone, Debug)]
enum Step {
    Push(u64),
    PopUntil(u64),
}

fn ahead() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..2_000_u64,
        0..3_000_000_u64,
        0..10_000_000_000_u64,
        0..100_000_000_000_u64,
        Just(2048),
        Just(2048 << 12),
        Just(2048_u64 << 24),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step =
        prop_oneof![3 => ahead().prop_map(Step::Push), 2 => ahead().prop_map(Step::PopUntil)];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn agrees_with_a_heap(steps in steps()) {
        let mut queue = Queue::default();
        let mut heap = BinaryHeap::new();
        let mut now = 0;
        for (sequence, step) in (0_u64..).zip(steps) {
            match step {
                Step::Push(ahead) => {
                    queue.push(Timed { at: now + ahead, sequence, what: () });
                    heap.push(Reverse((now + ahead, sequence)));
                }
                Step::PopUntil(ahead) => {
                    let limit = now + ahead;
                    let expected = heap.peek().filter(|Reverse((at, _))| *at <= limit).copied();
                    let popped = queue.pop_until(limit);
                    let popped = popped.map(|event| (event.at, event.sequence));
                    prop_assert_eq!(popped, expected.map(|Reverse(event)| event));
                    if expected.is_some() {
                        heap.pop();
                    }
                    now = expected.map_or(limit, |Reverse((at, _))| at);
                }
            }
            prop_assert_eq!(queue.len(), heap.len());
        }
        while let Some(Reverse(expected)) = heap.pop() {
            let popped = queue.pop_until(u64::MAX).map(|e| (e.at, e.sequence));
            prop_assert_eq!(popped, Some(expected));
        }
        prop_assert!(queue.is_empty());
    }
}

#[test]
fn what_is_scheduled_into_the_past_comes_next() {
    let mut queue = Queue::default();
    queue.push(Timed { at: 5_000_000, sequence: 0, what: 'a' });
    assert_eq!(queue.pop_until(u64::MAX).unwrap().what, 'a');
    queue.push(Timed { at: 6_000_000, sequence: 1, what: 'c' });
    queue.push(Timed { at: 10, sequence: 2, what: 'b' });
    assert_eq!(queue.pop_until(u64::MAX).unwrap().what, 'b');
    assert_eq!(queue.pop_until(5_999_999), None);
    assert_eq!(queue.pop_until(6_000_000).unwrap().what, 'c');
}
