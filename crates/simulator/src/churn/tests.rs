use super::*;

fn kad() -> Sessions {
    measured(ChurnModel::Kad)
}

fn measured(model: ChurnModel) -> Sessions {
    let churn = Churn {
        model,
        session: None,
        absence: None,
        session_shape: None,
        absence_shape: None,
        trace: None,
        keeps_disk: false,
        daily_wave: 0.0,
    };
    Sessions::new(&churn, 1)
}

#[test]
fn gamma_is_gamma() {
    for (x, expected) in [(1.0, 1.0), (5.0, 24.0), (0.5, 1.772_453_85), (2.626, 1.458)] {
        assert!((gamma(x) / expected - 1.0).abs() < 1e-3, "{x}: {}", gamma(x));
    }
}

#[test]
fn sessions_have_the_measured_median() {
    let sessions = kad();
    let mut lengths: Vec<_> =
        (0..10_000).filter_map(|p| sessions.length(p, 0, true, Duration::ZERO)).collect();
    lengths.sort_unstable();
    // scale · ln 2 ^ (1 / shape): 94 minutes, as goals say.
    let median = lengths[5000].as_secs_f64() / 60.0;
    assert!((88.0..100.0).contains(&median), "{median}");
    assert!((0.15..0.35).contains(&sessions.availability()), "{}", sessions.availability());
}

#[test]
fn ipfs_sessions_are_as_measured() {
    let sessions = measured(ChurnModel::Ipfs);
    let lengths = (0..20_000).filter_map(|p| sessions.length(p, 0, true, Duration::ZERO));
    let hours: Vec<_> = lengths.map(|length| length.as_secs_f64() / 3600.0).collect();
    let share = |longer: f64| {
        f64::from(u32::try_from(hours.iter().filter(|h| **h > longer).count()).unwrap()) / 20_000.0
    };
    assert!((share(8.0) - 0.124).abs() < 0.01, "{}", share(8.0));
    assert!((share(24.0) - 0.025).abs() < 0.005, "{}", share(24.0));
    assert!((sessions.availability() - 0.55).abs() < 0.01);
}

#[test]
fn who_is_met_stays_longer() {
    let sessions = kad();
    let mut rests: Vec<_> = (0..10_000).filter_map(|p| sessions.rest(p, true)).collect();
    rests.sort_unstable();
    // The median residual life of those online is 262 minutes.
    let median = rests[5000].as_secs_f64() / 60.0;
    assert!((200.0..320.0).contains(&median), "{median}");
}

#[test]
fn traces_are_read() {
    assert_eq!(
        parse_turn("1.5, 7, join"),
        Some(Turn { at: Duration::from_millis(1500), place: 7, joins: true })
    );
    for wrong in ["", "1,2", "x,2,join", "1,2,stay", "1,2,join,3", "-1,2,join"] {
        assert_eq!(parse_turn(wrong), None, "{wrong}");
    }
}

#[test]
fn rests_last_as_theory_says() {
    let sessions = kad();
    let rests: Vec<_> = (0..20_000).filter_map(|p| sessions.rest(p, true)).collect();
    // The integral of the survival function from there on, over the mean.
    for (minutes, expected) in [(240, 0.525), (720, 0.210), (1440, 0.0706)] {
        let longer = rests.iter().filter(|rest| rest.as_secs() > minutes * 60).count();
        let share = f64::from(u32::try_from(longer).unwrap()) / 20_000.0;
        assert!((share - expected).abs() < 0.012, "{minutes}: {share}");
    }
}
