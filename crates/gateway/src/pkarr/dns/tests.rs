use super::*;

/// A packet with these answers, all at the root.
fn packet(ttls: &[u32]) -> Vec<u8> {
    let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, u8::try_from(ttls.len()).unwrap(), 0, 0, 0, 0];
    for ttl in ttls {
        packet.extend([1, b'a', 0, 0, 16, 0, 1]);
        packet.extend(ttl.to_be_bytes());
        packet.extend([0, 2, 1, b'x']);
    }
    packet
}

#[test]
fn the_least_time_to_live_counts() {
    assert_eq!(least_ttl(&packet(&[900, 300, 600])), Some(300));
    assert_eq!(least_ttl(&packet(&[])), Some(u32::MAX));
}

#[test]
fn what_is_cut_short_is_no_packet() {
    let whole = packet(&[900, 300]);
    for length in 0..whole.len() {
        assert_eq!(least_ttl(&whole[..length]), None, "{length}");
    }
    let mut pointer = packet(&[7]);
    pointer.splice(12..15, [0xc0, 12]);
    assert_eq!(least_ttl(&pointer), Some(7));
    pointer[12] = 0x80;
    assert_eq!(least_ttl(&pointer), None);
}
