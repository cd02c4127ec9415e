use std::fs;

use crate::shell::root;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The strings of a line of TOML.
fn strings(line: &str) -> Vec<&str> {
    line.split('"').skip(1).step_by(2).collect()
}

#[test]
fn what_the_package_is_made_of_is_there() {
    let manifest = read("crates/cli/Cargo.toml");
    let (_, deb) = manifest.split_once("[package.metadata.deb]").unwrap();
    let assets: Vec<_> = deb.lines().filter(|line| line.starts_with("    [\"")).collect();
    assert!(assets.len() > 5, "{assets:?}");
    for asset in assets {
        let [from, to, mode] = strings(asset)[..] else { panic!("{asset}") };
        let is_built = from.starts_with("target/") || from.contains("target/dist/stage/");
        let is_there = root().join("crates/cli").join(from).is_file();
        assert!(is_built || is_there, "{from} is missing");
        assert!(!to.starts_with('/') && ["644", "755"].contains(&mode), "{asset}");
    }
}

#[test]
fn the_service_runs_what_the_package_installs() {
    let manifest = read("crates/cli/Cargo.toml");
    let unit = read("packaging/polykad.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let words: Vec<_> = start.split(' ').collect();
    assert_eq!(words[..2], ["/usr/bin/polykad", "serve"]);
    let after = |flag| words.iter().skip_while(|word| **word != flag).nth(1).unwrap();
    assert!(manifest.contains(&format!("conf-files = [\"{}\"]", after("--config"))));
    let folder = after("--data").strip_prefix("/var/lib/").unwrap();
    assert!(unit.contains(&format!("\nStateDirectory={folder}\n")));
    let user = unit.lines().find_map(|line| line.strip_prefix("User=")).unwrap();
    let sysusers = read("packaging/polykad.sysusers");
    assert!(sysusers.lines().any(|line| line.starts_with(&format!("u {user} "))), "{sysusers}");
}

#[test]
fn the_changelog_begins_with_this_version() {
    let changelog = read("packaging/debian/changelog");
    let expected = format!("polykad ({}-", env!("CARGO_PKG_VERSION"));
    assert!(changelog.starts_with(&expected), "{changelog}");
}
