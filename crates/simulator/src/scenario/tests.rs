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
    check("[churn]\nmodel = \"weibull\"\n", 4, "session_shape");
    check("[[happening]]\nat = \"10x\"\n", 5, "no span of time");
    check("[[sweep]]\nof = \"name.x\"\nvalues = [1]\n", 5, "leads nowhere");
    check("[[assert]]\nmetric = \"find.success\"\n", 5, "at_least or at_most");
    check("[[happening]]\nat = \"1s\"\nsplit = 0.5\n", 6, "heals_at");
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
}
