-- oldest: 1
-- Which certificate a certificate followed.
CREATE INDEX renewal_new ON renewal (fingerprint);
