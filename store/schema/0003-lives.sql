-- oldest: 1
-- What a machine said of its security chip, over all its lives: bits of mdm/mdm_chip.h.
ALTER TABLE device ADD COLUMN chip_heard BIGINT NOT NULL DEFAULT 0;
-- Fingerprint of the certificate of the last Authenticate; of device channels only.
ALTER TABLE enrollment ADD COLUMN identity TEXT;
-- ObliterationBehavior asked for with a wipe.
ALTER TABLE orders ADD COLUMN obliteration TEXT;
-- Serial number of a deleted device, for its history; another may have it since.
ALTER TABLE device ADD COLUMN deleted_serial TEXT;
