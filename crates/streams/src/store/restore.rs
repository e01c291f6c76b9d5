//! Restoring a store from its changelog, past the overlay and the journal.
//!
//! Records are gathered, sorted and written as whole tables, the checkpoint behind them. A kill in between leaves
//! rows that are newer than the checkpoint says: the records that are restored again write the same rows once more.

use super::batch::Batch;
use super::checkpoint::Checkpoint;
use super::error::StoreError;
use super::layout::{LONGEST_ROW, Layout, write_stamped};
use super::store::{ChangelogRecord, Store};
use super::table::Table;
use super::values::too_long;
use super::{time_buffer, versioned};

/// What a store gathers at most before it writes, and least for a table of its own.
const MOST_BYTES: usize = 8 * 1024 * 1024;
const TABLE_BYTES: usize = 256 * 1024;

/// What a record costs above its bytes.
const ENTRY_BYTES: usize = 32;

/// Records that were read and are not below yet.
#[derive(Debug, Default)]
pub(crate) struct RestoreBuffer {
    bytes: Vec<u8>,
    entries: Vec<Gathered>,
    /// How far the records in it go.
    checkpoint: Option<Checkpoint>,
}

#[derive(Debug, Clone, Copy)]
struct Gathered {
    /// The first eight bytes of the key, to compare without looking it up.
    prefix: u64,
    start: u32,
    key: u32,
    /// `u32::MAX` for a delete.
    value: u32,
}

impl RestoreBuffer {
    fn push(&mut self, row: &[u8], value: Option<&[u8]>) {
        // At most MOST_BYTES and one record, whose parts the client bounds far below 4 GiB.
        self.entries.push(Gathered {
            prefix: prefix(row),
            start: self.bytes.len() as u32,
            key: row.len() as u32,
            value: value.map_or(u32::MAX, |value| value.len() as u32),
        });
        self.bytes.extend_from_slice(row);
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.entries.len() * ENTRY_BYTES
    }

    fn key(&self, entry: &Gathered) -> &[u8] {
        &self.bytes[entry.start as usize..][..entry.key as usize]
    }

    fn value(&self, entry: &Gathered) -> Option<&[u8]> {
        (entry.value != u32::MAX)
            .then(|| &self.bytes[(entry.start + entry.key) as usize..][..entry.value as usize])
    }

    /// In order of the keys, the last record of each only.
    fn sort(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        // Later records first within a key, so that it is the first that stays. A delete of the empty key takes no
        // room: what begins where it does comes after it.
        entries.sort_unstable_by(|a, b| {
            a.prefix
                .cmp(&b.prefix)
                .then_with(|| self.key(a).cmp(self.key(b)))
                .then_with(|| {
                    let earlier = (a.start, self.value(a).is_some());
                    (b.start, self.value(b).is_some()).cmp(&earlier)
                })
        });
        entries.dedup_by(|b, a| a.prefix == b.prefix && self.key(a) == self.key(b));
        self.entries = entries;
    }

    fn rows(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.entries
            .iter()
            .map(|entry| (self.key(entry), self.value(entry)))
    }
}

/// The first eight bytes of a key as a number: keys in order have numbers in order.
pub(super) fn prefix(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = key.len().min(8);
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(bytes)
}

