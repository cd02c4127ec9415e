#![expect(clippy::cast_possible_truncation, reason = "small test numbers")]

use super::*;
use core::net::SocketAddrV4;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

fn address(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new([10, 0, 0, 1].into(), port)
}

fn at(millis: u64) -> Moment {
    Moment::from_micros(millis * 1000)
}

fn request(port: u16, sent: u64) -> Request<SocketAddrV4, u32> {
    Request { to: address(port), key: None, sent: at(sent), purpose: port.into() }
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(5)
}

#[test]
fn an_answer_must_come_from_whom_we_asked() {
    let mut requests = Requests::default();
    let id = requests.begin(request(1, 0), None, &mut rng()).unwrap();
    assert!(requests.answered(at(1), id, address(2)).is_none());
    assert!(requests.answered(at(1), TransactionId(id.0 ^ 1), address(1)).is_none());
    let answered = requests.answered(at(7), id, address(1)).unwrap();
    assert_eq!((answered.rtt, answered.late), (Duration::from_millis(7), false));
    assert!(requests.answered(at(8), id, address(1)).is_none(), "doubled");
    assert_eq!(requests.next_timeout(), None);
}

#[test]
fn slow_then_doubtful_then_expired_then_late_then_forgotten() {
    let mut requests = Requests::default();
    let rtt = Rtt::new(Duration::from_millis(100)); // overdue after 300 ms
    let first = requests.begin(request(1, 0), Some(rtt), &mut rng()).unwrap();
    assert_eq!(requests.next_timeout(), Some(at(300)));
    assert!(requests.poll_overdue(at(299)).is_none());
    assert!(matches!(requests.poll_overdue(at(300)), Some(Overdue::Slow(_))));
    assert!(requests.poll_overdue(at(599)).is_none());
    assert!(matches!(requests.poll_overdue(at(600)), Some(Overdue::Doubtful(_))));
    assert!(requests.poll_overdue(at(1199)).is_none());
    assert!(matches!(requests.poll_overdue(at(1200)), Some(Overdue::Expired(_))));
    assert_eq!(requests.in_flight(), 0);
    let mut forgotten = requests.clone();
    assert!(requests.answered(at(2000), first, address(1)).unwrap().late);
    assert!(forgotten.poll_overdue(at(11_200)).is_none());
    assert!(forgotten.answered(at(11_200), first, address(1)).is_none());
    assert_eq!(forgotten.next_timeout(), None);
}

#[test]
fn strangers_are_judged_by_other_strangers() {
    let mut requests = Requests::default();
    let mut rng = rng();
    for n in 0..1000 {
        let id = requests.begin(request(1, n), None, &mut rng).unwrap();
        requests.answered(at(n + if n % 10 < 9 { 80 } else { 400 }), id, address(1)).unwrap();
    }
    let expected = requests.strangers.expected();
    assert!((80..=600).contains(&expected.as_millis()), "{expected:?}");
}

#[test]
fn a_node_among_near_ones_soon_expects_answers_soon() {
    let mut requests = Requests::default();
    let mut rng = rng();
    for n in 0..16 {
        let id = requests.begin(request(1, n), None, &mut rng).unwrap();
        requests.answered(at(n + 1), id, address(1)).unwrap();
    }
    requests.begin(request(2, 100), None, &mut rng).unwrap();
    // Hardly later than the shortest that is called slow.
    assert!(requests.next_timeout() < Some(at(165)), "{:?}", requests.next_timeout());
}

#[test]
fn one_quick_answer_says_little_about_others() {
    let mut requests = Requests::default();
    let mut rng = rng();
    let id = requests.begin(request(1, 0), None, &mut rng).unwrap();
    requests.answered(at(20), id, address(1)).unwrap();
    assert!(requests.strangers.expected() > Duration::from_millis(400));
}

#[test]
fn silence_is_expected_where_it_is_no_longer_rare() {
    let mut requests = Requests::default();
    let mut rng = rng();
    let mut now = 0;
    let mut ask = |requests: &mut Requests<SocketAddrV4, u32>, answers: bool| {
        let id = requests.begin(request(1, now), None, &mut rng).unwrap();
        if answers {
            requests.answered(at(now + 100), id, address(1)).unwrap();
        }
        now += 20_000;
        while requests.poll_overdue(at(now)).is_some() {}
        requests.expects_silence()
    };
    assert!(!ask(&mut requests, true));
    assert!(ask(&mut requests, false), "one of a few");
    let answers = (0..100).take_while(|_| ask(&mut requests, true)).count();
    assert!((10..40).contains(&answers), "{answers}: forgotten after some answers");
    for _ in 0..1000 {
        assert!(ask(&mut requests, false));
    }
}

#[test]
fn in_flight_is_bounded() {
    let mut requests = Requests::default();
    let mut rng = rng();
    for _ in 0..Requests::<SocketAddrV4, u32>::MAX_IN_FLIGHT {
        assert!(requests.begin(request(1, 0), None, &mut rng).is_some());
    }
    assert!(requests.begin(request(1, 0), None, &mut rng).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, every request ends exactly once, and nothing is remembered afterwards.
    #[test]
    fn every_request_ends_once(steps in prop::collection::vec((0u64..800, any::<bool>()), 1..80)) {
        let mut requests = Requests::default();
        let (mut rng, mut now, mut open, mut ended) = (rng(), 0, Vec::new(), 0);
        for (wait, answer) in &steps {
            now += wait;
            while let Some(overdue) = requests.poll_overdue(at(now)) {
                ended += usize::from(matches!(overdue, Overdue::Expired(_)));
            }
            open.push(requests.begin(request(1, now), None, &mut rng).unwrap());
            if *answer {
                let id = open.swap_remove(now as usize % open.len());
                ended += usize::from(
                    requests.answered(at(now), id, address(1)).is_some_and(|a| !a.late));
            }
        }
        while let Some(due) = requests.next_timeout() {
            while let Some(overdue) = requests.poll_overdue(due) {
                ended += usize::from(matches!(overdue, Overdue::Expired(_)));
            }
        }
        prop_assert_eq!(ended, steps.len());
        prop_assert_eq!(requests.in_flight(), 0);
        prop_assert_eq!(requests.pending().count(), 0);
    }
}
