CREATE TABLE mails (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id   TEXT NOT NULL UNIQUE,
    order_id     TEXT NOT NULL,
    customer_id  TEXT NOT NULL,
    kind         TEXT NOT NULL,
    recipient    TEXT NOT NULL,
    subject      TEXT NOT NULL,
    body         TEXT NOT NULL,
    lane         INTEGER NOT NULL,
    context      TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('queued', 'accepted', 'refused')),
    detail       TEXT,
    queued_at_ms INTEGER NOT NULL,
    done_at_ms   INTEGER
);
CREATE INDEX mails_queued ON mails (seq) WHERE status = 'queued';
CREATE INDEX mails_done ON mails (done_at_ms) WHERE done_at_ms IS NOT NULL;
