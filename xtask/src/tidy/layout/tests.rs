use super::*;

#[test]
fn a_network_lacks_files() {
    let folder = std::env::temp_dir().join(format!("polykad-tidy-{}", std::process::id()));
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::create_dir_all(folder.join("tests")).unwrap();
    fs::write(folder.join("src/lib.rs"), "").unwrap();
    let findings = missing_files(&folder, "crates/networks/new");
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(findings.len(), NETWORK_FILES.len() - 1);
    assert!(findings.iter().any(|finding| finding.contains("tests/")), "an empty folder is none");
}

#[test]
fn ban_lists_must_agree() {
    let list = |place: &str, text: &str| (place.to_owned(), ban_list(text).to_owned());
    let full = "x = 1\ndisallowed-methods = []\ndisallowed-types = []\n";
    let model = list("crates/kademlia", full);
    let same = list("crates/networks/a", &full.replace("x = 1", "x = 2"));
    let other = list("crates/networks/b", "disallowed-methods = []\n");
    assert!(different_lists(&[model.clone(), same]).is_empty());
    assert_eq!(different_lists(&[model, other]).len(), 1);
    assert_eq!(different_lists(&[]).len(), 1);
}

#[test]
fn rust_version_is_inherited() {
    for (manifest, fine) in [
        ("rust-version.workspace = true\n", true),
        ("rust-version = \"1.95\"\n", false),
        ("rust-version.workspace = true\nrust-version = \"1\"\n", false),
        ("", false),
    ] {
        assert_eq!(inherits(manifest), fine, "{manifest}");
    }
}
