//! Inserts, stalls and restarts: our store, and the embedded databases beside it in the same run.
//!
//! Ours and fjall acknowledge each value when the operating system has it, and ask the disk every
//! 20 to 50 ms. redb has nothing between memory and the disk: it commits every 50 ms, and what is
//! younger is lost with the process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use poly::store::Store;
use polykad::store::{DiskStore, StoreSettings};
use redb::{ReadableDatabase, ReadableTable, TableDefinition};

use super::{head, slot, value};
use crate::process::cpu_of;

/// How often databases without a thread for it are asked to bring all to the disk.
const COMMIT_EVERY: Duration = Duration::from_millis(50);

/// What a database came to.
struct Figures {
    inserts: Duration,
    worst_stall: Duration,
    /// Until all is listed: by the clock, and by this process's CPU time.
    restart: (Duration, Duration),
    found: u64,
}

type Tried = Result<Figures, Box<dyn std::error::Error>>;

pub(super) fn run(
    folder: &Path,
    values: u64,
    bytes: usize,
    only: Option<&str>,
) -> Result<(), String> {
    type Try = fn(&Path, u64, usize) -> Tried;
    let stores: [(&str, Try); 3] = [("polykad", ours), ("fjall", fjall), ("redb", redb)];
    for (name, try_it) in stores {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let figures = try_it(&folder, values, bytes).map_err(|error| format!("{name}: {error}"))?;
        println!(
            "{name:8} {:>8.0} inserts/s, worst stall {:>7.1} ms, reopened and listed {} in {:.3} s \
             ({:.3} s CPU)",
            values as f64 / figures.inserts.as_secs_f64(),
            figures.worst_stall.as_secs_f64() * 1e3,
            figures.found,
            figures.restart.0.as_secs_f64(),
            figures.restart.1.as_secs_f64()
        );
    }
    Ok(())
}

/// A span of time, by the clock and by CPU: the second tells more on a busy machine.
struct Span {
    begun: Instant,
    cpu: Duration,
}

impl Span {
    fn begin() -> Self {
        Self { begun: Instant::now(), cpu: cpu_of("self") }
    }

    fn end(&self) -> (Duration, Duration) {
        (self.begun.elapsed(), cpu_of("self").saturating_sub(self.cpu))
    }
}

/// Times each insert; `insert` gets the key, head and value.
fn insert_all(
    values: u64,
    bytes: usize,
    mut insert: impl FnMut(u64, &[u8]) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut worst = Duration::ZERO;
    for number in 0..values {
        let value = value(number, bytes);
        let start = Instant::now();
        insert(number, &value)?;
        worst = worst.max(start.elapsed());
    }
    Ok(worst)
}

fn ours(folder: &Path, values: u64, bytes: usize) -> Tried {
    let mut store = DiskStore::open(folder, StoreSettings::default())?;
    let start = Instant::now();
    let worst_stall = insert_all(values, bytes, |number, value| {
        Ok(store.write(&slot(number), &head(value.len(), number), value)?)
    })?;
    drop(store);
    let inserts = start.elapsed();
    let start = Span::begin();
    let store = DiskStore::open(folder, StoreSettings::default())?;
    let mut found = 0;
    store.heads(&mut |_, _| found += 1);
    Ok(Figures { inserts, worst_stall, restart: start.end(), found })
}

/// What a database gets as a value.
fn with_head(number: u64, value: &[u8]) -> Vec<u8> {
    [&head(value.len(), number).to_bytes(), value].concat()
}

fn fjall(folder: &Path, values: u64, bytes: usize) -> Tried {
    let open = || -> Result<_, fjall::Error> {
        let database = Database::builder(folder).open()?;
        let keyspace = database.keyspace("values", KeyspaceCreateOptions::default)?;
        Ok((database, keyspace))
    };
    let (database, keyspace) = open()?;
    let is_over = Arc::new(AtomicBool::new(false));
    let syncer = std::thread::spawn({
        let (database, is_over) = (database.clone(), Arc::clone(&is_over));
        move || {
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(COMMIT_EVERY);
                if let Err(error) = database.persist(PersistMode::SyncData) {
                    println!("fjall could not sync: {error}");
                }
            }
        }
    });
    let start = Instant::now();
    let worst_stall = insert_all(values, bytes, |number, value| {
        Ok(keyspace.insert(slot(number).key.as_bytes(), with_head(number, value))?)
    })?;
    database.persist(PersistMode::SyncAll)?;
    let inserts = start.elapsed();
    is_over.store(true, Ordering::Relaxed);
    syncer.join().map_err(|_| "the syncing thread panicked")?;
    drop((keyspace, database));
    let start = Span::begin();
    let (_database, keyspace) = open()?;
    let found = keyspace.iter().count() as u64;
    Ok(Figures { inserts, worst_stall, restart: start.end(), found })
}

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");

fn redb(folder: &Path, values: u64, bytes: usize) -> Tried {
    let path = folder.join("redb");
    let database = redb::Database::create(&path)?;
    let mut waiting: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut begun = Instant::now();
    let commit = |waiting: &mut Vec<(u64, Vec<u8>)>| -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        let mut table = transaction.open_table(TABLE)?;
        for (number, value) in waiting.drain(..) {
            table.insert(slot(number).key.as_bytes().as_slice(), value.as_slice())?;
        }
        drop(table);
        transaction.commit()?;
        Ok(())
    };
    let start = Instant::now();
    let worst_stall = insert_all(values, bytes, |number, value| {
        waiting.push((number, with_head(number, value)));
        if begun.elapsed() >= COMMIT_EVERY {
            commit(&mut waiting)?;
            begun = Instant::now();
        }
        Ok(())
    })?;
    commit(&mut waiting)?;
    let inserts = start.elapsed();
    drop(database);
    let start = Span::begin();
    let database = redb::Database::create(&path)?;
    let reading = database.begin_read()?;
    let found = reading.open_table(TABLE)?.iter()?.count() as u64;
    Ok(Figures { inserts, worst_stall, restart: start.end(), found })
}
