CREATE TABLE orders (
    id              TEXT PRIMARY KEY,
    customer_id     TEXT NOT NULL,
    state           TEXT NOT NULL,
    items           TEXT NOT NULL,
    total_cents     INTEGER NOT NULL,
    driver          TEXT,
    reason          TEXT,
    created_at_ms   INTEGER NOT NULL,
    updated_at_ms   INTEGER NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    request         TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX orders_by_state ON orders (state, id);
