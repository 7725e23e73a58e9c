/* The SQL of pushing; see apns_db_priv.h.  No state. */
#include "apns/apns_db_priv.h"

#include "apns/apns_scheduler.h"
#include "core/clock.h"
#include "core/json.h"
#include "store/store_event.h"

/* A second push within this time waits for its end, unless it is urgent: a
 * burst of commands is one push or two, not ten. */
enum { DEBOUNCE_MS = 1000 };

void
apns_claim_free(struct apns_claim **claim)
{
	struct apns_claim *c = TAKE(*claim);

	if (c == NULL)
		return;
	str_free(&c->enrollment_id);
	str_free(&c->device_id);
	str_free(&c->topic);
	str_wipe(&c->magic);
	buf_wipe(&c->token);
	mem_free(&c);
}

bool
apns_push_due(struct store_tx *tx, const char *enrollment_id, int64_t at_ms,
    struct err *e)
{
	int64_t changed;

	if (!store_exec(tx,
	        "UPDATE enrollment SET push_due_at = CASE "
	        "WHEN push_last_at > CAST($2 AS BIGINT) - $3 AND "
	        "push_last_at <= $2 AND "
	        "NOT EXISTS (SELECT 1 FROM command c WHERE "
	        "c.enrollment_id = $1 AND c.done_at IS NULL AND c.urgent = 1) "
	        "THEN CASE WHEN push_due_at < push_last_at + $3 THEN "
	        "push_due_at ELSE push_last_at + $3 END ELSE $2 END "
	        "WHERE id = $1 AND push_token IS NOT NULL AND "
	        "push_state = 'ok' AND state = 'enrolled' AND "
	        "(push_due_at IS NULL OR push_due_at > $2)",
	        S_ARGS(S_TEXT(enrollment_id), S_INT(at_ms), S_INT(DEBOUNCE_MS)),
	        &changed, e))
		return err_wrap(e, "push due");
	/* Due already: but the scheduler may not know of an urgent one. */
	store_notify(tx, STORE_CHANNEL_PUSH);
	return true;
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
	"AND " TOPIC_FITS("$5", "$6")
/* The condition is repeated outside, so that of two nodes that chose the same
 * row the second one's update passes it over. */
#define CLAIM_START                                                            \
	"UPDATE enrollment SET push_claim_until = $2, push_due_at = $2, "      \
	"push_claim_by = $3 WHERE id IN ("
#define CLAIM_END                                                              \
	" LIMIT $4) AND (push_claim_until IS NULL OR push_claim_until <= $1) " \
	"RETURNING id, device_id, topic, push_token, push_magic, token_at, "   \
	"push_attempts, (SELECT MAX(c.queued_at) FROM command c WHERE "        \
	"c.enrollment_id = enrollment.id AND c.done_at IS NULL"

static const char claim_any[] =
    CLAIM_START "SELECT e.id FROM enrollment e WHERE " CLAIM_DUE
                " ORDER BY e.push_due_at" CLAIM_END ")";
static const char claim_urgent[] = CLAIM_START
    "SELECT c.enrollment_id FROM command c CROSS JOIN enrollment e WHERE "
    "c.done_at IS NULL AND c.urgent = 1 AND "
    "e.id = c.enrollment_id AND " CLAIM_DUE CLAIM_END " AND c.urgent = 1)";

static struct apns_claim *
read_claim(const struct store_rows *r, const struct apns_claim_options *o)
{
	struct apns_claim *c = mem_zalloc(1, sizeof(*c));
	struct slice token = store_blob(r, 3);

	c->enrollment_id = str_dup(store_text(r, 0));
	c->device_id = str_dup(store_text(r, 1));
	c->topic = str_dup(store_text(r, 2));
	c->token = buf_new(token.len + 1);
	buf_add(c->token, token.p, token.len);
	c->magic = str_dup(store_null(r, 4) ? "" : store_text(r, 4));
	c->token_at = store_int(r, 5);
	c->attempts = store_int(r, 6);
	c->open = !store_null(r, 7);
	c->newest_at = store_int(r, 7);
	c->urgent = o->urgent;
	c->until = o->until;
	return c;
}

bool
apns_db_claim(struct store_tx *tx, const struct apns_claim_options *o,
    struct apns_claim **list, int64_t *count, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(tx, o->urgent ? claim_urgent : claim_any,
	        S_ARGS(S_INT(o->now), S_INT(o->until), S_TEXT(o->by),
	            S_INT(o->limit), S_TEXT(o->except), S_TEXT(o->only)),
	        &r, e))
		return err_wrap(e, "push claim");
	for (;;) {
		struct apns_claim *c;

		if (!store_next(r, &more, e))
			return err_wrap(e, "push claim");
		if (!more)
			return true;
		c = read_claim(r, o);
		c->next = *list;
		*list = c;
		(*count)++;
	}
}

