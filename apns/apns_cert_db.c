/*
 * Push certificates in the database; their keys sealed.  No state; each call
 * belongs to its caller's transaction.
 */
#include <inttypes.h>

#include "apns/apns_cert.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/limits.h"
#include "store/store_event.h"
#include "store/store_watch.h"

enum { SEALED_MAX = 32 << 10, CONTEXT_MAX = 64, TOPICS_MAX = 64 };

static void
seal_context(char out[CONTEXT_MAX], const char *id)
{
	/* The id is a UUID of ours: it fits. */
	str_copy_cut(out, CONTEXT_MAX, "push_certificate.key:");
	str_copy_cut(out + 21, CONTEXT_MAX - 21, id);
}

/*
 * A Mac listens for the topic of its enrolment profile only: under another
 * one it hears nothing, while APNs goes on saying 200.
 */
static bool
check_topic(
    struct store_tx *tx, const char *topic, const char *typed, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	int64_t others;
	bool more;

	if (str_eq(typed, topic))
		return true;
	if (!store_query(tx,
	        "SELECT COUNT(*) FROM enrollment WHERE state = 'enrolled' "
	        "AND topic IS NOT NULL AND topic <> $1",
	        S_ARGS(S_TEXT(topic)), &r, e) ||
	    !store_next(r, &more, e))
		return false;
	others = more ? store_int(r, 0) : 0;
	if (others == 0)
		return true;
	return err_slug(e, ERR_CONFLICT, "push_topic_change",
	    "%" PRId64 " enrolments are under another push topic and cannot be "
	    "moved to %s: they would have to enrol again; to renew their "
	    "certificate use \"Renew\" in Apple's portal, with the same "
	    "account",
	    others, topic);
}

static bool
add_event(struct store_tx *tx, const struct apns_cert *c, const char *kind,
    const struct apns_cert_import *how, struct err *e)
{
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_free) char *data = NULL;

	json_put_str(o, "topic", c->topic);
	json_put_time(o, "not_after", c->not_after);
	if (how->owner != NULL)
		json_put_str(o, "owner", how->owner);
	data = json_text(o);
	return store_event_add(tx,
	    &(struct store_event){ .kind = kind,
	        .subject_id = c->id,
	        .actor = how->actor,
	        .data = data },
	    e);
}

/* Enrolments that waited for a certificate of their topic. */
static bool
revive(struct store_tx *tx, const char *topic, int64_t now, struct err *e)
{
	int64_t changed;

	if (!store_exec(tx,
	        "UPDATE enrollment SET push_due_at = $2, push_state = 'ok', "
	        "push_last_reason = NULL WHERE state = 'enrolled' AND "
	        "topic = $1 AND push_state <> 'dead' AND push_token IS NOT "
	        "NULL AND push_last_reason = 'topic_mismatch'",
	        S_ARGS(S_TEXT(topic), S_INT(now)), &changed, e))
		return false;
	if (changed > 0)
		store_notify(tx, STORE_CHANNEL_PUSH);
	return true;
}

/* Later than any other: what took over last is what new enrolments get. */
#define NOW_LAST(p)                                                            \
	"COALESCE((SELECT MAX(activated_at) + 1 FROM push_certificate "        \
	"WHERE activated_at >= " p "), " p ")"

static bool
make_way(struct store_tx *tx, const char *topic, struct err *e)
{
	return store_exec(tx,
	    "UPDATE push_certificate SET state = 'old' WHERE topic = $1 "
	    "AND state = 'active'",
	    S_ARGS(S_TEXT(topic)), NULL, e);
}

/* What follows when another certificate is active. */
static bool
taken_over(struct store_tx *tx, const struct apns_cert *c, const char *kind,
    const struct apns_cert_import *how, struct err *e)
{
	return revive(tx, c->topic, clock_now_ms(), e) &&
	       store_watch_touch(tx, STORE_WATCH_PUSH_CERTIFICATE, e) &&
	       add_event(tx, c, kind, how, e);
}

bool
apns_cert_save(struct store_tx *tx, const struct seal *seal,
    const struct apns_cert *c, const struct apns_cert_import *how,
    struct err *e)
{
	AUTO(buf_free) struct buf *key = buf_new(SEALED_MAX);
	char context[CONTEXT_MAX];

