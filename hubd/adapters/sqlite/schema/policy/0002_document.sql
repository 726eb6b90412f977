-- The signed document as it came: what proves the rows. The other tables are its index.
CREATE TABLE document (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), bytes BLOB NOT NULL) STRICT;

-- A head of the audit log's chain, noted with each policy and at each start: the log must hold it.
CREATE TABLE noted (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    number INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
