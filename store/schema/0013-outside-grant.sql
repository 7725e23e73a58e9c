-- oldest: 1
-- The names that were granted to who has an upstream's certificate: what it says is that authority's own.
CREATE TABLE outside_grant (
	fingerprint TEXT PRIMARY KEY,
	subject TEXT NOT NULL                -- JSON, as of the challenge or request
);
INSERT INTO outside_grant (fingerprint, subject)
	SELECT c.fingerprint, MIN(r.subject) FROM certificate c
	JOIN outside_authority o ON o.id = c.authority_id
	JOIN scep_request r ON r.fingerprint = c.fingerprint
	WHERE r.state = 'issued' AND r.old_fingerprint IS NULL
	GROUP BY c.fingerprint HAVING MIN(r.subject) = MAX(r.subject);
INSERT INTO outside_grant (fingerprint, subject)
	SELECT c.fingerprint, MIN(h.subject) FROM certificate c
	JOIN outside_authority o ON o.id = c.authority_id
	JOIN challenge h ON h.id = c.challenge_id
	WHERE NOT EXISTS (SELECT 1 FROM outside_grant g WHERE g.fingerprint = c.fingerprint)
	GROUP BY c.fingerprint;
