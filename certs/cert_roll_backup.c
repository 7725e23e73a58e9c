/*
 * Backup and restore of the authority: JSON with a row for each certificate.
 * No state; one thread.
 */
#include <string.h>

#include "certs/cert_authority_priv.h"
#include "certs/cert_roll.h"
#include "core/json.h"

#define FORMAT "mutsu-authority-1"
enum { BACKUP_MAX = 4 << 20, PEM_MAX = 32 << 10 };

static bool
put_member(const struct cert_vault *v, struct cert_member *m,
    struct slice passphrase, json_t *rows, struct err *e)
{
	AUTO(buf_free) struct buf *cert = buf_new(PEM_MAX);
	AUTO(buf_wipe) struct buf *key = NULL;
	bool ours = str_eq(m->place.kind, CERT_VAULT_SEALED) ||
	            str_eq(m->place.kind, CERT_VAULT_FILE);
	json_t *o = json_object();

	json_array_append_new(rows, o);
	if ((m->certificate != NULL && !cert_pem(m->certificate, cert, e)) ||
	    (ours && (!cert_authority_open_key(v, m, e) ||
	                 !cert_key_encrypt(m->key, passphrase, &key, e))))
		return false;
	json_put_str(o, "id", m->id);
	json_put_str(o, "role", m->role);
	json_put_str(o, "state", m->state);
	json_put_str(o, "parent_id", m->parent_id);
	if (m->certificate != NULL)
		json_put_str(o, "certificate", buf_str(cert));
	if (ours)
		json_put_str(o, "key", buf_str(key));
	else if (m->place.ref[0] != '\0')
		json_put_str(o, "uri", m->place.ref);
	return true;
}

static bool
put_all(const struct cert_vault *v, const struct cert_authority_found *f,
    struct slice passphrase, json_t *rows, struct err *e)
{
	size_t count = f->authority != NULL ? f->authority->count : 0;

	for (size_t i = 0; i <= count; i++) {
		struct cert_member *m =
		    i < count ? f->authority->members[i] : f->requested;

		if (m != NULL && !put_member(v, m, passphrase, rows, e))
			return err_wrap(e, "backup of %s", m->id);
	}
	return true;
}

bool
cert_roll_backup(struct store *st, const struct cert_vault *v,
    struct slice passphrase, struct buf **out, struct err *e)
{
	AUTO(cert_authority_found_clear) struct cert_authority_found f = { 0 };
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_free) char *text = NULL;
	AUTO(buf_free) struct buf *b = buf_new(BACKUP_MAX);
	json_t *rows = json_array();

	json_put_str(o, "format", FORMAT);
	json_object_set_new(o, "members", rows);
	if (!cert_authority_find_all(
	        st, &(struct cert_authority_options){ .vault = *v }, &f, e))
		return false;
	if (f.authority == NULL && f.requested == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no authority");
	if (!put_all(v, &f, passphrase, rows, e))
		return false;
	text = json_text(o);
	buf_adds(b, text);
	if (!buf_ok(b, e))
		return false;
	*out = TAKE(b);
	return true;
}

struct row {
	const char *id, *role, *state, *parent_id, *certificate, *key, *uri;
};

static bool
read_row(const json_t *o, struct row *r, struct err *e)
{
	static const char *const keys[] = { "id", "role", "state", "parent_id",
		"certificate", "key", "uri", NULL };

	return json_only_keys(o, keys, e) &&
	       json_get_str(o, "id", 63, &r->id, e) &&
	       json_get_str(o, "role", 15, &r->role, e) &&
	       json_get_str(o, "state", 15, &r->state, e) &&
	       json_get_str(o, "parent_id", 63, &r->parent_id, e) &&
	       json_get_str(o, "certificate", PEM_MAX, &r->certificate, e) &&
	       json_get_str(o, "key", PEM_MAX, &r->key, e) &&
	       json_get_str(o, "uri", 255, &r->uri, e);
}

