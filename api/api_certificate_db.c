/*
 * The search of the issuance ledger.  No state.
 *
 * A ledger grows for ever, so each kind of search begins with the condition
 * that has an index and is narrow; the others are checked on what that gives.
 * A part of a subject, an authority, and a challenge have no index: the ledger
 * is read from its newest row on, until the page is full.  Statements are
 * literals, hence a table of them.
 */
#include "api/api_priv.h"
#include "core/json.h"

/* 30 days. */
#define EXPIRING "2592000000"

/* The one place that says what state a certificate is in. */
#define STATE                                                                  \
	"CASE WHEN c.state = 'revoked' AND c.revoke_reason = 6 THEN 'held' "   \
	"WHEN c.state = 'revoked' THEN 'revoked' "                             \
	"WHEN c.not_after <= $4 THEN 'expired' "                               \
	"WHEN c.not_after < $4 + " EXPIRING " THEN 'expiring' "                \
	"ELSE 'valid' END"
#define COLUMNS                                                                \
	"SELECT c.fingerprint, c.serial, c.subject, c.template, c.purpose, "   \
	"COALESCE(d.serial, d.deleted_serial), c.device_id, u.name, " STATE    \
	", c.not_before, "                                                     \
	"c.not_after, c.revoked_at, c.revoke_reason, c.revoked_by, "           \
	"c.created_at, c.authority_id, c.challenge_id, c.transaction_id, "     \
	"c.spki, r.state, "
#define TABLES                                                                 \
	" FROM certificate c LEFT JOIN device d ON d.id = c.device_id "        \
	"LEFT JOIN users u ON u.id = c.user_id "                               \
	"LEFT JOIN rollout r ON r.fingerprint = c.fingerprint WHERE "
#define UNLESS_NULL(n, column)                                                 \
	"AND (CAST(" n " AS TEXT) IS NULL OR " column " = " n ") "
#define OTHERS                                                                 \
	UNLESS_NULL("$5", "c.fingerprint")                                     \
	UNLESS_NULL("$6", "c.serial")                                          \
	UNLESS_NULL("$7", "c.transaction_id")                                  \
	UNLESS_NULL("$8", "c.device_id")                                       \
	UNLESS_NULL("$9", "c.user_id")                                         \
	UNLESS_NULL("$10", "c.template")                                       \
	UNLESS_NULL("$11", "c.purpose")                                        \
	UNLESS_NULL("$12", STATE)                                              \
	UNLESS_NULL("$13", "c.authority_id")                                   \
	UNLESS_NULL("$15", "c.challenge_id")                                   \
	UNLESS_NULL("$16", "c.spki")                                           \
	"AND (CAST($14 AS TEXT) IS NULL OR "                                   \
	"LOWER(c.subject) LIKE LOWER($14) ESCAPE '!') "
#define BY_BIRTH(first)                                                        \
	COLUMNS "c.created_at" TABLES first                                    \
	        "(c.created_at, c.fingerprint) < ($1, $2) " OTHERS             \
	        "ORDER BY c.created_at DESC, c.fingerprint DESC LIMIT $3"
#define BY_END(first)                                                          \
	COLUMNS "c.not_after" TABLES first                                     \
	        "(c.not_after, c.fingerprint) < ($1, $2) " OTHERS              \
	        "ORDER BY c.not_after DESC, c.fingerprint DESC LIMIT $3"

static const char *const states[] = { "valid", "expiring", "expired", "held",
	"revoked", NULL };

const char *const *
api_db_certificate_states(void)
{
	return states;
}

static bool
state_is(const struct api_certificate_search *q, const char *state)
{
	return str_eq(q->state, state);
}

