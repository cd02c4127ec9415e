//! A port of the gateway that leads to a port of ours, where the gateway is asked kindly: by PCP
//! (RFC 6887), NAT-PMP (RFC 6886) or UPnP's Internet Gateway Device.
//!
//! It is asked for at the start, renewed at half of its lifetime, and given back at the end. If the
//! gateway forgets it, or there is another, it is asked for again.

use core::num::NonZeroU16;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crab_nat::{InternetProtocol, PortMapping, PortMappingOptions, TimeoutConfig};
use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, PortMappingProtocol, SearchOptions};
use kademlia::Address;
use tokio::sync::watch;
use tokio::time::sleep;

/// How long a mapping is asked for, in seconds: what a crash leaves behind ends soon.
const LIFETIME_S: u32 = 3600;
/// A gateway that grants less than this is asked no sooner than at half of it.
const SHORTEST: Duration = Duration::from_secs(2);
/// How long to wait after there was no gateway, at first and at most. A search is one datagram to
/// many, and such get lost in the air.
const RETRY_FIRST: Duration = Duration::from_secs(10);
const RETRY_MOST: Duration = Duration::from_hours(2);
/// How long gateways may take to answer a search.
const SEARCH: Duration = Duration::from_secs(3);
/// How PCP and NAT-PMP ask again: five times within eight seconds.
const ASKING: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 4,
    max_retry_timeout: Some(Duration::from_secs(4)),
};
/// Where gateways hear searches.
const SSDP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 1900);
/// What the gateway's owner reads in its list.
const DESCRIPTION: &str = "polykad";

/// Where gateways are looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gateways {
    /// Where PCP and NAT-PMP are spoken; `None`: unknown.
    router: Option<IpAddr>,
    /// Where searches for UPnP's go.
    search: SocketAddr,
}

impl Gateways {
    /// Those of the network that this machine is in.
    pub(crate) fn around() -> Self {
        // Not /proc/net: systemd's ProcSubset=pid leaves that out.
        let routes = std::fs::read_to_string("/proc/self/net/route").unwrap_or_default();
        Self { router: default_route(&routes).map(IpAddr::V4), search: SSDP }
    }
}

/// The gateway of the default route in Linux's list of routes; other systems have none.
fn default_route(routes: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (destination, gateway) = (words.next()?, words.next()?);
        // Numbers are in the machine's order of bytes.
        let gateway = u32::from_str_radix(gateway, 16).ok()?.to_ne_bytes();
        (destination == "00000000" && gateway != [0; 4]).then(|| Ipv4Addr::from(gateway))
    })
}

/// Whether a node that listens there can be behind a gateway.
pub(crate) fn may_be_mapped(listen: &SocketAddr) -> bool {
    listen.is_ipv4() && !listen.ip().is_loopback()
}

