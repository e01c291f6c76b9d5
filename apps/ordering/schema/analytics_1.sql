-- Where the sink stands, in the transaction of what it wrote. A topic that was made anew counts a new incarnation.
CREATE TABLE sources (
    topic       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

CREATE TABLE facts (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    incarnation    INTEGER NOT NULL,
    topic          TEXT NOT NULL,
    partition      INTEGER NOT NULL,
    record_offset  INTEGER NOT NULL,
    event_id       TEXT NOT NULL UNIQUE,
    event_type     TEXT NOT NULL,
    service        TEXT NOT NULL,
    order_id       TEXT NOT NULL,
    timestamp_ms   INTEGER NOT NULL,
    causation_id   TEXT,
    correlation_id TEXT NOT NULL,
    traceparent    TEXT NOT NULL,
    payload        TEXT NOT NULL,
    UNIQUE (topic, partition, record_offset, incarnation)
);
CREATE INDEX facts_by_order ON facts (order_id);
CREATE INDEX facts_by_time ON facts (timestamp_ms);

CREATE TABLE order_view (
    id            TEXT PRIMARY KEY,
    customer_id   TEXT NOT NULL,
    state         TEXT NOT NULL,
    items         TEXT NOT NULL,
    items_count   INTEGER NOT NULL,
    total_cents   INTEGER NOT NULL,
    driver        TEXT,
    reason        TEXT,
    received      INTEGER NOT NULL,
    confirmations INTEGER NOT NULL,
    charged_cents INTEGER NOT NULL,
    is_final      INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX order_view_newest ON order_view (created_at_ms);
CREATE INDEX order_view_open ON order_view (created_at_ms) WHERE is_final = 0;
CREATE INDEX order_view_final ON order_view (updated_at_ms) WHERE is_final = 1;
CREATE INDEX order_view_twice ON order_view (id) WHERE confirmations > 1;
CREATE INDEX order_view_amount ON order_view (id) WHERE received = 1 AND confirmations = 1 AND charged_cents <> total_cents;
CREATE INDEX order_view_unreceived ON order_view (updated_at_ms) WHERE received = 0;

CREATE TABLE state_counts (
    state  TEXT PRIMARY KEY,
    orders INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE minutes (
    minute_ms     INTEGER PRIMARY KEY,
    orders        INTEGER NOT NULL,
    delivered     INTEGER NOT NULL,
    rejected      INTEGER NOT NULL,
    revenue_cents INTEGER NOT NULL
);

CREATE TABLE items (
    product_id    TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    quantity      INTEGER NOT NULL,
    revenue_cents INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX items_by_revenue ON items (revenue_cents);
