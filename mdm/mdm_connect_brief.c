/*
 * What a visit needs to know, asked for at once: with a database that is far
 * away each answer that is waited for costs more than all of these together.
 * Runs in the transaction of the visit, on its thread.
 */
#include "mdm/mdm_connect_priv.h"

/* The answers, in the order of the questions; NULL: not asked. */
struct answers {
	struct store_rows *who, *reported, *next, *patience, *known;
};

static void
answers_free(struct answers *a)
{
	store_rows_free(&a->who);
	store_rows_free(&a->reported);
	store_rows_free(&a->next);
	store_rows_free(&a->patience);
	store_rows_free(&a->known);
}

static bool
ask(const struct mdm_visit *v, struct store_tx *tx, struct answers *a,
    struct err *e)
{
	const char *enrollment_id = v->m->enrollment_id;
	struct mdm_next next = { .enrollment_id = enrollment_id,
		.but = v->command_id != NULL ? v->command_id : "",
		.not_now = v->status == MDM_IDLE };

	return mdm_db_who_ask(
	           tx, v->m->fingerprint, enrollment_id, &a->who, e) &&
	       (v->command_id == NULL ||
	           mdm_db_command_ask(tx, v->command_id, &a->reported, e)) &&
	       mdm_db_command_ask_next(tx, &next, &a->next, e) &&
	       mdm_db_patience_ask(tx, &next, &a->patience, e) &&
	       (!mdm_findings_any(&v->findings) ||
	           mdm_db_known_ask(tx, enrollment_id, &a->known, e));
}

static bool
take(struct mdm_visit *v, struct answers *a, struct err *e)
{
	return mdm_db_who_take(a->who, &v->who, e) &&
	       (a->reported == NULL ||
	           mdm_db_command_take(a->reported, &v->reported, e)) &&
	       mdm_db_command_take(a->next, &v->next, e) &&
	       mdm_db_patience_take(a->patience, &v->patience, e) &&
	       (a->known == NULL || mdm_db_known_take(a->known, &v->known, e));
}

void
mdm_connect_brief_clear(struct mdm_visit *v)
{
	mdm_db_command_clear(&v->reported);
	mdm_db_command_clear(&v->next);
	mdm_known_clear(&v->known);
	v->reported = v->next = (struct mdm_db_command){ 0 };
}

bool
mdm_connect_brief(struct mdm_visit *v, struct store_tx *tx, struct err *e)
{
	AUTO(answers_free) struct answers a = { 0 };

	mdm_connect_brief_clear(v);
	v->fresh = true;
	return ask(v, tx, &a, e) && take(v, &a, e);
}
