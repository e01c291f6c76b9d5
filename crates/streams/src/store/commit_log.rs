//! The log of commits: what of the stores is in no table on disk yet.
//!
//! One log serves all stores, so the changes of several, and how far each has come, are there together or not at all.
//! Owns the files and their format; never decides when a log is begun, nor when one is of no use any more.
//!
//! ```text
//! <directory>/<number, 20 digits>.log
//!   file     magic(8) number(8) length(8) record*          the length is that of the log before this one
//!   record   length(4) crc32c(4) payload
//!   payload  tables(4) {length(2) name}* change*
//!   change   1 table(4)                   what follows is of this table of the record
//!            2 key(4) value(4) key value  a row
//!            3 key(4) key                 a row that is deleted
//!            4                            earlier changes of the table are void: its rows are on disk, or gone
//! ```
//!
//! Numbers are little endian. A log is written to the page cache at each commit and not synced before it is ended: a
//! kill tears the last record at most, which then has not happened.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"hwcommit";
const HEADER: u64 = 24;
const ENDING: &str = "log";

/// Changes lie in pieces of memory of this size, so that many of them are never copied to make room; a longer change
/// has a piece of its own.
const CHUNK_BYTES: usize = 128 * 1024;

const TABLE: u8 = 1;
const PUT: u8 = 2;
const REMOVE: u8 = 3;
const VOID: u8 = 4;

/// Changes of tables that are written as one record.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    tables: Vec<Arc<str>>,
    current: Option<usize>,
    /// Each change lies in one of them.
    chunks: Vec<Vec<u8>>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// Those that follow are of this table, by its place in the record.
    Table(usize),
    /// A row.
    Put(&'a [u8], &'a [u8]),
    /// A row that is deleted.
    Remove(&'a [u8]),
    /// Earlier changes of the table are void.
    Void,
}

impl Changes {
    /// What follows is of this table.
    pub(crate) fn of(&mut self, table: &Arc<str>) {
        let known = self.tables.iter().position(|known| known == table);
        let index = known.unwrap_or_else(|| {
            self.tables.push(Arc::clone(table));
            self.tables.len() - 1
        });
        if self.current != Some(index) {
            self.current = Some(index);
            let chunk = self.room(5);
            chunk.push(TABLE);
            push_length(chunk, index);
        }
    }

    pub(crate) fn put(&mut self, key: &[&[u8]], value: &[u8]) {
        let length = key.iter().map(|part| part.len()).sum();
        let chunk = self.room(9 + length + value.len());
        chunk.push(PUT);
        push_length(chunk, length);
        push_length(chunk, value.len());
        for part in key {
            chunk.extend_from_slice(part);
        }
        chunk.extend_from_slice(value);
    }

    pub(crate) fn remove(&mut self, key: &[&[u8]]) {
        let length = key.iter().map(|part| part.len()).sum();
        let chunk = self.room(5 + length);
        chunk.push(REMOVE);
        push_length(chunk, length);
        for part in key {
            chunk.extend_from_slice(part);
        }
    }

