-- oldest: 1
-- Which master.key the database was begun with: a constant, sealed under it.
-- One row; a node with another key finds out before it seals anything.
CREATE TABLE master_key (
	id BIGINT PRIMARY KEY,               -- 1
	mark BLOB NOT NULL,
	created_at BIGINT NOT NULL
);
