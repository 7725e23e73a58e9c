/*
 * What a renewal by an upstream is held against: the certificate that it is to
 * follow, and the names that were granted for that.  What an outside
 * certificate says is its authority's own, and no reason to ask for the same
 * again.  No state of its own; runs on the thread of the transaction.
 */
#include "core/json.h"
#include "scep/scep_relay_priv.h"

/* In the form that requests keep them in; NULL: nothing is on record. */
static bool
granted_names(
    struct store_tx *tx, const char *fingerprint, char **out, struct err *e)
{
	AUTO(str_free) char *granted = NULL;
	AUTO(json_free) json_t *keep = NULL;
	struct cert_subject subject;

	*out = NULL;
	if (!scep_db_outside_granted(tx, fingerprint, &granted, e))
		return false;
	if (granted == NULL)
		return true;
	if (!cert_subject_from_json(granted, &subject, &keep, e))
		return false;
	*out = cert_subject_json(&subject);
	return true;
}

bool
scep_relay_follow_problem(struct store_tx *tx, const struct scep_errand *x,
    const char **problem, struct err *e)
{
	AUTO(str_free) char *names = NULL;
	struct scep_predecessor old;

	*problem = NULL;
	if (x->old_fingerprint[0] == '\0')
		return true;
	if (!scep_db_predecessor(tx, x->old_fingerprint, &old, e))
		return false;
	if (!old.found || old.revoked) {
		*problem = SCEP_TEXT_OLD_REVOKED;
		return true;
	}
	if (old.upstream[0] == '\0')
		return true;
	if (!granted_names(tx, x->old_fingerprint, &names, e))
		return false;
	if (!str_eq(old.upstream, x->upstream))
		*problem = SCEP_TEXT_OTHER_AUTHORITY;
	else if (names == NULL || !str_eq(names, x->w.subject))
		*problem = SCEP_TEXT_NOT_GRANTED;
	return true;
}
