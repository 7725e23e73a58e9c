/* What the files of enroll-profiles/ share. */
#pragma once

#include <pthread.h>

#include "core/clock.h"
#include "core/limits.h"
#include "enroll-profiles/enroll_service.h"
#include "enroll-profiles/enroll_user.h"
#include "scep/scep_challenge.h"

struct enroll_limiter;

/* Who signs profiles. */
struct enroll_signer {
	X509 *certificate;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* without the certificate */
};

struct enroll_service {
	pthread_mutex_t lock; /* guards topic and signer */
	char topic[LIMIT_TOPIC + 1];
	struct enroll_signer signer;

	/* Read-only after enroll_service_new(). */
	struct store *store;
	const struct seal *seal;
	struct cert_live *live;
	char *organization, *public_url;
	int64_t challenge_ttl_ms;
	bool ship_anchors;

	struct enroll_limiter *limiter; /* NULL: no limit */
	int64_t identities_at; /* last look at them; the ticking thread's */
};

/* Copies the present topic; "" while there is no push certificate. */
void enroll_service_topic(struct enroll_service *s, char out[LIMIT_TOPIC + 1]);
/* The enrolment profile with these, signed. */
struct enroll_wish {
	const char *topic, *challenge;
	const char *ref; /* CN of the request */
};
MUST_CHECK bool enroll_service_sign(struct enroll_service *s,
    const struct enroll_wish *w, struct buf **out, struct err *e);
/* The signed enrolment profile of one download, with its own challenge. */
MUST_CHECK bool enroll_service_profile(struct enroll_service *s,
    const char *topic, struct buf **out, struct err *e);

/* ---- enroll_limit.c: how often one address may download ---- */

/* per_minute: downloads of one address in a minute. */
struct enroll_limiter *enroll_limit_new(int per_minute);
void enroll_limit_free(struct enroll_limiter **l);
/* Counts one download; ERR_RATE when there were too many.  Any thread. */
MUST_CHECK bool enroll_limit_take(struct enroll_limiter *l, const char *peer,
    int64_t now_mono_ms, struct err *e);

/* ---- enroll_page.c ---- */

enum enroll_lang { ENROLL_EN, ENROLL_JA };
/* asked: value of ?lang=, accept: the Accept-Language header; may be NULL. */
enum enroll_lang enroll_page_lang(const char *asked, const char *accept);

struct enroll_page {
	enum enroll_lang lang;
	const char *organization;
	int64_t minutes; /* how long a downloaded profile is good */
	bool ready;      /* false: says that enrolment is not possible yet */
};
void enroll_page_write(const struct enroll_page *p, struct buf *out);
struct slice enroll_page_css(void);

/* ---- enroll_profile.c ---- */

/* Never changes: macOS takes a profile with another identifier for another
 * enrolment. */
#define ENROLL_IDENTIFIER "com.mutsu.enroll"
/* Followed by the rollout's id. */
#define ENROLL_USER_IDENTIFIER "com.mutsu.user-certificate."

enum { ENROLL_PROFILE_MAX = 256 << 10 };

struct enroll_profile {
	const char *organization, *public_url, *topic;
	const char *challenge, *ref;    /* ref: CN of the request */
	X509 *root;                     /* of the SCEP server's chain */
	const STACK_OF(X509) * anchors; /* to ship; NULL: none */
};
/* Appends the XML of the enrolment profile. */
MUST_CHECK bool enroll_profile_enrolment(
    const struct enroll_profile *p, struct buf *out, struct err *e);

struct enroll_user_profile {
	const char *organization, *public_url, *challenge;
	const char *identifier;        /* top-level PayloadIdentifier */
	const char *user_name, *email; /* email may be NULL or "" */
	X509 *root;
};
/* Appends the XML of the profile that gives a Mac its user's certificate. */
MUST_CHECK bool enroll_profile_user(
    const struct enroll_user_profile *p, struct buf *out, struct err *e);

/* ---- enroll_user.c ---- */

/* Takes a device that was wiped from its user, if it has one. */
MUST_CHECK bool enroll_user_wiped(
    struct store_tx *tx, const char *device_id, struct err *e);

