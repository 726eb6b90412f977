-- What a policy says beside revocations, schedules and modes. `row`: deterministic CBOR, as in the signed document.
CREATE TABLE disabled (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE extended_time (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE cards (id BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE points (number INTEGER PRIMARY KEY, row BLOB NOT NULL) STRICT;
CREATE TABLE operators (id TEXT PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE device_groups (number INTEGER PRIMARY KEY, row BLOB NOT NULL) STRICT;
