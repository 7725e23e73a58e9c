/*
 * SQL about the identities of Macs and their renewal.  Functions belong to the
 * transaction they are given.
 */
#include "core/json.h"
#include "enroll-profiles/enroll_identity_priv.h"

/* A certificate that is, or was, the identity of a Mac. */
#define ANY_IDENTITY(c)                                                        \
	c ".template = '" CERT_TEMPLATE_DEVICE "' AND " c                      \
	  ".purpose IN ('enroll', 'renew') "
/* And not revoked. */
#define IDENTITY(c) ANY_IDENTITY(c) "AND " c ".state = 'issued' "
#define IS_IDENTITY IDENTITY("c")

/* One that lives at $1, and is past half of its life. */
#define HALF(c)                                                                \
	IDENTITY(c)                                                            \
	"AND " c ".not_after > $1 AND " c ".not_after - $1 <= (" c             \
	".not_after - " c ".not_before) / 2 "
#define IS_HALF HALF("c")
#define IS_HALF_TOO HALF("o")

/* ---- renewals ---- */

#define RENEWAL                                                                \
	"SELECT r.device_id, r.old_fingerprint, r.state, r.reason, "           \
	"r.command_id, r.fingerprint, r.attempts, r.retry_at, r.created_at, "  \
	"c.not_before, c.not_after FROM identity_renewal r "                   \
	"LEFT JOIN certificate c ON c.fingerprint = r.old_fingerprint "

static bool
read_renewal(struct store_rows *r, struct enroll_renewal *out, bool *found,
    struct err *e)
{
	bool there;

	if (!store_next(r, &there, e))
		return false;
	*found = there;
	if (!there)
		return true;
	store_text_copy(r, 0, out->device_id, sizeof(out->device_id));
	store_text_copy(
	    r, 1, out->old_fingerprint, sizeof(out->old_fingerprint));
	store_text_copy(r, 2, out->state, sizeof(out->state));
	store_text_copy(r, 3, out->reason, sizeof(out->reason));
	store_text_copy(r, 4, out->command_id, sizeof(out->command_id));
	store_text_copy(r, 5, out->fingerprint, sizeof(out->fingerprint));
	out->attempts = store_int(r, 6);
	out->retry_at = store_int(r, 7);
	out->created_at = store_int(r, 8);
	out->not_before = store_int(r, 9);
	out->not_after = store_int(r, 10);
	return true;
}

bool
enroll_db_renewal(struct store_tx *tx, const char *device_id,
    struct enroll_renewal *out, bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx, RENEWAL "WHERE r.device_id = $1",
	           S_ARGS(S_TEXT(device_id)), &r, e) &&
	       read_renewal(r, out, found, e);
}

bool
enroll_db_renewal_due(struct store_tx *tx, enum enroll_renewal_due what,
    int64_t by_ms, struct enroll_renewal *out, bool *found, struct err *e)
{
	static const char *const sql[] = {
		[ENROLL_RENEWAL_RETRY] =
		    RENEWAL "WHERE r.retry_at <= $1 AND NOT (r.state = "
		            "'installed' AND COALESCE(r.old_seen_at, 0) <= "
		            "r.retry_at AND EXISTS (SELECT 1 FROM certificate "
		            "n WHERE n.fingerprint = r.fingerprint AND n.state "
		            "= 'issued' AND n.first_seen_at IS NOT NULL)) "
		            "ORDER BY r.retry_at LIMIT 1",
		[ENROLL_RENEWAL_ORPHAN] =
		    RENEWAL "JOIN command q ON q.id = r.command_id "
		            "WHERE r.command_id IS NOT NULL AND "
		            "q.done_at <= $1 LIMIT 1",
		/* State <> 'done' is for the partial index. */
		[ENROLL_RENEWAL_USED] =
		    RENEWAL "JOIN certificate n ON n.fingerprint = "
		            "r.fingerprint WHERE r.fingerprint IS NOT NULL "
		            "AND r.state <> 'done' AND r.state = 'installed' "
		            "AND n.state = 'issued' AND n.first_seen_at <= $1 "
		            "AND COALESCE(r.old_seen_at, 0) <= $1 LIMIT 1",
	};
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx, sql[what], S_ARGS(S_INT(by_ms)), &r, e) &&
	       read_renewal(r, out, found, e);
}

