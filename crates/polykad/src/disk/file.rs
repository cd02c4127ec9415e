//! The database file: opening it, setting a damaged one aside, reading, committing.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError,
    TableDefinition,
};

use super::batch::{Batch, Change};

/// The node's own state, by name.
const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
/// What is stored for others: by key, the expiry in seconds since 1970, and the value.
const VALUES: TableDefinition<'_, &[u8], (u64, &[u8])> = TableDefinition::new("values");

/// The name of the format's version within the state.
const FORMAT_NAME: &str = "format";
/// The version of the format: table names, and what networks write into them.
const FORMAT: u32 = 1;

/// Pages kept in memory. The system caches the file anyway.
const CACHE_BYTES: usize = 1 << 20;

/// Values kept at most, some 300 MB of announced peers: what strangers store must not fill the
/// disk.
const MAX_VALUES: u64 = 2_000_000;

/// Why a data folder can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// No permission, not a folder, or another trouble of the file system.
    #[error(
        "cannot use the data folder: {}: {source}; choose another folder or give permission",
        .path.display()
    )]
    Unusable {
        /// The folder or file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// No space is left.
    #[error("disk full: free some space, or choose another data folder than {}", .path.display())]
    Full {
        /// The file that was to be written.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error(
        "{} is in use by another process: stop that one, or choose another data folder",
        .path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A later version of this program wrote the file: it is left as it is.
    #[error(
        "{} has format {found}, and this version reads up to {FORMAT}: run the version that wrote \
         it, or choose another data folder",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The file was damaged while in use.
    #[error("{} is damaged: {message}; it is set aside at the next start", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// More is stored than may be.
    #[error("{MAX_VALUES} values are kept already: no more until some expire")]
    Crowded,
    /// The writer could not be started.
    #[error("cannot start a thread: {0}; raise the limit of processes")]
    Thread(#[source] io::Error),
}

/// The open database.
pub(super) struct File {
    path: PathBuf,
    /// `None` while it could not be opened again after a failed write.
    database: Option<Database>,
}

impl core::fmt::Debug for File {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What opening a file can meet.
enum Trouble {
    /// The file itself is no good.
    Damaged(String),
    /// The file system.
    Disk(DiskError),
}

impl File {
    /// Opens the file, or sets it aside if it is no good and creates it anew.
    pub(super) fn open(folder: &Path, name: &str, now_unix: u64) -> Result<Self, DiskError> {
        std::fs::create_dir_all(folder).map_err(|error| from_io(folder, error))?;
        let path = folder.join(name);
        if std::fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
            tracing::warn!(file = %path.display(), "the data file is empty: starting anew");
        }
        let database = match open_database(&path) {
            Ok(database) => database,
            Err(Trouble::Disk(error)) => return Err(error),
            Err(Trouble::Damaged(message)) => {
                set_aside(&path, &message, now_unix)?;
                open_database(&path).map_err(|trouble| trouble.into_error(&path))?
            }
        };
        let database = Some(database);
        Ok(Self { path, database })
    }

    pub(super) fn state(&self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        let Some(database) = &self.database else {
            return Ok(None);
        };
        let read = || -> Result<_, redb::Error> {
            let table = database.begin_read()?.open_table(STATE)?;
            Ok(table.get(name)?.map(|value| value.value().to_vec()))
        };
        read().map_err(|error| self.error(error))
    }

    pub(super) fn values(&self, mut take: impl FnMut(&[u8], &[u8], u64)) -> Result<(), DiskError> {
        let Some(database) = &self.database else {
            return Ok(());
        };
        let mut read = || -> Result<_, redb::Error> {
            let table = database.begin_read()?.open_table(VALUES)?;
            for entry in table.iter()? {
                let (key, value) = entry?;
                let (expires, value) = value.value();
                take(key.value(), value, expires);
            }
            Ok(())
        };
        read().map_err(|error| self.error(error))
    }

    /// Writes all changes, or none.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), DiskError> {
        self.write(|state, values| {
            for change in batch.iter() {
                match change {
                    Change::Set { name, value } => {
                        state.insert(name, value)?;
                    }
                    Change::Keep { key, value, expires } => {
                        values.insert(key, (expires, value))?;
                    }
                }
            }
            Ok(values.len()? <= MAX_VALUES)
        })
    }

    /// Removes what has expired.
    pub(super) fn sweep(&mut self, now_unix: u64) -> Result<(), DiskError> {
        let mut expired = false;
        self.values(|_, _, expires| expired |= expires <= now_unix)?;
        if !expired {
            return Ok(());
        }
        self.write(|_, values| {
            values.retain(|_, (expires, _)| expires > now_unix)?;
            Ok(true)
        })
    }

    /// Size of the file.
    pub(super) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// Runs one transaction; commits it if `change` says so. After a failure the database is opened
    /// anew: redb refuses to go on with one that failed to write.
    fn write(
        &mut self,
        change: impl FnOnce(&mut StateTable<'_>, &mut ValueTable<'_>) -> Result<bool, StorageError>,
    ) -> Result<(), DiskError> {
        let database = match &mut self.database {
            Some(database) => database,
            empty @ None => {
                let opened = open_database(&self.path);
                empty.insert(opened.map_err(|trouble| trouble.into_error(&self.path))?)
            }
        };
        let write = || -> Result<bool, redb::Error> {
            let transaction = database.begin_write()?;
            let mut state = transaction.open_table(STATE)?;
            let mut values = transaction.open_table(VALUES)?;
            let accepted = change(&mut state, &mut values)?;
            drop((state, values));
            if accepted {
                transaction.commit()?;
            } else {
                transaction.abort()?;
            }
            Ok(accepted)
        };
        match write() {
            Ok(true) => Ok(()),
            Ok(false) => Err(DiskError::Crowded),
            Err(error) => {
                self.database = None;
                Err(self.error(error))
            }
        }
    }

    fn error(&self, error: redb::Error) -> DiskError {
        trouble(&self.path, error).into_error(&self.path)
    }
}

type StateTable<'a> = redb::Table<'a, &'static str, &'static [u8]>;
type ValueTable<'a> = redb::Table<'a, &'static [u8], (u64, &'static [u8])>;

