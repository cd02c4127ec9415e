use super::linux::unwritten;
use super::release_code;

#[test]
fn only_what_is_as_the_file_is_is_released() {
    let check = |head: &str, anonymous: u32, swap: u32, expected: Option<(usize, usize)>| {
        let map = format!(
            "{head}\nSize: 8 kB\nRss: 8 kB\nAnonymous: {anonymous} kB\nSwap: {swap} kB\nSwapPss: 0 kB\n"
        );
        let around = "5000-6000 rw-p 00000000 00:00 0 [heap]\nAnonymous: 0 kB\nSwap: 0 kB\n";
        let found = unwritten(&format!("{around}{map}{around}"));
        assert_eq!(found, Vec::from_iter(expected), "{map}");
    };
    let whole = Some((0x1000, 0x2000));
    check("1000-3000 r-xp 00001000 08:01 42    /usr/bin/polykad", 0, 0, whole);
    check("1000-3000 r--p 00000000 08:01 42    /usr/bin/polykad", 0, 0, whole);
    // Relocated, and what of that was swapped out.
    check("1000-3000 r--p 00000000 08:01 42    /usr/bin/polykad", 4, 0, None);
    check("1000-3000 r--p 00000000 08:01 42    /usr/bin/polykad", 0, 4, None);
    check("1000-3000 rw-p 00000000 08:01 42    /usr/bin/polykad", 0, 0, None);
    check("1000-3000 rwxp 00000000 08:01 42    /usr/bin/polykad", 0, 0, None);
    check("1000-3000 r-xs 00000000 08:01 42    /usr/bin/polykad", 0, 0, None);
    check("1000-3000 r-xp 00000000 00:00 0     [vdso]", 0, 0, None);
    check("1000-3000 r-xp 00000000 00:00 0", 0, 0, None);
    check("3000-1000 r-xp 00001000 08:01 42    /usr/bin/polykad", 0, 0, None);
    assert!(unwritten("").is_empty());
}

#[test]
fn the_process_runs_on() {
    release_code();
    assert_eq!("still here".len(), 10);
}
