-- oldest: 1

-- What requests for a template show, or what a webhook is asked with.
CREATE TABLE template_secret (
	template TEXT PRIMARY KEY,
	kind TEXT NOT NULL,                  -- static, webhook
	mac TEXT,                            -- of a static challenge
	sealed BLOB,                         -- key of a webhook
	names TEXT NOT NULL,                 -- JSON: devices that a static challenge is for
	created_at BIGINT NOT NULL,
	created_by TEXT NOT NULL
);

-- Of a challenge that was presented; NULL: the request came without one.
ALTER TABLE scep_request ADD COLUMN challenge_id TEXT;
ALTER TABLE scep_request ADD COLUMN purpose TEXT;
ALTER TABLE scep_request ADD COLUMN enrollment_ref TEXT;
ALTER TABLE scep_request ADD COLUMN device_id TEXT;
ALTER TABLE scep_request ADD COLUMN user_id TEXT;
