//! What is on the faulty disk, what programs see of it, and what a power cut leaves.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::Survival;

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) dirs: BTreeMap<PathBuf, Directory>,
    pub(super) files: Vec<File>,
    pub(super) life: u64,
    pub(super) locked: bool,
    pub(super) operations: u64,
    pub(super) syncs: u64,
    pub(super) crash_at: Option<u64>,
    pub(super) fail_sync: Option<u64>,
    pub(super) fail_write: Option<u64>,
    pub(super) writes: u64,
    pub(super) capacity: Option<u64>,
    pub(super) crashed: bool,
    pub(super) out_of_handles: bool,
}

/// Content as programs see it, as it is on the platter, and the way from there to here.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) unsynced: Vec<Change>,
}

#[derive(Debug)]
pub(super) enum Change {
    Write { position: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    File(usize),
    Directory,
}

#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) seen: BTreeMap<String, Entry>,
    pub(super) durable: BTreeMap<String, Entry>,
    pub(super) unsynced: Vec<NameChange>,
}

#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Link(String, Entry),
    Unlink(String),
    Rename(String, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Done,
    Last,
}

pub(super) fn crashed() -> io::Error {
    io::Error::other("the machine has crashed")
}

pub(super) fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

impl World {
    pub(super) fn check(&self, life: u64) -> io::Result<()> {
        if self.crashed || life != self.life {
            return Err(crashed());
        }
        Ok(())
    }

    pub(super) fn check_handles(&self) -> io::Result<()> {
        if self.out_of_handles {
            return Err(rustix::io::Errno::MFILE.into());
        }
        Ok(())
    }

    pub(super) fn step(&mut self) -> Step {
        let at = self.operations;
        self.operations += 1;
        if self.crash_at == Some(at) {
            self.crashed = true;
            return Step::Last;
        }
        Step::Done
    }

    pub(super) fn next_life(&mut self) {
        self.life += 1;
        self.crashed = false;
        self.crash_at = None;
        self.fail_sync = None;
        self.fail_write = None;
        self.locked = false;
    }

    pub(super) fn dir(&mut self, path: &Path) -> io::Result<&mut Directory> {
        self.dirs.get_mut(path).ok_or_else(not_found)
    }

    pub(super) fn entry(&self, path: &Path) -> io::Result<Entry> {
        let dir = self.dirs.get(parent_of(path)).ok_or_else(not_found)?;
        dir.seen.get(&name_of(path)).copied().ok_or_else(not_found)
    }

    pub(super) fn used(&self) -> u64 {
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

    pub(super) fn lose_unsynced(&mut self, survival: Survival) {
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

    pub(super) fn drop_unreachable_directories(&mut self) {
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
    pub(super) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { position, bytes } => write_into(content, *position, bytes),
            Self::Length(length) => content.resize(*length, 0),
        }
    }
}

pub(super) fn write_into(content: &mut Vec<u8>, position: usize, bytes: &[u8]) {
    let end = position + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(position..end) {
        place.copy_from_slice(bytes);
    }
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, Entry>) {
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
    pub(super) fn change(&mut self, change: NameChange) {
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }
}

/// `SplitMix64`: a seed's own sequence.
#[derive(Debug)]
pub(super) struct Luck(u64);

impl Luck {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub(super) fn apply(&mut self, survival: Survival, change: &Change, durable: &mut Vec<u8>) {
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

impl World {
    pub(super) fn sync_fails(&mut self) -> bool {
        let at = self.syncs;
        self.syncs += 1;
        self.fail_sync == Some(at)
    }

    /// How much of a write of `length` bytes, `growth` of them beyond the file's end, gets through.
    pub(super) fn admit(
        &mut self,
        step: Step,
        length: usize,
        growth: u64,
    ) -> (usize, Option<io::Error>) {
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

impl World {
    pub(super) fn file(&mut self, at: usize) -> io::Result<&mut File> {
        self.files.get_mut(at).ok_or_else(not_found)
    }
}
