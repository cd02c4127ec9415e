//! A disk in memory that stops, fails and forgets when it is told to.
#![expect(clippy::cast_possible_truncation, reason = "all numbers here are small")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::super::medium::Medium;

/// Bytes of a file before its records.
const HEADER: usize = 20;

/// The files, and what is going to happen.
#[derive(Clone, Default, Debug)]
pub(crate) struct Disk {
    files: BTreeMap<u32, Content>,
    pub(crate) aside: Vec<Vec<u8>>,
    /// Points passed: each byte written is one, each other change one.
    pub(crate) points: u64,
    /// After so many points, this happens.
    pub(crate) fault: Option<(u64, Fault)>,
    is_stopped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The process is gone.
    Stop,
    /// One change fails.
    Fail,
    /// One change fails, and so does the attempt to undo it.
    FailTwice,
}

#[derive(Clone, Default, Debug)]
struct Content {
    bytes: Vec<u8>,
    /// What a power cut leaves for certain.
    synced: usize,
    name_synced: bool,
}

impl Disk {
    pub(crate) fn put(&mut self, number: u32, bytes: &[u8]) {
        let content = Content { bytes: bytes.to_vec(), synced: bytes.len(), name_synced: true };
        self.files.insert(number, content);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.files.values().map(|content| content.bytes.len()).sum()
    }

    /// What another run finds.
    pub(crate) fn afterwards(&self) -> Self {
        Self { files: self.files.clone(), aside: self.aside.clone(), ..Self::default() }
    }

    /// Loses what was not synced: of each file some end, or its bytes but not its length.
    pub(crate) fn power_cut(&mut self, mut seed: u64) {
        let mut random = move || super::random(&mut seed);
        self.files.retain(|_, content| content.name_synced || random() % 2 == 0);
        for content in self.files.values_mut() {
            let unsynced = content.bytes.len() - content.synced;
            let kept = content.synced + (random() as usize) % (unsynced + 1);
            if random() % 2 == 0 {
                content.bytes.truncate(kept);
            } else {
                content.bytes[kept..].fill(0);
            }
            content.synced = content.bytes.len();
            content.name_synced = true;
        }
    }

    /// Turns a bit of something that is not the end of a file.
    pub(crate) fn damage(&mut self, mut seed: u64) {
        let numbers: Vec<u32> = self.files.keys().copied().collect();
        let mut random = move || super::random(&mut seed) as usize;
        let content = self.files.get_mut(&numbers[random() % numbers.len()]).unwrap();
        let body = content.bytes.len().saturating_sub(HEADER);
        if body > 0 {
            content.bytes[HEADER + random() % body] ^= 1 << (random() % 8);
        }
    }

    /// How many of `wanted` points pass before something happens.
    fn pass(&mut self, wanted: u64) -> Result<(), (u64, Fault)> {
        if self.is_stopped {
            return Err((0, Fault::Stop));
        }
        let Some((left, fault)) = self.fault.as_mut() else {
            self.points += wanted;
            return Ok(());
        };
        if *left >= wanted {
            *left -= wanted;
            self.points += wanted;
            return Ok(());
        }
        let (passed, fault) = (*left, *fault);
        match fault {
            Fault::Stop => self.is_stopped = true,
            Fault::Fail => self.fault = None,
            Fault::FailTwice => self.fault = Some((0, Fault::Fail)),
        }
        Err((passed, fault))
    }

    fn change(&mut self) -> io::Result<()> {
        self.pass(1).map_err(|_| io::Error::other("the disk fails"))
    }
}

/// The disk as a medium.
#[derive(Clone, Default, Debug)]
pub(crate) struct Faulty(Arc<Mutex<Disk>>);

impl Faulty {
    pub(crate) fn new(disk: Disk) -> Self {
        Self(Arc::new(Mutex::new(disk)))
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Medium for Faulty {
    type File = u32;

    fn list(&self) -> io::Result<Vec<u32>> {
        Ok(self.disk().files.keys().rev().copied().collect())
    }

    fn create(&self, number: u32) -> io::Result<u32> {
        let mut disk = self.disk();
        disk.change()?;
        assert!(!disk.files.contains_key(&number), "created anew");
        disk.files.insert(number, Content::default());
        Ok(number)
    }

    fn open(&self, number: u32) -> io::Result<(u32, u64)> {
        let disk = self.disk();
        let content = disk.files.get(&number).ok_or_else(missing)?;
        Ok((number, content.bytes.len() as u64))
    }

    fn read(&self, file: &u32, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let disk = self.disk();
        let content = disk.files.get(file).ok_or_else(missing)?;
        let bytes = content.bytes.get(offset as usize..).unwrap_or_default();
        let read = bytes.len().min(buffer.len());
        buffer[..read].copy_from_slice(&bytes[..read]);
        Ok(read)
    }

    fn write(&self, file: &u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        let passed = disk.pass(bytes.len() as u64);
        let taken = passed.map_or_else(|(taken, _)| taken as usize, |()| bytes.len());
        let content = disk.files.get_mut(file).ok_or_else(missing)?;
        assert_eq!(content.bytes.len(), offset as usize, "appended where it ends");
        content.bytes.extend_from_slice(&bytes[..taken]);
        passed.map_err(|_| io::Error::other("the disk fails"))
    }

    fn truncate(&self, file: &u32, length: u64) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        let content = disk.files.get_mut(file).ok_or_else(missing)?;
        content.bytes.truncate(length as usize);
        content.synced = content.synced.min(length as usize);
        Ok(())
    }

    fn sync(&self, file: &u32) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        if let Some(content) = disk.files.get_mut(file) {
            content.synced = content.bytes.len();
        }
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        for content in disk.files.values_mut() {
            content.name_synced = true;
        }
        Ok(())
    }

    fn delete(&self, number: u32) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        disk.files.remove(&number).map(drop).ok_or_else(missing)
    }

    fn set_aside(&self, number: u32, mark: &str) -> io::Result<String> {
        let mut disk = self.disk();
        disk.change()?;
        let content = disk.files.remove(&number).ok_or_else(missing)?;
        disk.aside.push(content.bytes);
        Ok(mark.into())
    }
}
