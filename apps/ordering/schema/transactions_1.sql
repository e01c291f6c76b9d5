CREATE TABLE accounts (
    customer_id        TEXT PRIMARY KEY,
    hour_ms            INTEGER NOT NULL,
    hour_charged_cents INTEGER NOT NULL,
    charged_cents      INTEGER NOT NULL
) WITHOUT ROWID;

-- One row per order, whatever is redelivered: the key is what makes a second charge impossible.
CREATE TABLE payments (
    order_id     TEXT PRIMARY KEY,
    payment_id   TEXT NOT NULL UNIQUE,
    customer_id  TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('charged', 'declined')),
    reason       TEXT,
    at_ms        INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX payments_by_customer ON payments (customer_id);
