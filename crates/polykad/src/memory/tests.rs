use super::linux::code;
use super::release_code;

#[test]
fn only_unchanged_code_of_files_is_released() {
    let check = |line, expected| assert_eq!(code(line), expected, "{line}");
    check("1000-3000 r-xp 00001000 08:01 42    /usr/bin/polykad", Some((0x1000, 0x2000)));
    check("1000-3000 r--p 00000000 08:01 42    /usr/bin/polykad", None);
    check("1000-3000 rw-p 00000000 08:01 42    /usr/bin/polykad", None);
    check("1000-3000 rwxp 00000000 08:01 42    /usr/bin/polykad", None);
    check("1000-3000 r-xs 00000000 08:01 42    /usr/bin/polykad", None);
    check("1000-3000 r-xp 00000000 00:00 0     [vdso]", None);
    check("1000-3000 r-xp 00000000 00:00 0", None);
    check("3000-1000 r-xp 00001000 08:01 42    /usr/bin/polykad", None);
    check("", None);
}

#[test]
fn the_process_runs_on() {
    release_code();
    assert_eq!("still here".len(), 10);
}
