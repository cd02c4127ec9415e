use super::*;

#[test]
fn reads_memory() {
    let text = "5500 ---p [rollup]\nRss:      100 kB\nPss: 50 kB\nPrivate_Clean:   8 kB\n\
                Private_Dirty:  32 kB\n";
    assert_eq!(memory(text), Memory { resident: 102_400, private: 40_960 });
    assert_eq!(memory(""), Memory::default());
}

#[test]
fn reads_user_time() {
    let text = "7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 250 31 0 0";
    assert_eq!(user_time(text), Duration::from_millis(2500));
    assert_eq!(user_time(""), Duration::ZERO);
}

#[test]
fn reads_schedstat() {
    assert_eq!(on_cpu("1500 20 3\n"), Duration::from_nanos(1500));
    assert_eq!(on_cpu(""), Duration::ZERO);
}
