use super::*;

fn check(is_terminal: bool, variables: &[(&str, &str)], expected: [bool; 3]) {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned()).unwrap_or_default()
    };
    let terminal = Terminal::new(is_terminal, variable);
    let [live, colour, unicode] = expected;
    assert_eq!(terminal, Terminal { live, colour, unicode }, "{variables:?}");
}

#[test]
fn believes_the_environment() {
    if cfg!(windows) {
        return;
    }
    check(true, &[("TERM", "xterm"), ("LANG", "de_DE.UTF-8")], [true, true, true]);
    check(true, &[("TERM", "xterm"), ("LANG", "C"), ("LC_ALL", "C.utf8")], [true, true, true]);
    check(true, &[("TERM", "xterm"), ("LANG", "C.UTF-8"), ("LC_ALL", "C")], [true, true, false]);
    check(true, &[("TERM", "xterm"), ("NO_COLOR", "1")], [true, false, false]);
    check(true, &[("TERM", "dumb")], [false, false, false]);
    check(false, &[("TERM", "xterm"), ("LANG", "C.UTF-8")], [false, false, true]);
}

#[test]
fn paints_only_in_colour() {
    let plain = Terminal { live: true, colour: false, unicode: true };
    assert_eq!(plain.paint(Paint::Red, "x"), "x");
    let coloured = Terminal { colour: true, ..plain };
    assert_eq!(coloured.paint(Paint::Red, "x"), "\x1b[31mx\x1b[0m");
}
