//! How soon a node serves what it holds after it was killed: the node that people run, in a process
//! of its own, asked over its socket by another.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use client::poly::{GetOptions, Poly};
use poly::store::{Head, Store};
use poly::value::{BlobRef, Entry, Record, SigningKey, Value, topic_key};
use poly::wire::{Carried, write_value};
use polykad::PolyNode;
use polykad::store::{DiskStore, StoreSettings};

use super::value;
use crate::options::Options;
use crate::process::cpu_of;
use crate::random::Random;

/// Where a node keeps its values in its data folder.
const VALUES: &str = "poly-values";
const NETWORK: &str = "bench-restart";
const LIFETIME_S: u32 = 86_400;
/// Of so many values one is a record and one an entry; the others are blobs.
const KINDS: u64 = 8;
const TOPIC_ENTRIES: u64 = 8;
const MOST_ENTRIES: usize = 100;
/// Values asked for after each start.
const ASKED: u64 = 1000;
/// How long a node may take to start.
const PATIENCE: Duration = Duration::from_mins(5);

type Failed = Box<dyn std::error::Error>;

/// Fills a store unless it is there, and starts a node on it again and again.
pub(super) fn run(
    folder: &Path,
    values: u64,
    bytes: usize,
    options: &Options,
) -> Result<(), Failed> {
    let seed = options.or("seed", 1)?;
    let kept = folder.join(VALUES);
    if !kept.exists() {
        std::fs::create_dir_all(&kept)?;
        fill(&kept, values, bytes)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut random = Random::new(seed);
    for round in 1..=options.or("rounds", 5)? {
        if options.has("cold") {
            forget(&kept)?;
        }
        let times = runtime.block_on(start_once(folder, values, bytes, &mut random))?;
        println!("start {round}: {}", times.told());
    }
    Ok(())
}

/// The node: until it is killed.
pub(super) fn node(folder: &Path) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let node = builder().data_dir(folder).spawn().await?;
        println!("{}", node.listen().first().ok_or("it listens nowhere")?);
        std::future::pending::<()>().await;
        Ok(())
    })
}

fn builder() -> polykad::PolyBuilder {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    PolyNode::builder().listen(any).network(NETWORK).rate_limit(None)
}

/// What a number stands for.
enum Kept {
    Blob,
    Record(Record),
    Entry(Entry),
}

impl Kept {
    fn of(number: u64, bytes: &[u8], expires: u64) -> Self {
        let mut key = [7; 32];
        if let Some(head) = key.first_chunk_mut() {
            *head = (number / KINDS % 1000).to_be_bytes();
        }
        let key = SigningKey::from_bytes(&key);
        match number % KINDS {
            0 => Self::Record(Record::sign(&key, &number.to_be_bytes(), 1, expires, Some(bytes))),
            1 => {
                let topic = number / KINDS / TOPIC_ENTRIES;
                let slot = u16::try_from(number / KINDS % TOPIC_ENTRIES).unwrap_or(0);
                let topic = topic_key(&topic.to_be_bytes());
                Self::Entry(Entry::sign(&key, topic, slot, 1, expires, Some(bytes)))
            }
            _ => Self::Blob,
        }
    }

    fn value<'a>(&'a self, bytes: &'a [u8]) -> Value<'a> {
        match self {
            Self::Blob => Value::Blob(BlobRef { bytes, lifetime_s: LIFETIME_S }),
            Self::Record(record) => Value::Record(record.borrow()),
            Self::Entry(entry) => Value::Entry(entry.borrow()),
        }
    }
}

fn fill(folder: &Path, values: u64, bytes: usize) -> Result<(), Failed> {
    let settings = StoreSettings::default();
    let now = (settings.clock)();
    let mut store = DiskStore::open(folder, settings)?;
    let mut written = Vec::new();
    for number in 0..values {
        let bytes = value(number, bytes);
        let kept = Kept::of(number, &bytes, now + u64::from(LIFETIME_S));
        let carried: Carried<'_> = kept.value(&bytes).into();
        written.clear();
        write_value(&carried, &mut written);
        let head = Head {
            kind: carried.value.kind(),
            expires: carried.value.expires(now),
            version: carried.value.version(),
            length: u32::try_from(written.len())?,
            origin: number % 1000,
            cached: false,
        };
        store.write(&carried.value.slot(), &head, &written)?;
    }
    Ok(())
}

