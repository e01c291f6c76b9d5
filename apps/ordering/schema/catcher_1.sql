-- What the embedded SMTP server took, once per Message-ID.
CREATE TABLE caught_mails (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    sender     TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    subject    TEXT NOT NULL,
    source     TEXT NOT NULL,
    times      INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL
);
