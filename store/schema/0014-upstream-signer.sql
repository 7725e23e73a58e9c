-- oldest: 1
-- Who signs our requests to a SCEP upstream that gave us no certificate, and reads its answers: the same on all nodes.
CREATE TABLE upstream_signer (
	upstream TEXT PRIMARY KEY,
	certificate BLOB NOT NULL,           -- DER, self-signed
	secret BLOB NOT NULL,                -- sealed: its key
	created_at BIGINT NOT NULL
);
