//! A stored value is found while an honest holder among the closest lives.
//!
//! Demanded when the network is calm: nothing is lost on the way, nobody lies or is unreachable,
//! nobody comes or goes, and what happened last is so long ago that the tables have had a round of
//! upkeep since. Otherwise such a search counts as `get.missed`.

use std::time::Duration;

use crate::scenario::Scenario;

/// How long after a happening the network is calm again: requests to the dead have failed, and
/// silent contacts have been asked.
const CALM: Duration = Duration::from_mins(20);

/// Whether a search that began `since` after the start must find what a holder among the closest
/// has held for `held`.
pub(crate) fn must_find(scenario: &Scenario, since: Duration, held: Duration) -> bool {
    let trouble = &scenario.trouble;
    let is_safe = trouble.loss == 0.0
        && trouble.burst_share == 0.0
        && trouble.unlinked == 0.0
        && trouble.nat == 0.0
        && trouble.restricted == 0.0
        && trouble.up == 0
        && trouble.down == 0;
    let latest = scenario.happening.iter().map(|happening| {
        let healed = happening.heals_at.map_or(happening.at.0, |at| at.0);
        healed.max(happening.at.0 + happening.over.0)
    });
    let is_over = latest.max().is_none_or(|latest| since >= latest + CALM);
    let lifetime = scenario.node.lifetime.map_or(LIFETIME, |lifetime| lifetime.0);
    let is_kept = held + Duration::from_mins(1) < lifetime;
    is_safe && is_over && is_kept && scenario.churn.is_none() && scenario.adversary.is_empty()
}

/// How long the shipped nodes keep anything at least: announced peers.
const LIFETIME: Duration = Duration::from_mins(30);
