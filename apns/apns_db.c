/* The SQL of pushing; see apns_db_priv.h.  No state. */
#include "apns/apns_db_priv.h"

#include "apns/apns_scheduler.h"
#include "core/clock.h"
#include "core/json.h"
#include "store/store_event.h"

void
apns_claim_free(struct apns_claim **claim)
{
	struct apns_claim *c = TAKE(*claim);

	if (c == NULL)
		return;
	mem_wipe(c->text, c->text_len);
	mem_free(&c);
}

/* When it is due then. */
static int64_t
due_then(const struct apns_due *d, int64_t at_ms)
{
	bool just_pushed =
	    d->last_at > at_ms - APNS_DEBOUNCE_MS && d->last_at <= at_ms;

	if (!d->can || (d->at != 0 && d->at <= at_ms))
		return d->at;
	if (!just_pushed || d->urgent)
		return at_ms;
	if (d->at != 0 && d->at < d->last_at + APNS_DEBOUNCE_MS)
		return d->at;
	return d->last_at + APNS_DEBOUNCE_MS;
}

bool
apns_push_due_known(struct store_tx *tx, const char *enrollment_id,
    struct apns_due *known, int64_t at_ms, struct err *e)
{
	int64_t at = due_then(known, at_ms);

	if (at != known->at &&
	    !store_exec_later(tx,
	        "UPDATE enrollment SET push_due_at = $2 WHERE id = $1",
	        S_ARGS(S_TEXT(enrollment_id), S_INT(at)), e))
		return err_wrap(e, "push due");
	known->at = at;
	/* Due already: but the scheduler may not know of an urgent one. */
	store_notify(tx, STORE_CHANNEL_PUSH);
	return true;
}

bool
apns_push_due(struct store_tx *tx, const char *enrollment_id, int64_t at_ms,
    struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct apns_due due = { 0 };
	bool found;

	if (!store_query(tx,
	        "SELECT push_due_at, push_last_at, EXISTS (SELECT 1 FROM "
	        "command c WHERE c.enrollment_id = $1 AND c.done_at IS NULL "
	        "AND c.urgent = 1) FROM enrollment WHERE id = $1 AND "
	        "push_token IS NOT NULL AND push_state = 'ok' AND "
	        "state = 'enrolled'",
	        S_ARGS(S_TEXT(enrollment_id)), &r, e) ||
	    !store_next(r, &found, e))
		return err_wrap(e, "push due");
	if (found)
		due = (struct apns_due){ .can = true,
			.urgent = store_int(r, 2) != 0,
			.at = store_int(r, 0),
			.last_at = store_int(r, 1) };
	return apns_push_due_known(tx, enrollment_id, &due, at_ms, e);
}

bool
apns_push_abandon(struct store_tx *tx, const char *by, struct err *e)
{
	int64_t changed;

	if (!store_exec(tx,
	        "UPDATE enrollment SET push_due_at = CASE WHEN push_due_at = "
	        "push_claim_until THEN $2 ELSE push_due_at END, "
	        "push_claim_until = NULL, push_claim_by = NULL WHERE "
	        "push_claim_by IS NOT NULL AND (CAST($1 AS TEXT) IS NULL OR "
	        "push_claim_by = $1)",
	        S_ARGS(S_TEXT(by), S_INT(clock_now_ms())), &changed, e))
		return err_wrap(e, "push claims");
	if (changed > 0)
		store_notify(tx, STORE_CHANNEL_PUSH);
	return true;
}

/* A topic comes from the Mac and may hold spaces; then it is at worst taken
 * for a stopped one, and has no certificate anyway. */
#define TOPIC_FITS(except, only)                                               \
	"(CAST(" except " AS TEXT) = '' OR REPLACE(" except                    \
	", ' ' || COALESCE(e.topic, '') || ' ', '') = " except ") AND "        \
	"(CAST(" only " AS TEXT) IS NULL OR e.topic = " only ")"
#define CLAIM_DUE                                                              \
	"e.push_due_at <= $1 AND e.state = 'enrolled' AND "                    \
	"e.push_state = 'ok' AND e.push_token IS NOT NULL AND "                \
	"(e.push_claim_until IS NULL OR e.push_claim_until <= $1) "            \
	"AND " TOPIC_FITS("$3", "$4")
#define CLAIM_COLUMNS                                                          \
	"e.id, e.device_id, e.topic, e.push_magic, e.push_token, e.token_at, " \
	"e.push_attempts, (SELECT MAX(c.queued_at) FROM command c WHERE "      \
	"c.enrollment_id = e.id AND c.done_at IS NULL"
