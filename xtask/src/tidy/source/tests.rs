use super::*;

fn check(rule: fn(&Workspace) -> Vec<String>, path: &str, text: &str, expected: usize) {
    let source = Source { path: path.into(), text: text.into() };
    let workspace = Workspace { sources: vec![source], ..Workspace::default() };
    let findings = rule(&workspace);
    assert_eq!(findings.len(), expected, "{path}: {text:?}: {findings:?}");
}

#[test]
fn length_of_files() {
    check(file_length, "a/src/x.rs", &"x\n".repeat(700), 0);
    check(file_length, "a/src/x.rs", &"x\n".repeat(701), 1);
    check(file_length, "a/src/x/tests.rs", &"x\n".repeat(701), 0);
    check(file_length, "a/tests/it/main.rs", &"x\n".repeat(701), 0);
}

#[test]
fn length_of_lines() {
    check(line_length, "x.rs", &"ä".repeat(100), 0);
    check(line_length, "x.rs", &"x".repeat(101), 1);
    check(line_length, "x/tests.rs", &format!("\"{}\"", "x".repeat(101)), 0);
}

#[test]
fn heads_of_modules() {
    check(heads, "x.rs", "//! What.\n", 0);
    check(heads, "x.rs", "#![no_main]\n//! What.\n", 0);
    check(heads, "x.rs", "// What.\n", 1);
    check(heads, "x.rs", "", 1);
    check(heads, "x/tests.rs", "use super::*;\n", 0);
}

#[test]
fn ignored_tests() {
    check(ignored, "x.rs", concat!("    #[", "ignore = \"slow\"]\n"), 1);
    check(ignored, "x.rs", "// ignore\n", 0);
}

#[test]
fn exceptions_need_reasons() {
    check(exceptions, "x.rs", concat!("#[", "allow(dead_code)]\n"), 1);
    check(exceptions, "x.rs", concat!("#![", "allow(dead_code)]\n"), 1);
    check(exceptions, "x.rs", concat!("    #[", "expect(dead_code)]\n"), 1);
    check(
        exceptions,
        "x.rs",
        concat!("#[", "expect(\n    dead_code,\n    reason = \"x\"\n)]\n"),
        0,
    );
    check(exceptions, "x.rs", "// never #[allow(x)]\n", 0);
    check(exceptions, "x.rs", "let x = y.expect(\"a\");\n", 0);
}

#[test]
fn unfinished_work() {
    check(unfinished, "x.rs", concat!("    to", "do!()\n"), 1);
    check(unfinished, "x.rs", "fn todos() {}\n", 0);
}

#[test]
fn tests_inside_modules() {
    check(inline_tests, "a/src/x.rs", concat!("mod tests", " {\n}\n"), 1);
    check(inline_tests, "a/src/x.rs", "mod tests;\n", 0);
}
