//! A disk in memory that forgets what was not synced, tears writes, fails and fills up, as told.
//!
//! For tests and simulations. It is deterministic: what survives a power cut is drawn from a seed.

mod world;

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use world::{Change, Directory, Entry, File, NameChange, Step, World, crashed, name_of, parent_of};

use super::{Disk, DiskFile, DiskLock, OpenMode};

/// What of the unsynced is there after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Nothing: the drive's cache was lost.
    Nothing,
    /// Everything: the cache was written back just in time.
    Everything,
    /// Of each file some writes, whole or torn at any byte, in any order; of each directory the first few changes.
    Some {
        /// Seed of the draw.
        seed: u64,
    },
}

/// A disk that keeps what is synced and whatever else luck would have it keep. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct FaultyDisk {
    world: Arc<Mutex<World>>,
    /// Handles from before a crash fail for ever.
    life: u64,
}

impl Default for FaultyDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl FaultyDisk {
    /// An empty disk of unlimited size.
    pub fn new() -> Self {
        let mut world = World::default();
        world.dirs.insert(PathBuf::from("/"), Directory::default());
        Self {
            world: Arc::new(Mutex::new(world)),
            life: 0,
        }
    }

    /// Operations so far that change something: writes, syncs, new, renamed and removed names, lengths.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Syncs of files and directories so far.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Makes the changing operation number `at` (from 0, see [`FaultyDisk::operations`]) the last: a write is torn in
    /// the middle, anything else does not happen, and whatever follows fails.
    pub fn crash_at(&self, at: u64) {
        self.lock().crash_at = Some(at);
    }

    /// Whether the crash has come.
    pub fn has_crashed(&self) -> bool {
        self.lock().crashed
    }

    /// Makes sync number `at` (from 0) fail once. As on Linux, what it should have made durable counts as clean
    /// afterwards, and later syncs do not write it.
    pub fn fail_sync(&self, at: u64) {
        self.lock().fail_sync = Some(at);
    }

    /// Makes the write that is `after` writes from now fail once, half done.
    pub fn fail_write(&self, after: u64) {
        let mut world = self.lock();
        world.fail_write = Some(world.writes + after);
    }

    /// Limits the disk to so many bytes of content; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Lets no more files or directories be opened, or lets them again.
    pub fn set_out_of_handles(&self, out_of_handles: bool) {
        self.lock().out_of_handles = out_of_handles;
    }

    /// The process is killed: what it wrote is there, and no more durable than before. Returns the disk for the next.
    pub fn kill(&self) -> Self {
        let mut world = self.lock();
        world.next_life();
        Self {
            world: Arc::clone(&self.world),
            life: world.life,
        }
    }

    /// The power fails. Returns the disk as it is found afterwards.
    pub fn power_cut(&self, survival: Survival) -> Self {
        let mut world = self.lock();
        world.lose_unsynced(survival);
        world.next_life();
        Self {
            world: Arc::clone(&self.world),
            life: world.life,
        }
    }

