//! Who holds what has been stored, by a look at what nodes really have.

use std::collections::BTreeMap;

use super::Run;
use crate::ids::Id;
use crate::network::Network;
use crate::stats::to_f64;

impl<N: Network + 'static> Run<'_, N> {
    /// Counts the holders of all values that were stored: the share of values that have any, and
    /// the fewest that one has. False: this network cannot tell.
    pub(super) fn sample_holders(&mut self, at: f64) -> bool {
        let targets = self.stored.values().map(|held| (held.target, 0_u64));
        let mut holders: BTreeMap<Id, u64> = targets.collect();
        let network = self.engine.births();
        for (_, node) in self.engine.awake() {
            let can_tell = network.stored(node, &mut |target| {
                if let Some(count) = holders.get_mut(&target) {
                    *count += 1;
                }
            });
            if !can_tell {
                return false;
            }
        }
        let all = to_f64(holders.len() as u64);
        let lost = holders.values().filter(|count| **count == 0).count() as u64;
        let sum = holders.values().sum::<u64>();
        self.lost = Some(lost);
        self.curves.add("survival", at, 1.0 - to_f64(lost) / all);
        self.curves.add("holders", at, to_f64(sum) / all);
        let fewest = holders.values().copied().min().unwrap_or(0);
        self.curves.add("fewest_holders", at, to_f64(fewest));
        true
    }
}
