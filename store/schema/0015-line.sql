-- oldest: 1
-- What lives at a time only so often: all that came of one certificate by renewals, which its fingerprint stands for; what a static challenge gave to a name, or a webhook to a key.  NULL: there is no end to it but its challenges, or it is of an older program.
ALTER TABLE certificate ADD COLUMN line TEXT;
CREATE INDEX certificate_line ON certificate (line) WHERE line IS NOT NULL;
