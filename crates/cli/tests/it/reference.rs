//! Completions and manual pages, by the shell and by the program that reads them.

use std::process::Command;

use crate::program::run;

/// What bash completes these words to, the last of which is being typed.
fn completed(words: &str) -> String {
    let script = run(&["completions", "bash"]).done().out;
    // The function is called as the shell would, without a terminal.
    let call = format!(
        "{script}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         _polykad polykad \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\n\
         echo \"${{COMPREPLY[*]}}\""
    );
    let output = Command::new("bash").args(["--norc", "-c", &call]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let check = |words, expected: &str| assert_eq!(completed(words), expected, "{words}");
    check("polykad mainl", "mainline");
    check("polykad mainline get-", "get-peers");
    check("polykad mainline get --pub", "--public-key");
    check("polykad completions ba", "bash");
}

#[test]
fn each_shell_has_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]).done().out;
        assert!(script.contains("get-peers"), "{shell}");
    }
    run(&["completions", "cmd"]).failed(2, &["cmd", "completions"]);
}

#[test]
fn pages_are_written_where_told() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man/man1");
    run(&["man", pages.to_str().unwrap()]).done();
    let page = std::fs::read_to_string(pages.join("polykad-record-set.1")).unwrap();
    assert!(page.starts_with(".TH") || page.contains("\n.TH"), "{page}");
    assert!(pages.join("polykad.1").is_file());
}
