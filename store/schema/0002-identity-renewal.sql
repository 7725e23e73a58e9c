-- oldest: 1
-- The renewal of a Mac's identity: one row a device, the present one or the last.
CREATE TABLE identity_renewal (
	device_id TEXT PRIMARY KEY,
	old_fingerprint TEXT NOT NULL,       -- the identity that ends
	state TEXT NOT NULL,                 -- waiting, queued, sent, installed, done, failed
	reason TEXT,
	command_id TEXT,                     -- InstallProfile under way
	fingerprint TEXT,                    -- issued for it
	attempts BIGINT NOT NULL,
	retry_at BIGINT,
	alarmed_days BIGINT,                 -- last step that was told of old_fingerprint's end
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX identity_renewal_old ON identity_renewal (old_fingerprint);
CREATE INDEX identity_renewal_command ON identity_renewal (command_id) WHERE command_id IS NOT NULL;
CREATE INDEX identity_renewal_retry ON identity_renewal (retry_at) WHERE retry_at IS NOT NULL;
CREATE INDEX identity_renewal_new ON identity_renewal (fingerprint) WHERE fingerprint IS NOT NULL AND state <> 'done';
