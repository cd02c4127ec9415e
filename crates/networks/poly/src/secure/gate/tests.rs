use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::*;

const STARTED_MS: u64 = 1_800_000_000_000;

fn gate() -> Gate {
    let settings = GateSettings { incoming: None, outgoing: None, ..GateSettings::default() };
    Gate::new(settings, Some(STARTED_MS), &mut ChaCha8Rng::seed_from_u64(1))
}

fn at(seconds: u64) -> Moment {
    Moment::from_micros(seconds * 1_000_000)
}

fn from(host: u8) -> SocketAddr {
    ([192, 0, 2, host], 1).into()
}

fn ephemeral(number: u32) -> [u8; 32] {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key
}

/// The verdict on an initiation stamped by a clock that is off by so many seconds.
#[track_caller]
fn check(now: u64, off: i64, expected: Verdict) {
    let stamp_ms = (STARTED_MS + now * 1000).saturating_add_signed(off * 1000);
    let verdict = gate().judge(at(now), from(1), (&ephemeral(1), stamp_ms, &NO_COOKIE));
    assert_eq!(verdict, expected, "{now} s after the start, off by {off} s");
}

#[test]
fn stamps_hold_near_our_clock_and_after_our_start() {
    let pass = Verdict::Pass { address_proven: false };
    for off in [-120, -1, 0, 1, 120] {
        check(1000, off, pass);
    }
    for off in [-3600, -121, 121, 3600, i64::from(i32::MAX)] {
        check(1000, off, Verdict::Challenge);
    }
    check(5, -5, Verdict::Challenge);
    check(5, -4, pass);
}

#[test]
fn cookies_hold_for_one_address_and_some_seconds() {
    let mut gate = gate();
    let cookie = gate.cookie(at(100), from(1));
    let mut judge =
        |now, host, cookie: &Cookie| gate.judge(at(now), from(host), (&ephemeral(1), 0, cookie));
    let pass = Verdict::Pass { address_proven: true };
    assert_eq!(judge(100, 1, &cookie), pass);
    assert_eq!(judge(120, 1, &cookie), pass);
    assert_eq!(judge(121, 1, &cookie), Verdict::Challenge);
    assert_eq!(judge(99, 1, &cookie), Verdict::Challenge);
    assert_eq!(judge(100, 2, &cookie), Verdict::Challenge);
    for at in 0..16 {
        let mut turned = cookie;
        turned[at] ^= 1;
        assert_eq!(judge(100, 1, &turned), Verdict::Challenge);
    }
}

#[test]
fn what_was_accepted_is_never_accepted_again() {
    // More than is remembered, within the time that stamps hold.
    let mut gate = gate();
    let stamp = |number: u32| STARTED_MS + 1_000_000 + u64::from(number);
    let many = 3 * u32::try_from(MAX_REMEMBERED).unwrap();
    for number in 0..many {
        gate.accepted(at(1000), &ephemeral(number), stamp(number));
    }
    let cookie = gate.cookie(at(999), from(1));
    for number in (0..many).step_by(7) {
        let key = ephemeral(number);
        for cookie in [&NO_COOKIE, &cookie] {
            let verdict = gate.judge(at(1000), from(1), (&key, stamp(number), cookie));
            assert!(!matches!(verdict, Verdict::Pass { .. }), "{number}: {verdict:?}");
        }
    }
    let fresh = gate.judge(at(1001), from(1), (&ephemeral(many), stamp(many), &NO_COOKIE));
    assert_eq!(fresh, Verdict::Pass { address_proven: false }, "others are not kept out");
    let cookie = gate.cookie(at(1002), from(1));
    let fresh = gate.judge(at(1002), from(1), (&ephemeral(many), 0, &cookie));
    assert_eq!(fresh, Verdict::Pass { address_proven: true });
}

#[test]
fn under_load_all_need_a_cookie() {
    let mut gate = gate();
    gate.load.per_second = 10;
    let mut passed = |now| {
        let stamp_ms = STARTED_MS + now * 1000;
        let judge =
            |number| gate.judge(at(now), from(1), (&ephemeral(number), stamp_ms, &NO_COOKIE));
        (0..50).map(judge).filter(|verdict| matches!(verdict, Verdict::Pass { .. })).count()
    };
    assert_eq!((passed(100), passed(100), passed(101)), (10, 0, 10));
}
