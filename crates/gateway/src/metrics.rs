//! Metrics for Prometheus, in its text format 0.0.4.
//!
//! Names follow its conventions: `polykad_`, base units, `_total` for counters. What belongs to one
//! network has its name as the label `network`.

use core::fmt::{Display, Write};
use core::sync::atomic::Ordering;
use std::collections::BTreeMap;

use client::Status;
use client::poly::{PolyStatus, Reachability};
use client::status::{FamilyStatus, MainlineStatus, Outcomes, Tally};

use crate::app::{Refused, Shared};

/// Everything that there is to say.
pub(crate) fn write(status: &Status, app: &Shared) -> String {
    let mut page = Page::default();
    node(&mut page, status);
    if let Some(mainline) = &status.mainline {
        network(&mut page, "mainline", mainline);
    }
    if let Some(status) = &status.poly {
        poly(&mut page, status);
    }
    gateway(&mut page, app);
    page.families.into_values().collect()
}

/// A page of metrics in the making: the text of each family, however many networks add to it.
#[derive(Default)]
struct Page {
    families: BTreeMap<&'static str, String>,
    /// The family that values belong to.
    family: &'static str,
}

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    fn head(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        self.families.entry(name).or_insert_with(|| {
            format!("# HELP polykad_{name} {help}\n# TYPE polykad_{name} {kind}\n")
        });
    }

    /// Label values are words of ours: none needs escaping.
    fn value(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        let Some(text) = self.families.get_mut(self.family) else { return };
        // Writing to a string does not fail.
        let _ = write!(text, "polykad_{name}");
        for (at, (label, word)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            let _ = write!(text, "{open}{label}=\"{word}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(text, "{close} {value}");
    }

    fn one(&mut self, name: &'static str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.value(name, &[], value);
    }

    /// A counter with one further label.
    fn counters(
        &mut self,
        name: &'static str,
        help: &str,
        common: Labels<'_>,
        label: &str,
        values: &[(&str, u64)],
    ) {
        self.head(name, "counter", help);
        for (word, value) in values {
            let labels = [common, &[(label, *word)]].concat();
            self.value(name, &labels, value);
        }
    }
}

fn node(page: &mut Page, status: &Status) {
    let version = env!("CARGO_PKG_VERSION");
    page.head("build_info", "gauge", "Which version runs; always 1.");
    page.value("build_info", &[("version", version)], 1);
    let uptime = status.uptime.as_secs_f64();
    page.one("uptime_seconds", "gauge", "Time since the node's start.", uptime);
    let client::status::Traffic { received, received_bytes, sent, sent_bytes } = status.traffic;
    for (name, help, value) in [
        ("datagrams_received_total", "Datagrams received.", received),
        ("received_bytes_total", "Bytes of datagrams received.", received_bytes),
        ("datagrams_sent_total", "Datagrams sent.", sent),
        ("sent_bytes_total", "Bytes of datagrams sent.", sent_bytes),
    ] {
        page.one(name, "counter", help, value);
    }
    let dropped = &status.dropped;
    let reasons = [
        ("oversized", dropped.oversized),
        ("rate_limited", dropped.rate_limited),
        ("malformed", dropped.malformed),
        ("send_full", dropped.send_full),
        ("send_failed", dropped.send_failed),
        ("untold", dropped.untold),
        ("unpersisted", dropped.unpersisted),
    ];
    page.counters("dropped_total", "What had to be dropped.", &[], "reason", &reasons);
    if let Some(disk) = &status.disk {
        page.one("disk_bytes", "gauge", "Size of the file with stored values.", disk.bytes);
        let help = "Whether the last write to disk failed.";
        page.one("disk_failing", "gauge", help, u8::from(disk.trouble.is_some()));
    }
}

fn network(page: &mut Page, network: &str, status: &MainlineStatus) {
    let labels: Labels<'_> = &[("network", network)];
    let messages = &status.messages;
    for (name, help, value) in [
        ("queries_received_total", "Queries of other nodes.", messages.queries),
        ("queries_answered_total", "Queries answered with what they ask for.", messages.answers),
        ("requests_sent_total", "Requests sent to other nodes.", messages.requests),
        ("responses_received_total", "Answers to requests.", messages.responses),
        ("unsolicited_total", "Answers that belong to no request.", messages.unsolicited),
    ] {
        page.head(name, "counter", help);
        page.value(name, labels, value);
    }
    let named = |tallies: &'_ [Tally]| -> Vec<(String, u64)> {
        tallies.iter().map(|tally| (tally.name.to_string(), tally.count)).collect()
    };
    let methods = named(&status.queries);
    let methods: Vec<_> = methods.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    page.counters("queries_total", "Queries taken in, by method.", labels, "method", &methods);
    let faults = named(&status.faults);
    let mut faults: Vec<_> = faults.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    faults.push(("host_limit", status.limited_by_host));
    faults.push(("subnet_limit", status.limited_by_subnet));
    let help = "Queries refused with an error or left unanswered, by why.";
    page.counters("queries_refused_total", help, labels, "reason", &faults);
    page.head("operations_in_progress", "gauge", "Lookups, puts and the like under way.");
    page.value("operations_in_progress", labels, status.operations);
    page.head("stored", "gauge", "What the node stores for others.");
    for (kind, count) in
        [("torrents", status.info_hashes), ("peers", status.peers), ("items", status.items)]
    {
        page.value("stored", &[("network", network), ("kind", kind)], count);
    }
    sides(page, network, status);
    operations(page, network, &status.outcomes);
}

