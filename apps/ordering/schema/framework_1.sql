-- What every service has: where it stands, what it still has to publish, what it has seen, what it could not read.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- seq never repeats (AUTOINCREMENT), also after sent rows were swept away.
CREATE TABLE outbox (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    topic         TEXT NOT NULL,
    record_key    TEXT NOT NULL,
    payload       TEXT NOT NULL,
    headers       TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    sent_at_ms    INTEGER
);
CREATE INDEX outbox_unsent ON outbox (seq) WHERE sent_at_ms IS NULL;
CREATE INDEX outbox_sent ON outbox (seq) WHERE sent_at_ms IS NOT NULL;

CREATE TABLE inbox (
    event_id   TEXT PRIMARY KEY,
    seen_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX inbox_seen ON inbox (seen_at_ms);

CREATE TABLE dead_letters (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    topic         TEXT NOT NULL,
    partition     INTEGER NOT NULL,
    record_offset INTEGER NOT NULL,
    timestamp_ms  INTEGER NOT NULL,
    record_key    BLOB,
    record_value  BLOB,
    headers       TEXT NOT NULL,
    reason        TEXT NOT NULL,
    at_ms         INTEGER NOT NULL,
    UNIQUE (topic, partition, record_offset, timestamp_ms)
);