bool
enroll_db_renewal_add(
    struct store_tx *tx, const struct enroll_renewal *r, struct err *e)
{
	return enroll_db_renewal_drop(tx, r->device_id, e) &&
	       store_exec(tx,
	           "INSERT INTO identity_renewal (device_id, "
	           "old_fingerprint, state, attempts, retry_at, created_at, "
	           "updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6)",
	           S_ARGS(S_TEXT(r->device_id), S_TEXT(r->old_fingerprint),
	               S_TEXT(r->state), S_INT(r->attempts),
	               S_TIME(r->retry_at), S_INT(r->created_at)),
	           NULL, e);
}

bool
enroll_db_renewal_save(
    struct store_tx *tx, const struct enroll_renewal *r, struct err *e)
{
	return store_exec(tx,
	    "UPDATE identity_renewal SET state = $2, reason = $3, "
	    "command_id = $4, fingerprint = $5, attempts = $6, retry_at = $7, "
	    "updated_at = $8 WHERE device_id = $1",
	    S_ARGS(S_TEXT(r->device_id), S_TEXT(r->state), S_MAYBE(r->reason),
	        S_MAYBE(r->command_id), S_MAYBE(r->fingerprint),
	        S_INT(r->attempts), S_TIME(r->retry_at), S_INT(clock_now_ms())),
	    NULL, e);
}

bool
enroll_db_renewal_drop(
    struct store_tx *tx, const char *device_id, struct err *e)
{
	return store_exec(tx,
	    "DELETE FROM identity_renewal WHERE device_id = $1",
	    S_ARGS(S_TEXT(device_id)), NULL, e);
}

bool
enroll_db_renewal_alarmed(
    struct store_tx *tx, const char *device_id, int64_t days, struct err *e)
{
	return store_exec(tx,
	    "UPDATE identity_renewal SET alarmed_days = $2 "
	    "WHERE device_id = $1",
	    S_ARGS(S_TEXT(device_id), S_INT(days)), NULL, e);
}

/* ---- identities ---- */

static void
read_identity(const struct store_rows *r, struct enroll_identity *out)
{
	store_text_copy(r, 0, out->fingerprint, sizeof(out->fingerprint));
	store_text_copy(r, 1, out->device_id, sizeof(out->device_id));
	out->not_before = store_int(r, 2);
	out->not_after = store_int(r, 3);
}

bool
enroll_db_identity(struct store_tx *tx, const char *device_id,
    struct enroll_identity *out, bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!store_query(tx,
	        "SELECT c.fingerprint, c.device_id, c.not_before, c.not_after "
	        "FROM certificate c WHERE c.device_id = $1 AND " IS_IDENTITY
	        "AND c.not_after > $2 ORDER BY c.not_after, c.fingerprint "
	        "LIMIT 1",
	        S_ARGS(S_TEXT(device_id), S_INT(clock_now_ms())), &r, e) ||
	    !store_next(r, found, e))
		return false;
	if (*found)
		read_identity(r, out);
	return true;
}

bool
enroll_db_identity_other(struct store_tx *tx, const char *device_id,
    const char *keep, char out[SHA256_HEX_SIZE], bool *found, struct err *e)
{
	return enroll_db_fingerprint(tx,
	    "SELECT fingerprint FROM certificate WHERE device_id = $1 AND "
	    "template = '" CERT_TEMPLATE_DEVICE
	    "' AND purpose IN ('enroll', 'renew') AND "
	    "(state = 'issued' OR revoke_reason = 6) AND "
	    "fingerprint <> $2 LIMIT 1",
	    S_ARGS(S_TEXT(device_id), S_TEXT(keep)), out, found, e);
}

bool
enroll_db_identity_used(struct store_tx *tx, const char *device_id,
    char out[SHA256_HEX_SIZE], bool *found, struct err *e)
{
	return enroll_db_fingerprint(tx,
	    "SELECT c.fingerprint FROM certificate c WHERE c.device_id = "
	    "$1 AND " IS_IDENTITY "AND c.not_after > $2 AND "
	    "c.first_seen_at IS NOT NULL "
	    "ORDER BY c.first_seen_at DESC LIMIT 1",
	    S_ARGS(S_TEXT(device_id), S_INT(clock_now_ms())), out, found, e);
}