    pub(crate) fn void(&mut self) {
        self.room(1).push(VOID);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The tables, in the order of their places.
    pub(crate) fn tables(&self) -> &[Arc<str>] {
        &self.tables
    }

    /// Hands them out in order.
    pub(crate) fn each(&self, mut each: impl FnMut(Change<'_>)) {
        for chunk in &self.chunks {
            let whole = decode(chunk, &mut each);
            debug_assert!(whole.is_some(), "what was just written can be read");
        }
    }

    /// Where a change of so many bytes goes.
    fn room(&mut self, length: usize) -> &mut Vec<u8> {
        let fits = |chunk: &Vec<u8>| chunk.len() + length <= CHUNK_BYTES;
        if !self.chunks.last().is_some_and(fits) {
            // The first one grows: most commits are small.
            let size = if self.chunks.is_empty() {
                0
            } else {
                CHUNK_BYTES
            };
            self.chunks.push(Vec::with_capacity(size.max(length)));
        }
        self.chunks.last_mut().expect("one with room is there")
    }
}

fn push_length(bytes: &mut Vec<u8>, length: usize) {
    // The longest row is far below; what is longer is refused before it comes here.
    let length = u32::try_from(length).expect("a row is shorter than 4 GiB");
    bytes.extend_from_slice(&length.to_le_bytes());
}

/// Hands out changes; none if the bytes are no changes.
fn decode(mut bytes: &[u8], mut each: impl FnMut(Change<'_>)) -> Option<()> {
    while let Some((tag, rest)) = bytes.split_first() {
        bytes = rest;
        match *tag {
            TABLE => each(Change::Table(take_length(&mut bytes)?)),
            PUT => {
                let (key, value) = (take_length(&mut bytes)?, take_length(&mut bytes)?);
                let (key, value) = (take(&mut bytes, key)?, take(&mut bytes, value)?);
                each(Change::Put(key, value));
            }
            REMOVE => {
                let key = take_length(&mut bytes)?;
                each(Change::Remove(take(&mut bytes, key)?));
            }
            VOID => each(Change::Void),
            _ => return None,
        }
    }
    Some(())
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let taken = take(bytes, 4)?;
    Some(u32::from_le_bytes(taken.try_into().ok()?) as usize)
}

/// The log that is written.
#[derive(Debug)]
pub(crate) struct CommitLog {
    directory: PathBuf,
    file: File,
    number: u64,
    length: u64,
    record: Vec<u8>,
}

impl CommitLog {
    /// Begins log `number` behind one that ends at `before`.
    pub(crate) fn begin(directory: &Path, number: u64, before: u64) -> io::Result<Self> {
        // In one step: a log without its header is a damaged one.
        let draft = directory.join("new");
        let mut file = File::create(&draft)?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&number.to_le_bytes());
        header.extend_from_slice(&before.to_le_bytes());
        file.write_all(&header)?;
        // Or a power cut leaves the name of a file that is empty.
        file.sync_data()?;
        fs::rename(&draft, path_of(directory, number))?;
        Ok(Self {
            directory: directory.to_owned(),
            file,
            number,
            length: HEADER,
            record: Vec::new(),
        })
    }

    /// Writes a record. After an error nothing can be written any more.
    pub(crate) fn append(&mut self, changes: &Changes) -> io::Result<()> {
        let record = &mut self.record;
        record.clear();
        record.extend_from_slice(&[0; 8]);
        record.extend_from_slice(&(changes.tables.len() as u32).to_le_bytes());
        for table in &changes.tables {
            record.extend_from_slice(&(table.len() as u16).to_le_bytes());
            record.extend_from_slice(table.as_bytes());
        }
        let mut sum = crc32c::crc32c(&record[8..]);
        let mut payload = record.len() - 8;
        for chunk in &changes.chunks {
            sum = crc32c::crc32c_append(sum, chunk);
            payload += chunk.len();
        }
        let length = u32::try_from(payload).map_err(|_| {
            io::Error::new(io::ErrorKind::FileTooLarge, "a commit of more than 4 GiB")
        })?;
        record[..4].copy_from_slice(&length.to_le_bytes());
        record[4..8].copy_from_slice(&sum.to_le_bytes());
        // In one call, if it is small.
        let (first, further) = match &changes.chunks[..] {
            [first, further @ ..] => (&first[..], further),
            [] => (&[][..], &[][..]),
        };
        record.extend_from_slice(first);
        self.file.write_all(record)?;
        for chunk in further {
            self.file.write_all(chunk)?;
        }
        self.length += 8 + payload as u64;
        // One large row is not to keep its room.
        record.shrink_to(2 * CHUNK_BYTES);
        Ok(())
    }

    /// Ends this log, which is on disk from here on whatever happens, and begins the next; returns the ended one.
    pub(crate) fn turn(&mut self) -> io::Result<PathBuf> {
        self.file.sync_data()?;
        let ended = path_of(&self.directory, self.number);
        let next = Self::begin(&self.directory, self.number + 1, self.length)?;
        let record = std::mem::take(&mut self.record);
        *self = Self { record, ..next };
        Ok(ended)
    }

    /// Puts what is written on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn path_of(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}.{ENDING}"))
}

/// A log that an earlier process has left.
#[derive(Debug)]
pub(crate) struct LeftLog {
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    /// How much of it is whole.
    pub(crate) length: u64,
    bytes: Vec<u8>,
}

impl LeftLog {
    /// Those in the directory, oldest first.
    ///
    /// # Errors
    /// They cannot be read; or one is damaged, with [`io::ErrorKind::InvalidData`].
    pub(crate) fn all(directory: &Path) -> io::Result<Vec<Self>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                paths.push(path);
            }
        }
        // Their numbers have equally many digits.
        paths.sort();
        let mut logs: Vec<Self> = Vec::with_capacity(paths.len());
        for path in paths {
            let (log, before) = Self::read(path)?;
            if let Some(last) = logs.last()
                && (last.number + 1, last.length) != (log.number, before)
            {
                return Err(damaged(&log.path, "records before it are missing"));
            }
            logs.push(log);
        }
        Ok(logs)
    }

    /// The log, and the length of the one before it.
    fn read(path: PathBuf) -> io::Result<(Self, u64)> {
        let bytes = fs::read(&path)?;
        let number = |from: usize| {
            let found = bytes.get(from..from + 8)?;
            Some(u64::from_le_bytes(found.try_into().ok()?))
        };
        let header = (bytes.get(..8) == Some(MAGIC)).then(|| Some((number(8)?, number(16)?)));
        let (number, before) = header
            .flatten()
            .ok_or_else(|| damaged(&path, "it has no header"))?;
        let mut rest = &bytes[HEADER as usize..];
        while record(&mut rest).is_some() {}
        let length = (bytes.len() - rest.len()) as u64;
        let log = Self {
            path,
            number,
            length,
            bytes,
        };
        Ok((log, before))
    }

    /// Puts it on disk: from here on it has an end, which the next log tells.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::options().write(true).open(&self.path)?.sync_data()
    }

    /// Its records, in order.
    ///
    /// # Errors
    /// One that is whole is of an unknown form.
    pub(crate) fn records(&self) -> io::Result<Vec<LeftRecord<'_>>> {
        let mut rest = &self.bytes[HEADER as usize..self.length as usize];
        let mut records = Vec::new();
        while let Some(mut payload) = record(&mut rest) {
            let tables = names(&mut payload);
            let whole = tables.zip(decode(payload, |_| ()));
            let (tables, ()) =
                whole.ok_or_else(|| damaged(&self.path, "a record is of an unknown form"))?;
            records.push(LeftRecord {
                tables,
                changes: payload,
            });
        }
        Ok(records)
    }
}

