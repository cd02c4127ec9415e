//! Where logs are: files in a folder, or in tests a medium that fails when it is told to.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Files named by numbers. All calls may come from two threads.
pub trait Medium: Send + Sync + 'static {
    /// An open file.
    type File: Send + Sync + 'static;

    /// The numbers of the files there are.
    fn list(&self) -> io::Result<Vec<u32>>;
    /// Creates a file, empty.
    fn create(&self, number: u32) -> io::Result<Self::File>;
    /// Opens a file, and says how long it is.
    fn open(&self, number: u32) -> io::Result<(Self::File, u64)>;
    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    fn read(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Hands bytes to the operating system, to stand at `offset`, the end of the file.
    fn write(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file off.
    fn truncate(&self, file: &Self::File, length: u64) -> io::Result<()>;
    /// Waits until the disk has all that was written to a file.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// Waits until the disk knows which files there are.
    fn sync_names(&self) -> io::Result<()>;
    /// Deletes a file.
    fn delete(&self, number: u32) -> io::Result<()>;
    /// Renames a file, so that it is no longer one of these. Returns what it is called then.
    fn set_aside(&self, number: u32, mark: &str) -> io::Result<String>;
}

/// A folder of files.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held as long as the folder is in use.
    _lock: File,
}

const LOG: &str = "log";

impl Folder {
    /// Takes a folder, which is created if missing, for this process alone.
    ///
    /// # Errors
    /// It can't be used, or another process uses it ([`io::ErrorKind::WouldBlock`]).
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"))?;
        lock.try_lock()?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    fn path_of(&self, number: u32) -> PathBuf {
        self.path.join(format!("{number:08}.{LOG}"))
    }
}

impl Medium for Folder {
    type File = File;

    fn list(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let name = Path::new(&name);
            if name.extension().is_some_and(|extension| extension == LOG)
                && let Some(number) = name.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
            {
                numbers.push(number);
            }
        }
        Ok(numbers)
    }

    fn create(&self, number: u32) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(self.path_of(number))
    }

    fn open(&self, number: u32) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().read(true).write(true).open(self.path_of(number))?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    fn read(&self, file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match read_at(file, offset + done as u64, rest) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match write_at(file, offset + done as u64, rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_names(&self) -> io::Result<()> {
        if cfg!(unix) { File::open(&self.path)?.sync_all() } else { Ok(()) }
    }

    fn delete(&self, number: u32) -> io::Result<()> {
        std::fs::remove_file(self.path_of(number))
    }

    fn set_aside(&self, number: u32, mark: &str) -> io::Result<String> {
        let from = self.path_of(number);
        let to = from.with_extension(format!("{LOG}.{mark}"));
        std::fs::rename(from, &to)?;
        Ok(to.display().to_string())
    }
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(unix)]
fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(windows)]
fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}
