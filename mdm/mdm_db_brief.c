/*
 * What a visit needs to know, in one statement: each one costs more than the
 * rows that it finds.  No state; runs in the caller's transaction, on its
 * thread.
 */
#include "mdm/mdm_db_priv.h"

/* Columns in the order of the macros. */
enum {
	COL_OTHERS = MDM_DB_WHO_COUNT,
	COL_REPORTED,
	COL_NEXT = COL_REPORTED + MDM_DB_COMMAND_COUNT,
	COL_BODY = COL_NEXT + MDM_DB_COMMAND_COUNT,
	COL_KNOWN,
	COL_DOCUMENTS = COL_KNOWN + MDM_DB_DEVICE_COUNT
};

/* Open, and not about to end. */
#define OTHERS                                                                 \
	"FROM command q WHERE q.enrollment_id = $2 AND q.done_at IS NULL "     \
	"AND q.id <> $3"
#define BRIEF_COLUMNS                                                          \
	MDM_DB_WHO_COLUMNS                                                     \
	", EXISTS (SELECT 1 " OTHERS "), " MDM_DB_COMMAND_COLUMNS(             \
	    "r") ", " MDM_DB_COMMAND_COLUMNS("n") ", n.body"
#define FROM_BRIEF                                                             \
	" FROM certificate c "                                                 \
	"LEFT JOIN enrollment e ON e.id = $2 "                                 \
	"LEFT JOIN device d ON d.id = e.device_id "                            \
	"LEFT JOIN command r ON r.id = $3 "                                    \
	"LEFT JOIN command n ON n.id = (SELECT q.id " OTHERS " AND "           \
	"($4 = 1 OR q.state <> 'not-now' OR q.delivered_at < e.session_at) "   \
	"ORDER BY q.urgent DESC, q.sort_key LIMIT 1) "                         \
	"WHERE c.fingerprint = $1"

void
mdm_db_brief_clear(struct mdm_db_brief *b)
{
	mdm_db_command_clear(&b->reported);
	mdm_db_command_clear(&b->next);
	mdm_known_clear(&b->known);
	*b = (struct mdm_db_brief){ 0 };
}

static void
read_known(const struct store_rows *r, struct mdm_known *out)
{
	out->found = true;
	mdm_db_device_read(r, COL_KNOWN, &out->device);
	out->reported.information = str_dup(store_text(r, COL_DOCUMENTS));
	out->reported.security = str_dup(store_text(r, COL_DOCUMENTS + 1));
}

static void
read_brief(const struct store_rows *r, bool known, struct mdm_db_brief *out)
{
	mdm_db_who_read(r, &out->who);
	out->others = store_int(r, COL_OTHERS) != 0;
	mdm_db_command_read(r, COL_REPORTED, &out->reported);
	mdm_db_command_read(r, COL_NEXT, &out->next);
	mdm_db_command_read_body(r, COL_BODY, &out->next);
	if (known && out->who.enrollment)
		read_known(r, &out->known);
	out->who.open =
	    out->others || (out->reported.id[0] != '\0' && !out->reported.done);
}

void
mdm_db_brief_question(struct mdm_db_brief_ask *ask, struct store_question *out)
{
	static const char plain[] = "SELECT " BRIEF_COLUMNS FROM_BRIEF;
	static const char with_known[] =
	    "SELECT " BRIEF_COLUMNS ", " MDM_DB_DEVICE_COLUMNS
	    ", d.information, d.security" FROM_BRIEF;

	ask->args[0] = S_TEXT(ask->fingerprint);
	ask->args[1] = S_TEXT(ask->enrollment_id);
	ask->args[2] = S_TEXT(ask->reported);
	ask->args[3] = S_INT(ask->not_now);
	ask->args[4] = (struct store_value){ .type = STORE_END };
	*out = (struct store_question){ .sql = ask->known ? with_known : plain,
		.args = ask->args,
		.scope_col = MDM_DB_WHO_DEVICE,
		.also = ask->reported };
}

bool
mdm_db_brief(struct store_tx *tx, const struct mdm_db_brief_ask *ask,
    const struct store_question *q, struct mdm_db_brief *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	mdm_db_brief_clear(out);
	if (!mdm_db_one(tx, q->sql, q->args, &r, &found, e))
		return false;
	if (found)
		read_brief(r, ask->known, out);
	return true;
}
