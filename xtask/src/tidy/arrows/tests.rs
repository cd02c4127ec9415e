use super::*;

fn member(place: &str, dependencies: &[&str]) -> Member {
    Member {
        name: place.replace('/', "-"),
        place: place.into(),
        dependencies: dependencies.iter().map(|place| place.replace('/', "-")).collect(),
        ..Member::default()
    }
}

#[test]
fn arrows_point_one_way() {
    let cases: [(&str, &str, bool); 8] = [
        ("crates/networks/mainline", "crates/kademlia", true),
        ("crates/polykad", "crates/networks/mainline", true),
        ("crates/cli", "crates/polykad", true),
        ("fuzz", "crates/networks/mainline", true),
        ("crates/kademlia", "crates/client", false),
        ("crates/client", "crates/networks/mainline", false),
        ("crates/networks/poly", "crates/networks/mainline", false),
        ("crates/services/names", "crates/polykad", false),
    ];
    for (from, to, fine) in cases {
        let members = vec![member(from, &[to]), member(to, &[])];
        let findings = direct(&Workspace { members, ..Workspace::default() });
        assert_eq!(findings.is_empty(), fine, "{from} -> {to}: {findings:?}");
    }
}

#[test]
fn a_new_place_needs_a_line() {
    let members = vec![member("crates/other", &[])];
    assert_eq!(direct(&Workspace { members, ..Workspace::default() }).len(), 1);
}

#[test]
fn impure_packages_are_found_once() {
    let tree = "a v1.0.0 (/x)\ngetrandom v0.4.0\nsha1 v0.11.0\ngetrandom v0.4.0\n";
    assert_eq!(impure_in("a", tree).len(), 1);
    assert!(impure_in("a", "a v1.0.0\nrand_core v0.10.0\n").is_empty());
}

#[test]
fn licence_expressions() {
    for (expression, fine) in [
        ("MIT", true),
        ("MIT OR Apache-2.0", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0 OR MIT", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("GPL-3.0", false),
        ("MIT AND GPL-3.0", false),
        ("", false),
    ] {
        assert_eq!(acceptable("any", expression), fine, "{expression}");
    }
    let fuzzer = "(MIT OR Apache-2.0) AND NCSA";
    assert!(acceptable("libfuzzer-sys", fuzzer) && !acceptable("any", fuzzer));
}
