use super::*;

fn round(server: &'static str, kind: &'static str, cpu_us: f64) -> Round {
    Round {
        server,
        kind,
        cpu_us,
        user_us: 0.1,
        per_second: 1e6 / cpu_us,
        bytes: 300.0,
        full: 1.0,
        busy: 1.0,
        p99_ms: 1.0,
    }
}

#[test]
fn medians() {
    for (figures, expected) in [
        (vec![], None),
        (vec![3.0], Some(3.0)),
        (vec![9.0, 1.0, 2.0], Some(2.0)),
        (vec![4.0, 1.0, 2.0, 8.0], Some(3.0)),
    ] {
        assert_eq!(median(figures), expected);
    }
}

#[test]
fn goals_compare_servers_of_the_same_run() {
    let rounds = vec![
        round("echo", "echo", 4.0),
        round("libtorrent", "find_node", 9.0),
        round("polykad", "find_node", 4.8),
    ];
    let goals = Report { rounds, kept: Vec::new() }.goals();
    let met: Vec<bool> = goals.iter().map(Goal::is_met).collect();
    assert_eq!(met, [true, false, true, true]);
}

#[test]
fn without_a_server_no_goal_of_it() {
    let report = Report { rounds: vec![round("polykad", "find_node", 9.0)], kept: Vec::new() };
    assert_eq!(report.goals().len(), 2);
    assert!(report.to_string().contains("polykad"));
}
