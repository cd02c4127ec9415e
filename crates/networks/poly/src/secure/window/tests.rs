use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// The same by a set of all counters ever seen.
#[derive(Default)]
struct Model(BTreeSet<u32>);

impl Model {
    fn is_new(&self, counter: u32) -> bool {
        let highest = self.0.last().copied();
        counter < u32::MAX
            && !self.0.contains(&counter)
            && highest.is_none_or(|highest| u64::from(counter) + u64::from(WINDOW) > highest.into())
    }
}

fn check(counters: &[u32]) {
    let (mut window, mut model) = (Window::default(), Model::default());
    for &counter in counters {
        assert_eq!(window.is_new(counter), model.is_new(counter), "{counter} of {counters:?}");
        if window.is_new(counter) {
            window.mark(counter);
            model.0.insert(counter);
        }
    }
}

#[test]
fn edges() {
    check(&[0, 0, 1, 255, 256, 0, 1, 2, 257, 1, 2]);
    check(&[63, 64, 0, 63, 319, 320, 63, 64, 65, 1000, 744, 745, 743]);
    check(&[u32::MAX, u32::MAX - 1, u32::MAX - 1, u32::MAX - 257, u32::MAX - 256]);
    check(&[500, 499, 400, 244, 245, 243, 500]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn agrees_with_a_set(
        start in prop_oneof![Just(0), any::<u32>()],
        steps in prop::collection::vec((-400i64..500, any::<bool>()), 1..400),
    ) {
        let mut at = i64::from(start);
        let mut counters = Vec::new();
        for (step, stays) in steps {
            let counter = (at + step).clamp(0, u32::MAX.into());
            counters.push(u32::try_from(counter).unwrap());
            if !stays {
                at = counter;
            }
        }
        check(&counters);
    }
}
