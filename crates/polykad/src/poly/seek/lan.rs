//! Nodes of the same network on the local one, by multicast DNS (RFC 6762) and service discovery
//! (RFC 6763).
//!
//! Each node answers whoever asks for its network's service; it asks itself at its start, again and
//! again while it knows nobody, and seldom later. The library keeps what it hears in a thread of
//! its own and has no bound on that, so it is watched: where a hostile neighbour floods it, it is
//! closed, its memory with it, and opened again after a while.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use client::FindError;
use mdns_sd::{IfKind, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Called, MAX_TRIED, Pace, hex, join};
use crate::poly::calls::Caller;

/// How long to listen for answers: the library asks after 0, 1 and 3 seconds.
const WINDOW: Duration = Duration::from_secs(5);
/// How long to go on listening once somebody has been found, for others that answer as well.
const SETTLE: Duration = Duration::from_millis(400);

/// Services told of in one window at most; each costs the library a few questions.
const MAX_TOLD: usize = 64;

/// Records and timers that the library may hold: some 3 MB and 1 MB. A busy office has a few
/// hundred records.
const MAX_RECORDS: i64 = 4096;
const MAX_TIMERS: i64 = 65_536;
/// How often the process's memory is looked at. The most that a flood can take is what arrives in
/// this time.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// The library's records are counted if memory has grown by so many pages, 1 MB, and else once in
/// so many looks: counting wakes its thread.
const GROWN_PAGES: u64 = 256;
const LOOKS: u32 = 20;
/// How long to stay away after a flood.
const COOL_DOWN: Duration = Duration::from_mins(5);

/// How often the library looks for interfaces that came or went, in seconds.
const INTERFACES_EVERY_S: u32 = 30;
/// How long saying goodbye may take.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

/// What a node says of itself on the local network.
pub(in crate::poly) struct Lan {
    service: String,
    /// Of this run alone, so that it tells nothing of the node.
    name: String,
    listen: Vec<SocketAddr>,
}

/// Why the library is closed.
enum End {
    Flooded,
    Stopped,
}

impl Lan {
    /// `None` if nobody on the local network could reach it. `name`: random.
    pub(in crate::poly) fn new(
        called: &Called,
        listen: &[SocketAddr],
        name: [u8; 32],
    ) -> Option<Self> {
        let beyond = |address: &&SocketAddr| !address.ip().is_loopback();
        let listen: Vec<_> = listen.iter().filter(beyond).copied().collect();
        let name = hex(name.get(..8).unwrap_or_default());
        (!listen.is_empty()).then(|| Self { service: called.service(), name, listen })
    }

    /// Announces the node and joins through others, until `closing`.
    pub(in crate::poly) async fn keep_found(
        self,
        caller: Caller,
        mut closing: watch::Receiver<bool>,
    ) {
        loop {
            match Responder::open(&self) {
                Err(error) => tracing::warn!(%error, "no discovery on the local network"),
                Ok(responder) => {
                    let end = tokio::select! {
                        end = responder.seek(&self, &caller) => end,
                        _ = closing.wait_for(|closing| *closing) => End::Stopped,
                    };
                    responder.close().await;
                    if matches!(end, End::Stopped) {
                        return;
                    }
                    tracing::warn!(away = ?COOL_DOWN, "the local network is flooded with services");
                }
            }
            tokio::select! {
                () = sleep(COOL_DOWN) => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
        }
    }

    /// Whether `full_name` is a service of this node's.
    fn is_own(&self, full_name: &str) -> bool {
        full_name.starts_with(&self.name)
    }
}

/// The library at work; dropping it ends its thread.
struct Responder {
    library: ServiceDaemon,
}

impl Responder {
    fn open(lan: &Lan) -> mdns_sd::Result<Self> {
        let responder = Self { library: ServiceDaemon::new()? };
        let library = &responder.library;
        library.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        library.set_ip_check_interval(INTERFACES_EVERY_S)?;
        for address in &lan.listen {
            let (family, kind) = match address {
                SocketAddr::V4(_) => ("4", IfKind::IPv4),
                SocketAddr::V6(_) => ("6", IfKind::IPv6),
            };
            let (name, port) = (format!("{}-{family}", lan.name), address.port());
            let host = format!("polykad-{name}.local.");
            let nothing: &[(&str, &str)] = &[];
            let mut info = if address.ip().is_unspecified() {
                let info = ServiceInfo::new(&lan.service, &name, &host, (), port, nothing)?;
                info.enable_addr_auto()
            } else {
                ServiceInfo::new(&lan.service, &name, &host, address.ip(), port, nothing)?
            };
            info.set_interfaces(vec![kind]);
            library.register(info)?;
        }
        Ok(responder)
    }

