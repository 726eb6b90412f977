-- The evidence. `at_ms` repeats the time inside `body` for the index; `hubctl audit verify` compares the two.
CREATE TABLE records (
    number INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX records_at_ms ON records (at_ms);

-- What the backend has not acknowledged; filled in the transaction of its record.
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY REFERENCES records (number)
) STRICT;

-- The highest record that the backend has acknowledged: what shows that the end of the chain was cut off.
CREATE TABLE acknowledged (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    number INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
