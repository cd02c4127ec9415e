use clap::CommandFactory;

use super::{after_help, pages};
use crate::args::Arguments;

fn count(command: &clap::Command) -> usize {
    let shown = command.get_subcommands().filter(|child| !child.is_hide_set());
    1 + shown.map(count).sum::<usize>()
}

#[test]
fn every_command_has_a_page() {
    let pages = pages();
    assert_eq!(pages.len(), count(&Arguments::command()));
    for name in ["polykad", "polykad-serve", "polykad-mainline-get-peers", "polykad-record-set"] {
        assert!(pages.iter().any(|(page, _)| page == name), "no page {name}");
    }
}

#[test]
fn pages_have_their_parts_and_name_each_other() {
    let pages = pages();
    let of = |name: &str| &pages.iter().find(|(page, _)| page == name).unwrap().1;
    for (name, page) in &pages {
        for part in [".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS", ".SH \"EXIT STATUS\""] {
            assert!(page.contains(part), "{name} has no {part}:\n{page}");
        }
    }
    let root = of("polykad");
    for part in [".SH ENVIRONMENT", ".SH FILES", ".SH EXAMPLES", "polykad\\-mainline"] {
        assert!(root.contains(part), "no {part} in\n{root}");
    }
    assert!(of("polykad-mainline-get").contains("polykad\\-mainline\\fR(1)"));
}

#[test]
fn examples_keep_their_lines_and_words_become_paragraphs() {
    let mut page = clap_mangen::roff::Roff::new();
    let help = "Examples:\n  one --two\n    three\n\nSome words\nthat go on.\n\nExit codes: 0 done";
    after_help(&mut page, help);
    let text = page.to_roff();
    assert!(text.contains(".nf\n.RS 4\none \\-\\-two\n  three\n.RE\n.fi\n"), "{text}");
    assert!(text.contains(".PP\nSome words that go on.\n"), "{text}");
    assert!(!text.contains("Exit codes"), "{text}");
}
