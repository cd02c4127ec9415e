use super::*;
use std::time::Duration;

const SMALL: &str = "name = \"small\"\nnodes = 50\nduration = \"1m\"\n";

fn parse(text: &str) -> Result<ScenarioFile, ScenarioError> {
    ScenarioFile::parse(Path::new("s.toml"), text, Path::new("."), Overrides::default())
}

#[test]
fn defaults_are_quiet() {
    let scenario = parse(SMALL).unwrap().scenario;
    assert_eq!((scenario.seed, scenario.seeds, scenario.network), (1, 1, Kind::Mainline));
    assert_eq!(scenario.duration.0, Duration::from_mins(1));
    assert!(scenario.workload.is_empty() && scenario.churn.is_none());
}

#[test]
fn mistakes_name_line_and_remedy() {
    let check = |added: &str, line: usize, expected: &str| {
        let error = parse(&format!("{SMALL}{added}")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("s.toml:{line}: ")), "{error}");
        assert!(error.contains(expected), "{error}");
    };
    check("node = 3\n", 4, "invalid type");
    check("nods = 3\n", 4, "unknown field `nods`");
    check("nods = 3\n", 4, "correct the spelling");
    check("[trouble]\nloss = 1.5\n", 5, "take 0 to 1");
    check("[latency]\nmatrix = \"missing.csv\"\n", 5, "leave matrix out");
    check("[[workload]]\nkind = \"find\"\nrate = 0\n", 6, "does nothing");
    check("[[workload]]\nkind = \"fetch\"\nrate = 1\n", 5, "unknown variant");
    check("[churn]\nmodel = \"weibull\"\n", 5, "session_shape");
    check("[churn]\nmodel = \"kad\"\ndaily_wave = 2\n", 6, "daily_wave = 2 is no share");
    check("[churn]\nmodel = \"exponential\"\nsession = \"1h\"\nabsence = \"0\"\n", 7, "1s or more");
    check("[[happening]]\nat = \"10x\"\n", 5, "no span of time");
    check("[[sweep]]\nof = \"name.x\"\nvalues = [1]\n", 5, "leads nowhere");
    check("[[assert]]\nmetric = \"find.success\"\n", 5, "at_least or at_most");
    check("[[happening]]\nat = \"1s\"\nsplit = 0.5\n", 6, "heals_at");
    check("[latency]\njitter = -1\n", 5, "take 0 to 100");
    check("[node]\nbucket = 200\nspares = 200\n", 5, "lower bucket or spares");
    check("[node]\npaths = 0\n", 5, "asks nobody");
    check("[trouble]\nnat = 0.6\nrestricted = 0.5\n", 5, "nobody could be reached");
    check("[trouble]\nburst_share = 0.1\n", 5, "add burst_length");
    check("seed = 1\nseed = 2\n", 5, "remove one");
    check("seeds = -1\n", 4, "expected a whole number from 0 to 4294967295");
    check("[population]\nsilence = 5\n", 5, "expected a span of time: write \"250ms\"");
    check("[churn]\nmodel = \"trace\"\ntrace = \"missing.csv\"\n", 6, "take another model");
    check("[[sweep]]\nof = \"seed\"\nvalues = []\n", 6, "add some");
    check("[[workload]]\nkind = \"find\"\nrate = 1\nfrom = \"2m\"\n", 7, "over before it begins");
    check("[[happening]]\nat = \"1h\"\nkill = 0.5\n", 5, "raise duration");
    check("[[assert]]\nmetric = \"get.hops\"\nat_most = 5\n", 5, "kind = \"get\"");
}

#[test]
fn what_is_missing_is_named() {
    let error = parse("nodes = 50\nduration = \"1m\"\n").unwrap_err().to_string();
    assert_eq!(error, "s.toml:1: missing field `name`: add it");
}

#[test]
fn what_must_be_awake_and_finds_no_room_is_refused() {
    let joined = |gib: f64| format!("{SMALL}memory_gib = {gib}\n[population]\nbirth = \"join\"\n");
    assert!(parse(&joined(1.0)).is_ok());
    let error = parse(&joined(0.0001)).unwrap_err().to_string();
    assert!(error.starts_with("s.toml:2: 50 nodes need about"), "{error}");
    assert!(error.ends_with("raise memory_gib, or lower nodes"), "{error}");
    let sweep = "[[sweep]]\nof = \"nodes\"\nvalues = [100, 1_000_000_000]\n";
    let error = parse(&format!("{SMALL}{sweep}")).unwrap_err().to_string();
    assert!(error.starts_with("s.toml:6: with nodes = 1000000000: 1000000000 nodes"), "{error}");
    for (nodes, expected) in [(1_000_000_000, "1000000000 nodes need"), (1, "nodes = 1 is no")] {
        let overrides = Overrides { nodes: Some(nodes), ..Overrides::default() };
        let read = ScenarioFile::parse(Path::new("s.toml"), SMALL, Path::new(""), overrides);
        let error = read.unwrap_err().to_string();
        let expected = format!("s.toml:2: with --nodes {nodes}: {expected}");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn of_several_tables_the_wrong_one_is_named() {
    let work = |rate: u32| format!("[[workload]]\nkind = \"find\"\nrate = {rate}\n");
    let error = parse(&format!("{SMALL}{}{}", work(1), work(0))).unwrap_err().to_string();
    assert!(error.starts_with("s.toml:9: rate = 0"), "{error}");
    let sweep = "[trouble]\nloss = 0.1\n[[sweep]]\nof = \"trouble.loss\"\nvalues = [0.5, 2.0]\n";
    let error = parse(&format!("{SMALL}{sweep}")).unwrap_err().to_string();
    assert!(error.starts_with("s.toml:8: with trouble.loss = 2.0: loss = 2"), "{error}");
}

#[test]
fn sweeps_combine() {
    let text = format!(
        "{SMALL}[[sweep]]\nof = \"nodes\"\nvalues = [10, 20]\n\
         [[sweep]]\nof = \"node.paths\"\nvalues = [1, 4, 8]\n"
    );
    let file = parse(&text).unwrap();
    assert_eq!(file.points.len(), 6);
    assert_eq!(file.points[4].label, "nodes = 20, node.paths = 4");
    assert_eq!(file.points[4].scenario.nodes, 20);
    assert_eq!(file.points[4].scenario.node.paths, Some(4));
}

#[test]
fn overrides_replace() {
    let overrides = Overrides { seed: Some(9), seeds: None, nodes: Some(77) };
    let file = ScenarioFile::parse(Path::new("s"), SMALL, Path::new(""), overrides).unwrap();
    let point = &file.points[0].scenario;
    assert_eq!((point.seed, point.seeds, point.nodes), (9, 1, 77));
    let text = format!("{SMALL}[[sweep]]\nof = \"nodes\"\nvalues = [10, 20]\n");
    let file = ScenarioFile::parse(Path::new("s"), &text, Path::new(""), overrides).unwrap();
    assert_eq!((file.points.len(), file.points[0].scenario.nodes), (1, 77));
}
