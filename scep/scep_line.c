/*
 * How many certificates of a line may live at a time.  No state; runs on the
 * thread of the transaction.
 *
 * Clients that lost an answer ask again, some with a new key each time; a Mac
 * that is erased each week comes by its name on a list each week; a template
 * may be renewed whenever one likes.  All that stays below the limit, and when
 * it does not, the certificates there are go on, and each that ends makes room.
 * It is for who has one key and makes thousands of it.
 */
#include <stdio.h>

#include "core/clock.h"
#include "scep/scep_secret_priv.h"
#include "scep/scep_service_priv.h"

bool
scep_line_first(struct store_tx *tx, const struct scep_line_of *of,
    struct scep_line *out, struct err *e)
{
	AUTO(scep_secret_clear) struct scep_secret secret = { 0 };
	const struct cert_template *t = of->t;
	struct scep_holder_name name;
	bool found;

	out->text[0] = '\0';
	if (t->challenge == CERT_CHALLENGE_WEBHOOK)
		snprintf(out->text, sizeof(out->text), "webhook:%s:%s", t->name,
		    of->spki);
	if (t->challenge != CERT_CHALLENGE_STATIC || of->subject == NULL)
		return true;
	if (!scep_holder_name_json(of->subject, &name, e) ||
	    !scep_db_secret_find(tx, t->name, "static", &secret, &found, e))
		return false;
	snprintf(out->text, sizeof(out->text), "static:%s:%lld:%s", t->name,
	    (long long)(found ? secret.created_at : 0), name.text);
	return true;
}

bool
scep_line_full(
    struct store_tx *tx, const struct scep_line *line, bool *out, struct err *e)
{
	int64_t living = 0;

	if (line->text[0] != '\0' &&
	    !scep_db_line_living(tx, line->text, clock_now_ms(), &living, e))
		return false;
	*out = living >= SCEP_LINE_MAX;
	return true;
}