impl Trouble {
    fn into_error(self, path: &Path) -> DiskError {
        match self {
            Self::Disk(error) => error,
            Self::Damaged(message) => DiskError::Damaged { path: path.to_owned(), message },
        }
    }
}

/// Opens or creates the database, checks all of it, and shows that it can be written to.
fn open_database(path: &Path) -> Result<Database, Trouble> {
    // redb promises no panic on a damaged file when it checks integrity; its debug builds panic.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create(path)?;
        let format = claim(&database)?;
        Ok::<_, redb::Error>((database, format))
    }));
    match opened {
        Ok(Ok((database, FORMAT))) => Ok(database),
        Ok(Ok((_, found))) if found > FORMAT && found < u32::MAX => {
            Err(Trouble::Disk(DiskError::Newer { path: path.to_owned(), found }))
        }
        Ok(Ok(_)) => Err(Trouble::Damaged("it does not say what format it has".into())),
        Ok(Err(error)) => Err(trouble(path, error)),
        Err(_) => Err(Trouble::Damaged("it cannot be read".into())),
    }
}

/// Writes the format into a new file; returns the format of the file. Writes in any case: a disk
/// that is full or read-only shows now, and not after an hour.
fn claim(database: &Database) -> Result<u32, redb::Error> {
    let transaction = database.begin_write()?;
    let mut state = transaction.open_table(STATE)?;
    transaction.open_table(VALUES)?;
    let found = state
        .get(FORMAT_NAME)?
        .map(|format| format.value().try_into().map_or(u32::MAX, u32::from_le_bytes));
    let format = found.unwrap_or(FORMAT);
    state.insert(FORMAT_NAME, &format.to_le_bytes()[..])?;
    drop(state);
    transaction.commit()?;
    Ok(format)
}

fn trouble(path: &Path, error: redb::Error) -> Trouble {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum without end: all that is not the file system's or a lock is damage"
    )]
    match error {
        // What redb says of a file that does not begin as its files do, or is cut off.
        redb::Error::Io(error)
            if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
        {
            Trouble::Damaged(error.to_string())
        }
        redb::Error::Io(error) => Trouble::Disk(from_io(path, error)),
        redb::Error::DatabaseAlreadyOpen => {
            Trouble::Disk(DiskError::InUse { path: path.to_owned() })
        }
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
            Trouble::Disk(from_io(path, io::Error::other("an earlier write failed")))
        }
        error => Trouble::Damaged(error.to_string()),
    }
}

fn from_io(path: &Path, source: io::Error) -> DiskError {
    let path = path.to_owned();
    if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        DiskError::Full { path }
    } else {
        DiskError::Unusable { path, source }
    }
}

/// Renames a file that is no good, so that nothing is lost that somebody may yet rescue.
fn set_aside(path: &Path, message: &str, now_unix: u64) -> Result<(), DiskError> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".damaged-{now_unix}"));
    std::fs::rename(path, &aside).map_err(|error| from_io(path, error))?;
    tracing::warn!(
        file = %path.display(),
        aside = %Path::new(&aside).display(),
        "the data file is no good ({message}): set aside, starting with an empty one"
    );
    Ok(())
}
