-- oldest: 1
-- Which challenge the present try of a rollout was given; NULL: none yet, or by an older program.
ALTER TABLE rollout ADD COLUMN challenge_id TEXT;
-- When a Mac last spoke with another identity than the one that it is to change to; known to the minute, while it may change.
ALTER TABLE identity_renewal ADD COLUMN old_seen_at BIGINT;