/// Keeps a UDP port of the gateway leading to `port` until `closing`, and tells which it is.
pub(crate) async fn keep_mapped(
    port: NonZeroU16,
    gateways: impl Fn() -> Gateways + Send,
    mapped: watch::Sender<Option<u16>>,
    mut closing: watch::Receiver<bool>,
) {
    let mut pause = RETRY_FIRST;
    loop {
        // A request under way is waited for: what it brings must be given back.
        if let Some(mut mapping) = Mapping::make(port, &gateways()).await {
            pause = RETRY_FIRST;
            tracing::info!(port = mapping.external_port(), by = mapping.name(), "port mapped");
            mapped.send_replace(Some(mapping.external_port()));
            let closed = mapping.keep(&mapped, &mut closing).await;
            mapped.send_replace(None);
            if closed {
                mapping.release().await;
                return;
            }
            tracing::warn!(port, "the gateway does not renew the mapping of the port");
        }
        tokio::select! {
            () = sleep(pause) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
        pause = (pause * 2).min(RETRY_MOST);
    }
}

/// A mapping that a gateway has granted.
enum Mapping {
    /// By PCP or NAT-PMP.
    Granted(PortMapping),
    /// By UPnP.
    Listed { gateway: Box<Gateway<Tokio>>, local: SocketAddr, port: u16, lifetime_s: u32 },
}

impl Mapping {
    /// Asks the gateways; `None`: none grants one, or none is needed.
    async fn make(port: NonZeroU16, gateways: &Gateways) -> Option<Self> {
        if let Some(router) = gateways.router {
            // An address of the whole world needs no mapping, nor would it get one.
            let own = own_address(router).await.filter(is_translated)?;
            let options = PortMappingOptions {
                external_port: Some(port),
                lifetime_seconds: Some(LIFETIME_S),
                timeout_config: Some(ASKING),
            };
            let protocol = InternetProtocol::Udp;
            match PortMapping::new(router.into(), own, protocol, port, options).await {
                Ok(mapping) => return Some(Self::Granted(mapping)),
                Err(error) => tracing::debug!(%router, %error, "no mapping by PCP or NAT-PMP"),
            }
        }
        Self::list(port, gateways.search).await
    }

    /// Asks a gateway that speaks UPnP.
    async fn list(port: NonZeroU16, search: SocketAddr) -> Option<Self> {
        let mut options = SearchOptions::default();
        options.broadcast_address = search;
        options.timeout = Some(SEARCH);
        options.single_search_timeout = Some(SEARCH);
        let gateway = match search_gateway(options).await {
            Ok(gateway) => gateway,
            Err(error) => {
                tracing::debug!(%error, "no gateway speaks UPnP");
                return None;
            }
        };
        let own = own_address(gateway.addr.ip()).await.filter(is_translated)?;
        let local = SocketAddr::new(own, port.get());
        let (protocol, port) = (PortMappingProtocol::UDP, port.get());
        let asked = |lifetime_s| gateway.add_port(protocol, port, local, lifetime_s, DESCRIPTION);
        let granted = match asked(LIFETIME_S).await {
            Ok(()) => Ok((port, LIFETIME_S)),
            Err(AddPortError::OnlyPermanentLeasesSupported) => {
                asked(0).await.map(|()| (port, 0)).map_err(|error| error.to_string())
            }
            Err(AddPortError::PortInUse) => {
                let other = gateway.add_any_port(protocol, local, LIFETIME_S, DESCRIPTION).await;
                other.map(|port| (port, LIFETIME_S)).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match granted {
            Ok((port, lifetime_s)) => {
                Some(Self::Listed { gateway: Box::new(gateway), local, port, lifetime_s })
            }
            Err(error) => {
                tracing::debug!(gateway = %gateway.addr, error, "no mapping by UPnP");
                None
            }
        }
    }

    fn external_port(&self) -> u16 {
        match self {
            Self::Granted(mapping) => mapping.external_port().get(),
            Self::Listed { port, .. } => *port,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Granted(mapping) => match mapping.mapping_type() {
                crab_nat::PortMappingType::NatPmp => "NAT-PMP",
                crab_nat::PortMappingType::Pcp { .. } => "PCP",
            },
            Self::Listed { .. } => "UPnP",
        }
    }

    /// Renews it again and again; returns whether `closing` or the gateway has ended that.
    async fn keep(
        &mut self,
        mapped: &watch::Sender<Option<u16>>,
        closing: &mut watch::Receiver<bool>,
    ) -> bool {
        loop {
            tokio::select! {
                () = sleep(self.renewed_after()) => {}
                _ = closing.wait_for(|closing| *closing) => return true,
            }
            if !self.renew().await {
                return false;
            }
            mapped.send_replace(Some(self.external_port()));
        }
    }

    fn renewed_after(&self) -> Duration {
        let lifetime_s = match self {
            Self::Granted(mapping) => mapping.lifetime(),
            // One that never ends is looked after all the same: gateways restart.
            Self::Listed { lifetime_s: 0, .. } => LIFETIME_S,
            Self::Listed { lifetime_s, .. } => *lifetime_s,
        };
        Duration::from_secs(lifetime_s.into()).max(SHORTEST) / 2
    }

    async fn renew(&mut self) -> bool {
        let result = match self {
            Self::Granted(mapping) => mapping.renew().await.map_err(|error| error.to_string()),
            Self::Listed { gateway, local, port, lifetime_s } => {
                let protocol = PortMappingProtocol::UDP;
                let asked = gateway.add_port(protocol, *port, *local, *lifetime_s, DESCRIPTION);
                asked.await.map_err(|error| error.to_string())
            }
        };
        result.inspect_err(|error| tracing::debug!(error, "mapping not renewed")).is_ok()
    }

    /// Gives it back; if the gateway does not answer, it ends by itself.
    async fn release(self) {
        let released = match self {
            Self::Granted(mapping) => {
                mapping.try_drop().await.map_err(|(error, _)| error.to_string())
            }
            Self::Listed { gateway, port, .. } => {
                let removed = gateway.remove_port(PortMappingProtocol::UDP, port).await;
                removed.map_err(|error| error.to_string())
            }
        };
        if let Err(error) = released {
            tracing::debug!(error, "mapping not given back");
        }
    }
}

/// This machine's address as seen from `router`.
async fn own_address(router: IpAddr) -> Option<IpAddr> {
    let any = if router.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = tokio::net::UdpSocket::bind(any).await.ok()?;
    // Sends nothing: it only asks the system for the way.
    socket.connect(SocketAddr::new(router, crab_nat::GATEWAY_PORT)).await.ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// Whether an address is one that gateways translate.
fn is_translated(address: &IpAddr) -> bool {
    let shared = matches!(address, IpAddr::V4(ip) if is_shared(*ip));
    shared || Address::is_local(&SocketAddr::new(*address, 1))
}

/// Whether an address is from the space that providers share among customers (RFC 6598).
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && (64..128).contains(&second)
}

#[cfg(test)]
mod tests;
