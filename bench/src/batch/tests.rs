use super::*;

const LOCAL: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);

fn port(batch: &Batch) -> u16 {
    batch.socket.local_addr().unwrap().port()
}

#[test]
fn speaks_for_several_addresses() {
    let mut one = Batch::bind(LOCAL).unwrap();
    let mut other = Batch::bind(LOCAL).unwrap();
    let to = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 9), port(&other));
    for last in 1..=3 {
        let ends = Ends { peer: to, local: Ipv4Addr::new(127, 0, 0, last) };
        one.push(ends, |data| {
            data[0] = last;
            usize::from(last)
        });
    }
    assert_eq!(one.send(), 3);
    other.wait(Duration::from_secs(1));
    let mut seen = Vec::new();
    while seen.len() < 3 {
        other.receive(|ends, data| seen.push((ends, data.to_vec())));
    }
    for (number, (ends, data)) in (1u8..).zip(&seen) {
        assert_eq!(ends.local, *to.ip());
        assert_eq!(*ends.peer.ip(), Ipv4Addr::new(127, 0, 0, number));
        assert_eq!(data.len(), usize::from(number));
    }
}

#[test]
fn receives_nothing_without_waiting() {
    let mut batch = Batch::bind(LOCAL).unwrap();
    assert_eq!(batch.receive(|_, _| ()), 0);
}
