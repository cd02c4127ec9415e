use super::*;

fn told(line: &str) -> String {
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    let error = Arguments::try_parse_from(&words).unwrap_err();
    condense(&error.to_string(), &command_path(&words))
}

#[test]
fn wrong_use_takes_one_line_that_names_the_remedy() {
    for (line, parts) in [
        (
            "polykad mainline ping 10.77.4.1",
            ["10.77.4.1", "10.77.4.1:6881", "mainline ping --help"],
        ),
        ("polykad mainline find-node xyz", ["xyz", "40 hexadecimal", "mainline find-node --help"]),
        ("polykad serve --listen 1.2.3.4:99999", ["1.2.3.4:99999", "beyond 65535", "serve --help"]),
        ("polykad mainline pin", ["'pin'", "'ping'", "mainline --help"]),
        ("polykad no-such-command", ["no-such-command", "unrecognized", "polykad --help"]),
        ("polykad mainline put", ["VALUE", "required", "mainline put --help"]),
        ("polykad demo --nodes 2", ["'2'", "4", "demo --help"]),
    ] {
        let told = told(line);
        assert!(!told.contains('\n'), "{told}");
        for part in parts {
            assert!(told.contains(part), "{line}: '{part}' is not in: {told}");
        }
    }
}

#[test]
fn the_arguments_are_consistent() {
    Arguments::command().debug_assert();
}
