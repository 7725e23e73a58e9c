-- oldest: 1
-- When APNs last accepted a push.  A command that was queued before shows as
-- pushed; its own row needs no change.
ALTER TABLE enrollment ADD COLUMN push_accepted_at BIGINT;