/* ---- enroll_rollout.c; enroll_render.c writes its commands ---- */

#define ENROLL_RENDERER "rollout"
enum { ENROLL_ROLLOUT_TRIES = 4 };

struct enroll_rollout {
	char id[37], device_id[37], user_id[37];
	char state[16];
	char reason[256];
	char command_id[37]; /* "": none under way */
	char profile_identifier[96];
	char challenge_id[37]; /* of this try's profile; "": none, or unknown */
	char fingerprint[SHA256_HEX_SIZE]; /* "": nothing issued */
	int64_t attempts; /* 0: it waits for a word, no command was made */
	int64_t retry_at, created_at;
};

/* Starts a rollout unless one for this user is alive.  A Mac that is not
 * enrolled: nothing happens, enroll_rollout_enrolled() starts it. */
MUST_CHECK bool enroll_rollout_start(struct store_tx *tx,
    const struct seal *seal, const struct mdm_device *d, const char *user_id,
    const char *by, struct err *e);
/* Puts the rollout into a state, with its event; r holds all else already. */
MUST_CHECK bool enroll_rollout_move(struct store_tx *tx,
    struct enroll_rollout *r, const char *state, const char *actor,
    struct err *e);
/* Queues what its state asks for, InstallProfile or RemoveProfile, to be
 * rendered at delivery; *queued_out is false when the device has no enrolled
 * channel. */
MUST_CHECK bool enroll_rollout_queue(struct store_tx *tx,
    const struct seal *seal, struct enroll_rollout *r, const char *by,
    bool *queued_out, struct err *e);
/* Fails this try; the next one comes at retry_at, unless it was the last. */
MUST_CHECK bool enroll_rollout_failed(struct store_tx *tx,
    struct enroll_rollout *r, const char *reason, struct err *e);
/* When to try again after so many tries; 0: no more. */
int64_t enroll_rollout_retry_at(int64_t attempts);
/* What the Mac says of an error; never empty. */
const char *enroll_rollout_why(const struct mdm_done *d);
/* Appends the Command dictionary that installs the profile. */
void enroll_render_install(struct slice profile, struct buf *out);
/* done of struct mdm_renderer; arg is not used. */
MUST_CHECK bool enroll_rollout_done(
    struct store_tx *tx, const struct mdm_done *what, void *arg, struct err *e);

/* ---- enroll_rollout_remove.c ---- */

#define ENROLL_NOT_ASSIGNED "the user is no longer assigned"

/* Ends the rollout of the device: revokes at once and removes the profile if
 * any was sent. */
MUST_CHECK bool enroll_rollout_stop(struct store_tx *tx,
    const struct seal *seal, const char *device_id, const char *by,
    struct err *e);
/* The same for one that is at hand, and another reason. */
MUST_CHECK bool enroll_rollout_end(struct store_tx *tx, const struct seal *seal,
    struct enroll_rollout *r, const char *reason, const char *by,
    struct err *e);
/* Removes the profile, if any was sent; r says why.  Revokes nothing. */
MUST_CHECK bool enroll_rollout_remove(struct store_tx *tx,
    const struct seal *seal, struct enroll_rollout *r, const char *by,
    struct err *e);
/* The Mac's answer to RemoveProfile. */
MUST_CHECK bool enroll_rollout_remove_done(struct store_tx *tx,
    struct enroll_rollout *r, const struct mdm_done *d, struct err *e);
/* Fails this try to remove it; the next one comes at retry_at, unless it was
 * the last. */
MUST_CHECK bool enroll_rollout_stays(struct store_tx *tx,
    struct enroll_rollout *r, const char *reason, struct err *e);

/* ---- enroll_rollout_retry.c ---- */

/* Begins again what waited for its retry, and ends what lost its command; at
 * most limit of each. */
MUST_CHECK bool enroll_rollout_retry(struct enroll_service *s,
    const struct store_lease *lease, int limit, struct err *e);

/* ---- enroll_db.c: all SQL of this directory ---- */