bool
enroll_db_identity_half(struct store_tx *tx,
    const struct enroll_identity_half *q, struct enroll_identity *list,
    size_t *count_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	size_t n = 0;
	bool more;

	if (!store_query(tx,
	        "SELECT c.fingerprint, c.device_id, c.not_before, c.not_after "
	        "FROM certificate c JOIN device d ON d.id = c.device_id AND "
	        "d.state = 'enrolled' WHERE " IS_HALF "AND c.not_after < $3 "
	        "AND NOT EXISTS (SELECT 1 FROM certificate o WHERE "
	        "o.device_id = c.device_id AND " IS_HALF_TOO
	        "AND (o.not_after < c.not_after OR (o.not_after = "
	        "c.not_after AND o.fingerprint < c.fingerprint))) "
	        "AND NOT EXISTS (SELECT 1 FROM identity_renewal r JOIN "
	        "certificate o ON o.fingerprint = r.old_fingerprint WHERE "
	        "r.device_id = c.device_id AND r.state <> 'done' AND "
	        "o.state = 'issued' AND o.not_after > $1) "
	        "ORDER BY c.not_after LIMIT $2",
	        S_ARGS(S_INT(q->now), S_INT((int64_t)q->max), S_INT(q->before)),
	        &r, e))
		return false;
	for (; n < q->max; n++) {
		if (!store_next(r, &more, e))
			return false;
		if (!more)
			break;
		read_identity(r, &list[n]);
	}
	*count_out = n;
	return true;
}

bool
enroll_db_identity_ends(struct store_tx *tx, int64_t before_ms,
    struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT r.device_id, c.not_before, c.not_after, r.alarmed_days "
	    "FROM certificate c JOIN identity_renewal r ON "
	    "r.old_fingerprint = c.fingerprint AND r.state <> 'done' "
	    "JOIN device d ON d.id = r.device_id AND d.state = 'enrolled' "
	    "WHERE c.not_after < $1 AND " IS_IDENTITY
	    "AND (r.alarmed_days IS NULL OR r.alarmed_days > 0) "
	    "ORDER BY c.not_after, r.device_id",
	    S_ARGS(S_INT(before_ms)), out, e);
}

bool
enroll_db_identity_end_next(struct store_rows *r,
    struct enroll_identity_end *out, bool *more, struct err *e)
{
	if (!store_next(r, more, e))
		return false;
	if (*more) {
		store_text_copy(r, 0, out->device_id, sizeof(out->device_id));
		out->not_before = store_int(r, 1);
		out->not_after = store_int(r, 2);
		out->alarmed_days = store_null(r, 3) ? -1 : store_int(r, 3);
	}
	return true;
}

bool
enroll_db_topic(struct store_tx *tx, const char *device_id,
    char out[LIMIT_TOPIC + 1], struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	out[0] = '\0';
	if (!store_query(tx,
	        "SELECT topic FROM enrollment WHERE device_id = $1 AND "
	        "channel = 'device' AND state = 'enrolled'",
	        S_ARGS(S_TEXT(device_id)), &r, e) ||
	    !store_next(r, &found, e))
		return false;
	if (found)
		store_text_copy(r, 0, out, LIMIT_TOPIC + 1);
	return true;
}

/* ---- for those who look ---- */

static bool
count_ended(struct store_tx *tx, int64_t now, int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!store_query(tx,
	        "SELECT COUNT(*) FROM certificate c JOIN identity_renewal r ON "
	        "r.old_fingerprint = c.fingerprint AND r.state <> 'done' "
	        "JOIN device d ON d.id = r.device_id AND d.state = 'enrolled' "
	        "WHERE c.not_after <= $1 AND " IS_IDENTITY,
	        S_ARGS(S_INT(now)), &r, e) ||
	    !store_next(r, &found, e))
		return false;
	*out = store_int(r, 0);
	return true;
}

bool
enroll_identity_count(
    struct store_tx *tx, struct enroll_identity_ends *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	int64_t now = clock_now_ms();
	bool found;

	*out = (struct enroll_identity_ends){ 0 };
	if (!store_query(tx,
	        "SELECT COUNT(DISTINCT CASE WHEN c.not_after <= $2 THEN "
	        "c.device_id END), COUNT(DISTINCT c.device_id), "
	        "MIN(c.not_after) FROM certificate c JOIN device d ON "
	        "d.id = c.device_id AND d.state = 'enrolled' WHERE "
	        "c.not_after > $1 AND c.not_after <= $3 AND " IS_IDENTITY,
	        S_ARGS(S_INT(now), S_INT(now + 30 * MS_DAY),
	            S_INT(now + 60 * MS_DAY)),
	        &r, e) ||
	    !store_next(r, &found, e))
		return false;
	out->within_30 = store_int(r, 0);
	out->within_60 = store_int(r, 1);
	out->first = store_int(r, 2);
	return count_ended(tx, now, &out->ended, e);
}

