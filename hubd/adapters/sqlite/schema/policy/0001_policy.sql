-- The policy in force: one row in `meta`, none before the first was accepted.
CREATE TABLE meta (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    site TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    issued_at INTEGER NOT NULL
) STRICT;

CREATE TABLE revoked_credentials (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE revoked_grants (id BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

-- `rules`: deterministic CBOR of [[days, start minute, end minute], ...].
CREATE TABLE schedules (number INTEGER PRIMARY KEY, rules BLOB NOT NULL) STRICT;

CREATE TABLE modes (access_point INTEGER PRIMARY KEY, mode INTEGER NOT NULL) STRICT;