/// A record of such a log.
#[derive(Debug)]
pub(crate) struct LeftRecord<'a> {
    /// The names of its tables, by their places.
    pub(crate) tables: Vec<&'a str>,
    changes: &'a [u8],
}

impl LeftRecord<'_> {
    /// Hands out its changes in order.
    pub(crate) fn each(&self, each: impl FnMut(Change<'_>)) {
        let whole = decode(self.changes, each);
        debug_assert!(whole.is_some(), "it was read before");
    }
}

/// The next record's payload, if it is whole.
fn record<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = *bytes;
    let length = take_length(&mut rest)?;
    let sum = take_length(&mut rest)?;
    let payload = take(&mut rest, length)?;
    // Zeros, which a power cut may leave behind what was written, are no record.
    if payload.is_empty() || crc32c::crc32c(payload) as usize != sum {
        return None;
    }
    *bytes = rest;
    Some(payload)
}

fn names<'a>(payload: &mut &'a [u8]) -> Option<Vec<&'a str>> {
    let count = take_length(payload)?;
    let mut names = Vec::new();
    for _ in 0..count {
        let length = take(payload, 2)?;
        let length = u16::from_le_bytes(length.try_into().ok()?);
        names.push(std::str::from_utf8(take(payload, length.into())?).ok()?);
    }
    Some(names)
}