bool
apns_db_forget(struct store_tx *tx, const struct apns_claim *c, struct err *e)
{
	return store_exec(tx,
	    "UPDATE enrollment SET push_due_at = NULL, push_claim_until = "
	    "NULL, push_claim_by = NULL WHERE id = $1",
	    S_ARGS(S_TEXT(c->enrollment_id)), NULL, e);
}

static bool
enrollment_event(struct store_tx *tx, const struct apns_claim *c,
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
	       enrollment_event(tx, c, "push.refused", "topic_mismatch", e);
}

struct row {
	bool found;
	bool ours;  /* the claim still is */
	bool alive; /* enrolled, push_state ok */
	struct apns_situation situation;
};

static bool
read_situation(struct store_tx *tx, const char *by, const struct apns_claim *c,
    struct row *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(tx,
	        "SELECT e.token_at, e.push_attempts, "
	        "CASE WHEN e.push_claim_by = $2 AND e.push_claim_until = $3 "
	        "THEN 1 ELSE 0 END, "
	        "CASE WHEN e.push_state = 'ok' AND e.state = 'enrolled' "
	        "THEN 1 ELSE 0 END, "
	        "(SELECT MAX(q.queued_at) FROM command q WHERE "
	        "q.enrollment_id = e.id AND q.done_at IS NULL), "
	        "(SELECT MAX(q.queued_at) FROM command q WHERE "
	        "q.enrollment_id = e.id AND q.done_at IS NULL AND "
	        "q.urgent = 1) FROM enrollment e WHERE e.id = $1",
	        S_ARGS(S_TEXT(c->enrollment_id), S_TEXT(by), S_INT(c->until)),
	        &r, e) ||
	    !store_next(r, &more, e))
		return false;
	out->found = more;
	if (!more)
		return true;
	out->situation.token_at = store_int(r, 0);
	out->situation.attempts = store_int(r, 1);
	out->ours = store_int(r, 2) == 1;
	out->alive = store_int(r, 3) == 1;
	out->situation.newest_at = store_int(r, 4);
	out->situation.urgent_at = store_int(r, 5);
	return true;
}

/* Why nothing can be pushed any more, since a check-in behind the push, is
 * worth more than the push's answer: apns_cert_save() looks for it. */
#define REASON(p)                                                              \
	"CASE WHEN push_state <> 'ok' THEN push_last_reason ELSE " p " END"

/* push_due_at differs from the claim's end when somebody asked for another
 * push meanwhile, or when the device came: then it is theirs. */
static bool
write_answer(struct store_tx *tx, const struct apns_claim *c,
    const struct apns_reaction *re, const struct apns_situation *s,
    struct err *e)
{
	const struct apns_answer *a = &c->answer;
	int64_t floor = s->urgent_at != 0 ? 0 : s->now + DEBOUNCE_MS;

	return store_exec(tx,
	    "UPDATE enrollment SET push_due_at = CASE "
	    "WHEN CAST($9 AS TEXT) IS NOT NULL THEN NULL "
	    "WHEN push_due_at = $2 THEN $3 "
	    "WHEN push_due_at < $4 THEN $4 ELSE push_due_at END, "
	    "push_attempts = CASE WHEN push_due_at = $2 "
	    "THEN push_attempts + $5 ELSE push_attempts END, "
	    "push_claim_until = NULL, push_claim_by = NULL, "
	    "push_last_at = $6, push_last_id = $7, push_last_status = $8, "
	    "push_state = COALESCE($9, push_state), "
	    "push_last_reason = " REASON("$10") " WHERE id = $1",
	    S_ARGS(S_TEXT(c->enrollment_id), S_INT(c->until), S_TIME(re->next),
	        S_INT(floor), S_INT(re->counts ? 1 : 0), S_INT(s->now),
	        S_TEXT(a->id), a->status != 0 ? S_INT(a->status) : S_NULL,
	        S_TEXT(re->push_state),
	        S_TEXT(a->reason[0] != '\0' ? a->reason : NULL)),
	    NULL, e);
}