enum { CHUNK = 16 };

static bool
ask_chunk(struct store_tx *tx, const json_t *devices, size_t from,
    struct store_rows **out, struct err *e)
{
	struct store_value args[CHUNK + 2] = { S_INT(clock_now_ms()) };

	for (size_t i = 0; i < CHUNK; i++) {
		const json_t *o = json_array_get(devices, from + i);
		const char *id = json_string_value(json_object_get(o, "id"));

		args[i + 1] = S_TEXT(id != NULL ? id : "");
	}
	args[CHUNK + 1] = (struct store_value){ .type = STORE_END };
	/* The ends in the order of shown_states. */
	return store_query(tx,
	    "SELECT c.device_id, MAX(r.state), MAX(r.reason), MAX(r.attempts), "
	    "MAX(r.retry_at), "
	    "MIN(CASE WHEN c.state = 'issued' AND c.not_after > $1 THEN "
	    "c.not_after END), "
	    "MAX(CASE WHEN c.state = 'issued' THEN c.not_after END), "
	    "MAX(CASE WHEN c.revoke_reason = 6 THEN c.not_after END), "
	    "MAX(c.not_after) "
	    "FROM certificate c LEFT JOIN identity_renewal r ON "
	    "r.device_id = c.device_id WHERE " ANY_IDENTITY(
	        "c") "AND c.device_id IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, "
	             "$11, "
	             "$12, $13, $14, $15, $16, $17) GROUP BY c.device_id",
	    args, out, e);
}

/* The first of which there is one says how it stands. */
static const char *const shown_states[] = { "valid", "expired", "held",
	"revoked" };
enum { COL_ENDS = 5, SHOWN_VALID = 0 };

static json_t *
identity_of(const struct store_rows *r)
{
	json_t *o = json_object(), *renewal = NULL;
	size_t i = 0;
	int64_t end;

	while (i < COUNT(shown_states) - 1 && store_null(r, COL_ENDS + (int)i))
		i++;
	end = store_int(r, COL_ENDS + (int)i);
	json_put_str(o, "state", shown_states[i]);
	json_put_time(o, "not_after", end);
	json_put_int(
	    o, "days", i == SHOWN_VALID ? (end - clock_now_ms()) / MS_DAY : 0);
	if (!store_null(r, 1)) {
		renewal = json_object();
		json_put_str(renewal, "state", store_text(r, 1));
		json_put_str(renewal, "reason", store_text(r, 2));
		json_put_int(renewal, "attempts", store_int(r, 3));
		json_put_time(renewal, "retry_at", store_int(r, 4));
	}
	json_object_set_new(
	    o, "renewal", renewal != NULL ? renewal : json_null());
	return o;
}

static json_t *
no_identity(void)
{
	json_t *o = json_object();

	json_put_str(o, "state", "missing");
	json_put_str(o, "not_after", NULL);
	json_put_int(o, "days", 0);
	json_put_str(o, "renewal", NULL);
	return o;
}

static void
give(json_t *devices, size_t from, const struct store_rows *r)
{
	const char *id = store_text(r, 0);

	for (size_t i = from; i < from + CHUNK; i++) {
		json_t *o = json_array_get(devices, i);

		if (o != NULL &&
		    str_eq(id, json_string_value(json_object_get(o, "id"))))
			json_object_set_new(o, "identity", identity_of(r));
	}
}

bool
enroll_identity_json(struct store_tx *tx, json_t *devices, struct err *e)
{
	size_t n = json_array_size(devices);

	for (size_t i = 0; i < n; i++)
		json_object_set_new(
		    json_array_get(devices, i), "identity", no_identity());
	for (size_t i = 0; i < n; i += CHUNK) {
		AUTO(store_rows_free) struct store_rows *r = NULL;
		bool more;

		if (!ask_chunk(tx, devices, i, &r, e))
			return false;
		for (;;) {
			if (!store_next(r, &more, e))
				return false;
			if (!more)
				break;
			give(devices, i, r);
		}
	}
	return true;
}