/// What the network `poly` has beside what all networks have.
fn poly(page: &mut Page, status: &PolyStatus) {
    let network = ("network", "poly");
    for (name, help, value) in [
        ("queries_received_total", "Queries of other nodes.", status.requests),
        ("queries_answered_total", "Queries answered with what they ask for.", status.answers),
        ("requests_sent_total", "Requests sent to other nodes.", status.asked),
        ("responses_received_total", "Answers to requests.", status.heard),
        ("unsolicited_total", "Answers that belong to no request.", status.unsolicited),
        ("forged_total", "Values received that do not match their key.", status.forged),
        ("repaired_total", "Values exchanged to keep enough replicas.", status.repaired),
    ] {
        page.head(name, "counter", help);
        page.value(name, &[network], value);
    }
    let methods = status.queries.iter().map(|tally| (&*tally.name, tally.count));
    let methods: Vec<_> = methods.collect();
    let help = "Queries taken in, by method.";
    page.counters("queries_total", help, &[network], "method", &methods);
    let reasons = status.refusals.iter().map(|tally| (&*tally.name, tally.count));
    let reasons: Vec<_> = reasons.collect();
    let help = "Queries refused with an error or left unanswered, by why.";
    page.counters("queries_refused_total", help, &[network], "reason", &reasons);
    page.head("operations_in_progress", "gauge", "Lookups, puts and the like under way.");
    page.value("operations_in_progress", &[network], status.operations);
    page.head("stored", "gauge", "What the node stores for others.");
    page.value("stored", &[network, ("kind", "values")], status.values);
    page.head("stored_bytes", "gauge", "Bytes of what the node stores for others.");
    page.value("stored_bytes", &[network], status.value_bytes);
    page.head("contacts", "gauge", "Contacts in the routing table.");
    for (state, count) in [("known", status.contacts), ("table", status.table)] {
        page.value("contacts", &[network, ("family", "any"), ("state", state)], count);
    }
    page.head("network_nodes", "gauge", "Estimated number of nodes in the network.");
    if let Some(nodes) = status.network_size {
        page.value("network_nodes", &[network, ("family", "any")], nodes);
    }
    for (name, help, value) in [
        ("watchers", "Watchers that are told changes.", status.watchers),
        ("sessions", "Encrypted sessions with other nodes.", status.sessions),
    ] {
        page.head(name, "gauge", help);
        page.value(name, &[network], value);
    }
    page.head("reachable", "gauge", "Whether others can reach the node, as they have tried.");
    match status.reachability {
        Reachability::Unknown => {}
        Reachability::Reachable => page.value("reachable", &[network], 1),
        Reachability::Unreachable => page.value("reachable", &[network], 0),
    }
    operations(page, "poly", &status.outcomes);
}