/*
 * What the claim told is enough, and nothing is asked: whoever queued a
 * command since, and a Mac that came, has moved push_due_at.
 */
static bool
record_quickly(struct store_tx *tx, const char *by, const struct apns_claim *c,
    int64_t now, struct err *e)
{
	const struct apns_answer *a = &c->answer;
	struct apns_situation s = { .now = now,
		.token_at = c->token_at,
		.sent_token_at = c->token_at,
		.attempts = c->attempts,
		.newest_at = c->newest_at,
		.urgent_at = c->urgent ? c->newest_at : 0 };
	struct apns_reaction re;

	apns_react(a, &s, &re);
	if (!store_exec_later(tx,
	        "UPDATE enrollment SET push_due_at = CASE "
	        "WHEN push_state <> 'ok' OR state <> 'enrolled' THEN NULL "
	        "WHEN push_due_at = $2 THEN $3 "
	        "WHEN push_due_at >= $4 OR EXISTS (SELECT 1 FROM command c "
	        "WHERE c.enrollment_id = $1 AND c.done_at IS NULL AND "
	        "c.urgent = 1) THEN push_due_at "
	        "WHEN push_due_at IS NULL THEN NULL ELSE $4 END, "
	        "push_attempts = CASE WHEN push_due_at = $2 "
	        "THEN push_attempts + $5 ELSE push_attempts END, "
	        "push_claim_until = NULL, push_claim_by = NULL, "
	        "push_last_at = $6, push_last_id = $7, push_last_status = $8, "
	        "push_last_reason = " REASON(
	            "$9") " WHERE id = $1 AND "
	                  "push_claim_by = $10 AND push_claim_until = $2",
	        S_ARGS(S_TEXT(c->enrollment_id), S_INT(c->until),
	            S_TIME(re.next), S_INT(now + DEBOUNCE_MS),
	            S_INT(re.counts ? 1 : 0), S_INT(now), S_TEXT(a->id),
	            a->status != 0 ? S_INT(a->status) : S_NULL,
	            S_TEXT(a->reason[0] != '\0' ? a->reason : NULL),
	            S_TEXT(by)),
	        e))
		return err_wrap(e, "push answer");
	return !re.pushed ||
	       store_exec_later(tx,
	           "UPDATE command SET state = 'pushed' WHERE enrollment_id = "
	           "$1 AND done_at IS NULL AND state = 'queued'",
	           S_ARGS(S_TEXT(c->enrollment_id)), e);
}

bool
apns_db_record(struct store_tx *tx, const char *by, const struct apns_claim *c,
    int64_t now, struct err *e)
{
	struct row row = { .situation = {
		               .now = now, .sent_token_at = c->token_at } };
	struct apns_reaction re;

	if (c->answer.outcome != APNS_DEAD && c->answer.outcome != APNS_REFUSED)
		return record_quickly(tx, by, c, now, e);
	if (!read_situation(tx, by, c, &row, e))
		return err_wrap(e, "push answer");
	/* The claim ran out and another node has it, or the enrolment ended. */
	if (!row.found || !row.ours)
		return true;
	apns_react(&c->answer, &row.situation, &re);
	if (!row.alive) {
		re.push_state = re.event = NULL;
		re.next = 0;
	}
	if (!write_answer(tx, c, &re, &row.situation, e))
		return err_wrap(e, "push answer");
	if (re.pushed &&
	    !store_exec(tx,
	        "UPDATE command SET state = 'pushed' WHERE enrollment_id = $1 "
	        "AND done_at IS NULL AND state = 'queued'",
	        S_ARGS(S_TEXT(c->enrollment_id)), NULL, e))
		return err_wrap(e, "push answer");
	return re.event == NULL ||
	       enrollment_event(tx, c, re.event, c->answer.reason, e);
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
