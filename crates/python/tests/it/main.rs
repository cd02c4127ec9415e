//! What type checkers are told of the native module is what it has. The module itself is tested in
//! Python, by `cargo xtask test clients`; this package's build for tests is what that stage uses.

const EXPORTS: &str = include_str!("../../src/lib.rs");
const STUB: &str = include_str!("../../python/polykad/_native.pyi");

/// The names after each `#[pymodule_export]`.
fn exported() -> Vec<&'static str> {
    let lines = EXPORTS.lines().map(str::trim);
    let used = lines.filter_map(|line| line.strip_prefix("use super::")?.split_once("::"));
    let names = used.flat_map(|(_, names)| names.trim_matches([';', '{', '}']).split(", "));
    names.map(|name| name.trim_matches(['{', '}', ';'])).collect()
}

#[test]
fn the_stub_has_what_the_module_exports() {
    let exported = exported();
    assert!(exported.contains(&"Author") && exported.contains(&"start"), "{exported:?}");
    for name in exported {
        let declared = [format!("class {name}:"), format!("def {name}(")];
        let is_there = declared.iter().any(|line| STUB.lines().any(|told| told.starts_with(line)));
        assert!(is_there, "{name} is not in _native.pyi");
    }
}
