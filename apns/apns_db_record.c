/*
 * Answers into the push columns of enrollment; see apns_db_priv.h.  No state.
 *
 * Nearly all answers are "accepted", and come by the hundred: these are
 * recorded by one statement for many.
 */
#include "apns/apns_db_priv.h"

enum {
	MANY = 15, /* of one statement, ... */
	FEW = 4,   /* ... which is worth it from here on */
	SHARED = 3 /* parameters of it that are not a push's */
};

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
	int64_t floor = s->urgent_at != 0 ? 0 : s->now + APNS_DEBOUNCE_MS;

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
static void
react(const struct apns_claim *c, int64_t now, struct apns_reaction *out)
{
	const struct apns_situation s = { .now = now,
		.token_at = c->token_at,
		.sent_token_at = c->token_at,
		.attempts = c->attempts,
		.newest_at = c->newest_at,
		.urgent_at = c->urgent ? c->newest_at : 0 };

	apns_react(&c->answer, &s, out);
}

/* The columns that one push and many set alike; the parameters differ. */
#define DUE(id, until, next, floor)                                            \
	"UPDATE enrollment SET push_due_at = CASE "                            \
	"WHEN push_state <> 'ok' OR state <> 'enrolled' THEN NULL "            \
	"WHEN push_due_at = " until " THEN " next                              \
	" WHEN push_due_at >= " floor " OR EXISTS (SELECT 1 FROM command c "   \
	"WHERE c.enrollment_id = " id                                          \
	" AND c.done_at IS NULL AND c.urgent = 1) THEN push_due_at "           \
	"WHEN push_due_at IS NULL THEN NULL ELSE " floor " END, "              \
	"push_claim_until = NULL, push_claim_by = NULL, "

static bool
record_one(struct store_tx *tx, const char *by, const struct apns_claim *c,
    int64_t now, struct err *e)
{
	const struct apns_answer *a = &c->answer;
	struct apns_reaction re;

	react(c, now, &re);
	return store_exec_later(tx,
	    DUE("$1", "$2", "$3",
	        "$4") "push_attempts = CASE WHEN push_due_at "
	              "= $2 THEN push_attempts + $5 ELSE push_attempts END, "
	              "push_last_at = $6, push_last_id = $7, push_last_status "
	              "= $8, "
	              "push_last_reason = " REASON(
	                  "$9") ", "
	                        "push_accepted_at = COALESCE($11, "
	                        "push_accepted_at) WHERE id = $1 "
	                        "AND push_claim_by = $10 AND push_claim_until "
	                        "= $2",
	    S_ARGS(S_TEXT(c->enrollment_id), S_INT(c->until), S_TIME(re.next),
	        S_INT(now + APNS_DEBOUNCE_MS), S_INT(re.counts ? 1 : 0),
	        S_INT(now), S_TEXT(a->id),
	        a->status != 0 ? S_INT(a->status) : S_NULL,
	        S_TEXT(a->reason[0] != '\0' ? a->reason : NULL), S_TEXT(by),
	        re.pushed ? S_INT(now) : S_NULL),
	    e);
}

/* $1 by, $2 now, $3 the earliest next push; then four of each push. */
#define ROW(a, b, c, d) ", ($" #a ", $" #b ", $" #c ", $" #d ")"
static const char accepted_many[] =
    "WITH v (claim_id, claim_end, next_at, apns_id) AS (VALUES "
    "(CAST($4 AS TEXT), CAST($5 AS BIGINT), CAST($6 AS BIGINT), "
    "CAST($7 AS TEXT))" ROW(8, 9, 10, 11) ROW(12, 13, 14, 15) ROW(16, 17, 18,
        19) ROW(20, 21, 22, 23) ROW(24, 25, 26, 27) ROW(28, 29, 30, 31)
        ROW(32, 33, 34, 35) ROW(36, 37, 38, 39) ROW(40, 41, 42, 43)
            ROW(44, 45, 46, 47) ROW(48, 49, 50, 51) ROW(52, 53, 54, 55)
                ROW(56, 57, 58, 59) ROW(60, 61, 62, 63) ") " DUE("v.claim_id",
                    "v.claim_end", "v.next_at",
                    "$3") "push_attempts = CASE WHEN push_due_at = v.claim_end "
                          "THEN push_attempts + 1 ELSE push_attempts END, "
                          "push_last_at = $2, push_last_id = v.apns_id, "
                          "push_last_status = 200, "
                          "push_last_reason = " REASON(
                              "NULL") ", push_accepted_at = $2 "
                                      "FROM v WHERE id = v.claim_id AND "
                                      "push_claim_by = $1 AND "
                                      "push_claim_until = v.claim_end";

struct many {
	const struct apns_claim *of[MANY];
	size_t count;
};

/* A statement has as many rows as it has; an id that is NULL finds nobody. */
static bool
record_many(struct store_tx *tx, const char *by, struct many *m, int64_t now,
    struct err *e)
{
	struct store_value args[SHARED + 4 * MANY + 1] = { S_TEXT(by),
		S_INT(now), S_INT(now + APNS_DEBOUNCE_MS) };
	struct store_value *at = args + SHARED;
	size_t count = m->count;

	m->count = 0;
	for (size_t i = 0; count < FEW && i < count; i++)
		if (!record_one(tx, by, m->of[i], now, e))
			return false;
	if (count < FEW)
		return true;
	for (size_t i = 0; i < MANY; i++, at += 4) {
		struct apns_reaction re;

		at[0] = at[1] = at[2] = at[3] = S_NULL;
		if (i >= count)
			continue;
		react(m->of[i], now, &re);
		at[0] = S_TEXT(m->of[i]->enrollment_id);
		at[1] = S_INT(m->of[i]->until);
		at[2] = S_TIME(re.next);
		at[3] = S_TEXT(m->of[i]->answer.id);
	}
	at->type = STORE_END;
	return store_exec_later(tx, accepted_many, args, e);
}

/* The token is said to be dead or wrong: is it still the one? */
static bool
record_refusal(struct store_tx *tx, const char *by, const struct apns_claim *c,
    int64_t now, struct err *e)
{
	struct row row = { .situation = {
		               .now = now, .sent_token_at = c->token_at } };
	struct apns_reaction re;

	if (!read_situation(tx, by, c, &row, e))
		return false;
	/* The claim ran out and another node has it, or the enrolment ended. */
	if (!row.found || !row.ours)
		return true;
	apns_react(&c->answer, &row.situation, &re);
	if (!row.alive) {
		re.push_state = re.event = NULL;
		re.next = 0;
	}
	return write_answer(tx, c, &re, &row.situation, e) &&
	       (re.event == NULL || apns_db_enrollment_event(
	                                tx, c, re.event, c->answer.reason, e));
}

bool
apns_db_record(struct store_tx *tx, const char *by,
    const struct apns_claim *list, int64_t now, struct err *e)
{
	struct many accepted = { .count = 0 };
	bool ok = true;

	for (const struct apns_claim *c = list; ok && c != NULL; c = c->next) {
		enum apns_outcome o = c->answer.outcome;

		if (o == APNS_DEAD || o == APNS_REFUSED)
			ok = record_refusal(tx, by, c, now, e);
		else if (o != APNS_ACCEPTED)
			ok = record_one(tx, by, c, now, e);
		else if ((accepted.of[accepted.count++] = c,
		             accepted.count == MANY))
			ok = record_many(tx, by, &accepted, now, e);
	}
	return (ok && record_many(tx, by, &accepted, now, e)) ||
	       err_wrap(e, "push answer");
}