static bool
place_key(const struct cert_vault *v, const struct row *r,
    struct slice passphrase, struct cert_member *m, struct err *e)
{
	if (r->uri != NULL)
		return cert_vault_token(r->uri, &m->place, e);
	if (r->key == NULL) {
		str_copy_cut(
		    m->place.kind, sizeof(m->place.kind), CERT_VAULT_AWAY);
		return true;
	}
	if (!cert_key_decrypt(slice_str(r->key), passphrase, &m->key, e))
		return false;
	if (m->certificate != NULL &&
	    X509_check_private_key(m->certificate, m->key) != 1)
		return err_openssl(e, ERR_INVALID, "not its key");
	return cert_vault_put(v, m->id, m->key, &m->place, e);
}

static bool
member_of(const struct cert_vault *v, const json_t *o, struct slice passphrase,
    struct cert_member **out, struct err *e)
{
	AUTO(cert_member_free)
	struct cert_member *m = mem_zalloc(1, sizeof(*m));
	struct row r = { 0 };

	if (!read_row(o, &r, e))
		return false;
	if (str_empty(r.id) || strchr(r.id, '/') != NULL || !r.role ||
	    !r.state ||
	    (r.certificate == NULL) != str_eq(r.state, CERT_STATE_REQUESTED))
		return err_set(e, ERR_INVALID, "a row is not whole");
	str_copy_cut(m->id, sizeof(m->id), r.id);
	str_copy_cut(m->role, sizeof(m->role), r.role);
	str_copy_cut(m->state, sizeof(m->state), r.state);
	str_copy_cut(m->parent_id, sizeof(m->parent_id),
	    r.parent_id != NULL ? r.parent_id : "");
	if ((r.certificate != NULL && !cert_parse_pem(slice_str(r.certificate),
	                                  &m->certificate, e)) ||
	    !place_key(v, &r, passphrase, m, e))
		return err_wrap(e, "%s", m->id);
	*out = TAKE(m);
	return true;
}

struct restored {
	struct cert_member *m[CERT_MEMBERS_MAX];
	size_t count;
};

static void
restored_clear(struct restored *r)
{
	for (size_t i = 0; i < r->count; i++)
		cert_member_free(&r->m[i]);
}

static bool
need_none(struct store_tx *tx, struct err *e)
{
	bool any;

	if (!cert_authority_db_any(tx, &any, e))
		return false;
	return !any || err_set(e, ERR_CONFLICT,
	                   "there is an authority already; a restore is for an "
	                   "empty installation");
}

/* Before any key is put anywhere. */
static bool
look(struct store *st, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(st, STORE_READ, &tx, e) && need_none(tx, e);
}

/* May be run again. */
static bool
add_restored(struct store_tx *tx, void *arg, struct err *e)
{
	const struct restored *r = arg;

	if (!need_none(tx, e))
		return false;
	for (size_t i = 0; i < r->count; i++)
		if (!cert_authority_add(tx, r->m[i], e))
			return false;
	return true;
}

bool
cert_roll_restore(struct store *st, const struct cert_vault *v,
    struct slice passphrase, struct slice text, struct err *e)
{
	AUTO(json_free) json_t *o = NULL;
	AUTO(restored_clear) struct restored r = { 0 };
	const json_t *rows;
	const char *format = NULL;

	if (text.len > BACKUP_MAX || !json_parse(text, &o, e) ||
	    !json_get_str(o, "format", 64, &format, e))
		return err_wrap(e, "backup");
	rows = json_object_get(o, "members");
	if (!str_eq(format, FORMAT) || !json_is_array(rows) ||
	    json_array_size(rows) == 0 ||
	    json_array_size(rows) > CERT_MEMBERS_MAX)
		return err_set(
		    e, ERR_INVALID, "this is no backup of an authority");
	if (!look(st, e))
		return false;
	for (; r.count < json_array_size(rows); r.count++)
		if (!member_of(v, json_array_get(rows, r.count), passphrase,
		        &r.m[r.count], e))
			return false;
	return store_write(st, add_restored, &r, e);
}
