-- The schema as version 1 wrote it. Never to be changed.
CREATE TABLE fence (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    floor     INTEGER NOT NULL,         -- the highest token ever activated; 0: none yet
    holder    TEXT NOT NULL,            -- node/incarnation that activated it
    raised_ms INTEGER
) STRICT;
INSERT INTO fence (one, floor, holder) VALUES (1, 0, '');

CREATE TABLE outbox (
    seq              INTEGER PRIMARY KEY,        -- oldest first
    id               TEXT NOT NULL UNIQUE,       -- the idempotency key
    state            INTEGER NOT NULL DEFAULT 0, -- 0 pending, 1 claimed, 2 delivered, 3 failed, 4 in doubt
    parked           INTEGER NOT NULL DEFAULT 0, -- 1: in doubt, and a person's to settle
    token            INTEGER,                    -- who claimed it last
    attempts         INTEGER NOT NULL DEFAULT 0, -- how often it was claimed
    enqueued_ms      INTEGER NOT NULL,
    first_claimed_ms INTEGER,                    -- where a deduplication window begins
    send_until_ms    INTEGER,                    -- where it ends, for a message that is sent again
    changed_ms       INTEGER NOT NULL,           -- when it came to its state
    claimer_wall_ms  INTEGER,                    -- the last claimer's own wall clock: evidence
    reason           TEXT                        -- the last that was said about it: evidence
) STRICT;
CREATE INDEX outbox_pending ON outbox (seq) WHERE state = 0;
CREATE INDEX outbox_claimed ON outbox (token) WHERE state = 1;
CREATE INDEX outbox_doubts ON outbox (seq) WHERE state = 4 AND parked = 0;

CREATE TABLE payload (
    seq   INTEGER PRIMARY KEY,                   -- that of the outbox
    bytes BLOB NOT NULL
) STRICT;

PRAGMA user_version = 1;
