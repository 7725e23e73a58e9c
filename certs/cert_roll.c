/* Rollover and the offline root.  No state; one thread. */
#include "certs/cert_roll.h"

#include "certs/cert_authority_priv.h"

static bool
load(struct store *st, const struct cert_authority_options *o,
    struct cert_authority **out, struct err *e)
{
	if (!cert_authority_load(st, o, out, e))
		return false;
	return *out != NULL || err_set(e, ERR_NOT_FOUND,
	                           "there is no authority yet; mutsu serve "
	                           "makes one");
}

struct next {
	struct cert_member *issuing, *ra;
	int64_t version; /* of the authority that it follows */
};

static void
next_clear(struct next *n)
{
	cert_member_free(&n->issuing);
	cert_member_free(&n->ra);
}

static bool
use_root_key(struct cert_authority *a, const struct cert_vault *v,
    EVP_PKEY *root_key, struct err *e)
{
	if (root_key == NULL && str_eq(a->root->place.kind, CERT_VAULT_AWAY))
		return err_set(e, ERR_NOT_FOUND,
		    "the root's key is not here: lend it (--root-key-file), or "
		    "have another CA sign the next one (mutsu ca request)");
	if (root_key == NULL)
		return cert_authority_open_key(v, a->root, e);
	if (X509_check_private_key(a->root->certificate, root_key) != 1)
		return err_openssl(
		    e, ERR_INVALID, "this is not the key of the root");
	EVP_PKEY_up_ref(root_key);
	cert_key_free(&a->root->key);
	a->root->key = root_key;
	return true;
}

static bool
make_next(const struct cert_authority *a,
    const struct cert_authority_options *o, struct next *n, struct err *e)
{
	bool single = cert_authority_single(a);
	struct cert_make in = { .options = o,
		.rank = single ? CERT_RANK_SINGLE : CERT_RANK_ISSUING,
		.generation = cert_authority_generation(a),
		.issuer = single ? NULL : a->root,
		.model = a->issuing,
		.state = CERT_STATE_NEXT };

	if (single && o->issuing_key.kind == CERT_P256)
		return err_set(e, ERR_INVALID,
		    "the one CA decrypts SCEP messages: its key has to be "
		    "RSA");
	if (!cert_authority_make(&in, &n->issuing, e) ||
	    !cert_authority_key_is_new(a, n->issuing, e))
		return false;
	in.rank = CERT_RANK_RA;
	in.issuer = n->issuing;
	in.model = a->ra;
	return single || cert_authority_make(&in, &n->ra, e);
}

/* May be run again. */
static bool
add_next(struct store_tx *tx, void *arg, struct err *e)
{
	const struct next *n = arg;
	int64_t now;

	if (!cert_authority_db_version(tx, &now, e))
		return false;
	if (now != n->version)
		return err_set(e, ERR_CONFLICT,
		    "the authority changed meanwhile; look at it and try "
		    "again");
	return cert_authority_add(tx, n->issuing, e) &&
	       (n->ra == NULL || cert_authority_add(tx, n->ra, e)) &&
	       cert_authority_tell(tx, "authority.prepared", n->issuing, e);
}

bool
cert_roll_prepare(struct store *st, const struct cert_authority_options *o,
    EVP_PKEY *root_key, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	AUTO(next_clear) struct next n = { 0 };

	if (!cert_authority_check_options(o, e) || !load(st, o, &a, e))
		return false;
	if (a->next != NULL)
		return err_set(e, ERR_CONFLICT,
		    "%s is prepared already; mutsu ca switch makes it active, "
		    "mutsu ca drop-next gives it up",
		    a->next->id);
	if (a->requested != NULL)
		return err_set(e, ERR_CONFLICT,
		    "a request to an outside CA is open: mutsu ca import or "
		    "mutsu ca drop-request ends it");
	if (!cert_authority_single(a) &&
	    !use_root_key(a, &o->vault, root_key, e))
		return false;
	n.version = a->version;
	if (make_next(a, o, &n, e) && store_write(st, add_next, &n, e))
		return true;
	cert_authority_abandon(o, n.issuing, e);
	cert_authority_abandon(o, n.ra, e);
	return false;
}

