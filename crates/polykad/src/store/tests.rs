//! The store against a model, on a medium that stops at every byte, fails, and loses what was not
//! synced.

mod faulty;
mod model;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use faulty::{Disk, Faulty};
use model::{Act, Run, act, acts, random};

/// Files of this size are begun, emptied and deleted all the time.
const SMALL: u32 = 3000;

#[test]
fn a_stop_at_any_byte_loses_nothing_acknowledged() {
    let script = acts(7, 120);
    let mut whole = Run::new(SMALL);
    whole.perform_all(&script);
    let points = whole.points();
    assert!(points > 10_000, "{points} points to stop at");
    let step = if cfg!(debug_assertions) { 3 } else { 1 };
    for point in (0..points).step_by(step) {
        let mut run = Run::new(SMALL);
        run.stop_after(point);
        run.perform_all(&script);
        run.restart_and_check(&format!("stopped after {point} points"));
    }
}

/// 20,000 runs one after the other on the same files, each stopped somewhere.
#[test]
fn twenty_thousand_stops_lose_nothing_acknowledged() {
    let mut run = Run::new(SMALL);
    let mut seed = 1;
    for cycle in 0..20_000 {
        let count = random(&mut seed) % 24;
        run.stop_after(random(&mut seed) % 3000);
        for _ in 0..count {
            run.perform(&act(&mut seed));
        }
        run.restart_and_check(&format!("cycle {cycle}"));
    }
    let bytes = run.bytes();
    assert!(bytes < 400_000, "what is not needed goes: {bytes} bytes are left");
    assert!(run.emptied > 1000, "files were emptied {} times", run.emptied);
}

#[test]
fn a_failing_disk_refuses_and_damages_nothing() {
    let mut run = Run::new(SMALL);
    let mut seed = 2;
    for cycle in 0..2000 {
        run.fail_after(random(&mut seed) % 1500, random(&mut seed).is_multiple_of(2));
        for _ in 0..10 {
            run.perform(&act(&mut seed));
            run.check("while it runs");
        }
        run.restart_and_check(&format!("cycle {cycle}"));
    }
    assert!(run.failed > 1000, "{} writes failed", run.failed);
}

#[test]
fn a_power_cut_loses_only_what_was_not_synced() {
    let mut run = Run::new(SMALL);
    let mut seed = 3;
    for cycle in 0..5000 {
        let count = random(&mut seed) % 30;
        for _ in 0..count {
            run.perform(&act(&mut seed));
        }
        run.power_cut(random(&mut seed));
        run.restart_and_check(&format!("cycle {cycle}"));
    }
}

#[test]
fn a_power_cut_loses_nothing_if_writes_wait_for_the_disk() {
    let mut run = Run::waiting(SMALL);
    let mut seed = 4;
    for cycle in 0..2000 {
        for _ in 0..random(&mut seed) % 30 {
            run.perform(&act(&mut seed));
        }
        run.synced();
        run.power_cut(random(&mut seed));
        run.restart_and_check(&format!("cycle {cycle}"));
    }
}

#[test]
fn damage_is_set_aside_and_the_rest_is_kept() {
    for seed in 0..300 {
        let mut run = Run::new(SMALL);
        run.perform_all(&acts(seed, 150));
        let intact = run.intact();
        run.damage(seed);
        run.restart();
        let lost = intact - run.intact();
        // One record is unreadable; what it stood for is an older one at best, never a wrong one.
        assert!(lost <= 1, "{lost} lost of {intact}, seed {seed}");
        run.restart();
        assert_eq!(intact - run.intact(), lost, "it is not lost again");
    }
}

#[test]
fn files_of_others_are_set_aside() {
    for content in
        [&b"PKvalues\0\0\0\x02saltfilewhatever"[..], &b"something else entirely, and longer"[..]]
    {
        let mut disk = Disk::default();
        disk.put(5, content);
        let run = Run::on(disk, SMALL);
        assert_eq!(run.aside(), [content.to_vec()]);
        assert_eq!(run.intact(), 0);
    }
    let mut disk = Disk::default();
    disk.put(5, b"PKva");
    let mut run = Run::on(disk, SMALL);
    assert_eq!(run.aside(), Vec::<Vec<u8>>::new(), "a creation that was interrupted");
    run.perform_all(&acts(1, 20));
    run.restart_and_check("after");
}

#[test]
fn a_removed_value_does_not_come_back_when_its_removal_is_forgotten() {
    let mut run = Run::new(SMALL);
    run.perform(&Act::Write { slot: 1, length: 500, lives: 1000 });
    run.perform(&Act::Write { slot: 1, length: 400, lives: 10 });
    run.perform(&Act::Wait(20));
    run.perform(&Act::Remove { slot: 1 });
    for round in 0..60 {
        run.perform(&Act::Write { slot: 2 + round % 5, length: 300, lives: 5000 });
        run.restart_and_check("while other values come");
    }
    assert!(run.emptied > 0);
}

#[test]
fn space_is_bounded() {
    let mut run = Run::new(20_000);
    let mut most = 0;
    for round in 0..20_000u64 {
        let slot = u8::try_from(round * 7 % 40).unwrap();
        run.perform(&Act::Write { slot, length: 700, lives: 1_000_000 });
        if round % 10 == 0 {
            run.perform(&Act::Flush);
        }
        most = most.max(run.bytes());
    }
    // 40 values of 846 bytes are needed.
    assert!(most < 4 * 34_000 + 3 * 20_000, "{most} bytes at most");
}

#[test]
fn a_folder_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = DiskStore::open(folder.path(), StoreSettings::default()).unwrap();
    let second = DiskStore::open(folder.path(), StoreSettings::default());
    assert!(matches!(second, Err(StoreError::InUse(_))), "{second:?}");
    drop(store);
    DiskStore::open(folder.path(), StoreSettings::default()).unwrap();
}

#[test]
fn values_survive_in_a_real_folder() {
    let folder = tempfile::tempdir().unwrap();
    let open = || DiskStore::open(folder.path(), StoreSettings::default()).unwrap();
    let (slot, head) = (model::slot(3), model::head(5, u64::MAX, 1));
    open().write(&slot, &head, b"value").unwrap();
    let store = open();
    let mut heads = Vec::new();
    store.heads(&mut |slot, head| heads.push((*slot, *head)));
    assert_eq!(heads, [(slot, head)]);
    let mut value = Vec::new();
    assert!(store.read(&slot, &mut |bytes| value = bytes.to_vec()));
    assert_eq!(value, b"value");
}

#[test]
fn the_disk_is_asked_within_the_time_promised() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = DiskStore::open(folder.path(), StoreSettings::default()).unwrap();
    store.write(&model::slot(1), &model::head(5, u64::MAX, 1), b"value").unwrap();
    let start = std::time::Instant::now();
    while store.status().syncs == 0 {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::yield_now();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn agrees_with_a_map(seed in 1u64.., count in 1usize..200, file_bytes in 200u32..9000) {
        let mut run = Run::new(file_bytes);
        for act in acts(seed, count) {
            run.perform(&act);
            run.check("in between");
        }
        run.restart_and_check("at the end");
    }

    #[test]
    fn any_file_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..500), is_ours: bool) {
        let mut disk = Disk::default();
        let mut content = bytes;
        if is_ours {
            content.splice(0..0, *b"PKvalues\0\0\0\x01salt\0\0\0\x01");
        }
        disk.put(1, &content);
        let mut run = Run::on(disk, SMALL);
        run.perform_all(&acts(1, 20));
        run.restart_and_check("after");
    }
}
