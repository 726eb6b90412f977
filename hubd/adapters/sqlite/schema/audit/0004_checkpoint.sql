-- The signed document that stands for the oldest records, which have gone (`hubcore.evidence.checkpoint`).
CREATE TABLE checkpoint (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    document BLOB NOT NULL
) STRICT;

-- The uses that stood after the last record that went. The checkpoint has their hash.
CREATE TABLE checkpoint_uses (
    grant_id BLOB NOT NULL,
    use INTEGER NOT NULL CHECK (use BETWEEN 1 AND 65535),
    op BLOB NOT NULL,
    expires INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (grant_id, use)
) STRICT, WITHOUT ROWID;
CREATE INDEX checkpoint_uses_expires ON checkpoint_uses (expires);

-- A use may stand when its record has gone: the table of uses no longer refers to the records.
CREATE TEMP TABLE uses_kept AS SELECT * FROM main.uses;
DROP TABLE main.uses;
CREATE TABLE uses (
    grant_id BLOB NOT NULL,
    use INTEGER NOT NULL CHECK (use BETWEEN 1 AND 65535),
    op BLOB NOT NULL,
    expires INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (grant_id, use)
) STRICT, WITHOUT ROWID;
CREATE INDEX uses_expires ON uses (expires);
INSERT INTO uses SELECT * FROM temp.uses_kept;
DROP TABLE temp.uses_kept;
