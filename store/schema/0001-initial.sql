-- Times are Unix milliseconds.  Never edited once released; see docs/architecture.md.

-- A Mac.  One row per machine for its whole life: the serial number is unique.
CREATE TABLE device (
	id TEXT PRIMARY KEY,                 -- ours, UUID, never changes
	udid TEXT NOT NULL UNIQUE,
	serial TEXT UNIQUE,                  -- NULL until the Mac told it
	state TEXT NOT NULL,                 -- enrolling, enrolled, left, wiped
	name TEXT,
	name_too_long BIGINT NOT NULL DEFAULT 0,
	model_id TEXT,                       -- ProductName, "MacBookPro16,1"
	model_name TEXT,
	chip TEXT NOT NULL DEFAULT 'unknown',-- none, t1, t2, apple-silicon, virtual, unknown
	os_version TEXT,
	os_build TEXT,
	user_id TEXT,
	information TEXT,                    -- JSON: last QueryResponses
	information_at BIGINT,
	security TEXT,                       -- JSON: last SecurityInfo
	security_at BIGINT,
	enrolled_at BIGINT,
	last_seen_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX device_name ON device (name);
CREATE INDEX device_user ON device (user_id);
CREATE INDEX device_list ON device (COALESCE(serial, ''), id); -- the order of lists

-- A channel over which a Mac talks to us: UDID, or UDID:UserID.
CREATE TABLE enrollment (
	id TEXT PRIMARY KEY,
	device_id TEXT NOT NULL REFERENCES device (id),
	channel TEXT NOT NULL,               -- device, user
	user_short_name TEXT,
	state TEXT NOT NULL,                 -- authenticated, enrolled, left
	topic TEXT,
	push_token BLOB,
	push_magic TEXT,
	token_at BIGINT,                     -- last TokenUpdate
	token_updates BIGINT NOT NULL DEFAULT 0,
	push_state TEXT NOT NULL DEFAULT 'ok', -- ok, dead, refused
	push_due_at BIGINT,                  -- NULL: no push is due
	push_claim_until BIGINT,
	push_claim_by TEXT,
	push_attempts BIGINT NOT NULL DEFAULT 0, -- since the device last came
	push_last_at BIGINT,
	push_last_id TEXT,                   -- apns-id
	push_last_status BIGINT,
	push_last_reason TEXT,
	not_now_count BIGINT NOT NULL DEFAULT 0,
	session_at BIGINT,                   -- Idle that began the present visit
	last_seen_at BIGINT
);
CREATE INDEX enrollment_device ON enrollment (device_id);
CREATE INDEX enrollment_due ON enrollment (push_due_at) WHERE push_due_at IS NOT NULL;

-- One command from birth to end.
CREATE TABLE command (
	id TEXT PRIMARY KEY,                 -- CommandUUID
	enrollment_id TEXT NOT NULL REFERENCES enrollment (id),
	request_type TEXT NOT NULL,
	body BLOB,                           -- sealed XML of the Command dictionary
	renderer TEXT,                       -- or: who writes it at delivery
	renderer_ref TEXT,
	state TEXT NOT NULL,                 -- queued, pushed, delivered, not-now, acknowledged, error, expired, cancelled, refused
	urgent BIGINT NOT NULL DEFAULT 0,    -- 1: lock or wipe; goes first
	sort_key BIGINT NOT NULL,            -- order of queueing
	origin TEXT NOT NULL,                -- system, api, order, rollout
	order_id TEXT,
	queued_at BIGINT NOT NULL,
	queued_by TEXT NOT NULL,
	delivered_at BIGINT,
	deliveries BIGINT NOT NULL DEFAULT 0,
	not_now BIGINT NOT NULL DEFAULT 0,
	expires_at BIGINT,
	done_at BIGINT,                      -- NULL: open
	result BLOB,                         -- sealed: what the device sent, as it was
	error_code BIGINT,
	error_domain TEXT,
	error_text TEXT
);
-- done_at is always NULL in it, but with that column it is preferred to command_list.
CREATE INDEX command_open ON command (enrollment_id, done_at, urgent DESC, sort_key) WHERE done_at IS NULL;
-- Few; a claim of pushes looks here first, and would read all that are open.
CREATE INDEX command_urgent ON command (urgent, done_at, enrollment_id) WHERE done_at IS NULL AND urgent = 1;
CREATE INDEX command_list ON command (enrollment_id, sort_key);
CREATE INDEX command_sort ON command (sort_key);
CREATE INDEX command_expiry ON command (expires_at) WHERE done_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX command_order ON command (order_id) WHERE order_id IS NOT NULL;

-- A lock or wipe asked for by somebody.
CREATE TABLE orders (
	id TEXT PRIMARY KEY,
	device_id TEXT NOT NULL REFERENCES device (id),
	kind TEXT NOT NULL,                  -- lock, wipe
	state TEXT NOT NULL,                 -- queued, delivered, acknowledged, error, unconfirmed, expired, cancelled, refused
	reason_code TEXT,                    -- slug when refused or failed
	reason TEXT,
	pin BLOB,                            -- sealed
	message TEXT,
	phone TEXT,
	note TEXT,                           -- why, by who ordered it
	requested_by TEXT NOT NULL,
	idempotency_key TEXT,
	command_id TEXT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	expires_at BIGINT,
	ended_by TEXT
);
CREATE INDEX orders_device ON orders (device_id, created_at);
CREATE INDEX orders_created ON orders (created_at);
CREATE UNIQUE INDEX orders_idempotency ON orders (requested_by, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE users (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,           -- short name: "sato"
	full_name TEXT,
	email TEXT,
	created_at BIGINT NOT NULL
);

-- The certificate of the user assigned to a device, as one tracked job.
CREATE TABLE rollout (
	id TEXT PRIMARY KEY,
	device_id TEXT NOT NULL REFERENCES device (id),
	user_id TEXT NOT NULL,
	state TEXT NOT NULL,                 -- issuing, sent, installed, failed, removing, removed
	reason TEXT,
	command_id TEXT,                     -- InstallProfile or RemoveProfile under way
	profile_identifier TEXT NOT NULL,
	fingerprint TEXT,                    -- certificate issued for it
	attempts BIGINT NOT NULL DEFAULT 0,
	retry_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX rollout_device ON rollout (device_id, created_at);
CREATE INDEX rollout_command ON rollout (command_id) WHERE command_id IS NOT NULL;
CREATE INDEX rollout_fingerprint ON rollout (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX rollout_retry ON rollout (retry_at) WHERE retry_at IS NOT NULL;

-- Certificate authorities and our own service certificates.
CREATE TABLE authority (
	id TEXT PRIMARY KEY,
	role TEXT NOT NULL,                  -- root, issuing, ra; the one CA of single mode is issuing
	state TEXT NOT NULL,                 -- requested, next, active, old
	parent_id TEXT NOT NULL,             -- row of its issuer; '': itself
	certificate BLOB,                    -- DER; NULL while requested
	key_kind TEXT NOT NULL,              -- sealed, file, pkcs11, away
	key_ref TEXT NOT NULL,               -- file below the key directory, or URI; ''
	key_sealed BLOB,                     -- PKCS #8 PEM under the master key
	not_after BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	changed_at BIGINT NOT NULL,          -- last change of state
	version BIGINT NOT NULL DEFAULT 1    -- counts changes; nodes watch the sum
);

-- Certificate templates: made by administrators, or changes of built-in ones.
CREATE TABLE template (
	name TEXT PRIMARY KEY,
	fields TEXT,                         -- JSON: what it says; NULL: removed
	version BIGINT NOT NULL,             -- counts changes; nodes watch the sum
	changed_at BIGINT NOT NULL,
	changed_by TEXT NOT NULL
);

-- The issuance ledger: every certificate this installation issued.
CREATE TABLE certificate (
	fingerprint TEXT PRIMARY KEY,        -- SHA-256 of the DER, lower-case hex
	serial TEXT NOT NULL,                -- hex
	authority_id TEXT NOT NULL,
	subject TEXT NOT NULL,
	spki TEXT NOT NULL,                  -- SHA-256 of SubjectPublicKeyInfo, hex
	template TEXT NOT NULL,
	purpose TEXT NOT NULL,               -- enroll, renew, rollout, service
	enrollment_ref TEXT,                 -- id given to one download of the enrolment profile
	device_id TEXT,                      -- set at issue, or at the first Authenticate
	user_id TEXT,
	challenge_id TEXT,
	transaction_id TEXT,
	der BLOB NOT NULL,
	not_before BIGINT NOT NULL,
	not_after BIGINT NOT NULL,
	state TEXT NOT NULL,                 -- issued, revoked
	revoked_at BIGINT,
	revoke_reason BIGINT,                -- CRLReason, RFC 5280 5.3.1; 6: on hold
	revoked_by TEXT,                     -- actor of the event
	first_seen_at BIGINT,
	created_at BIGINT NOT NULL,
	UNIQUE (serial, authority_id)
);
CREATE INDEX certificate_device ON certificate (device_id, created_at);
CREATE INDEX certificate_created ON certificate (created_at, fingerprint);
CREATE INDEX certificate_spki ON certificate (spki);
-- What the ledger is searched by, newest first; states by their time.
CREATE INDEX certificate_user ON certificate (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX certificate_transaction ON certificate (transaction_id) WHERE transaction_id IS NOT NULL;
CREATE INDEX certificate_template ON certificate (template, created_at, fingerprint);
CREATE INDEX certificate_purpose ON certificate (purpose, created_at, fingerprint);
CREATE INDEX certificate_end ON certificate (not_after, fingerprint);
CREATE INDEX certificate_revoked ON certificate (created_at, fingerprint) WHERE state = 'revoked';
CREATE INDEX certificate_held ON certificate (created_at, fingerprint) WHERE revoke_reason = 6;
CREATE INDEX certificate_crl ON certificate (authority_id, not_after) WHERE state = 'revoked';

-- The present CRL of each authority (RFC 5280 5).
CREATE TABLE crl (
	authority_id TEXT PRIMARY KEY,
	number BIGINT NOT NULL,              -- cRLNumber of der; 0: none was made yet
	changes BIGINT NOT NULL,             -- counts revocations and releases
	made_of BIGINT NOT NULL,             -- what changes was when der was made
	this_update BIGINT NOT NULL,
	next_update BIGINT NOT NULL,
	entries BIGINT NOT NULL,
	der BLOB
);

-- Delegated OCSP responder of each authority (RFC 6960 4.2.2.2).
CREATE TABLE ocsp_responder (
	authority_id TEXT PRIMARY KEY,
	certificate BLOB NOT NULL,           -- DER
	key BLOB NOT NULL,                   -- sealed PKCS #8 PEM
	not_after BIGINT NOT NULL,
	created_at BIGINT NOT NULL
);

-- Which certificate followed which by a renewal of SCEP.
CREATE TABLE renewal (
	old_fingerprint TEXT NOT NULL,
	transaction_id TEXT NOT NULL,
	spki TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (old_fingerprint, transaction_id)
);

-- SCEP requests that wait, or waited, for a person to approve them.
CREATE TABLE scep_request (
	id TEXT PRIMARY KEY,
	transaction_id TEXT NOT NULL,
	signer_spki TEXT NOT NULL,           -- key that signed the message
	spki TEXT NOT NULL,                  -- key to be certified
	csr BLOB NOT NULL,
	subject TEXT NOT NULL,               -- JSON: what the certificate would say
	template TEXT NOT NULL,
	peer TEXT NOT NULL,
	state TEXT NOT NULL,                 -- pending, issued, rejected, expired
	reason TEXT,
	decided_by TEXT,
	fingerprint TEXT,                    -- certificate issued for it
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	decided_at BIGINT,
	UNIQUE (transaction_id, signer_spki)
);
CREATE INDEX scep_request_state ON scep_request (state, created_at, id);

-- SCEP challenges: only their MAC is kept.
CREATE TABLE challenge (
	mac TEXT PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	template TEXT NOT NULL,
	purpose TEXT NOT NULL,
	enrollment_ref TEXT,
	device_id TEXT,
	user_id TEXT,
	subject TEXT NOT NULL,               -- JSON: what the certificate will say
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at BIGINT,
	used_spki TEXT,
	fingerprint TEXT                     -- certificate issued for it
);
CREATE INDEX challenge_expiry ON challenge (expires_at);
CREATE INDEX challenge_device ON challenge (device_id) WHERE device_id IS NOT NULL;

-- MDM push certificates, one active per topic.
CREATE TABLE push_certificate (
	id TEXT PRIMARY KEY,
	topic TEXT NOT NULL,
	state TEXT NOT NULL,                 -- active, old
	certificate TEXT NOT NULL,           -- PEM with its chain
	key BLOB NOT NULL,                   -- sealed PKCS #8 PEM
	owner TEXT,                          -- the Apple account
	not_after BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	activated_at BIGINT NOT NULL,        -- the last time it took over
	alarmed_days BIGINT                  -- days before its end that were told of last
);
CREATE INDEX push_certificate_topic ON push_certificate (topic, created_at);

-- Requests for push certificates: the key waits for Apple's answer.
CREATE TABLE push_request (
	id TEXT PRIMARY KEY,
	csr TEXT NOT NULL,                   -- PEM
	key BLOB NOT NULL,                   -- sealed PKCS #8 PEM
	spki TEXT NOT NULL UNIQUE,           -- SHA-256 of SubjectPublicKeyInfo, hex
	created_at BIGINT NOT NULL,
	created_by TEXT NOT NULL
);

CREATE TABLE token (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	mac TEXT NOT NULL UNIQUE,
	role TEXT NOT NULL,                  -- viewer, operator, admin
	created_at BIGINT NOT NULL,
	revoked_at BIGINT
);

CREATE TABLE event (
	seq BIGINT PRIMARY KEY,
	at BIGINT NOT NULL,
	kind TEXT NOT NULL,
	device_id TEXT,
	subject_id TEXT,
	actor TEXT NOT NULL,
	data TEXT
);
CREATE INDEX event_device ON event (device_id, seq);

-- Who does what for all nodes, and until when by the database's clock.
CREATE TABLE lease (
	name TEXT PRIMARY KEY,               -- node:<id>, job:<name>
	holder TEXT NOT NULL,                -- id of a node's run
	until BIGINT NOT NULL
);

-- What nodes have copies of, and its last change.
CREATE TABLE touched (
	name TEXT PRIMARY KEY,
	seq BIGINT NOT NULL                  -- one sequence for all names
);

-- How far "mutsu store copy" has come in filling this database, one row a table; empty in any other.
CREATE TABLE store_copy (
	name TEXT PRIMARY KEY,               -- the table
	total BIGINT NOT NULL,               -- rows that it has in the source
	digest TEXT NOT NULL,                -- of them, SHA-256 sum in hex
	copied BIGINT NOT NULL DEFAULT 0,
	last_key TEXT                        -- JSON array: primary key of the last row that was copied
);
