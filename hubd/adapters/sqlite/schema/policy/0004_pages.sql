-- The large tables lie in pages: the signed document is a root that names them. What lay here before is asked for again.
DROP TABLE revoked_credentials;
DROP TABLE revoked_grants;
DROP TABLE disabled;
DROP TABLE extended_time;
DROP TABLE cards;
DELETE FROM meta;
DELETE FROM document;
DELETE FROM schedules;
DELETE FROM modes;
DELETE FROM points;
DELETE FROM operators;
DELETE FROM device_groups;

-- `place`: table, number of the page and slot. Each page has two slots: one in force, one where the next is staged.
CREATE TABLE pages (place INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;

-- The pieces in force. `place`: table and number of the piece. `hashes`: those of its pages, in their order. `slots`: a bit
-- for each page, which slot it is in.
CREATE TABLE twigs (place INTEGER PRIMARY KEY, hashes BLOB NOT NULL, slots INTEGER NOT NULL) STRICT;

-- The same of a policy whose pieces are still coming, and its root.
CREATE TABLE staged_twigs (place INTEGER PRIMARY KEY, hashes BLOB NOT NULL, slots INTEGER NOT NULL) STRICT;
CREATE TABLE staged (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), document BLOB NOT NULL) STRICT;