/* Is it of the next generation: issuing CA, RA, or above them? */
static bool
stays(const struct cert_authority *a, const struct cert_member *m)
{
	const struct cert_member *up = a->next;

	if (str_eq(m->state, CERT_STATE_NEXT))
		return true;
	for (size_t i = 0; up != NULL && i < a->count; i++) {
		if (up == m)
			return true;
		up = cert_authority_find(a, up->parent_id);
	}
	return false;
}

/* May be run again. */
static bool
switch_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct cert_authority *a = arg;

	for (size_t i = 0; i < a->count; i++) {
		const struct cert_member *m = a->members[i];
		const struct cert_authority_move move = { m->id, m->state,
			stays(a, m) ? CERT_STATE_ACTIVE : CERT_STATE_OLD };
		bool moved;

		if (str_eq(move.from, move.to) ||
		    str_eq(move.from, CERT_STATE_REVOKED) ||
		    str_eq(move.from, CERT_STATE_RETIRED))
			continue;
		if (!cert_authority_db_move(tx, &move, &moved, e))
			return false;
		if (!moved)
			return err_set(
			    e, ERR_CONFLICT, "the authority changed meanwhile");
	}
	return cert_authority_tell(tx, "authority.switched", a->next, e);
}

/* Without them no server would start again. */
static bool
need_keys(struct cert_authority *a, const struct cert_vault *v, struct err *e)
{
	for (size_t i = 0; i < a->count; i++) {
		struct cert_member *m = a->members[i];
		bool needed =
		    m == a->next || (str_eq(m->role, CERT_ROLE_RA) &&
		                        str_eq(m->state, CERT_STATE_NEXT));

		if (needed && !cert_authority_open_key(v, m, e))
			return err_wrap(e, "not switched");
	}
	return true;
}

bool
cert_roll_switch(
    struct store *st, const struct cert_authority_options *o, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *a = NULL;

	if (!load(st, o, &a, e))
		return false;
	if (a->next == NULL)
		return err_set(e, ERR_CONFLICT,
		    "no next authority is prepared; mutsu ca rollover does "
		    "that");
	return need_keys(a, &o->vault, e) && store_write(st, switch_once, a, e);
}

bool
cert_roll_renew_ra(struct store *st, const struct cert_authority_options *o,
    int reason, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *a = NULL;

	if (!load(st, o, &a, e))
		return false;
	if (cert_authority_single(a))
		return err_set(e, ERR_CONFLICT,
		    "the one CA is its own RA; mutsu ca rollover makes the "
		    "next");
	return cert_authority_renew_ra(
	    st, a, o, &(struct cert_ra_order){ reason, "command-line" }, e);
}

static bool
forget_root(struct store_tx *tx, void *arg, struct err *e)
{
	const struct cert_member *root = arg;

	return cert_authority_db_forget_key(tx, root->id, e) &&
	       cert_authority_tell(tx, "authority.root_taken", root, e);
}

static bool
can_be_taken(const struct cert_authority *a, struct err *e)
{
	const char *kind = a->root->place.kind;

	if (a->root == a->issuing)
		return err_set(e, ERR_CONFLICT,
		    "the one CA signs every certificate: its key has to stay");
	if (str_eq(kind, CERT_VAULT_AWAY))
		return err_set(e, ERR_CONFLICT,
		    "the root's key is away already: it was taken, or the root "
		    "is not ours");
	if (str_eq(kind, CERT_VAULT_PKCS11))
		return err_set(e, ERR_CONFLICT,
		    "the root's key is in a token, and leaves with that");
	return true;
}

bool
cert_roll_take_root(struct store *st, const struct cert_authority_options *o,
    const struct cert_roll_keep *k, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	AUTO(buf_wipe) struct buf *pem = NULL;

	if (!cert_vault_passphrase_long(k->passphrase, e) ||
	    !load(st, o, &a, e) || !can_be_taken(a, e))
		return false;
	if (!cert_authority_open_key(&o->vault, a->root, e) ||
	    !cert_key_encrypt(a->root->key, k->passphrase, &pem, e) ||
	    !k->keep(buf_slice(pem), k->arg, e))
		return false;
	if (!store_write(st, forget_root, a->root, e))
		return false;
	cert_vault_abandon(&o->vault, &a->root->place);
	return true;
}
