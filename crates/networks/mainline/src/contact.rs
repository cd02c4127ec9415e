//! Contacts of either address family in one form.

use core::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use kademlia::{Address, Contact};

/// One form for one node: the flow label never counts, the zone only where it tells links apart.
pub(crate) fn canonical(address: SocketAddrV6) -> SocketAddrV6 {
    let is_link_local = Ipv6Addr::is_unicast_link_local(address.ip());
    let zone = if is_link_local { address.scope_id() } else { 0 };
    SocketAddrV6::new(*address.ip(), address.port(), 0, zone)
}

/// A contact with the address of any family.
pub(crate) fn widened<A: Address + Into<SocketAddr>>(contact: &Contact<A>) -> Contact<SocketAddr> {
    Contact { key: contact.key, address: contact.address.into() }
}
