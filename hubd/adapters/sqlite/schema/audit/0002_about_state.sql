-- Finds the newest record of kind `policy` or `state`. The test looks for the kind's deterministic CBOR inside the body,
-- so the index cannot say what no record says; a reader looks at the record itself. It may leave one out, once edited:
-- therefore hubd asks the records, and no index.
CREATE INDEX records_about_state ON records (number)
WHERE instr(body, x'646b696e6466706f6c696379') > 0 OR instr(body, x'646b696e64657374617465') > 0;