enum { CLAIM_TEXTS = 4, CLAIM_TOKEN = CLAIM_TEXTS };

static const char due_any[] =
    "SELECT " CLAIM_COLUMNS ") FROM enrollment e WHERE " CLAIM_DUE
    " ORDER BY e.push_due_at LIMIT $2";
static const char due_urgent[] =
    "SELECT " CLAIM_COLUMNS
    " AND c.urgent = 1) FROM (SELECT DISTINCT enrollment_id FROM command "
    "WHERE done_at IS NULL AND urgent = 1) u CROSS JOIN enrollment e WHERE "
    "e.id = u.enrollment_id AND " CLAIM_DUE " LIMIT $2";

/* Appends a text or blob of the row and a NUL. */
static char *
put(char **at, const void *p, size_t len)
{
	char *start = *at;

	if (len > 0)
		memcpy(start, p, len);
	start[len] = '\0';
	*at += len + 1;
	return start;
}

static struct apns_claim *
read_claim(const struct store_rows *r, const struct apns_claim_options *o)
{
	struct slice token = store_blob(r, CLAIM_TOKEN);
	size_t len = token.len + 1;
	struct apns_claim *c;
	char *at;

	for (int i = 0; i < CLAIM_TEXTS; i++)
		len += slice_str(store_text(r, i)).len + 1;
	c = mem_zalloc(1, sizeof(*c) + len);
	c->text_len = len;
	at = c->text;
	c->token = slice_of(put(&at, token.p, token.len), token.len);
	for (int i = 0; i < CLAIM_TEXTS; i++) {
		char **const to[CLAIM_TEXTS] = { &c->enrollment_id,
			&c->device_id, &c->topic, &c->magic };
		struct slice text = slice_str(store_text(r, i));

		*to[i] = put(&at, text.p, text.len);
	}
	c->token_at = store_int(r, 5);
	c->attempts = store_int(r, 6);
	c->open = !store_null(r, 7);
	c->newest_at = store_int(r, 7);
	c->urgent = o->urgent;
	c->until = o->until;
	return c;
}

static bool
find_due(struct store_tx *tx, const struct apns_claim_options *o,
    struct apns_claim **list, int64_t *count, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(tx, o->urgent ? due_urgent : due_any,
	        S_ARGS(S_INT(o->now), S_INT(o->limit), S_TEXT(o->except),
	            S_TEXT(o->only)),
	        &r, e))
		return false;
	for (;;) {
		struct apns_claim *c;

		if (!store_next(r, &more, e))
			return false;
		if (!more)
			return true;
		c = read_claim(r, o);
		c->next = *list;
		*list = c;
		(*count)++;
	}
}

/* Writers are serial: what was found due is still. */
#define CLAIM_SET                                                              \
	"UPDATE enrollment SET push_claim_until = $1, push_due_at = $1, "      \
	"push_claim_by = $2 WHERE id "
enum { CLAIM_MANY = 60, CLAIM_FEW = 4 };

static bool
mark_one(struct store_tx *tx, const struct apns_claim_options *o,
    const struct apns_claim *c, struct err *e)
{
	return store_exec_later(tx, CLAIM_SET "= $3",
	    S_ARGS(S_INT(o->until), S_TEXT(o->by), S_TEXT(c->enrollment_id)),
	    e);
}

/* From *c on; the statement has as many ids as it has, and NULL is nobody. */
static bool
mark_many(struct store_tx *tx, const struct apns_claim_options *o,
    const struct apns_claim **c, struct err *e)
{
	static const char sql[] = CLAIM_SET
	    "IN ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
	    "$16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, "
	    "$29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, "
	    "$42, $43, $44, $45, $46, $47, $48, $49, $50, $51, $52, $53, $54, "
	    "$55, $56, $57, $58, $59, $60, $61, $62)";
	struct store_value args[2 + CLAIM_MANY + 1] = { S_INT(o->until),
		S_TEXT(o->by) };

	for (size_t i = 0; i < CLAIM_MANY; i++) {
		args[2 + i] = *c != NULL ? S_TEXT((*c)->enrollment_id) : S_NULL;
		*c = *c != NULL ? (*c)->next : NULL;
	}
	args[2 + CLAIM_MANY].type = STORE_END;
	return store_exec_later(tx, sql, args, e);
}

