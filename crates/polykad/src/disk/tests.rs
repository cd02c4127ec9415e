use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;

use super::batch::Change;
use super::*;

const NAME: &str = "test.redb";
const NOW: u64 = 1_000_000;

fn open(folder: &Path) -> Opened {
    Opened::open(folder, NAME, NOW).unwrap()
}

fn values(opened: &Opened) -> BTreeMap<Vec<u8>, (Vec<u8>, u64)> {
    let mut all = BTreeMap::new();
    let take = |key: &[u8], value: &[u8], expires| {
        all.insert(key.to_vec(), (value.to_vec(), expires));
    };
    opened.values(NOW, take).unwrap();
    all
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_kept_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("made/on/demand");
    let disk = open(&folder).start().unwrap();
    disk.set("id", b"first");
    disk.set("id", b"second");
    disk.keep(b"a", b"old", NOW + 5);
    disk.keep(b"a", b"new", NOW + 10);
    disk.keep(b"b", b"", NOW + 1);
    disk.keep(b"expired", b"x", NOW);
    drop(disk);

    let opened = open(&folder);
    assert_eq!(opened.state("id").unwrap().as_deref(), Some(&b"second"[..]));
    assert_eq!(opened.state("other").unwrap(), None);
    let expected =
        [(b"a".to_vec(), (b"new".to_vec(), NOW + 10)), (b"b".to_vec(), (Vec::new(), NOW + 1))];
    assert_eq!(values(&opened), BTreeMap::from(expected));
    assert_eq!(files(&folder), [NAME]);
}

#[test]
fn what_is_not_closed_is_committed_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let disk = open(folder.path()).start().unwrap();
    let size = disk.status().bytes;
    disk.keep(b"a", &vec![7; 100_000], NOW + 1);
    let start = std::time::Instant::now();
    while disk.status().bytes <= size {
        assert!(start.elapsed() < Duration::from_secs(10), "not committed");
        std::thread::yield_now();
    }
    // A copy taken now is what kill -9 would leave behind.
    let other = tempfile::tempdir().unwrap();
    fs::copy(folder.path().join(NAME), other.path().join(NAME)).unwrap();
    assert_eq!(values(&open(other.path())).len(), 1);
}

#[test]
fn a_second_opener_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    let error = Opened::open(folder.path(), NAME, NOW).unwrap_err();
    assert!(matches!(error, DiskError::InUse { .. }), "{error}");
}

#[test]
fn an_unusable_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Opened::open(&file, NAME, NOW).unwrap_err();
    assert!(matches!(error, DiskError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn a_newer_format_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let disk = open(folder.path()).start().unwrap();
    disk.set("format", &2_u32.to_le_bytes());
    disk.set("id", b"of the future");
    drop(disk);
    for _ in 0..2 {
        let error = Opened::open(folder.path(), NAME, NOW).unwrap_err();
        assert!(matches!(error, DiskError::Newer { found: 2, .. }), "{error}");
        assert!(error.to_string().contains("format 2"), "{error}");
    }
    assert_eq!(files(folder.path()), [NAME]);
}

#[test]
fn a_format_that_is_none_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let disk = open(folder.path()).start().unwrap();
    disk.set("format", b"no number");
    drop(disk);
    open(folder.path());
    assert_eq!(files(folder.path()), [NAME.into(), format!("{NAME}.damaged-{NOW}")]);
}

/// A file with some values, as bytes.
fn sample() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let disk = open(folder.path()).start().unwrap();
    for index in 0..2000_u32 {
        disk.keep(&index.to_be_bytes(), &[7; 50], NOW + 1);
    }
    drop(disk);
    fs::read(folder.path().join(NAME)).unwrap()
}

#[test]
fn a_damaged_file_is_set_aside() {
    let sample = sample();
    let middle = sample.len() / 2;
    let mut flipped = sample.clone();
    for byte in flipped.iter_mut().skip(20_000).step_by(1000) {
        *byte ^= 0x55;
    }
    let cases: [&[u8]; 4] = [b"not a database", &vec![0; 70_000], &sample[..middle], &flipped];
    for damaged in cases {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), damaged).unwrap();
        let disk = open(folder.path()).start().unwrap();
        disk.keep(b"new", b"value", NOW + 1);
        drop(disk);
        assert_eq!(values(&open(folder.path())).len(), 1);
        let names = files(folder.path());
        assert_eq!(names.len(), 2, "{names:?}");
        let aside = fs::read(folder.path().join(&names[1])).unwrap();
        assert_eq!(aside.len(), damaged.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_damage_is_fatal(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), 1..=255_u8), 1..20),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        thread_local!(static SAMPLE: Vec<u8> = sample());
        let mut bytes = SAMPLE.with(Clone::clone);
        for (index, flip) in damage {
            let index = index.index(bytes.len());
            bytes[index] ^= flip;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), bytes).unwrap();
        let opened = open(folder.path());
        prop_assert!(values(&opened).len() <= 2000);
        drop(opened.start().unwrap());
    }

    #[test]
    fn batches_give_back_what_went_in(
        changes in proptest::collection::vec(
            (any::<bool>(), "[a-z]{0,20}", any::<Vec<u8>>(), any::<u64>()), 0..20),
    ) {
        let mut batch = Batch::default();
        for (keep, key, value, expires) in &changes {
            if *keep {
                batch.keep(key.as_bytes(), value, *expires);
            } else {
                batch.set(key, value);
            }
        }
        let expected: Vec<_> = changes
            .iter()
            .map(|(keep, key, value, expires)| match keep {
                true => Change::Keep { key: key.as_bytes(), value, expires: *expires },
                false => Change::Set { name: key, value },
            })
            .collect();
        prop_assert_eq!(batch.iter().collect::<Vec<_>>(), expected);
    }
}
