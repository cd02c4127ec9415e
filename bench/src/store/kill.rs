//! A process writes values and says which; it is killed, and another opens what it has left and
//! looks for all it said.
//!
//! Every other time it is killed from outside, at any moment. The other times it kills itself in
//! the middle of a change of the disk: [`Trap`] counts them, and at the one it was told it does
//! only a part. Opening what an earlier one left counts among them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use poly::store::Store;
use polykad::store::{DiskStore, Folder, Medium, StoreSettings};

use super::{head, slot, value};
use crate::options::Options;
use crate::random::Random;

/// Slots written to: few, so that values replace each other and files have to be emptied.
const SLOTS: u64 = 64;
/// Files of this size are begun and emptied all the time.
const FILE_BYTES: u32 = 64 << 10;
/// A writer lives so long at most after its first word, microseconds.
const MAX_LIFE_US: u64 = 6_000;

/// What one write or removal is, by its number.
struct Step {
    slot: u64,
    /// `None`: the slot is emptied.
    length: Option<usize>,
}

impl Step {
    fn of(number: u64) -> Self {
        let mut random = Random::new(number);
        let length = usize::try_from(random.next() % 600).unwrap_or(0);
        let is_removal = number.is_multiple_of(7);
        Self { slot: random.next() % SLOTS, length: (!is_removal).then_some(length) }
    }
}

const SETTINGS: fn() -> StoreSettings =
    || StoreSettings { file_bytes: FILE_BYTES, ..StoreSettings::default() };

fn open(folder: &Path) -> Result<DiskStore, String> {
    DiskStore::open(folder, SETTINGS()).map_err(|error| error.to_string())
}

/// The writer: from step `--from` on until it is killed, telling each number once it is done.
pub(crate) fn child(options: &Options) -> Result<(), String> {
    let folder: std::path::PathBuf = options.required("folder")?;
    let from = options.required("from")?;
    match options.maybe("change")? {
        None => write_on(open(&folder)?, from),
        Some(change) => {
            let folder = Folder::open(&folder).map_err(|error| error.to_string())?;
            let (point, part) = (options.or("point", 0)?, options.or("part", 0)?);
            let trap = Trap { folder, seen: AtomicU64::new(0), change, point, part };
            write_on(DiskStore::on(trap, SETTINGS()).map_err(|error| error.to_string())?, from)
        }
    }
}