bool
apns_db_claim(struct store_tx *tx, const struct apns_claim_options *o,
    struct apns_claim **list, int64_t *count, struct err *e)
{
	const struct apns_claim *c;
	int64_t before = *count, left;

	if (!find_due(tx, o, list, count, e))
		return err_wrap(e, "push claim");
	/* The new ones are in front. */
	left = *count - before;
	if (left < CLAIM_FEW) {
		for (c = *list; left > 0; c = c->next, left--)
			if (!mark_one(tx, o, c, e))
				return err_wrap(e, "push claim");
		return true;
	}
	for (c = *list; left > 0; left -= CLAIM_MANY)
		if (!mark_many(tx, o, &c, e))
			return err_wrap(e, "push claim");
	return true;
}

bool
apns_db_forget(struct store_tx *tx, const struct apns_claim *c, struct err *e)
{
	return store_exec(tx,
	    "UPDATE enrollment SET push_due_at = NULL, push_claim_until = "
	    "NULL, push_claim_by = NULL WHERE id = $1",
	    S_ARGS(S_TEXT(c->enrollment_id)), NULL, e);
}

bool
apns_db_enrollment_event(struct store_tx *tx, const struct apns_claim *c,
    const char *kind, const char *reason, struct err *e)
{
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_free) char *data = NULL;

	json_put_str(o, "enrollment", c->enrollment_id);
	json_put_str(o, "reason", reason);
	data = json_text(o);
	return store_event_add(tx,
	    &(struct store_event){ .kind = kind,
	        .device_id = c->device_id,
	        .subject_id = c->enrollment_id,
	        .actor = "system",
	        .data = data },
	    e);
}

bool
apns_db_mismatch(struct store_tx *tx, const struct apns_claim *c, struct err *e)
{
	return store_exec(tx,
	           "UPDATE enrollment SET push_due_at = NULL, "
	           "push_claim_until = NULL, push_claim_by = NULL, "
	           "push_last_status = NULL, "
	           "push_last_reason = 'topic_mismatch' WHERE id = $1",
	           S_ARGS(S_TEXT(c->enrollment_id)), NULL, e) &&
	       apns_db_enrollment_event(
	           tx, c, "push.refused", "topic_mismatch", e);
}

bool
apns_db_next_due(struct store_tx *tx, const char *except, const char *only,
    int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(tx,
	        "SELECT e.push_due_at FROM enrollment e WHERE e.push_due_at "
	        "IS NOT NULL AND e.state = 'enrolled' AND e.push_state = "
	        "'ok' AND e.push_token IS NOT NULL AND " TOPIC_FITS(
	            "$1", "$2") " ORDER BY e.push_due_at LIMIT 1",
	        S_ARGS(S_TEXT(except), S_TEXT(only)), &r, e) ||
	    !store_next(r, &more, e))
		return false;
	*out = more ? store_int(r, 0) : 0;
	return true;
}

bool
apns_db_urgent_due(struct store_tx *tx, const char *except, int64_t now,
    bool *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT 1 FROM command c CROSS JOIN enrollment e WHERE "
	           "c.done_at IS NULL AND c.urgent = 1 AND "
	           "e.id = c.enrollment_id AND e.push_due_at <= $1 AND "
	           "e.state = 'enrolled' AND e.push_state = 'ok' AND "
	           "e.push_token IS NOT NULL AND "
	           "(e.push_claim_until IS NULL OR "
	           "e.push_claim_until <= $1) AND " TOPIC_FITS(
	               "$2", "$3") " LIMIT 1",
	           S_ARGS(S_INT(now), S_TEXT(except), S_NULL), &r, e) &&
	       store_next(r, out, e);
}

bool
apns_db_count_due(struct store_tx *tx, int64_t now, int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(tx,
	        "SELECT COUNT(*) FROM enrollment WHERE push_due_at <= $1 AND "
	        "state = 'enrolled' AND push_state = 'ok'",
	        S_ARGS(S_INT(now)), &r, e) ||
	    !store_next(r, &more, e))
		return false;
	*out = more ? store_int(r, 0) : 0;
	return true;
}

bool
apns_db_event(struct store_tx *tx, const char *kind, const char *topic,
    const char *reason, struct err *e)
{
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_free) char *data = NULL;

	json_put_str(o, "topic", topic);
	json_put_str(o, "reason", reason);
	data = json_text(o);
	return store_event_add(tx,
	    &(struct store_event){
	        .kind = kind, .actor = "system", .data = data },
	    e);
}