fn sides(page: &mut Page, network: &str, status: &MainlineStatus) {
    let sides: Vec<(&str, &FamilyStatus)> = [("ipv4", &status.v4), ("ipv6", &status.v6)]
        .into_iter()
        .filter_map(|(name, side)| Some((name, side.as_ref()?)))
        .collect();
    page.head("contacts", "gauge", "Contacts in the routing table.");
    for (family, side) in &sides {
        for (state, count) in [("good", side.good), ("questionable", side.questionable)] {
            let labels = [("network", network), ("family", *family), ("state", state)];
            page.value("contacts", &labels, count);
        }
    }
    page.head("external_address_known", "gauge", "Whether others agree on where the node is.");
    for (family, side) in &sides {
        let known = u8::from(side.external.is_some());
        page.value("external_address_known", &[("network", network), ("family", family)], known);
    }
    page.head("network_nodes", "gauge", "Estimated number of nodes in the network.");
    for (family, side) in &sides {
        if let Some(nodes) = side.network_size {
            page.value("network_nodes", &[("network", network), ("family", family)], nodes);
        }
    }
}

fn operations(page: &mut Page, network: &str, outcomes: &[Outcomes]) {
    page.head("operations_total", "counter", "Operations of the node's owner, by outcome.");
    for kind in outcomes {
        for (outcome, count) in
            [("done", kind.done), ("not_found", kind.not_found), ("failed", kind.failed)]
        {
            let labels = [("network", network), ("operation", &*kind.kind), ("outcome", outcome)];
            page.value("operations_total", &labels, count);
        }
    }
    let name = "operation_duration_seconds";
    page.head(name, "histogram", "How long operations of the node's owner took.");
    for kind in outcomes {
        let common = [("network", network), ("operation", &*kind.kind)];
        let mut sum = 0;
        for (limit, count) in Outcomes::LIMITS_MS.iter().zip(kind.by_latency) {
            sum += count;
            let limit = (f64::from(*limit) / 1e3).to_string();
            let labels = [&common[..], &[("le", limit.as_str())]].concat();
            page.value("operation_duration_seconds_bucket", &labels, sum);
        }
        let all = kind.done + kind.not_found + kind.failed;
        let labels = [&common[..], &[("le", "+Inf")]].concat();
        page.value("operation_duration_seconds_bucket", &labels, all);
        let elapsed = kind.elapsed.as_secs_f64();
        page.value("operation_duration_seconds_sum", &common, elapsed);
        page.value("operation_duration_seconds_count", &common, all);
    }
}

fn gateway(page: &mut Page, app: &Shared) {
    let counts = &app.counts;
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    let answers: Vec<(&str, u64)> = classes
        .into_iter()
        .zip(&counts.answers)
        .map(|(class, count)| (class, count.load(Ordering::Relaxed)))
        .collect();
    let help = "Answers to HTTP requests, by class of status.";
    page.counters("http_responses_total", help, &[], "class", &answers);
    let refused: Vec<(&str, u64)> = Refused::ALL
        .iter()
        .zip(&counts.refused)
        .map(|((_, name), count)| (*name, count.load(Ordering::Relaxed)))
        .collect();
    let help = "HTTP requests refused before they were served, by why.";
    page.counters("http_refused_total", help, &[], "reason", &refused);
    let load = |count: &core::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    for (name, kind, help, value) in [
        ("http_connections_total", "counter", "HTTP connections taken.", load(&counts.connections)),
        ("http_connections", "gauge", "HTTP connections open.", load(&counts.open)),
        (
            "http_connections_crowded_out_total",
            "counter",
            "HTTP connections closed or turned away for want of room.",
            load(&counts.crowded_out),
        ),
        ("http_streams", "gauge", "Streams that hang on.", app.streams_open() as u64),
    ] {
        page.one(name, kind, help, value);
    }
}
