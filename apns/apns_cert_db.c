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

enum { SEALED_MAX = 32 << 10, CONTEXT_MAX = 64 };

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
check_topic(struct store_tx *tx, const char *topic, bool allow, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	int64_t others;
	bool more;

	if (allow)
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
	    "%" PRId64 " enrolments are under another push topic and would "
	    "have to enrol again",
	    others);
}

static bool
add_event(struct store_tx *tx, const struct apns_cert *c, const char *owner,
    const char *actor, struct err *e)
{
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_free) char *data = NULL;

	json_put_str(o, "topic", c->topic);
	json_put_time(o, "not_after", c->not_after);
	json_put_str(o, "owner", owner);
	data = json_text(o);
	return store_event_add(tx,
	    &(struct store_event){ .kind = "push_certificate.imported",
	        .subject_id = c->id,
	        .actor = actor,
	        .data = data },
	    e);
}

/* Enrolments that waited for a certificate of their topic. */
static bool
revive(struct store_tx *tx, const char *topic, int64_t now, struct err *e)
{
	int64_t changed;

	if (!store_exec(tx,
	        "UPDATE enrollment SET push_due_at = $2, "
	        "push_last_reason = NULL WHERE state = 'enrolled' AND "
	        "topic = $1 AND push_state = 'ok' AND push_token IS NOT NULL "
	        "AND push_last_reason = 'topic_mismatch'",
	        S_ARGS(S_TEXT(topic), S_INT(now)), &changed, e))
		return false;
	if (changed > 0)
		store_notify(tx, STORE_CHANNEL_PUSH);
	return true;
}

bool
apns_cert_save(struct store_tx *tx, const struct seal *seal,
    const struct apns_cert *c, const char *owner, bool allow_topic_change,
    const char *actor, struct err *e)
{
	AUTO(buf_free) struct buf *key = buf_new(SEALED_MAX);
	char context[CONTEXT_MAX];
	int64_t now = clock_now_ms();

	seal_context(context, c->id);
	if (!check_topic(tx, c->topic, allow_topic_change, e) ||
	    !seal_put(seal, context, slice_str(c->key_pem), key, e) ||
	    !buf_ok(key, e))
		return false;
	if (!store_exec(tx,
	        "UPDATE push_certificate SET state = 'old' WHERE topic = $1 "
	        "AND state = 'active'",
	        S_ARGS(S_TEXT(c->topic)), NULL, e) ||
	    !store_exec(tx,
	        "INSERT INTO push_certificate (id, topic, state, certificate, "
	        "key, owner, not_after, created_at) VALUES ($1, $2, 'active', "
	        "$3, $4, $5, $6, COALESCE((SELECT MAX(created_at) + 1 FROM "
	        "push_certificate WHERE created_at >= $7), $7))",
	        S_ARGS(S_TEXT(c->id), S_TEXT(c->topic), S_TEXT(c->cert_pem),
	            S_BLOB(buf_slice(key)), S_TEXT(owner), S_INT(c->not_after),
	            S_INT(now)),
	        NULL, e))
		return err_wrap(e, "push certificate");
	return revive(tx, c->topic, now, e) &&
	       store_watch_touch(tx, STORE_WATCH_PUSH_CERTIFICATE, e) &&
	       add_event(tx, c, owner, actor, e);
}

static bool
read_row(const struct store_rows *r, const struct seal *seal,
    struct apns_cert **out, struct err *e)
{
	AUTO(apns_cert_free) struct apns_cert *c = mem_zalloc(1, sizeof(*c));
	AUTO(buf_wipe) struct buf *key = buf_new(SEALED_MAX);
	char context[CONTEXT_MAX];

	str_copy_cut(c->id, sizeof(c->id), store_text(r, 0));
	str_copy_cut(c->topic, sizeof(c->topic), store_text(r, 1));
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

bool
apns_cert_load(struct store_tx *tx, const struct seal *seal,
    struct apns_cert **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(tx,
	        "SELECT id, topic, certificate, key, not_after FROM "
	        "push_certificate WHERE state = 'active' "
	        "ORDER BY created_at DESC, id LIMIT 1",
	        S_ARGS(), &r, e) ||
	    !store_next(r, &more, e))
		return err_wrap(e, "push certificate");
	if (!more) {
		*out = NULL;
		return true;
	}
	return read_row(r, seal, out, e);
}
