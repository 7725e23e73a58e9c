/* SQL of table authority.  No state of its own. */
#include "certs/cert_authority_priv.h"
#include "core/clock.h"
#include "core/json.h"
#include "store/store_event.h"
#include "store/store_watch.h"

#define COLUMNS                                                                \
	"SELECT id, role, state, parent_id, key_kind, key_ref, key_sealed,"    \
	" certificate, changed_at, request FROM authority"

static bool
number(struct store_tx *tx, const char *sql, int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	bool more;

	if (!store_query(tx, sql, S_ARGS(), &rows, e) ||
	    !store_next(rows, &more, e))
		return err_wrap(e, "version of the authority");
	*out = store_int(rows, 0);
	return true;
}

bool
cert_authority_db_version(struct store_tx *tx, int64_t *out, struct err *e)
{
	int64_t authority, templates;

	if (!number(tx,
	        "SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT)"
	        " FROM authority",
	        &authority, e) ||
	    !cert_template_version(tx, &templates, e))
		return false;
	*out = authority + templates;
	return true;
}

bool
cert_authority_db_dropped(struct store_tx *tx, int64_t *out, struct err *e)
{
	return number(tx,
	    "SELECT COUNT(*) FROM authority WHERE state = 'dropped'"
	    " AND role = 'issuing' AND certificate IS NOT NULL",
	    out, e);
}

bool
cert_authority_db_issued(
    struct store_tx *tx, const char *id, int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	bool more;

	if (!store_query(tx,
	        "SELECT COUNT(*) FROM certificate WHERE authority_id = $1"
	        " AND template <> '" CERT_TEMPLATE_RA "'",
	        S_ARGS(S_TEXT(id)), &rows, e) ||
	    !store_next(rows, &more, e))
		return err_wrap(e, "ledger");
	*out = store_int(rows, 0);
	return true;
}

bool
cert_authority_db_any(struct store_tx *tx, bool *any, struct err *e)
{
	int64_t rows;

	if (!number(tx,
	        "SELECT COUNT(*) FROM authority WHERE state <> 'dropped'",
	        &rows, e))
		return false;
	*any = rows > 0;
	return true;
}

static struct buf *
blob_of(const struct store_rows *r, int column)
{
	struct slice blob = store_blob(r, column);
	struct buf *b = NULL;

	if (blob.len > 0) {
		b = buf_new(blob.len);
		buf_add(b, blob.p, blob.len);
	}
	return b;
}

static bool
place_of(const struct store_rows *r, struct cert_vault_place *p, struct err *e)
{
	if (!str_copy(p->kind, sizeof(p->kind), store_text(r, 4)) ||
	    !str_copy(p->ref, sizeof(p->ref), store_text(r, 5)))
		return err_set(
		    e, ERR_INTERNAL, "the place of its key is too long");
	p->sealed = blob_of(r, 6);
	return true;
}

static bool
read_row(const struct store_rows *r, struct cert_member **out, struct err *e)
{
	AUTO(cert_member_free)
	struct cert_member *m = mem_zalloc(1, sizeof(*m));
	struct slice der = store_blob(r, 7);

	if (!str_copy(m->id, sizeof(m->id), store_text(r, 0)) ||
	    !str_copy(m->role, sizeof(m->role), store_text(r, 1)) ||
	    !str_copy(m->state, sizeof(m->state), store_text(r, 2)) ||
	    !str_copy(m->parent_id, sizeof(m->parent_id), store_text(r, 3)))
		return err_set(e, ERR_INTERNAL, "a name in a row is too long");
	m->changed_at = store_int(r, 8);
	m->request = blob_of(r, 9);
	if (!place_of(r, &m->place, e) ||
	    (der.len > 0 && !cert_parse(der, &m->certificate, e)))
		return err_wrap(e, "authority %s", m->id);
	*out = TAKE(m);
	return true;
}

bool
cert_authority_db_load(
    struct store_tx *tx, struct cert_authority *a, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	bool more;

	if (!store_query(tx,
	        COLUMNS " WHERE state <> 'dropped' ORDER BY created_at, id",
	        S_ARGS(), &rows, e))
		return err_wrap(e, "authority");
	while (store_next(rows, &more, e)) {
		if (!more)
			return true;
		if (a->count == CERT_MEMBERS_MAX)
			return err_set(e, ERR_INTERNAL,
			    "more than %d certificates of our own",
			    CERT_MEMBERS_MAX);
		if (!read_row(rows, &a->members[a->count], e))
			return false;
		a->count++;
	}
	return err_wrap(e, "authority");
}

bool
cert_authority_db_requested(
    struct store_tx *tx, struct cert_member **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	bool found;

	if (!store_query(
	        tx, COLUMNS " WHERE state = 'requested'", S_ARGS(), &rows, e) ||
	    !store_next(rows, &found, e))
		return err_wrap(e, "authority");
	*out = NULL;
	return !found || read_row(rows, out, e);
}