    /// Looks for others and joins through them, again and again.
    async fn seek(&self, lan: &Lan, caller: &Caller) -> End {
        let mut pace = Pace::new();
        loop {
            let found = self.look(lan).await;
            let alone = match join(caller, found, "on the local network").await {
                Ok(alone) => alone,
                Err(FindError::Stopped) => return End::Stopped,
                Err(_) => true,
            };
            let until = Instant::now() + pace.next(alone);
            let mut growth = Growth::default();
            while Instant::now() < until {
                if growth.is_suspicious(resident_pages()) && !self.is_sound().await {
                    return End::Flooded;
                }
                sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Listens for others for a while.
    async fn look(&self, lan: &Lan) -> BTreeSet<SocketAddr> {
        let mut found = BTreeSet::new();
        let Ok(events) = self.library.browse(&lan.service) else { return found };
        let (mut until, mut told) = (Instant::now() + WINDOW, 0);
        while told < MAX_TOLD
            && found.len() < MAX_TRIED
            && let Ok(Ok(event)) = timeout_at(until, events.recv_async()).await
        {
            if let ServiceEvent::ServiceFound(..) = &event {
                told += 1;
            }
            let ServiceEvent::ServiceResolved(service) = event else { continue };
            if lan.is_own(&service.fullname) {
                continue;
            }
            let addresses = service.addresses.iter().map(ScopedIp::to_ip_addr);
            let usable = addresses.filter(|address| match address {
                std::net::IpAddr::V4(address) => !address.is_loopback(),
                // Such an address means nothing without the interface it was heard on.
                std::net::IpAddr::V6(address) => {
                    !address.is_loopback() && !address.is_unicast_link_local()
                }
            });
            let usable = usable.map(|address| SocketAddr::new(address, service.port));
            found.extend(usable.take(MAX_TRIED));
            until = until.min(Instant::now() + SETTLE);
        }
        // What it heard of the service is dropped with this. An error means that it has ended.
        let _ = self.library.stop_browse(&lan.service);
        found.into_iter().take(MAX_TRIED).collect()
    }

    /// Whether the library lives, and holds no more than it may.
    async fn is_sound(&self) -> bool {
        let Ok(answer) = self.library.get_metrics() else { return false };
        let Ok(Ok(counts)) = timeout(LOOK_EVERY, answer.recv_async()).await else { return false };
        let held = counts.iter().filter(|(name, _)| name.starts_with("cached-"));
        let timers = counts.get("timer").copied().unwrap_or_default();
        held.map(|(_, count)| *count).sum::<i64>() <= MAX_RECORDS && timers <= MAX_TIMERS
    }

    /// Takes back what was announced.
    async fn close(self) {
        if let Ok(ended) = self.library.shutdown() {
            // Whoever still remembers the node asks it in vain, no more.
            let _ = timeout(GOODBYE_WITHIN, ended.recv_async()).await;
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // An error means that its thread has ended.
        let _ = self.library.shutdown();
    }
}

/// Whether the process's memory has grown since the library's records were last counted.
#[derive(Debug, Default)]
struct Growth {
    /// The least that was seen since.
    least: Option<u64>,
    looks: u32,
}

impl Growth {
    /// `pages`: what the process has; `None`: unknown.
    fn is_suspicious(&mut self, pages: Option<u64>) -> bool {
        self.looks += 1;
        let grown = match (pages, self.least) {
            (Some(pages), Some(least)) => pages > least + GROWN_PAGES,
            _ => true,
        };
        if grown || self.looks >= LOOKS {
            (self.least, self.looks) = (pages, 0);
            return true;
        }
        self.least = self.least.min(pages);
        false
    }
}

/// How much memory this process has, where the system tells.
fn resident_pages() -> Option<u64> {
    let sizes = std::fs::read_to_string("/proc/self/statm").ok()?;
    sizes.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests;
