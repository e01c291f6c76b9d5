//! A disk in memory that forgets what was not synced, tears writes, fails and fills up, as told.
//!
//! For tests and simulations. It is deterministic: what survives a power cut is drawn from a seed.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

#[derive(Debug, Default)]
struct World {
    dirs: BTreeMap<PathBuf, Directory>,
    files: Vec<File>,
    life: u64,
    locked: bool,
    operations: u64,
    syncs: u64,
    crash_at: Option<u64>,
    fail_sync: Option<u64>,
    fail_write: Option<u64>,
    writes: u64,
    capacity: Option<u64>,
    crashed: bool,
}

/// Content as programs see it, as it is on the platter, and the way from there to here.
#[derive(Debug, Default)]
struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { position: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    File(usize),
    Directory,
}

#[derive(Debug, Default)]
struct Directory {
    seen: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
    unsynced: Vec<NameChange>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Link(String, Entry),
    Unlink(String),
    Rename(String, String),
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Done,
    Last,
}

fn crashed() -> io::Error {
    io::Error::other("the machine has crashed")
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

impl World {
    fn check(&self, life: u64) -> io::Result<()> {
        if self.crashed || life != self.life {
            return Err(crashed());
        }
        Ok(())
    }

    fn step(&mut self) -> Step {
        let at = self.operations;
        self.operations += 1;
        if self.crash_at == Some(at) {
            self.crashed = true;
            return Step::Last;
        }
        Step::Done
    }

    fn next_life(&mut self) {
        self.life += 1;
        self.crashed = false;
        self.crash_at = None;
        self.fail_sync = None;
        self.fail_write = None;
        self.locked = false;
    }

    fn dir(&mut self, path: &Path) -> io::Result<&mut Directory> {
        self.dirs.get_mut(path).ok_or_else(not_found)
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        let dir = self.dirs.get(parent_of(path)).ok_or_else(not_found)?;
        dir.seen.get(&name_of(path)).copied().ok_or_else(not_found)
    }

    fn used(&self) -> u64 {
        self.dirs
            .values()
            .flat_map(|dir| dir.seen.values())
            .filter_map(|entry| match entry {
                Entry::File(at) => self.files.get(*at),
                Entry::Directory => None,
            })
            .map(|file| file.seen.len() as u64)
            .sum()
    }

    fn lose_unsynced(&mut self, survival: Survival) {
        let mut luck = Luck(match survival {
            Survival::Some { seed } => seed,
            Survival::Nothing | Survival::Everything => 0,
        });
        for file in &mut self.files {
            for change in std::mem::take(&mut file.unsynced) {
                luck.apply(survival, &change, &mut file.durable);
            }
            file.seen.clone_from(&file.durable);
        }
        for dir in self.dirs.values_mut() {
            let changes = std::mem::take(&mut dir.unsynced);
            let kept = match survival {
                Survival::Nothing => 0,
                Survival::Everything => changes.len(),
                Survival::Some { .. } => luck.below(changes.len() as u64 + 1) as usize,
            };
            for change in changes.iter().take(kept) {
                change.apply(&mut dir.durable);
            }
            dir.seen.clone_from(&dir.durable);
        }
        self.drop_unreachable_directories();
    }

    fn drop_unreachable_directories(&mut self) {
        let paths: Vec<PathBuf> = self.dirs.keys().skip(1).cloned().collect();
        // Parents come before their children.
        for path in paths {
            let reachable = self.entry(&path) == Entry::Directory;
            if !reachable {
                self.dirs.remove(&path);
            }
        }
        let links: Vec<PathBuf> = self
            .dirs
            .iter()
            .flat_map(|(path, dir)| {
                let names = dir.seen.iter();
                names
                    .filter(|(_, entry)| **entry == Entry::Directory)
                    .map(|(name, _)| path.join(name))
            })
            .collect();
        for path in links {
            self.dirs.entry(path).or_default();
        }
    }
}

impl PartialEq<Entry> for io::Result<Entry> {
    fn eq(&self, other: &Entry) -> bool {
        matches!(self, Ok(entry) if entry == other)
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { position, bytes } => write_into(content, *position, bytes),
            Self::Length(length) => content.resize(*length, 0),
        }
    }
}

fn write_into(content: &mut Vec<u8>, position: usize, bytes: &[u8]) {
    let end = position + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(position..end) {
        place.copy_from_slice(bytes);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Entry>) {
        match self {
            Self::Link(name, entry) => {
                names.insert(name.clone(), *entry);
            }
            Self::Unlink(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(entry) = names.remove(from) {
                    names.insert(to.clone(), entry);
                }
            }
        }
    }
}

impl Directory {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }
}