fn write_on<M: Medium>(mut store: DiskStore<M>, from: u64) -> Result<(), String> {
    for number in from.. {
        let step = Step::of(number);
        match step.length {
            Some(length) => store
                .write(&slot(step.slot), &head(length, number), &value(number, length))
                .map_err(|error| error.to_string())?,
            None => store.remove(&slot(step.slot)),
        }
        say(number).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What a child says is a number in 8 bytes: of the step that is done, or of what it dies in.
fn say(number: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&number.to_be_bytes())?;
    out.flush()
}

/// Numbers from here on are those of [`CHANGES`].
const DIES_IN: u64 = 1 << 63;
/// Changes of the disk.
const WRITE: u64 = 1;
const CHANGES: [&str; 7] =
    ["create", "write", "truncate", "sync", "sync of names", "delete", "rename"];

/// A folder whose user dies in the middle of a change.
struct Trap {
    folder: Folder,
    /// Changes of the kind so far.
    seen: AtomicU64,
    /// The kind of change, of [`CHANGES`], and which of them.
    change: u64,
    point: u64,
    /// How much of it is done: so many bytes of a write; of others all, if it is odd.
    part: u64,
}

impl Trap {
    /// Counts a change; if it is the one, does a part of it and dies.
    fn pass(&self, change: u64, partly: impl FnOnce(u64)) {
        let is_kind = change == self.change;
        if !is_kind || self.seen.fetch_add(1, Ordering::Relaxed) != self.point {
            return;
        }
        partly(self.part);
        // Whether it is heard makes no difference to what is tested.
        let _ = say(DIES_IN + change);
        #[expect(unsafe_code, reason = "no safe way to die by SIGKILL at once")]
        // SAFETY: takes numbers alone.
        unsafe {
            libc::kill(libc::getpid(), libc::SIGKILL);
        }
        std::process::abort();
    }

    fn pass_whole<T>(&self, change: u64, done: impl FnOnce() -> T) {
        self.pass(change, |part| {
            if part % 2 == 1 {
                drop(done());
            }
        });
    }
}

impl Medium for Trap {
    type File = File;

    fn list(&self) -> io::Result<Vec<u32>> {
        self.folder.list()
    }

    fn create(&self, number: u32) -> io::Result<File> {
        self.pass_whole(0, || self.folder.create(number));
        self.folder.create(number)
    }

    fn open(&self, number: u32) -> io::Result<(File, u64)> {
        self.folder.open(number)
    }

    fn read(&self, file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.folder.read(file, offset, buffer)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.pass(WRITE, |part| {
            let part = usize::try_from(part).unwrap_or(usize::MAX) % bytes.len().max(1);
            let _ = self.folder.write(file, offset, bytes.get(..part).unwrap_or_default());
        });
        self.folder.write(file, offset, bytes)
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        self.pass_whole(2, || self.folder.truncate(file, length));
        self.folder.truncate(file, length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.pass_whole(3, || self.folder.sync(file));
        self.folder.sync(file)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.pass_whole(4, || self.folder.sync_names());
        self.folder.sync_names()
    }

    fn delete(&self, number: u32) -> io::Result<()> {
        self.pass_whole(5, || self.folder.delete(number));
        self.folder.delete(number)
    }

    fn set_aside(&self, number: u32, mark: &str) -> io::Result<String> {
        self.pass_whole(6, || self.folder.set_aside(number, mark));
        self.folder.set_aside(number, mark)
    }
}

/// Deaths so far, by what they came in.
#[derive(Default)]
struct Deaths {
    outside: u64,
    inside: BTreeMap<u64, u64>,
}

impl Deaths {
    fn note(&mut self, inside: Option<u64>) {
        match inside {
            None => self.outside += 1,
            Some(change) => *self.inside.entry(change).or_default() += 1,
        }
    }

    fn told(&self) -> String {
        let of = |(change, count): (&u64, &u64)| {
            let name = usize::try_from(*change).ok().and_then(|change| CHANGES.get(change));
            format!("{count} in a {}", name.unwrap_or(&"change"))
        };
        let inside: Vec<String> = self.inside.iter().map(of).collect();
        format!("{} from outside, {}", self.outside, inside.join(", "))
    }
}

pub(super) fn run(folder: &Path, cycles: u64, seed: u64) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let mut random = Random::new(seed);
    let mut deaths = Deaths::default();
    let (mut done, mut told_at) = (0, Instant::now());
    let begun = Instant::now();
    // The last step that each slot saw.
    let mut slots = vec![0; usize::try_from(SLOTS).unwrap_or(0)];
    for cycle in 1..=cycles {
        let end = End::draw(cycle, &mut random);
        let (told, inside) = kill_one(folder, done + 1, &end)?;
        deaths.note(inside);
        for number in done + 1..=told {
            note(&mut slots, number);
        }
        let store = open(folder)?;
        done = check(&store, &mut slots, told).map_err(|what| format!("cycle {cycle}: {what}"))?;
        if told_at.elapsed() > TELL_EVERY || cycle == cycles {
            told_at = Instant::now();
            let status = store.status();
            println!(
                "{cycle} kills ({}); {done} writes and removals acknowledged, none lost, none \
                 served wrong; {} files of {} bytes, {:.0} s",
                deaths.told(),
                status.files,
                status.bytes,
                begun.elapsed().as_secs_f64()
            );
        }
    }
    Ok(())
}

/// How often the state is told.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Writes after which a writer dies, at most; changes of the other kinds are rare.
const MAX_WRITES: u64 = 300;
const MAX_OTHERS: u64 = 4;
/// How long a writer has to come to the change it is to die in. Then it is killed from outside.
const MAX_WAIT: Duration = Duration::from_millis(30);

/// How a writer ends.
struct End {
    /// Killed from outside, so long after its first word.
    life: Duration,
    /// Before that at this change, with a part of it done: the kind, the number, the part.
    inside: Option<[u64; 3]>,
}

impl End {
    fn draw(cycle: u64, random: &mut Random) -> Self {
        if cycle.is_multiple_of(2) {
            let life = Duration::from_micros(random.next() % MAX_LIFE_US);
            return Self { life, inside: None };
        }
        // Nothing is renamed where nothing is damaged.
        let change = random.next() % (CHANGES.len() as u64 - 1);
        let most = if change == WRITE { MAX_WRITES } else { MAX_OTHERS };
        let point = random.next() % most;
        Self { life: MAX_WAIT, inside: Some([change, point, random.next() % 1000]) }
    }
}

fn note(slots: &mut [u64], number: u64) {
    let at = usize::try_from(Step::of(number).slot).ok();
    if let Some(last) = at.and_then(|at| slots.get_mut(at)) {
        *last = number;
    }
}

/// Starts a writer and has it killed. Returns the last step it told of, and the change it died in.
fn kill_one(folder: &Path, from: u64, end: &End) -> Result<(u64, Option<u64>), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["store-child", "--from", &from.to_string(), "--folder"]).arg(folder);
    if let Some(inside) = end.inside {
        for (name, number) in ["--change", "--point", "--part"].into_iter().zip(inside) {
            command.args([name, &number.to_string()]);
        }
    }
    let spawned = command.stdout(Stdio::piped()).spawn();
    let mut writer = spawned.map_err(|error| error.to_string())?;
    let mut pipe = writer.stdout.take().ok_or("no pipe")?;
    let (mut told, mut inside) = (from - 1, None);
    let mut hear = |pipe: &mut std::process::ChildStdout| {
        let mut word = [0; 8];
        if pipe.read_exact(&mut word).is_err() {
            return false;
        }
        match u64::from_be_bytes(word) {
            change if change >= DIES_IN => inside = Some(change - DIES_IN),
            number => told = number,
        }
        true
    };
    let mut until = None;
    while hear(&mut pipe) {
        if *until.get_or_insert_with(|| Instant::now() + end.life) <= Instant::now() {
            break;
        }
    }
    writer.kill().map_err(|error| error.to_string())?;
    while hear(&mut pipe) {}
    writer.wait().map_err(|error| error.to_string())?;
    Ok((told, inside))
}

/// Checks every slot. The step after the last one told may have been done, too; returns the last
/// step that was.
fn check(store: &DiskStore, slots: &mut [u64], told: u64) -> Result<u64, String> {
    let next = Step::of(told + 1);
    let mut done = told;
    for (at, last) in slots.iter_mut().enumerate() {
        let at = at as u64;
        let mut found = None;
        store.read(&slot(at), &mut |bytes| found = Some(bytes.to_vec()));
        let holds = |number: u64| {
            let length = if number == 0 { None } else { Step::of(number).length };
            found == length.map(|length| value(number, length))
        };
        if next.slot == at && !holds(*last) && holds(told + 1) {
            *last = told + 1;
            done = told + 1;
        } else if !holds(*last) {
            let found = found.map(|bytes| bytes.len());
            return Err(format!("slot {at} holds {found:?}, not what step {last} wrote"));
        }
    }
    Ok(done)
}
