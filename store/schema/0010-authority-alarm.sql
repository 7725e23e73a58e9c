-- oldest: 1
-- Days before its end that were told of last.  Older programs tell of nothing, and write no such column.
ALTER TABLE authority ADD COLUMN alarmed_days BIGINT;