struct enroll_user_row {
	char id[37], name[LIMIT_NAME + 1], full_name[LIMIT_NAME + 1];
	char email[LIMIT_NAME + 1];
	int64_t created_at;
};
/* name_or_id: the name wins.  found false: nobody. */
MUST_CHECK bool enroll_db_user(struct store_tx *tx, const char *name_or_id,
    struct enroll_user_row *out, bool *found, struct err *e);
MUST_CHECK bool enroll_db_user_add(
    struct store_tx *tx, const struct enroll_user_row *u, struct err *e);
MUST_CHECK bool enroll_db_user_update(
    struct store_tx *tx, const struct enroll_user_row *u, struct err *e);
MUST_CHECK bool enroll_db_user_delete(
    struct store_tx *tx, const char *id, struct err *e);
/* Users behind the name after, in the order of names. */
MUST_CHECK bool enroll_db_users(struct store_tx *tx, const char *after,
    int64_t limit, struct store_rows **out, struct err *e);
/* Devices assigned to the user: id, serial, name; the first ones. */
MUST_CHECK bool enroll_db_user_devices(struct store_tx *tx, const char *user_id,
    int64_t limit, struct store_rows **out, struct err *e);
MUST_CHECK bool enroll_db_user_count(
    struct store_tx *tx, const char *user_id, int64_t *out, struct err *e);
/* Any one of them; found false: there is none. */
MUST_CHECK bool enroll_db_user_device(struct store_tx *tx, const char *user_id,
    char out[37], bool *found, struct err *e);
/* user_id NULL: nobody. */
MUST_CHECK bool enroll_db_assign(struct store_tx *tx, const char *device_id,
    const char *user_id, struct err *e);

MUST_CHECK bool enroll_db_rollout(struct store_tx *tx, const char *id,
    struct enroll_rollout *out, bool *found, struct err *e);
/* The device's newest that is not on its way out, or gone. */
MUST_CHECK bool enroll_db_rollout_alive(struct store_tx *tx,
    const char *device_id, struct enroll_rollout *out, bool *found,
    struct err *e);
/* Whether there was ever one of this user to this device. */
MUST_CHECK bool enroll_db_rollout_ever(struct store_tx *tx,
    const char *device_id, const char *user_id, bool *out, struct err *e);
/* Any that is not removed yet, oldest first. */
MUST_CHECK bool enroll_db_rollout_open(struct store_tx *tx,
    const char *device_id, struct enroll_rollout *out, bool *found,
    struct err *e);
/* One of the present enrolment that was declared removed for this reason. */
MUST_CHECK bool enroll_db_rollout_removed(struct store_tx *tx,
    const char *device_id, const char *reason, struct enroll_rollout *out,
    bool *found, struct err *e);
/* One whose retry is due. */
MUST_CHECK bool enroll_db_rollout_due(struct store_tx *tx, int64_t now_ms,
    struct enroll_rollout *out, bool *found, struct err *e);
/* One whose command has ended without its knowing: somebody cancelled it. */
MUST_CHECK bool enroll_db_rollout_orphan(struct store_tx *tx,
    struct enroll_rollout *out, bool *found, struct err *e);
MUST_CHECK bool enroll_db_rollout_add(
    struct store_tx *tx, const struct enroll_rollout *r, struct err *e);
MUST_CHECK bool enroll_db_rollout_save(
    struct store_tx *tx, const struct enroll_rollout *r, struct err *e);
/* The first fingerprint that a query finds. */
MUST_CHECK bool enroll_db_fingerprint(struct store_tx *tx, const char *sql,
    const struct store_value *args, char out[SHA256_HEX_SIZE], bool *found,
    struct err *e);
/* A live rollout certificate of the device other than keep. */
MUST_CHECK bool enroll_db_older_certificate(struct store_tx *tx,
    const char *device_id, const char *keep, char out[SHA256_HEX_SIZE],
    bool *found, struct err *e);
/* Challenges that expired before the time, at most limit of them. */
MUST_CHECK bool enroll_db_purge_challenges(
    struct store_tx *tx, int64_t before_ms, int64_t limit, struct err *e);
