-- oldest: 1
-- Authorities outside that certificates come from.
CREATE TABLE upstream (
	name TEXT PRIMARY KEY,
	fields TEXT NOT NULL,                -- JSON: what it is, without secrets
	secret BLOB,                         -- sealed JSON: password, client_key
	slot_at BIGINT NOT NULL DEFAULT 0,   -- is not asked before: rate, or a rest after a fault
	faults BIGINT NOT NULL DEFAULT 0,    -- in a row
	fault TEXT,                          -- the last one
	fault_at BIGINT,
	good_at BIGINT,                      -- last answer that was none
	changed_at BIGINT NOT NULL,
	changed_by TEXT NOT NULL
);

-- CAs that issued for an upstream.
CREATE TABLE outside_authority (
	id TEXT PRIMARY KEY,                 -- authority_id of certificates
	upstream TEXT NOT NULL,
	chain BLOB NOT NULL,                 -- DER certificates in a row, the issuer first
	created_at BIGINT NOT NULL
);
CREATE INDEX outside_authority_upstream ON outside_authority (upstream);

-- The queue: requests of state queued wait for an upstream; it may end in state failed.
ALTER TABLE scep_request ADD COLUMN upstream TEXT;
ALTER TABLE scep_request ADD COLUMN old_fingerprint TEXT; -- certificate that it renews
ALTER TABLE scep_request ADD COLUMN seen BIGINT NOT NULL DEFAULT 0; -- by the upstream: 0 no, 1 perhaps, 2 it said to wait
ALTER TABLE scep_request ADD COLUMN tries BIGINT NOT NULL DEFAULT 0; -- that failed in a row
ALTER TABLE scep_request ADD COLUMN polls BIGINT NOT NULL DEFAULT 0;
ALTER TABLE scep_request ADD COLUMN next_at BIGINT;       -- is asked for then; NULL: never more
ALTER TABLE scep_request ADD COLUMN claim TEXT;           -- of who asks now
CREATE INDEX scep_request_due ON scep_request (upstream, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX scep_request_challenge ON scep_request (challenge_id) WHERE challenge_id IS NOT NULL;
CREATE INDEX scep_request_old ON scep_request (old_fingerprint) WHERE old_fingerprint IS NOT NULL;
