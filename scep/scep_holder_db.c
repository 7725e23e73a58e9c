/*
 * Whose a key is: the one question of table certificate by which no key is
 * certified for two, nor one that got about, and the challenge that is spent
 * only where it is neither.  No state of its own; runs on the thread of the
 * transaction.
 */
#include "certs/cert_template.h"
#include "core/json.h"
#include "scep/scep_service_priv.h"

void
scep_holder_name(const char *cn, struct scep_holder_name *out)
{
	cert_subject_text(
	    &(struct cert_subject){ .cn = cn }, out->text, sizeof(out->text));
}

bool
scep_holder_name_json(
    const char *subject, struct scep_holder_name *out, struct err *e)
{
	AUTO(json_free) json_t *keep = NULL;
	struct cert_subject s = { 0 };

	if (subject != NULL && !cert_subject_from_json(subject, &s, &keep, e))
		return false;
	scep_holder_name(s.cn, out);
	return true;
}

/*
 * Whether a text of names has one: replace() takes note of case in both
 * databases, which LIKE does not.  With these two rewritten, each comma that is
 * left ends a name.
 */
/* clang-format off */
#define WHOLE(text)							       \
	"replace(replace(',' || " text " || ',', '\\\\', '\\/'), '\\,', '\\.')"
#define NAMED(text, name)						       \
	"replace(" WHOLE(text) ", " WHOLE(name) ", '') <> " WHOLE(text)

/* The certificates that scep_db_key_elsewhere() is about: of a key that got
 * about, any, for ever.  mac 1: this is for a Mac, known or not.  An upstream
 * may write other names than were asked for, which tell nothing of the
 * holder. */
#define ELSEWHERE(spki, now, old, device, mac, name)			       \
	" FROM certificate WHERE spki = " spki " AND (revoke_reason = 1"       \
	" OR ((state = 'issued' OR revoke_reason = 6) AND not_after > " now    \
	" AND certificate.fingerprint <> " old				       \
	" AND CASE WHEN device_id IS NOT NULL THEN device_id <> " device       \
	" WHEN enrollment_ref IS NOT NULL AND " mac " = 1 THEN 1 = 0"	       \
	" WHEN EXISTS (SELECT 1 FROM outside_authority o"		       \
	" WHERE o.id = certificate.authority_id) THEN 1 = 0"		       \
	" ELSE NOT (" NAMED("certificate.subject", name) ") END))"
/* clang-format on */

static bool
is_mac(const char *device_id, const char *enrollment_ref)
{
	return !str_empty(device_id) || !str_empty(enrollment_ref);
}

/* SQL NULL when it is not known: then no name is another one. */
static const char *
known_name(const struct scep_holder_name *n)
{
	return n != NULL ? scep_or_null(n->text) : NULL;
}

bool
scep_db_challenge_spend(struct store_tx *tx, const struct scep_challenge *c,
    bool *won, struct err *e)
{
	int64_t changed = 0;

	if (!store_exec(tx,
	        "UPDATE challenge SET used_at = $1, used_spki = $2,"
	        " fingerprint = $3 WHERE mac = $4 AND used_at IS NULL"
	        " AND expires_at > $1 AND NOT EXISTS (SELECT 1" ELSEWHERE(
	            "$2", "$1", "''", "$5", "$6", "$7") ")",
	        S_ARGS(S_INT(c->used_at), S_TEXT(c->used_spki),
	            S_TEXT(c->fingerprint), S_TEXT(c->mac),
	            S_TEXT(c->device_id),
	            S_INT(is_mac(c->device_id, c->enrollment_ref)),
	            S_TEXT(known_name(&c->name))),
	        &changed, e))
		return false;
	*won = changed == 1;
	return true;
}

bool
scep_db_key_elsewhere(
    struct store_tx *tx, const struct scep_holder *h, bool *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT 1" ELSEWHERE(
	               "$1", "$2", "$3", "$4", "$5", "$6") " LIMIT 1",
	           S_ARGS(S_TEXT(h->spki), S_INT(h->now_ms),
	               S_TEXT(h->fingerprint), S_TEXT(h->device_id),
	               S_INT(is_mac(h->device_id, h->enrollment_ref)),
	               S_TEXT(known_name(h->name))),
	           &r, e) &&
	       store_next(r, out, e);
}
