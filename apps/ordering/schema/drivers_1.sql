CREATE TABLE drivers (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    order_id TEXT UNIQUE
);
CREATE INDEX drivers_free ON drivers (id) WHERE order_id IS NULL;

CREATE TABLE assignments (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id       TEXT NOT NULL UNIQUE,
    customer_id    TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('queued', 'under_way', 'delivered')),
    driver_id      INTEGER,
    due_at_ms      INTEGER,
    context        TEXT NOT NULL,
    created_at_ms  INTEGER NOT NULL,
    finished_at_ms INTEGER
);
CREATE INDEX assignments_queued ON assignments (seq) WHERE state = 'queued';
CREATE INDEX assignments_due ON assignments (due_at_ms) WHERE state = 'under_way';
CREATE INDEX assignments_finished ON assignments (finished_at_ms) WHERE finished_at_ms IS NOT NULL;
