/*
 * Backup and restore of the authority: JSON with a row for each certificate.
 * No state; one thread.
 */
#include <string.h>

#include "certs/cert_authority_priv.h"
#include "certs/cert_roll.h"
#include "certs/cert_roll_priv.h"
#include "core/random.h"

#define FORMAT "mutsu-authority-2"
#define UNCHECKED "mutsu-authority-1" /* the same, without a code */
enum { BACKUP_MAX = 4 << 20, PEM_MAX = 32 << 10 };

struct backup {
	const struct cert_vault *v;
	struct slice passphrase;
	json_t *rows; /* borrowed */
	struct cert_roll_held held;
};

static bool
put_member(struct backup *b, struct cert_member *m, struct err *e)
{
	AUTO(buf_free) struct buf *cert = buf_new(PEM_MAX);
	AUTO(buf_free) struct buf *request = buf_new(PEM_MAX);
	AUTO(buf_wipe) struct buf *key = NULL;
	bool ours = str_eq(m->place.kind, CERT_VAULT_SEALED) ||
	            str_eq(m->place.kind, CERT_VAULT_FILE);
	json_t *o = json_object();

	json_array_append_new(b->rows, o);
	if ((m->certificate != NULL && !cert_pem(m->certificate, cert, e)) ||
	    (ours && (!cert_authority_open_key(b->v, m, e) ||
	                 !cert_key_encrypt(m->key, b->passphrase, &key, e))))
		return false;
	json_put_str(o, "id", m->id);
	json_put_str(o, "role", m->role);
	json_put_str(o, "state", m->state);
	json_put_str(o, "parent_id", m->parent_id);
	if (m->certificate != NULL)
		json_put_str(o, "certificate", buf_str(cert));
	if (m->request != NULL) {
		b64_encode(request, buf_slice(m->request));
		json_put_str(o, "request", buf_str(request));
	}
	if (ours)
		json_put_str(o, "key", buf_str(key));
	else if (m->place.ref[0] != '\0')
		json_put_str(o, "uri", m->place.ref);
	b->held.certificates += m->certificate != NULL;
	b->held.keys += ours;
	b->held.tokens += str_eq(m->place.kind, CERT_VAULT_PKCS11);
	b->held.away += str_eq(m->place.kind, CERT_VAULT_AWAY);
	return true;
}

static bool
put_all(struct backup *b, const struct cert_authority_found *f, struct err *e)
{
	size_t count = f->authority != NULL ? f->authority->count : 0;

	for (size_t i = 0; i <= count; i++) {
		struct cert_member *m =
		    i < count ? f->authority->members[i] : f->requested;

		if (m != NULL && !put_member(b, m, e))
			return err_wrap(e, "backup of %s", m->id);
	}
	return true;
}

static bool
put_mac(json_t *o, const struct backup *b, struct err *e)
{
	uint8_t salt[CERT_ROLL_SALT_SIZE];
	char hex[2 * CERT_ROLL_SALT_SIZE + 1], mac[SHA256_HEX_SIZE];

	random_bytes(salt, sizeof(salt));
	hex_to(hex, salt, sizeof(salt));
	json_put_str(o, "salt", hex);
	if (!cert_roll_mac(b->passphrase, salt, b->rows, mac, e))
		return false;
	json_put_str(o, "mac", mac);
	return true;
}

bool
cert_roll_backup(struct store *st, const struct cert_vault *v,
    struct slice passphrase, struct buf **out, struct cert_roll_held *held_out,
    struct err *e)
{
	AUTO(cert_authority_found_clear) struct cert_authority_found f = { 0 };
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_free) char *text = NULL;
	AUTO(buf_free) struct buf *whole = buf_new(BACKUP_MAX);
	struct backup b = { v, passphrase, json_array(), { 0 } };

	json_put_str(o, "format", FORMAT);
	json_object_set_new(o, "members", b.rows);
	if (!cert_vault_passphrase_long(passphrase, e) ||
	    !cert_authority_find_all(
	        st, &(struct cert_authority_options){ .vault = *v }, &f, e))
		return false;
	if (f.authority == NULL && f.requested == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no authority");
	if (!put_all(&b, &f, e) || !put_mac(o, &b, e))
		return false;
	text = json_text(o);
	buf_adds(whole, text);
	if (!buf_ok(whole, e))
		return false;
	*out = TAKE(whole);
	*held_out = b.held;
	return true;
}

