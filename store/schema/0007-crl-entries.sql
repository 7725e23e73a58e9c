-- oldest: 1
-- All that a CRL says of its entries, so that making one reads no rows of the table (state is in it for SQLite to see that).  Older programs do as well with this index as with the one it replaces.
CREATE INDEX certificate_crl_entry ON certificate (authority_id, not_after, serial, revoked_at, revoke_reason, state) WHERE state = 'revoked';
DROP INDEX certificate_crl;