/// Asks the system to drop the files from its memory, as if the machine had been restarted.
fn forget(folder: &Path) -> Result<(), Failed> {
    for entry in std::fs::read_dir(folder)? {
        let file = std::fs::File::open(entry?.path())?;
        file.sync_all()?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        #[expect(unsafe_code, reason = "the standard library has no such call")]
        // SAFETY: the number is that of an open file.
        unsafe {
            libc::posix_fadvise(number, 0, 0, libc::POSIX_FADV_DONTNEED);
        }
    }
    Ok(())
}

/// What a start came to; each since the process was started.
struct Times {
    /// Until the node says that it runs.
    runs: Duration,
    /// CPU of the process until then.
    cpu: Duration,
    /// Until it has answered another node right for the first time.
    first: Duration,
    /// Until it has answered all.
    last: Duration,
    /// CPU until then.
    all_cpu: Duration,
    /// The longest that an answer took.
    worst: Duration,
}

impl Times {
    fn told(&self) -> String {
        format!(
            "the node runs after {:.3} s ({:.3} s CPU), has served the first value after {:.3} s \
             and {ASKED} after {:.3} s ({:.3} s CPU), none longer than {:.1} ms",
            self.runs.as_secs_f64(),
            self.cpu.as_secs_f64(),
            self.first.as_secs_f64(),
            self.last.as_secs_f64(),
            self.all_cpu.as_secs_f64(),
            self.worst.as_secs_f64() * 1e3,
        )
    }
}

/// The node's process, killed when it is no longer needed.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended by itself, which whoever asks it has noticed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn start_once(
    folder: &Path,
    values: u64,
    bytes: usize,
    random: &mut Random,
) -> Result<Times, Failed> {
    let asker = builder().client(true).spawn().await?;
    let begun = Instant::now();
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("store-node").arg("--folder").arg(folder).stdout(Stdio::piped());
    let mut process = Process(command.spawn()?);
    let out = process.0.stdout.take().ok_or("no pipe")?;
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).map(|_| line)
    });
    let line = tokio::time::timeout(PATIENCE, line).await???;
    let (runs, number) = (begun.elapsed(), process.0.id().to_string());
    let cpu = cpu_of(&number);
    // A node that gets no turn in time is none that serves: it is asked again.
    while let Err(error) = asker.join(vec![line.trim().parse()?]).await {
        if begun.elapsed() > PATIENCE {
            return Err(error.into());
        }
    }
    let (mut first, mut worst) = (None, Duration::ZERO);
    for _ in 0..ASKED {
        let asked = Instant::now();
        ask(&asker, random.next() % values, bytes).await?;
        first.get_or_insert_with(|| begun.elapsed());
        worst = worst.max(asked.elapsed());
    }
    let (last, all_cpu) = (begun.elapsed(), cpu_of(&number));
    drop(process);
    asker.shutdown().await;
    Ok(Times { runs, cpu, first: first.unwrap_or(last), last, all_cpu, worst })
}

/// Asks for one value, which must be the one that was kept.
async fn ask(asker: &PolyNode, number: u64, length: usize) -> Result<(), Failed> {
    let bytes = value(number, length);
    let kept = Kept::of(number, &bytes, 0);
    let key = kept.value(&bytes).slot().key;
    let options = GetOptions::default();
    let is_right = match kept {
        Kept::Blob => asker.get(key, options).await?.value == bytes,
        Kept::Record(_) => {
            let record = asker.record(key, options).await?.value;
            record.value.as_deref() == Some(&bytes[..])
        }
        Kept::Entry(entry) => {
            let entries = asker.topic(key, MOST_ENTRIES, options).await?.value;
            entries.iter().any(|other| {
                other.public_key == entry.public_key && other.payload.as_deref() == Some(&bytes[..])
            })
        }
    };
    is_right.then_some(()).ok_or_else(|| format!("value {number} is not what was kept").into())
}
