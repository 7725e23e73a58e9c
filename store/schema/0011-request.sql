-- oldest: 1
-- The CSR of a row in state requested, DER; NULL: made by an older program, or there is none.
ALTER TABLE authority ADD COLUMN request BLOB;