    /// Changes bytes behind everyone's back, as failing hardware does.
    pub fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.lock();
        let Ok(Entry::File(at)) = world.entry(path) else {
            return;
        };
        if let Some(file) = world.files.get_mut(at) {
            change(&mut file.seen);
            file.durable.clone_from(&file.seen);
            file.unsynced.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For operations that change nothing.
    fn look(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.lock();
        world.check(self.life)?;
        Ok(world)
    }

    /// For operations that change something; `Step::Last` for the one that the crash comes in.
    fn step(&self) -> io::Result<(MutexGuard<'_, World>, Step)> {
        let mut world = self.lock();
        world.check(self.life)?;
        let step = world.step();
        Ok((world, step))
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let found = {
            let world = self.look()?;
            world.check_handles()?;
            world.entry(path)
        };
        let at = match (found, mode) {
            (Ok(Entry::Directory), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (Ok(Entry::File(at)), OpenMode::Existing | OpenMode::OrCreate) => at,
            (Ok(Entry::File(at)), OpenMode::Truncated) => {
                self.file(at).set_len(0)?;
                at
            }
            (Err(error), OpenMode::Existing) => return Err(error),
            (Err(_), OpenMode::OrCreate | OpenMode::Truncated) => {
                let (mut world, step) = self.step()?;
                if step == Step::Last {
                    return Err(crashed());
                }
                let at = world.files.len();
                world
                    .dir(parent_of(path))?
                    .change(NameChange::Link(name_of(path), Entry::File(at)));
                world.files.push(File::default());
                at
            }
        };
        Ok(Arc::new(self.file(at)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut missing: Vec<&Path> = {
            let world = self.look()?;
            let all = path.ancestors();
            all.take_while(|dir| !world.dirs.contains_key(*dir))
                .collect()
        };
        while let Some(dir) = missing.pop() {
            let (mut world, step) = self.step()?;
            if step == Step::Last {
                return Err(crashed());
            }
            world
                .dir(parent_of(dir))?
                .change(NameChange::Link(name_of(dir), Entry::Directory));
            world.dirs.insert(dir.to_path_buf(), Directory::default());
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        Ok(self.look()?.dir(path)?.seen.keys().cloned().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        assert_eq!(
            from.parent(),
            to.parent(),
            "renames stay in their directory"
        );
        let (mut world, step) = self.step()?;
        world.entry(from)?;
        if step == Step::Last {
            return Err(crashed());
        }
        world
            .dir(parent_of(from))?
            .change(NameChange::Rename(name_of(from), name_of(to)));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (mut world, step) = self.step()?;
        world.entry(path)?;
        if step == Step::Last {
            return Err(crashed());
        }
        world
            .dir(parent_of(path))?
            .change(NameChange::Unlink(name_of(path)));
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let (mut world, step) = self.step()?;
        if !world.dir(path)?.seen.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if step == Step::Last {
            return Err(crashed());
        }
        world
            .dir(parent_of(path))?
            .change(NameChange::Unlink(name_of(path)));
        world.dirs.remove(path);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.look()?.check_handles()?;
        let (mut world, step) = self.step()?;
        if step == Step::Last {
            return Err(crashed());
        }
        let fails = world.sync_fails();
        let dir = world.dir(path)?;
        if fails {
            dir.unsynced.clear();
            return Err(io::Error::other("input/output error"));
        }
        for change in dir.unsynced.drain(..) {
            change.apply(&mut dir.durable);
        }
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        let mut world = self.look()?;
        if world.locked {
            return Ok(None);
        }
        world.locked = true;
        Ok(Some(Box::new(FaultyLock { disk: self.clone() })))
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        let world = self.look()?;
        Ok(world
            .capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(world.used())))
    }

    fn total_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.look()?.capacity.unwrap_or(u64::MAX))
    }
}

impl FaultyDisk {
    fn file(&self, at: usize) -> FaultyFile {
        FaultyFile {
            disk: self.clone(),
            at,
        }
    }
}

/// Unlocks when dropped, unless the process is dead anyway.
#[derive(Debug)]
struct FaultyLock {
    disk: FaultyDisk,
}

impl DiskLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        let mut world = self.disk.lock();
        if world.life == self.disk.life {
            world.locked = false;
        }
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    at: usize,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut world = self.disk.look()?;
        let content = &world.file(self.at)?.seen;
        let rest = content.get(position as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(length)
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut bytes: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.to_vec()).collect();
        let (mut world, step) = self.disk.step()?;
        let end = position + bytes.len() as u64;
        let growth = end.saturating_sub(world.file(self.at)?.seen.len() as u64);
        let (admitted, error) = world.admit(step, bytes.len(), growth);
        bytes.truncate(admitted);
        let file = world.file(self.at)?;
        let position = position as usize;
        let change = Change::Write { position, bytes };
        change.apply(&mut file.seen);
        file.unsynced.push(change);
        error.map_or(Ok(()), Err)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let (mut world, step) = self.disk.step()?;
        if step == Step::Last {
            return Err(crashed());
        }
        let change = Change::Length(length as usize);
        let file = world.file(self.at)?;
        change.apply(&mut file.seen);
        file.unsynced.push(change);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.look()?.file(self.at)?.seen.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let (mut world, step) = self.disk.step()?;
        if step == Step::Last {
            return Err(crashed());
        }
        let fails = world.sync_fails();
        let file = world.file(self.at)?;
        if fails {
            file.unsynced.clear();
            return Err(io::Error::other("input/output error"));
        }
        for change in file.unsynced.drain(..) {
            change.apply(&mut file.durable);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