bool
cert_authority_db_add(
    struct store_tx *tx, const struct cert_member *m, struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;
	const struct cert_vault_place *p = &m->place;
	int64_t now = clock_now_ms();
	bool requested = m->certificate == NULL;

	return (requested || cert_der(m->certificate, &der, e)) &&
	       store_exec(tx,
	           "INSERT INTO authority (id, role, state, parent_id,"
	           " certificate, key_kind, key_ref, key_sealed, not_after,"
	           " created_at, changed_at, request)"
	           " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,"
	           " $12)",
	           S_ARGS(S_TEXT(m->id), S_TEXT(m->role), S_TEXT(m->state),
	               S_TEXT(m->parent_id),
	               requested ? S_NULL : S_BLOB(buf_slice(der)),
	               S_TEXT(p->kind), S_TEXT(p->ref),
	               p->sealed == NULL ? S_NULL
	                                 : S_BLOB(buf_slice(p->sealed)),
	               S_INT(requested ? 0 : cert_not_after(m->certificate)),
	               S_INT(now), S_INT(now),
	               m->request == NULL ? S_NULL
	                                  : S_BLOB(buf_slice(m->request))),
	           NULL, e) &&
	       store_watch_touch(tx, STORE_WATCH_AUTHORITY, e);
}

bool
cert_authority_db_move(struct store_tx *tx,
    const struct cert_authority_move *move, bool *moved, struct err *e)
{
	int64_t changed;

	if (!store_exec(tx,
	        "UPDATE authority SET state = $1, changed_at = $2,"
	        " version = version + 1 WHERE id = $3 AND state = $4",
	        S_ARGS(S_TEXT(move->to), S_INT(clock_now_ms()),
	            S_TEXT(move->id), S_TEXT(move->from)),
	        &changed, e) ||
	    !store_watch_touch(tx, STORE_WATCH_AUTHORITY, e))
		return false;
	*moved = changed == 1;
	return true;
}

bool
cert_authority_db_certify(struct store_tx *tx, const struct cert_member *m,
    bool *moved, struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;
	int64_t changed;

	if (!cert_der(m->certificate, &der, e) ||
	    !store_exec(tx,
	        "UPDATE authority SET certificate = $1, parent_id = $2,"
	        " state = $3, not_after = $4, changed_at = $5,"
	        " version = version + 1 WHERE id = $6 AND state = 'requested'",
	        S_ARGS(S_BLOB(buf_slice(der)), S_TEXT(m->parent_id),
	            S_TEXT(m->state), S_INT(cert_not_after(m->certificate)),
	            S_INT(clock_now_ms()), S_TEXT(m->id)),
	        &changed, e) ||
	    !store_watch_touch(tx, STORE_WATCH_AUTHORITY, e))
		return false;
	*moved = changed == 1;
	return true;
}

bool
cert_authority_db_drop(struct store_tx *tx, const char *id, const char *from,
    bool *moved, struct err *e)
{
	const struct cert_authority_move move = { id, from, "dropped" };

	return cert_authority_db_move(tx, &move, moved, e) &&
	       (!*moved || cert_authority_db_forget_key(tx, id, e));
}

bool
cert_authority_db_forget_key(struct store_tx *tx, const char *id, struct err *e)
{
	return store_exec(tx,
	           "UPDATE authority SET key_kind = 'away', key_ref = '',"
	           " key_sealed = NULL, version = version + 1 WHERE id = $1",
	           S_ARGS(S_TEXT(id)), NULL, e) &&
	       store_watch_touch(tx, STORE_WATCH_AUTHORITY, e);
}

bool
cert_authority_db_alarmed(struct store_tx *tx, const char *id, int64_t step,
    bool *first, struct err *e)
{
	int64_t changed;

	if (!store_exec(tx,
	        "UPDATE authority SET alarmed_days = $1 WHERE id = $2"
	        " AND state = 'active'"
	        " AND (alarmed_days IS NULL OR alarmed_days > $1)",
	        S_ARGS(S_INT(step), S_TEXT(id)), &changed, e))
		return false;
	*first = changed == 1;
	return true;
}

bool
cert_authority_tell_of(
    struct store_tx *tx, const struct cert_authority_news *n, struct err *e)
{
	const struct cert_member *m = n->member;
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;
	struct store_event ev = {
		.kind = n->kind, .subject_id = m->id, .actor = n->actor
	};

	if (m->certificate != NULL) {
		char subject[512], fingerprint[SHA256_HEX_SIZE];

		cert_subject(m->certificate, subject, sizeof(subject));
		cert_fingerprint(m->certificate, fingerprint);
		json_put_str(data, "subject", subject);
		json_put_str(data, "fingerprint", fingerprint);
		json_put_time(
		    data, "not_after", cert_not_after(m->certificate));
	}
	text = json_text(data);
	ev.data = text;
	return store_event_add(tx, &ev, e);
}

bool
cert_authority_tell(struct store_tx *tx, const char *kind,
    const struct cert_member *m, struct err *e)
{
	return cert_authority_tell_of(
	    tx, &(struct cert_authority_news){ kind, "command-line", m }, e);
}