/// `SplitMix64`: a seed's own sequence.
#[derive(Debug)]
struct Luck(u64);

impl Luck {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn apply(&mut self, survival: Survival, change: &Change, durable: &mut Vec<u8>) {
        match survival {
            Survival::Nothing => {}
            Survival::Everything => change.apply(durable),
            Survival::Some { .. } => match (self.below(3), change) {
                (0, _) => {}
                (1, Change::Write { position, bytes }) => {
                    let torn = self.below(bytes.len() as u64 + 1) as usize;
                    write_into(durable, *position, bytes.get(..torn).unwrap_or_default());
                }
                _ => change.apply(durable),
            },
        }
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let found = self.look()?.entry(path);
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
}

impl FaultyDisk {
    fn file(&self, at: usize) -> FaultyFile {
        FaultyFile {
            disk: self.clone(),
            at,
        }
    }
}

impl World {
    fn sync_fails(&mut self) -> bool {
        let at = self.syncs;
        self.syncs += 1;
        self.fail_sync == Some(at)
    }

    /// How much of a write of `length` bytes, `growth` of them beyond the file's end, gets through.
    fn admit(&mut self, step: Step, length: usize, growth: u64) -> (usize, Option<io::Error>) {
        let at = self.writes;
        self.writes += 1;
        if step == Step::Last {
            return (length / 2, Some(crashed()));
        }
        if self.fail_write == Some(at) {
            return (length / 2, Some(io::Error::other("input/output error")));
        }
        let free = self
            .capacity
            .map(|capacity| capacity.saturating_sub(self.used()));
        match free {
            Some(free) if free < growth => {
                let missing = (growth - free) as usize;
                let error = io::ErrorKind::StorageFull.into();
                (length.saturating_sub(missing), Some(error))
            }
            _ => (length, None),
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

impl World {
    fn file(&mut self, at: usize) -> io::Result<&mut File> {
        self.files.get_mut(at).ok_or_else(not_found)
    }
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
mod tests {
    use super::*;

    fn content(disk: &FaultyDisk, path: &str) -> Option<Vec<u8>> {
        let file = disk.open(Path::new(path), OpenMode::Existing).ok()?;
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        Some(bytes)
    }

    fn write(disk: &FaultyDisk, path: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
        let file = disk.open(Path::new(path), OpenMode::OrCreate).unwrap();
        file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
        file
    }

    #[test]
    fn a_power_cut_takes_unsynced_bytes_and_names() {
        let disk = FaultyDisk::new();
        let synced = write(&disk, "/synced", b"old");
        synced.sync().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        write(&disk, "/synced", b"new");
        write(&disk, "/nameless", b"x").sync().unwrap();
        let disk = disk.power_cut(Survival::Nothing);
        assert_eq!(
            content(&disk, "/synced").as_deref(),
            Some(b"old".as_slice())
        );
        assert_eq!(content(&disk, "/nameless"), None);
        assert!(synced.sync().is_err(), "handles from before are dead");
    }

    #[test]
    fn killing_keeps_the_page_cache() {
        let disk = FaultyDisk::new();
        write(&disk, "/file", b"new");
        let disk = disk.kill();
        assert_eq!(content(&disk, "/file").as_deref(), Some(b"new".as_slice()));
        let disk = disk.power_cut(Survival::Nothing);
        assert_eq!(content(&disk, "/file"), None);
    }

    #[test]
    fn the_crash_tears_the_write_it_comes_in() {
        let disk = FaultyDisk::new();
        let file = write(&disk, "/file", b"");
        disk.crash_at(disk.operations());
        assert!(file.write_at(&[IoSlice::new(b"abcd")], 0).is_err());
        assert!(disk.has_crashed());
        let disk = disk.kill();
        assert_eq!(content(&disk, "/file").as_deref(), Some(b"ab".as_slice()));
    }

    #[test]
    fn what_a_failed_sync_covered_is_lost_though_the_next_one_succeeds() {
        let disk = FaultyDisk::new();
        let file = write(&disk, "/file", b"abcd");
        disk.sync_dir(Path::new("/")).unwrap();
        disk.fail_sync(disk.syncs());
        assert!(file.sync().is_err());
        file.sync().unwrap();
        let disk = disk.power_cut(Survival::Everything);
        assert_ne!(content(&disk, "/file").as_deref(), Some(b"abcd".as_slice()));
    }

    #[test]
    fn a_full_disk_takes_what_fits() {
        let disk = FaultyDisk::new();
        disk.set_capacity(Some(3));
        let file = disk.open(Path::new("/file"), OpenMode::OrCreate).unwrap();
        let error = file.write_at(&[IoSlice::new(b"abcd")], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(content(&disk, "/file").as_deref(), Some(b"abc".as_slice()));
    }
}
