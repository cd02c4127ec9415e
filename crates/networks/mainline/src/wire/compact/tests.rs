use super::*;
use proptest::prelude::*;

fn contacts<A: Compact>(bytes: &[u8]) -> Vec<String> {
    Nodes::<A>::new(bytes)
        .map(|contact| format!("{} {:?}", Id::from(contact.key), contact.address))
        .collect()
}

#[test]
fn an_incomplete_entry_and_unusable_ones_are_passed_over() {
    let mut bytes = Vec::new();
    for address in ["1.2.3.4:5", "1.2.3.4:0", "0.0.0.0:5", "224.0.0.1:5", "255.255.255.255:5"] {
        let contact = Contact {
            key: Id::new([7; 20]).key(),
            address: address.parse::<SocketAddrV4>().unwrap(),
        };
        write_contact(&mut bytes, &contact);
    }
    assert_eq!(bytes.len(), 5 * SocketAddrV4::CONTACT_BYTES);
    let expected = [format!("{} 1.2.3.4:5", "07".repeat(20))];
    assert_eq!(contacts::<SocketAddrV4>(&bytes), expected);
    assert_eq!(contacts::<SocketAddrV4>(&bytes[..129]), expected);
    assert_eq!(contacts::<SocketAddrV4>(&bytes[..25]), [""; 0]);
}

#[test]
fn values_of_both_families_and_nonsense() {
    let mut entries = Vec::new();
    write_address(&mut entries, "1.2.3.4:5".parse().unwrap());
    entries.extend_from_slice(b"i7e3:abcl6:abcdefe");
    write_address(&mut entries, "[2001:db8::1]:6".parse().unwrap());
    write_address(&mut entries, "1.2.3.4:0".parse().unwrap());
    entries.extend_from_slice(b"6:abc");
    let peers: Vec<_> = Values::new(&entries).iter().map(|peer| peer.to_string()).collect();
    assert_eq!(peers, ["1.2.3.4:5", "[2001:db8::1]:6"]);
}

proptest! {
    #[test]
    fn addresses_both_ways(ip4: [u8; 4], ip6: [u8; 16], port: u16) {
        for address in [SocketAddr::from((ip4, port)), SocketAddr::from((ip6, port))] {
            let mut bytes = Vec::new();
            write_address(&mut bytes, address);
            let string = Reader::new(&bytes).string().unwrap();
            prop_assert_eq!(read_address(string), Some(address));
        }
    }

    #[test]
    fn any_bytes_are_fine(bytes: Vec<u8>) {
        let _ = read_address(&bytes);
        let nodes = contacts::<SocketAddrV4>(&bytes).len();
        prop_assert!(nodes <= bytes.len() / 26);
        prop_assert!(contacts::<SocketAddrV6>(&bytes).len() <= bytes.len() / 38);
        prop_assert!(Values::new(&bytes).iter().count() <= bytes.len() / 8);
    }
}
