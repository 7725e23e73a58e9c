-- oldest: 1
-- Which challenge the present try of a rollout was given; NULL: none yet, or by an older program.
ALTER TABLE rollout ADD COLUMN challenge_id TEXT;
