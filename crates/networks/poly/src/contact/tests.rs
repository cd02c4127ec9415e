use super::*;
use proptest::prelude::*;

fn socket() -> impl Strategy<Value = SocketAddr> {
    let v4 = any::<[u8; 4]>().prop_map(|ip| IpAddr::V4(ip.into()));
    let v6 = any::<[u8; 16]>().prop_map(|ip| IpAddr::V6(ip.into()));
    let canonical = |ip: &IpAddr| ip.is_ipv4() || ip.to_canonical().is_ipv6();
    (prop_oneof![v4, v6].prop_filter("canonical", canonical), any::<u16>())
        .prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

proptest! {
    #[test]
    fn an_endpoint_is_its_address(address in socket()) {
        prop_assert_eq!(Endpoint::new(address).socket(), address);
        prop_assert_eq!(Endpoint::new(address).is_v4(), address.is_ipv4());
    }

    #[test]
    fn packed_contacts_come_back(address in socket(), id in any::<[u8; 32]>(), rest in 0..37usize) {
        let contact = Peer::new(Key::new(id), address).contact();
        let mut packed = Vec::new();
        pack(&contact, &mut packed);
        let size = if address.is_ipv4() { PACKED_V4_BYTES } else { PACKED_V6_BYTES };
        prop_assert_eq!(packed.len(), size);
        packed.extend(vec![7; rest]);
        let back: Vec<_> = unpack(&packed, address.is_ipv4()).collect();
        prop_assert_eq!(back, vec![contact]);
    }
}

#[test]
fn mapped_addresses_are_no_contacts() {
    let mut packed = vec![1; 32];
    packed.extend(Ipv4Addr::new(1, 2, 3, 4).to_ipv6_mapped().octets());
    packed.extend([0x1a, 0xe1]);
    assert_eq!(unpack(&packed, false).count(), 0);
}
