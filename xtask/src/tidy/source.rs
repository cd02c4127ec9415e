//! Rules about each source file by itself.

use super::workspace::{Source, Workspace};

const MAX_LINES: usize = 700;
const MAX_COLUMNS: usize = 100;

/// Long files hide their structure. Tests are lists of cases and may be long.
pub(super) fn file_length(workspace: &Workspace) -> Vec<String> {
    let code = workspace.sources.iter().filter(|source| !source.is_test());
    code.filter_map(too_long).collect()
}

fn too_long(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > MAX_LINES)
        .then(|| format!("{}: {lines} lines; split it (limit {MAX_LINES})", source.path))
}

/// rustfmt leaves long strings and comments alone; this does not.
pub(super) fn line_length(workspace: &Workspace) -> Vec<String> {
    each_line(workspace, |source, line| {
        let columns = line.chars().count();
        // A long string of data in a test is easier to compare in one piece.
        let too_long = columns > MAX_COLUMNS && !(source.is_test() && line.contains('"'));
        too_long.then(|| format!("{columns} columns; wrap it (limit {MAX_COLUMNS})"))
    })
}

/// A module says what it is before anything else.
pub(super) fn heads(workspace: &Workspace) -> Vec<String> {
    let code = workspace.sources.iter().filter(|source| !source.is_test());
    let headless = code.filter(|source| !has_head(&source.text));
    headless.map(|s| format!("{}: open with `//!`: what it is, who calls it", s.path)).collect()
}

fn has_head(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with("#!["));
    first.is_some_and(|line| line.starts_with("//!"))
}

/// A test that does not run proves nothing.
pub(super) fn ignored(workspace: &Workspace) -> Vec<String> {
    each_line(workspace, |_, line| {
        let attribute = line.trim_start();
        let ignored =
            attribute.starts_with("#[ignore") || attribute.contains(concat!(", ignore", ")]"));
        ignored.then(|| "an ignored test: make it run or remove it".to_owned())
    })
}

/// `#[expect]` tells when it has become needless; the reason tells why it is there.
pub(super) fn exceptions(workspace: &Workspace) -> Vec<String> {
    let findings = workspace.sources.iter().flat_map(|source| {
        let found = unreasoned(&source.text).into_iter();
        found.map(|(line, what)| format!("{}:{line}: {what}", source.path))
    });
    findings.collect()
}

fn unreasoned(text: &str) -> Vec<(usize, &'static str)> {
    let starts = text.match_indices("#[").chain(text.match_indices("#!["));
    let mut findings: Vec<(usize, &str)> = starts
        .filter_map(|(start, opening)| {
            let rest = text.get(start + opening.len()..)?;
            // Comments that speak of attributes are no attributes.
            let before = text.get(..start)?.rsplit('\n').next()?;
            let attribute = rest.split(']').next()?;
            let kind = ["allow(", "expect("].iter().find(|kind| attribute.starts_with(**kind))?;
            let bare = before.trim().is_empty() && !attribute.contains("reason");
            let line = text.get(..start)?.matches('\n').count() + 1;
            let say = match *kind {
                "allow(" => "write #[expect(lint, reason = \"…\")] instead of #[allow(lint)]",
                _ => "#[expect(lint)] lacks its reason = \"…\"",
            };
            bare.then_some((line, say))
        })
        .collect();
    findings.sort_unstable();
    findings
}

/// Nothing is promised that is not there.
pub(super) fn unfinished(workspace: &Workspace) -> Vec<String> {
    // Written apart, or this file would find itself.
    let words = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
    ];
    each_line(workspace, |_, line| {
        let found = words.iter().find(|word| line.contains(**word));
        found.map(|word| format!("{word:?}: finish it, or file an issue"))
    })
}

/// Tests sit next to the code in a file of their own, so that the code can be read in one go.
pub(super) fn inline_tests(workspace: &Workspace) -> Vec<String> {
    let code = workspace.sources.iter().filter(|source| !source.is_test());
    let inline = code.filter(|source| source.text.contains(concat!("mod tests", " {")));
    let say = |source: &Source| {
        let own = source.path.trim_end_matches(".rs");
        format!("{}: move `mod tests` to {own}/tests.rs", source.path)
    };
    inline.map(say).collect()
}

fn each_line(
    workspace: &Workspace,
    finding: impl Fn(&Source, &str) -> Option<String>,
) -> Vec<String> {
    let mut findings = Vec::new();
    for source in &workspace.sources {
        for (number, line) in source.lines() {
            let found = finding(source, line);
            findings.extend(found.map(|what| format!("{}:{number}: {what}", source.path)));
        }
    }
    findings
}

#[cfg(test)]
mod tests;