struct row {
	const char *id, *role, *state, *parent_id, *certificate, *request, *key,
	    *uri;
};

static bool
read_row(const json_t *o, struct row *r, struct err *e)
{
	static const char *const keys[] = { "id", "role", "state", "parent_id",
		"certificate", "request", "key", "uri", NULL };

	return json_only_keys(o, keys, e) &&
	       json_get_str(o, "id", 63, &r->id, e) &&
	       json_get_str(o, "role", 15, &r->role, e) &&
	       json_get_str(o, "state", 15, &r->state, e) &&
	       json_get_str(o, "parent_id", 63, &r->parent_id, e) &&
	       json_get_str(o, "certificate", PEM_MAX, &r->certificate, e) &&
	       json_get_str(o, "request", PEM_MAX, &r->request, e) &&
	       json_get_str(o, "key", PEM_MAX, &r->key, e) &&
	       json_get_str(o, "uri", 255, &r->uri, e);
}

/* Where its key is to be; one that is to be kept here has no place yet. */
static bool
read_key(const struct row *r, struct slice passphrase, struct cert_member *m,
    struct err *e)
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
	return m->certificate == NULL ||
	       X509_check_private_key(m->certificate, m->key) == 1 ||
	       err_openssl(e, ERR_INVALID, "not its key");
}

static bool
read_csr(const char *text, struct cert_member *m, struct err *e)
{
	AUTO(cert_req_free) X509_REQ *r = NULL;
	const uint8_t *p;

	m->request = buf_new(PEM_MAX);
	if (!b64_decode(m->request, slice_str(text), 0, e))
		return false;
	p = m->request->p;
	r = d2i_X509_REQ(NULL, &p, (long)m->request->len);
	return r != NULL || err_openssl(e, ERR_INVALID, "not a request");
}

static bool
member_of(const json_t *o, struct slice passphrase, struct cert_member **out,
    struct err *e)
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
	    (r.request != NULL && !read_csr(r.request, m, e)) ||
	    !read_key(&r, passphrase, m, e))
		return err_wrap(e, "%s", m->id);
	*out = TAKE(m);
	return true;
}

static void
rows_clear(struct cert_authority_rows *r)
{
	for (size_t i = 0; i < r->count; i++)
		cert_member_free(&r->m[i]);
}

/* Each id once, and one request at most. */
static bool
no_doubles(const struct cert_authority_rows *r, struct err *e)
{
	size_t requests = 0;

	for (size_t i = 0; i < r->count; i++) {
		requests += r->m[i]->certificate == NULL;
		for (size_t j = 0; j < i; j++)
			if (str_eq(r->m[i]->id, r->m[j]->id))
				return err_set(e, ERR_INVALID,
				    "%s is in it twice", r->m[i]->id);
	}
	return requests <= 1 ||
	       err_set(e, ERR_INVALID, "more than one request is in it");
}

/* Its rows, borrowed of o, as somebody wrote them who knows the passphrase. */
static bool
checked_rows(const struct cert_roll_restore *in, const json_t *o,
    const json_t **out, struct err *e)
{
	const json_t *rows = json_object_get(o, "members");
	const char *format = NULL;

	if (!json_get_str(o, "format", 64, &format, e))
		return false;
	if (!json_is_array(rows) || json_array_size(rows) == 0 ||
	    json_array_size(rows) > CERT_MEMBERS_MAX ||
	    (!str_eq(format, FORMAT) && !str_eq(format, UNCHECKED)))
		return err_set(
		    e, ERR_INVALID, "this is no backup of an authority");
	*out = rows;
	if (str_eq(format, FORMAT))
		return cert_roll_mac_check(in->passphrase, o, rows, e);
	if (json_object_get(o, "mac") != NULL)
		return err_set(e, ERR_INVALID, "somebody changed the backup");
	return in->unchecked ||
	       err_set(e, ERR_INVALID,
	           "an older program made it, and nothing in it tells whether "
	           "somebody changed it; --unchecked takes it all the same");
}