fn damaged(path: &Path, reason: &str) -> io::Error {
    let text = format!("the log {}: {reason}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(rows: &[&str]) -> Changes {
        let mut changes = Changes::default();
        for row in rows {
            changes.of(&"0.s".into());
            changes.put(&[b"k", row.as_bytes()], b"value");
        }
        changes
    }

    /// Each change as text, the table's name before it.
    fn replayed(directory: &Path) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        for log in LeftLog::all(directory)? {
            for record in log.records()? {
                record.each(|change| {
                    found.push(match change {
                        Change::Table(index) => record.tables[index].to_owned(),
                        Change::Put(key, _) => String::from_utf8_lossy(key).into_owned(),
                        Change::Remove(key) => format!("-{}", String::from_utf8_lossy(key)),
                        Change::Void => "void".to_owned(),
                    });
                });
            }
        }
        Ok(found)
    }

    #[test]
    fn changes_come_back_in_their_order_over_several_logs() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = CommitLog::begin(directory.path(), 7, 0).unwrap();
        let mut first = changes(&["a", "b"]);
        first.of(&"1.s".into());
        first.remove(&[b"c"]);
        first.void();
        log.append(&first).unwrap();
        let ended = log.turn().unwrap();
        log.append(&changes(&["d"])).unwrap();
        let expected = ["0.s", "ka", "kb", "1.s", "-c", "void", "0.s", "kd"];
        assert_eq!(replayed(directory.path()).unwrap(), expected);
        fs::remove_file(ended).unwrap();
        assert_eq!(replayed(directory.path()).unwrap(), ["0.s", "kd"]);
    }

    #[test]
    fn changes_of_many_pieces_are_one_record() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = CommitLog::begin(directory.path(), 1, 0).unwrap();
        let mut many = Changes::default();
        let mut expected = vec!["0.s".to_owned()];
        many.of(&"0.s".into());
        for (number, length) in [1_000, 100_000, 27_000, 5, 400_000, 0, 131_072]
            .iter()
            .enumerate()
        {
            many.put(&[number.to_string().as_bytes()], &vec![7; *length]);
            many.remove(&[b"gone"]);
            expected.extend([number.to_string(), "-gone".to_owned()]);
        }
        assert!(many.chunks.len() > 3);
        log.append(&many).unwrap();
        assert_eq!(replayed(directory.path()).unwrap(), expected);
        assert_eq!(
            fs::metadata(path_of(directory.path(), 1)).unwrap().len(),
            log.length
        );
        let mut handed_out = Vec::new();
        many.each(|change| {
            if let Change::Put(key, value) = change {
                handed_out.push((key.to_vec(), value.len()));
            }
        });
        assert_eq!(handed_out[4], (b"4".to_vec(), 400_000));
        let bytes = fs::read(path_of(directory.path(), 1)).unwrap();
        fs::write(path_of(directory.path(), 1), &bytes[..bytes.len() - 1]).unwrap();
        assert!(replayed(directory.path()).unwrap().is_empty(), "none of it");
    }

    #[test]
    fn a_torn_record_has_not_happened_and_the_next_log_knows_where_it_began() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = CommitLog::begin(directory.path(), 1, 0).unwrap();
        log.append(&changes(&["a"])).unwrap();
        let whole = log.length;
        log.append(&changes(&["b"])).unwrap();
        let path = path_of(directory.path(), 1);
        let bytes = fs::read(&path).unwrap();
        for cut in whole as usize..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            assert_eq!(replayed(directory.path()).unwrap(), ["0.s", "ka"]);
        }
        let mut next = CommitLog::begin(directory.path(), 2, whole).unwrap();
        next.append(&changes(&["c"])).unwrap();
        let expected = ["0.s", "ka", "0.s", "kc"];
        assert_eq!(replayed(directory.path()).unwrap(), expected);
    }

    #[test]
    fn zeros_behind_the_last_record_are_no_records() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = CommitLog::begin(directory.path(), 1, 0).unwrap();
        log.append(&changes(&["a"])).unwrap();
        let path = path_of(directory.path(), 1);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(&[0; 4096]);
        fs::write(&path, bytes).unwrap();
        assert_eq!(replayed(directory.path()).unwrap(), ["0.s", "ka"]);
        let left = LeftLog::all(directory.path()).unwrap();
        assert_eq!(left[0].length, log.length);
    }

    #[test]
    fn a_log_that_lost_records_before_others_is_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = CommitLog::begin(directory.path(), 1, 0).unwrap();
        log.append(&changes(&["a"])).unwrap();
        let ended = log.turn().unwrap();
        log.append(&changes(&["b"])).unwrap();
        let mut bytes = fs::read(&ended).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&ended, bytes).unwrap();
        let refused = replayed(directory.path()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{refused}");
        fs::write(path_of(directory.path(), 2), b"").unwrap();
        let refused = replayed(directory.path()).unwrap_err();
        assert!(refused.to_string().contains("no header"), "{refused}");
    }
}