/* The statement whose first condition is the narrowest that was asked for. */
static const char *
statement(const struct api_certificate_search *q)
{
	if (q->fingerprint != NULL)
		return BY_BIRTH("c.fingerprint = $5 AND ");
	if (q->serial != NULL)
		return BY_BIRTH("c.serial = $6 AND ");
	if (q->transaction != NULL)
		return BY_BIRTH("c.transaction_id = $7 AND ");
	if (q->key != NULL)
		return BY_BIRTH("c.spki = $16 AND ");
	if (q->device_id[0] != '\0')
		return BY_BIRTH("c.device_id = $8 AND ");
	if (q->user_id[0] != '\0')
		return BY_BIRTH("c.user_id = $9 AND ");
	if (state_is(q, "held"))
		return BY_BIRTH("c.revoke_reason = 6 AND ");
	if (state_is(q, "revoked"))
		return BY_BIRTH("c.state = 'revoked' AND "
		                "COALESCE(c.revoke_reason, 0) <> 6 AND ");
	if (state_is(q, "expired"))
		return BY_END("c.state = 'issued' AND ");
	if (state_is(q, "expiring"))
		return BY_END("c.state = 'issued' AND c.not_after > $4 AND ");
	if (q->purpose != NULL)
		return BY_BIRTH("c.purpose = $11 AND ");
	if (q->template != NULL)
		return BY_BIRTH("c.template = $10 AND ");
	return BY_BIRTH("");
}

bool
api_db_certificates(struct store_tx *tx, const struct api_certificate_search *q,
    struct store_rows **out, struct err *e)
{
	AUTO(str_free) char *like = store_like(q->subject);
	int64_t before = q->before;
	int64_t end = q->now + 30 * MS_DAY;

	/* Where the first condition and the key say the state, PostgreSQL is
	 * not asked for it again: it would think that few rows have it, and
	 * sort them all. */
	bool said = q->fingerprint == NULL && q->serial == NULL &&
	            q->transaction == NULL && q->key == NULL &&
	            q->device_id[0] == '\0' && q->user_id[0] == '\0' &&
	            !state_is(q, "valid");

	/* The index is entered where the first of them may be. */
	if (state_is(q, "expired") && before > q->now + 1)
		before = q->now + 1;
	if (state_is(q, "expiring") && before > end)
		before = end;
	return store_query(tx, statement(q),
	    S_ARGS(S_INT(before), S_TEXT(q->before_id), S_INT(q->limit),
	        S_INT(q->now), S_TEXT(q->fingerprint), S_TEXT(q->serial),
	        S_TEXT(q->transaction),
	        S_TEXT(q->device_id[0] != '\0' ? q->device_id : NULL),
	        S_TEXT(q->user_id[0] != '\0' ? q->user_id : NULL),
	        S_TEXT(q->template), S_TEXT(q->purpose),
	        S_TEXT(said ? NULL : q->state), S_TEXT(q->authority),
	        S_TEXT(like), S_TEXT(q->challenge), S_TEXT(q->key)),
	    out, e);
}

static bool
put_text(struct store_rows *r, json_t *o, const char *key, struct err *e)
{
	bool found;

	if (!store_next(r, &found, e))
		return false;
	json_put_str(o, key, found ? store_text(r, 0) : NULL);
	return true;
}

/* Requests are found by their transaction.  What an upstream decided, nobody
 * approved. */
bool
api_db_certificate_origin(
    struct store_tx *tx, const char *fingerprint, json_t *o, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *old = NULL, *by = NULL;

	return store_query(tx,
	           "SELECT old_fingerprint FROM renewal WHERE fingerprint = $1",
	           S_ARGS(S_TEXT(fingerprint)), &old, e) &&
	       put_text(old, o, "renews", e) &&
	       store_query(tx,
	           "SELECT q.decided_by FROM certificate c JOIN scep_request q"
	           " ON q.transaction_id = c.transaction_id"
	           " WHERE c.fingerprint = $1 AND q.fingerprint = $1"
	           " AND q.decided_by NOT LIKE 'upstream:%'",
	           S_ARGS(S_TEXT(fingerprint)), &by, e) &&
	       put_text(by, o, "approved_by", e);
}

bool
api_db_authority_known(
    struct store_tx *tx, const char *id, bool *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT id FROM authority WHERE id = $1 UNION ALL "
	           "SELECT id FROM outside_authority WHERE id = $1",
	           S_ARGS(S_TEXT(id)), &r, e) &&
	       store_next(r, out, e);
}

bool
api_db_user_id(
    struct store_tx *tx, const char *name, char out[UUID_SIZE], struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!store_query(tx, "SELECT id FROM users WHERE name = $1 OR id = $1",
	        S_ARGS(S_TEXT(name)), &r, e) ||
	    !store_next(r, &found, e))
		return false;
	str_copy_cut(out, UUID_SIZE, found ? store_text(r, 0) : "");
	return true;
}
