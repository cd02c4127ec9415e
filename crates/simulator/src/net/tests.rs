use super::*;

fn packet(sequence: u64) -> Packet {
    Packet { from: 1, to: 2, bytes: 100, way: Way::Datagram, sequence }
}

fn share(settings: NetSettings, hit: impl Fn(&Carried) -> bool) -> f64 {
    let mut net = Net::new(settings, 7);
    let hits = (0..20_000_u64)
        .filter(|i| hit(&net.carry(Moment::from_micros(i * 10_000), &packet(*i))))
        .count();
    f64::from(u32::try_from(hits).unwrap()) / 20_000.0
}

#[test]
fn trouble_comes_as_often_as_asked() {
    let quiet = NetSettings::default;
    let check = |settings: NetSettings, hit: fn(&Carried) -> bool, expected: f64| {
        let found = share(settings, hit);
        assert!((found - expected).abs() < 0.03, "{found} for {expected}");
    };
    check(quiet(), |c| c.first.is_err() || c.second.is_some(), 0.0);
    check(NetSettings { loss: 0.2, ..quiet() }, |c| c.first == Err(Fate::Lost), 0.2);
    check(NetSettings { duplication: 0.1, ..quiet() }, |c| c.second.is_some(), 0.1);
    let bursts = Bursts { share: 0.3, length: Duration::from_millis(200), loss: 0.9 };
    let settings = NetSettings { bursts: Some(bursts), ..quiet() };
    check(settings, |c| c.first == Err(Fate::Burst), 0.27);
}

#[test]
fn partitions_heal() {
    let at = Moment::from_micros;
    let partition = Partition { from: at(1000), until: at(2000), share: 0.5 };
    let mut net = Net::new(NetSettings { partitions: vec![partition], ..Default::default() }, 1);
    let mut parted = |now: u64| {
        let to = |to| Packet { to, ..packet(to.into()) };
        (2..200).filter(|i| net.carry(at(now), &to(*i)).first == Err(Fate::Partitioned)).count()
    };
    assert_eq!(parted(999), 0);
    assert!((60..140).contains(&parted(1000)));
    assert_eq!(parted(2000), 0);
}

#[test]
fn behind_a_nat_only_answers_come_in() {
    let nat = NatSettings { clients: 0.3, restricted: 0.2, hole: Duration::from_mins(2) };
    let mut net = Net::new(NetSettings { nat: Some(nat), ..Default::default() }, 1);
    let share = |is: &dyn Fn(Place) -> bool| (0..10_000).filter(|place| is(*place)).count();
    assert!((2800..3200).contains(&share(&|place| net.is_client(place))));
    assert!((4800..5200).contains(&share(&|place| net.is_behind_nat(place))));
    let is_restricted = |place: &Place| net.is_behind_nat(*place) && !net.is_client(*place);
    let inside = (10..1000).find(is_restricted).unwrap();
    let outside = (10..1000).find(|place| !net.is_behind_nat(*place)).unwrap();
    let minute = |n: u64| Moment::from_micros(n * 60_000_000);
    let inward = Packet { from: outside, to: inside, ..packet(1) };
    let outward = Packet { from: inside, to: outside, ..packet(2) };
    assert_eq!(net.carry(minute(1), &inward).first, Err(Fate::Filtered));
    assert!(net.carry(minute(1), &outward).first.is_ok());
    assert!(net.carry(minute(2), &inward).first.is_ok());
    assert_eq!(net.carry(minute(4), &inward).first, Err(Fate::Filtered));
}

#[test]
fn lines_are_slow_and_drop_what_waits_too_long() {
    let access = AccessSettings { up: 14_600, down: 1_000_000, queue: Duration::from_millis(35) };
    let latency = Latency::Constant(Duration::ZERO);
    let mut net = Net::new(NetSettings { latency, access: Some(access), ..Default::default() }, 1);
    let arrivals: Vec<_> = (0..5).map(|i| net.carry(Moment::START, &packet(i)).first).collect();
    let micros = |n| Ok(Moment::from_micros(n));
    // 146 bytes with their headers take 10 ms up and 0.146 ms down.
    let expected = [micros(10_146), micros(20_146), micros(30_146), micros(40_146)];
    assert_eq!(arrivals[..4], expected);
    assert_eq!(arrivals[4], Err(Fate::Congested));
}
