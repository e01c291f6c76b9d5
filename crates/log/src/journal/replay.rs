//! Reading the journal back after a crash.

use std::path::Path;

use bytes::Bytes;

use super::commit::{BLOCK, Chain, CommitHeader, decode_entries};
use super::entry::Entry;
use super::journal_dir;
use super::ring::{JournalFile, RestartPoint, RingFile, file_path, open_files};
use crate::LogError;
use crate::disk::Disk;

/// A commit that fits in the chain.
#[derive(Debug)]
pub(crate) struct ReplayedCommit<'a> {
    /// The file it is in.
    pub(crate) path: &'a Path,
    /// Where it begins there.
    pub(crate) offset: u64,
    /// What it holds.
    pub(crate) entries: Vec<Entry>,
}

/// Walks the commits from a restart point on. Memory is bounded by the largest commit, which fits in one file.
#[derive(Debug)]
pub(crate) struct Replay {
    files: Vec<RingFile>,
    at: usize,
    offset: u64,
    chain: Chain,
}

impl Replay {
    /// A walk over the journal in `dir`.
    pub(crate) fn new(
        disk: &dyn Disk,
        dir: &Path,
        restart: &RestartPoint,
    ) -> Result<Self, LogError> {
        let files = open_files(disk, dir)?;
        let at = files
            .iter()
            .position(|file| file.number == restart.file_number);
        Ok(Self {
            // A file that is not there any more was free, so the next commit is at the beginning of another.
            at: at.unwrap_or(files.len()),
            files,
            offset: restart.offset,
            chain: restart.chain,
        })
    }

    /// The next commit; `None` at the end of the journal.
    pub(crate) fn next(&mut self) -> Result<Option<ReplayedCommit<'_>>, LogError> {
        let here = std::iter::once((self.at, self.offset));
        let elsewhere = (0..self.files.len()).map(|index| (index, 0));
        for (index, offset) in here.chain(elsewhere) {
            let Some(file) = self.files.get(index) else {
                continue;
            };
            let Some((header, bytes)) = read_commit(file, offset)? else {
                continue;
            };
            if header.chain != self.chain {
                continue;
            }
            let entries = decode_entries(&header, &bytes).ok_or_else(|| {
                LogError::corrupt(
                    &file.path,
                    offset,
                    "a commit's entries contradict its header",
                )
            })?;
            self.at = index;
            self.offset = offset + header.blocks_in_bytes();
            self.chain = self.chain.after(header.crc);
            let path = self.files.get(index).map(|file| file.path.as_path());
            let path = path.expect("the file was there above");
            return Ok(Some(ReplayedCommit {
                path,
                offset,
                entries,
            }));
        }
        Ok(None)
    }

    /// For the end of the walk. Only one commit is in flight at a time, so a whole one can lie behind a broken one only if something else
    /// broke it. Starting then would drop what was acknowledged.
    pub(crate) fn refuse_later_commits(&self) -> Result<(), LogError> {
        // The broken commit may have been the first of any file, so all are looked through: 48 bytes of each block.
        for file in &self.files {
            let mut offset = 0;
            while offset < file.size {
                self.refuse_later_at(file, offset)?;
                offset += BLOCK;
            }
        }
        Ok(())
    }

    fn refuse_later_at(&self, file: &RingFile, offset: u64) -> Result<(), LogError> {
        let Some(header) = read_header(file, offset)? else {
            return Ok(());
        };
        let ours = header.chain.incarnation == self.chain.incarnation;
        if !ours || header.chain.sequence <= self.chain.sequence {
            return Ok(());
        }
        if read_commit(file, offset)?.is_none() {
            return Ok(());
        }
        Err(LogError::corrupt(
            &file.path,
            offset,
            format!(
                "commit {} is whole, but commit {} before it is not: the disk lost or changed what was synced",
                header.chain.sequence, self.chain.sequence
            ),
        ))
    }
}

/// What is wrong with the files that the checkpoint names: each must be there in its full size.
pub(crate) fn missing_files(
    disk: &dyn Disk,
    dir: &Path,
    named: &[JournalFile],
) -> Result<Vec<LogError>, LogError> {
    let files = open_files(disk, dir)?;
    let mut errors = Vec::new();
    for named in named {
        let found = files.iter().find(|file| file.number == named.number);
        errors.extend(match found {
            None => Some(LogError::missing(
                &file_path(dir, named.number),
                "the checkpoint names it, and the node was not shut down cleanly: it may hold acknowledged records \
                 that are nowhere else",
            )),
            Some(file) if file.size < named.size => {
                let reason = format!(
                    "the file had {} bytes when the checkpoint was made and ends here, and the node was not shut \
                     down cleanly: acknowledged records that are nowhere else may be cut off",
                    named.size
                );
                Some(LogError::corrupt(&file.path, file.size, reason))
            }
            Some(_) => None,
        });
    }
    Ok(errors)
}

/// Whether there are any files of a journal.
pub(crate) fn has_journal(disk: &dyn Disk, root: &Path) -> Result<bool, LogError> {
    Ok(!open_files(disk, &journal_dir(root))?.is_empty())
}

/// Whether anything was ever written into the journal.
pub(crate) fn holds_commits(disk: &dyn Disk, root: &Path) -> Result<bool, LogError> {
    for file in open_files(disk, &journal_dir(root))? {
        let mut offset = 0;
        while offset < file.size {
            if read_header(&file, offset)?.is_some() {
                return Ok(true);
            }
            offset += BLOCK;
        }
    }
    Ok(false)
}

fn read_header(file: &RingFile, offset: u64) -> Result<Option<CommitHeader>, LogError> {
    let mut head = [0; CommitHeader::SIZE];
    let read = file
        .file
        .read_at(&mut head, offset)
        .map_err(LogError::io("read", &file.path))?;
    Ok(CommitHeader::decode(head.get(..read).unwrap_or_default()))
}

/// Reads a commit whose CRC is right. The length is believed only as far as the file goes.
fn read_commit(file: &RingFile, offset: u64) -> Result<Option<(CommitHeader, Bytes)>, LogError> {
    let Some(header) = read_header(file, offset)? else {
        return Ok(None);
    };
    if header.blocks_in_bytes() > file.size.saturating_sub(offset) {
        return Ok(None);
    }
    let mut commit = vec![0; CommitHeader::SIZE + header.length as usize];
    let read = file
        .file
        .read_at(&mut commit, offset)
        .map_err(LogError::io("read", &file.path))?;
    if read < commit.len() || !header.matches(&commit) {
        return Ok(None);
    }
    Ok(Some((header, Bytes::from(commit))))
}
