/* What the files of enroll_identity*.c share. */
#pragma once

#include "enroll-profiles/enroll_identity.h"
#include "enroll-profiles/enroll_priv.h"

#define ENROLL_IDENTITY_RENDERER "identity"

struct enroll_renewal {
	char device_id[37];
	char old_fingerprint[SHA256_HEX_SIZE];
	char state[16];
	char reason[256];
	char command_id[37];               /* "": none under way */
	char fingerprint[SHA256_HEX_SIZE]; /* of this try; "": none issued */
	int64_t attempts, retry_at, created_at;
	int64_t not_before, not_after; /* of the old one; 0: it is gone */
};

/* What is due, and by when: a retry, or a day after the first use. */
enum enroll_renewal_due {
	/* Installed, it is due if the new one was never used, or the old one
	 * still is. */
	ENROLL_RENEWAL_RETRY,
	ENROLL_RENEWAL_ORPHAN, /* somebody cancelled its command */
	/* Installed, first seen by then, and no other one since. */
	ENROLL_RENEWAL_USED
};

struct enroll_identity {
	char fingerprint[SHA256_HEX_SIZE], device_id[37];
	int64_t not_before, not_after;
};

/* An identity whose end is near, and the last step that was told. */
struct enroll_identity_end {
	char device_id[37];
	int64_t not_before, not_after;
	int64_t alarmed_days; /* -1: none */
};

/* ---- enroll_identity_db.c ---- */

MUST_CHECK bool enroll_db_renewal(struct store_tx *tx, const char *device_id,
    struct enroll_renewal *out, bool *found, struct err *e);
MUST_CHECK bool enroll_db_renewal_due(struct store_tx *tx,
    enum enroll_renewal_due what, int64_t by_ms, struct enroll_renewal *out,
    bool *found, struct err *e);
/* In place of the device's last one. */
MUST_CHECK bool enroll_db_renewal_add(
    struct store_tx *tx, const struct enroll_renewal *r, struct err *e);
MUST_CHECK bool enroll_db_renewal_save(
    struct store_tx *tx, const struct enroll_renewal *r, struct err *e);
MUST_CHECK bool enroll_db_renewal_drop(
    struct store_tx *tx, const char *device_id, struct err *e);
MUST_CHECK bool enroll_db_renewal_alarmed(
    struct store_tx *tx, const char *device_id, int64_t days, struct err *e);
/* The identity that the device uses: the older one, while it has two. */
MUST_CHECK bool enroll_db_identity(struct store_tx *tx, const char *device_id,
    struct enroll_identity *out, bool *found, struct err *e);
/* One of the device other than keep that is not revoked for good. */
MUST_CHECK bool enroll_db_identity_other(struct store_tx *tx,
    const char *device_id, const char *keep, char out[SHA256_HEX_SIZE],
    bool *found, struct err *e);
/* A living one of the device that it spoke with: the latest begun. */
MUST_CHECK bool enroll_db_identity_used(struct store_tx *tx,
    const char *device_id, char out[SHA256_HEX_SIZE], bool *found,
    struct err *e);
/* Living ones past half of their life, the first to end of each enrolled Mac
 * that has no renewal of a living one under way; max at most. */
struct enroll_identity_half {
	int64_t now, before; /* before: they end by then, so a new one lasts
	                      * longer */
	size_t max;
};
MUST_CHECK bool enroll_db_identity_half(struct store_tx *tx,
    const struct enroll_identity_half *q, struct enroll_identity *list,
    size_t *count_out, struct err *e);
/* Those with a renewal that is not done, which end before the time. */
MUST_CHECK bool enroll_db_identity_ends(struct store_tx *tx, int64_t before_ms,
    struct store_rows **out, struct err *e);
MUST_CHECK bool enroll_db_identity_end_next(struct store_rows *r,
    struct enroll_identity_end *out, bool *more, struct err *e);
/* Topic of the device channel. */
MUST_CHECK bool enroll_db_topic(struct store_tx *tx, const char *device_id,
    char out[LIMIT_TOPIC + 1], struct err *e);

/* ---- enroll_identity.c ---- */

/* Puts the renewal into a state; kind: its event, or NULL. */
MUST_CHECK bool enroll_identity_move(struct store_tx *tx,
    struct enroll_renewal *r, const char *state, const char *kind,
    const char *actor, struct err *e);
/* Queues the profile. */
MUST_CHECK bool enroll_identity_send(struct store_tx *tx,
    const struct seal *seal, struct enroll_renewal *r, const char *by,
    struct err *e);
/* Fails this try; the next one comes at retry_at. */
MUST_CHECK bool enroll_identity_failed(struct store_tx *tx,
    struct enroll_renewal *r, const char *reason, struct err *e);

/* ---- enroll_identity_alarm.c ---- */

/* Tells of the identities that reached a step; at most some hundred. */
MUST_CHECK bool enroll_identity_alarm(
    struct store_tx *tx, int64_t now_ms, struct err *e);
