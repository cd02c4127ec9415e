use super::*;

#[test]
fn replaces_members() {
    let manifest =
        "[workspace]\nmembers = [\n    \"a\",\n    \"b\",\n]\ndefault-members = [\"a\"]\nx = 1\n";
    let changed = with_members(manifest, "    \"c\",\n").unwrap();
    assert_eq!(changed, "[workspace]\nmembers = [\n    \"c\",\n]\nx = 1\n");
}

#[test]
fn plants_all() {
    let text = planted("//! Head.\n");
    assert!(PLANTS.iter().all(|plant| text.contains(plant)));
}

#[test]
fn counts_findings_of_the_ban_list() {
    let said = "error: use of a disallowed method `std::time::Instant::now`\n  --> x\n\
                error: use of a disallowed type `std::collections::HashMap`\nerror: other\n";
    assert_eq!(caught(said), 2);
}
