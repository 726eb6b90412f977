-- The uses of grants that were spent and not given back: what the records say, ready to be counted. Each row is written in
-- the transaction of its record, whose number it names; `hubcore.evidence.uses` says what a record does to it.
CREATE TABLE uses (
    grant_id BLOB NOT NULL,
    use INTEGER NOT NULL CHECK (use BETWEEN 1 AND 65535),
    op BLOB NOT NULL,
    expires INTEGER NOT NULL,
    number INTEGER NOT NULL REFERENCES records (number),
    PRIMARY KEY (grant_id, use)
) STRICT, WITHOUT ROWID;
CREATE INDEX uses_expires ON uses (expires);