	seal_context(context, c->id);
	if (!check_topic(tx, c->topic, how->typed_topic, e) ||
	    !seal_put(seal, context, slice_str(c->key_pem), key, e) ||
	    !buf_ok(key, e))
		return false;
	if (!make_way(tx, c->topic, e) ||
	    !store_exec(tx,
	        "INSERT INTO push_certificate (id, topic, state, certificate, "
	        "key, owner, not_after, created_at, activated_at) "
	        "VALUES ($1, $2, 'active', $3, $4, $5, $6, $7, " NOW_LAST(
	            "$7") ")",
	        S_ARGS(S_TEXT(c->id), S_TEXT(c->topic), S_TEXT(c->cert_pem),
	            S_BLOB(buf_slice(key)), S_TEXT(how->owner),
	            S_INT(c->not_after), S_INT(clock_now_ms())),
	        NULL, e))
		return err_wrap(e, "push certificate");
	return taken_over(tx, c, "push_certificate.imported", how, e);
}

bool
apns_cert_restore(struct store_tx *tx, const struct apns_cert *c,
    const char *actor, struct err *e)
{
	if (!make_way(tx, c->topic, e) ||
	    !store_exec(tx,
	        "UPDATE push_certificate SET state = 'active', "
	        "activated_at = " NOW_LAST("$2") " WHERE id = $1",
	        S_ARGS(S_TEXT(c->id), S_INT(clock_now_ms())), NULL, e))
		return err_wrap(e, "push certificate");
	return taken_over(tx, c, "push_certificate.restored",
	    &(struct apns_cert_import){ .actor = actor }, e);
}

static bool
read_row(const struct store_rows *r, const struct seal *seal,
    struct apns_cert **out, struct err *e)
{
	AUTO(apns_cert_free) struct apns_cert *c = mem_zalloc(1, sizeof(*c));
	AUTO(buf_wipe) struct buf *key = buf_new(SEALED_MAX);
	char context[CONTEXT_MAX];

	store_text_copy(r, 0, c->id, sizeof(c->id));
	store_text_copy(r, 1, c->topic, sizeof(c->topic));
	c->cert_pem = str_dup(store_text(r, 2));
	c->not_after = store_int(r, 4);
	seal_context(context, c->id);
	if (!seal_get(seal, context, store_blob(r, 3), key, e) ||
	    !buf_ok(key, e))
		return err_wrap(e, "key of the push certificate");
	c->key_pem = str_dup(buf_str(key));
	*out = TAKE(c);
	return true;
}

#define COLUMNS                                                                \
	"SELECT id, topic, certificate, key, not_after FROM "                  \
	"push_certificate "

/* At most limit rows of the query, in its order. */
static bool
read_rows(struct store_rows *r, const struct seal *seal, int limit,
    struct apns_cert **out, struct err *e)
{
	AUTO(apns_cert_free) struct apns_cert *first = NULL;
	struct apns_cert **at = &first;
	bool more;

	for (int i = 0; i < limit; i++) {
		if (!store_next(r, &more, e))
			return err_wrap(e, "push certificate");
		if (!more)
			break;
		if (!read_row(r, seal, at, e))
			return false;
		at = &(*at)->next;
	}
	*out = TAKE(first);
	return true;
}

static bool
load(struct store_tx *tx, const struct seal *seal, int limit,
    struct apns_cert **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           COLUMNS "WHERE state = 'active' "
	                   "ORDER BY activated_at DESC, id",
	           S_ARGS(), &r, e) &&
	       read_rows(r, seal, limit, out, e);
}

bool
apns_cert_load(struct store_tx *tx, const struct seal *seal,
    struct apns_cert **out, struct err *e)
{
	return load(tx, seal, 1, out, e);
}

bool
apns_cert_load_all(struct store_tx *tx, const struct seal *seal,
    struct apns_cert **out, struct err *e)
{
	return load(tx, seal, TOPICS_MAX, out, e);
}

bool
apns_cert_load_old(struct store_tx *tx, const struct seal *seal, const char *id,
    struct apns_cert **out, struct err *e)
{
	static const char latest[] =
	    COLUMNS "WHERE state = 'old' AND topic = (SELECT a.topic FROM "
	            "push_certificate a WHERE a.state = 'active' "
	            "ORDER BY a.activated_at DESC LIMIT 1) "
	            "ORDER BY activated_at DESC, id LIMIT 1";
	static const char this_one[] =
	    COLUMNS "WHERE state = 'old' AND id = $1";
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	char at[CLOCK_TEXT_SIZE];

	if (!(id != NULL ? store_query(tx, this_one, S_ARGS(S_TEXT(id)), &r, e)
	                 : store_query(tx, latest, S_ARGS(), &r, e)) ||
	    !read_rows(r, seal, 1, &c, e))
		return false;
	if (c == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "there is no such earlier push certificate");
	clock_format_s(at, c->not_after);
	if (c->not_after <= clock_now_ms())
		return err_slug(e, ERR_CONFLICT, "expired",
		    "that push certificate expired %s", at);
	*out = TAKE(c);
	return true;
}
