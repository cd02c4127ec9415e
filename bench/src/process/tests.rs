use super::*;

#[test]
fn reads_memory() {
    let text = "5500 ---p [rollup]\nRss:      100 kB\nPss: 50 kB\nPrivate_Clean:   8 kB\n\
                Private_Dirty:  32 kB\n";
    assert_eq!(memory(text), Memory { resident: 102_400, private: 40_960 });
    assert_eq!(memory(""), Memory::default());
}

#[test]
fn reads_schedstat() {
    assert_eq!(on_cpu("1500 20 3\n"), Duration::from_nanos(1500));
    assert_eq!(on_cpu(""), Duration::ZERO);
}