static bool
read_members(const struct cert_roll_restore *in,
    struct cert_authority_rows *out, struct err *e)
{
	AUTO(json_free) json_t *o = NULL;
	const json_t *rows;

	if (in->text.len > BACKUP_MAX)
		return err_set(e, ERR_INVALID, "backup: too large");
	if (!json_parse(in->text, &o, e) || !checked_rows(in, o, &rows, e))
		return err_wrap(e, "backup");
	for (; out->count < json_array_size(rows); out->count++)
		if (!member_of(json_array_get(rows, out->count), in->passphrase,
		        &out->m[out->count], e))
			return false;
	return no_doubles(out, e);
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

/* Before anything else is said about it. */
static bool
look(struct store *st, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(st, STORE_READ, &tx, e) && need_none(tx, e);
}

/* The i-th row; NULL: there are no more. */
static struct cert_member *
row_of(const struct cert_authority_found *f, size_t i)
{
	size_t count = f->authority != NULL ? f->authority->count : 0;

	if (i < count)
		return f->authority->members[i];
	return i == count ? f->requested : NULL;
}

/* Forgotten settings, rather than a token that is gone for good. */
static bool
token_is_named(const struct cert_vault *v,
    const struct cert_authority_rows *rows, struct err *e)
{
	for (size_t i = 0; str_empty(v->pkcs11_module) && i < rows->count; i++)
		if (str_eq(rows->m[i]->place.kind, CERT_VAULT_PKCS11))
			return err_set(e, ERR_INVALID,
			    "the key of %s is in a PKCS #11 token; "
			    "pkcs11-module and pkcs11-pin have to be set",
			    rows->m[i]->id);
	return true;
}

/* As a server would load it: what it lacks or cannot open is said now. */
static bool
check_whole(struct store *st, const struct cert_vault *v,
    struct cert_authority_rows *rows, struct cert_authority_found *out,
    struct err *e)
{
	const struct cert_authority_options o = { .vault = *v };

	if (token_is_named(v, rows, e) &&
	    cert_authority_find_new(st, &o, rows, out, e) &&
	    (out->requested == NULL ||
	        cert_authority_open_key(v, out->requested, e)))
		return true;
	if (e->code == ERR_INTERNAL)
		e->code = ERR_INVALID;
	return err_wrap(e, "not restored");
}

static bool
keep_keys(const struct cert_vault *v, const struct cert_authority_found *f,
    struct err *e)
{
	struct cert_member *m;

	for (size_t i = 0; (m = row_of(f, i)) != NULL; i++)
		if (m->place.kind[0] == '\0' &&
		    !cert_vault_put(v, m->id, m->key, &m->place, e))
			return false;
	return true;
}

/* May be run again. */
static bool
add_restored(struct store_tx *tx, void *arg, struct err *e)
{
	const struct cert_authority_found *f = arg;
	const struct cert_member *m;

	if (!need_none(tx, e))
		return false;
	for (size_t i = 0; (m = row_of(f, i)) != NULL; i++)
		if (!cert_authority_add(tx, m, e))
			return false;
	return true;
}

bool
cert_roll_restore(struct store *st, const struct cert_vault *v,
    const struct cert_roll_restore *in, struct err *e)
{
	AUTO(rows_clear) struct cert_authority_rows rows = { 0 };
	AUTO(cert_authority_found_clear) struct cert_authority_found f = { 0 };
	struct cert_member *m;

	if (!look(st, e) || !read_members(in, &rows, e) ||
	    !check_whole(st, v, &rows, &f, e))
		return false;
	if (keep_keys(v, &f, e) && store_write(st, add_restored, &f, e))
		return true;
	/* When it is not known whether a commit took place, the rows may need
	 * their keys. */
	for (size_t i = 0;
	     e->code != ERR_UNAVAILABLE && (m = row_of(&f, i)) != NULL; i++)
		cert_vault_abandon(v, &m->place);
	return false;
}