impl Store {
    /// Takes over records of the changelog, in their order. They may stay in memory, up to 8 MiB, until
    /// [`finish_restore`](Self::finish_restore) or a later call. Of changes that are not committed nothing is kept.
    pub fn restore<'r>(
        &mut self,
        records: impl IntoIterator<Item = ChangelogRecord<'r>>,
    ) -> Result<(), StoreError> {
        let mut value = Vec::new();
        for record in records {
            self.restore_one(&record, &mut value)?;
            if self.restoring.size() >= MOST_BYTES || self.dirty_bytes() >= MOST_BYTES {
                self.finish_restore(0)?;
            }
        }
        Ok(())
    }

    /// Writes what was gathered, and with it how far the store has come. To be called at the end of a restore, and
    /// now and then by a standby. `now_ms` is the wall clock.
    pub fn finish_restore(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let mut buffer = std::mem::take(&mut self.restoring);
        let Some(mut checkpoint) = buffer.checkpoint else {
            return Ok(());
        };
        // A restore that is cut short has not read the tombstones behind it: only its end makes the state young.
        checkpoint.written_at_ms = if now_ms > 0 {
            now_ms
        } else {
            self.last_checkpoint().written_at_ms
        };
        checkpoint.changelog_id = self.last_checkpoint().changelog_id;
        if self.replays_records() {
            return self.commit_replayed(checkpoint);
        }
        buffer.sort();
        let layout = self.layout;
        for (row, value) in buffer.rows() {
            if value.is_some() {
                self.presence().add(layout, row);
            }
        }
        match &self.table {
            Table::Memory(table) => table.write(|put| {
                for (row, value) in buffer.rows() {
                    put(row, value);
                }
            }),
            Table::Disk(table) => {
                let mut batch = table.state().batch(checkpoint.written_at_ms);
                if buffer.size() >= TABLE_BYTES {
                    table.ingest(buffer.rows())?;
                } else {
                    batch.write(table, |put| {
                        for (row, value) in buffer.rows() {
                            put(row, value);
                        }
                    });
                }
                batch.checkpoint(table.name(), &checkpoint, layout.fingerprint());
                batch.commit()?;
            }
        }
        self.restored(checkpoint);
        Ok(())
    }

    fn restore_one(
        &mut self,
        record: &ChangelogRecord<'_>,
        value: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        if record.key.len() > LONGEST_ROW {
            return Err(too_long(&self.spec().name, record.key));
        }
        let first = self.restoring.checkpoint.is_none();
        if first && !self.replays_records() {
            self.abort();
        }
        let before = *self.last_checkpoint();
        let mut checkpoint = self.restoring.checkpoint.unwrap_or(before);
        checkpoint.offset = Some(record.offset);
        let accepted = self
            .spec
            .check
            .as_ref()
            .is_none_or(|check| check.accepts(record));
        match self.layout {
            _ if !accepted => {}
            Layout::Versioned { .. } => {
                versioned::restore(self, record)?;
                checkpoint.clock = self.clock();
            }
            Layout::Buffer => time_buffer::restore(self, record)?,
            Layout::Plain => {
                checkpoint.clock = checkpoint.clock.max(record.timestamp);
                let value = record.value.map(|bytes| {
                    write_stamped(record.timestamp, bytes, value);
                    &value[..]
                });
                self.restoring.push(record.key, value);
            }
            layout => {
                // A key that is not of this store's form was put there by somebody else: it is passed over.
                if let Some(restored) = layout.restored(record.key) {
                    let time = restored.time.unwrap_or(checkpoint.clock);
                    checkpoint.clock = checkpoint.clock.max(time);
                    if let Some(sequence) = restored.sequence {
                        checkpoint.sequence = checkpoint.sequence.max(sequence.wrapping_add(1));
                    }
                    let value = record.value.map(|bytes| {
                        write_stamped(record.timestamp, bytes, value);
                        &value[..]
                    });
                    self.restoring.push(&restored.row, value);
                }
            }
        }
        self.restoring.checkpoint = Some(checkpoint);
        Ok(())
    }

    /// Whether what a record does depends on what is there already.
    fn replays_records(&self) -> bool {
        matches!(self.layout, Layout::Versioned { .. } | Layout::Buffer)
    }

    fn commit_replayed(&mut self, checkpoint: Checkpoint) -> Result<(), StoreError> {
        self.forget_entries();
        let mut batch = match &self.table {
            Table::Memory(_) => Batch::in_memory(checkpoint.written_at_ms),
            Table::Disk(table) => table.state().batch(checkpoint.written_at_ms),
        };
        self.commit(&mut batch, checkpoint.offset);
        batch.commit()
    }
}
