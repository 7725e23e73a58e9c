/*
 * Requests to outside roots, and what comes back.  No state; one thread.
 *
 * A key is kept before its row, and rows come in one transaction: whatever
 * interrupts leaves at most a key file that nobody refers to.
 */
#include "certs/cert_outside.h"

#include <openssl/pem.h>

#include "certs/cert_outside_priv.h"
#include "core/limits.h"

static bool
find(struct store *st, const struct cert_authority_options *o,
    struct cert_authority_found *f, struct err *e)
{
	if (!cert_authority_find_all(st, o, f, e))
		return false;
	if (f->authority != NULL && f->authority->next != NULL)
		return err_set(e, ERR_CONFLICT,
		    "%s is prepared already; mutsu ca switch makes it active, "
		    "mutsu ca drop-next gives it up",
		    f->authority->next->id);
	return true;
}

/* Nobody else changed it since; within the transaction that changes it. */
static bool
unchanged(struct store_tx *tx, int64_t version, struct err *e)
{
	int64_t now;

	if (!cert_authority_db_version(tx, &now, e))
		return false;
	return now == version || err_set(e, ERR_CONFLICT,
	                             "the authority changed meanwhile; look at "
	                             "it and try again");
}

/* ---- the request ---- */

struct asking {
	const struct cert_member *m;
	int64_t version;
};

/* May be run again. */
static bool
add_request(struct store_tx *tx, void *arg, struct err *e)
{
	const struct asking *r = arg;

	return unchanged(tx, r->version, e) &&
	       cert_authority_add(tx, r->m, e) &&
	       cert_authority_tell(tx, "authority.requested", r->m, e);
}

static bool
new_request(struct store *st, const struct cert_make *in,
    struct cert_authority_found *f, struct err *e)
{
	AUTO(cert_member_free) struct cert_member *m = NULL;
	struct asking r = { .version = f->version };

	if (!cert_authority_make_key(in, &m, e))
		return false;
	r.m = m;
	if (!cert_authority_key_is_new(f->authority, m, e) ||
	    !cert_authority_make_request(in, m, e) ||
	    !store_write(st, add_request, &r, e)) {
		cert_authority_abandon(in->options, m, e);
		return false;
	}
	f->requested = TAKE(m);
	return true;
}

static bool
read_request(const struct cert_member *m, X509_REQ **out, struct err *e)
{
	const uint8_t *p = m->request->p;

	*out = d2i_X509_REQ(NULL, &p, (long)m->request->len);
	return *out != NULL ||
	       err_openssl(e, ERR_INTERNAL, "reading a request");
}

static bool
request_pem(const struct cert_member *m, struct buf **out, struct err *e)
{
	AUTO(cert_req_free) X509_REQ *r = NULL;
	AUTO(cert_bio_free) BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	if (!read_request(m, &r, e))
		return false;
	if (bio == NULL || PEM_write_bio_X509_REQ(bio, r) != 1)
		return err_openssl(e, ERR_INTERNAL, "writing a request");
	len = BIO_get_mem_data(bio, &text);
	*out = buf_new((size_t)len + 1);
	buf_add(*out, text, (size_t)len);
	return true;
}

static bool
other_key(
    const struct cert_key_wish *wish, const struct cert_member *m, X509_REQ *r)
{
	bool token = str_eq(m->place.kind, CERT_VAULT_PKCS11);

	if (wish->uri != NULL)
		return !token || !str_eq(m->place.ref, wish->uri);
	return wish->kind != CERT_RSA_DEFAULT &&
	       (token ||
	           cert_key_kind_of(X509_REQ_get0_pubkey(r)) != wish->kind);
}

/* What is asked for now is what the open request asks for. */
static bool
same_request(const struct cert_authority_options *o,
    const struct cert_member *m, struct err *e)
{
	AUTO(cert_req_free) X509_REQ *r = NULL;
	char organization[LIMIT_SUBJECT];
	const char *what;

	if (m->request == NULL)
		return true;
	if (!read_request(m, &r, e))
		return false;
	cert_name_value(X509_REQ_get_subject_name(r), NID_organizationName,
	    organization, sizeof(organization));
	if (o->organization != NULL && !str_eq(o->organization, organization))
		what = "organization";
	else if (other_key(&o->issuing_key, m, r))
		what = "issuing-key";
	else
		return true;
	return err_set(e, ERR_CONFLICT,
	    "the open request has another %s; mutsu ca drop-request gives it "
	    "up first",
	    what);
}

bool
cert_outside_request(struct store *st, const struct cert_authority_options *o,
    struct buf **pem_out, struct err *e)
{
	AUTO(cert_authority_found_clear) struct cert_authority_found f = { 0 };
	struct cert_make in = { .options = o,
		.rank = CERT_RANK_ISSUING,
		.state = CERT_STATE_REQUESTED };

	if (o->single)
		return err_set(e, ERR_INVALID,
		    "ca-single makes its own root: it has no use for another");
	if (!cert_authority_check_options(o, e) || !find(st, o, &f, e))
		return false;
	in.generation = cert_authority_generation(f.authority);
	if (f.authority != NULL)
		in.model = f.authority->issuing;
	if (f.requested == NULL ? !new_request(st, &in, &f, e)
	                        : !same_request(o, f.requested, e))
		return false;
	/* An older program kept the key alone. */
	if (f.requested->request == NULL &&
	    (!cert_authority_open_key(&o->vault, f.requested, e) ||
	        !cert_authority_make_request(&in, f.requested, e)))
		return false;
	return request_pem(f.requested, pem_out, e);
}

bool
cert_outside_open(struct store *st, struct cert_member **out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(st, STORE_READ, &tx, e) &&
	       cert_authority_db_requested(tx, out, e);
}

/* May be run again. */
static bool
drop_request(struct store_tx *tx, void *arg, struct err *e)
{
	const struct cert_member *m = arg;
	bool moved;

	if (!cert_authority_db_drop(tx, m->id, CERT_STATE_REQUESTED, &moved, e))
		return false;
	if (!moved)
		return err_set(
		    e, ERR_CONFLICT, "the request changed meanwhile");
	return cert_authority_tell(tx, "authority.request_dropped", m, e);
}

static bool
no_request(struct err *e)
{
	return err_set(
	    e, ERR_NOT_FOUND, "no request is open; mutsu ca request makes one");
}

bool
cert_outside_drop(
    struct store *st, const struct cert_authority_options *o, struct err *e)
{
	AUTO(cert_member_free) struct cert_member *m = NULL;

	if (!cert_outside_open(st, &m, e))
		return false;
	if (m == NULL)
		return no_request(e);
	if (!store_write(st, drop_request, m, e))
		return false;
	cert_vault_abandon(&o->vault, &m->place);
	return true;
}

/* ---- the import ---- */

struct import {
	struct cert_authority_found f;
	STACK_OF(X509) * given, *chain;
	/* What is new of those above, the root first. */
	struct cert_member *above[LIMIT_CERT_CHAIN];
	size_t count;
	struct cert_member *ra;
};

static void
import_clear(struct import *i)
{
	cert_authority_found_clear(&i->f);
	cert_stack_free(&i->given);
	cert_stack_free(&i->chain);
	for (size_t n = 0; n < i->count; n++)
		cert_member_free(&i->above[n]);
	cert_member_free(&i->ra);
}

/* Adds the root unless the chain has it. */
static bool
add_root(struct import *i, struct slice pem, struct err *e)
{
	AUTO(cert_x509_free) X509 *root = NULL;

	if (pem.len == 0)
		return true;
	if (!cert_parse_pem(pem, &root, e))
		return err_wrap(e, "root");
	for (int n = 0; n < sk_X509_num(i->given); n++)
		if (X509_cmp(sk_X509_value(i->given, n), root) == 0)
			return true;
	if (sk_X509_push(i->given, root) == 0)
		return err_openssl(e, ERR_INTERNAL, "chain");
	(void)TAKE(root);
	return true;
}

static const struct cert_member *
member_of(const struct cert_authority *a, const X509 *x)
{
	for (size_t n = 0; a != NULL && n < a->count; n++)
		if (X509_cmp(a->members[n]->certificate, x) == 0)
			return a->members[n];
	return NULL;
}

/* The same command once more, after it was done. */
static bool
is_imported(const struct import *i, struct err *e)
{
	for (int n = 0; n < sk_X509_num(i->given); n++) {
		const struct cert_member *m =
		    member_of(i->f.authority, sk_X509_value(i->given, n));

		if (m != NULL && str_eq(m->role, CERT_ROLE_ISSUING))
			return true;
	}
	return no_request(e);
}

static struct cert_member *
new_above(X509 *x, const char *parent_id, const char *state)
{
	struct cert_member *m = mem_zalloc(1, sizeof(*m));

	cert_authority_name(m,
	    parent_id[0] == '\0' ? CERT_ROLE_ROOT : CERT_ROLE_INTERMEDIATE,
	    state);
	str_copy_cut(m->parent_id, sizeof(m->parent_id), parent_id);
	str_copy_cut(m->place.kind, sizeof(m->place.kind), CERT_VAULT_AWAY);
	X509_up_ref(x);
	m->certificate = x;
	return m;
}

/* Rows for what stands above, those that there are used again; the requested
 * row gets certificate, issuer and state. */
static void
place_chain(struct import *i)
{
	struct cert_member *m = i->f.requested;
	const char *state =
	    i->f.authority == NULL ? CERT_STATE_ACTIVE : CERT_STATE_NEXT;
	const char *parent_id = "";

	for (int n = sk_X509_num(i->chain) - 1; n > 0; n--) {
		X509 *x = sk_X509_value(i->chain, n);
		const struct cert_member *there = member_of(i->f.authority, x);

		if (there == NULL)
			there = i->above[i->count++] =
			    new_above(x, parent_id, state);
		parent_id = there->id;
	}
	m->certificate = sk_X509_value(i->chain, 0);
	X509_up_ref(m->certificate);
	str_copy_cut(m->parent_id, sizeof(m->parent_id), parent_id);
	str_copy_cut(m->state, sizeof(m->state), state);
}

static bool
make_ra(struct import *i, const struct cert_authority_options *o, struct err *e)
{
	const struct cert_make in = { .options = o,
		.rank = CERT_RANK_RA,
		.issuer = i->f.requested,
		.model = i->f.authority != NULL ? i->f.authority->ra : NULL,
		.state = i->f.requested->state };

	return cert_authority_make(&in, &i->ra, e) &&
	       cert_outside_verify(i->ra->certificate, i->chain, e);
}

/* May be run again. */
static bool
add_import(struct store_tx *tx, void *arg, struct err *e)
{
	const struct import *i = arg;
	bool moved;

	if (!unchanged(tx, i->f.version, e))
		return false;
	for (size_t n = 0; n < i->count; n++)
		if (!cert_authority_add(tx, i->above[n], e))
			return false;
	if (!cert_authority_db_certify(tx, i->f.requested, &moved, e))
		return false;
	if (!moved)
		return err_set(
		    e, ERR_CONFLICT, "the request changed meanwhile");
	return cert_authority_add(tx, i->ra, e) &&
	       cert_authority_tell(tx, "authority.imported", i->f.requested, e);
}

static bool
check(struct import *i, const struct cert_authority_options *o, struct err *e)
{
	return cert_authority_open_key(&o->vault, i->f.requested, e) &&
	       cert_outside_order(
	           i->given, i->f.requested->key, &i->chain, e) &&
	       cert_outside_check(i->chain, e) &&
	       cert_outside_check_new(
	           i->f.authority, sk_X509_value(i->chain, 0), e);
}

bool
cert_outside_import(struct store *st, const struct cert_authority_options *o,
    const struct cert_outside_chain *in, bool *again, struct err *e)
{
	AUTO(import_clear) struct import i = { 0 };

	if (!cert_parse_chain(in->chain, &i.given, e) ||
	    !add_root(&i, in->root, e) ||
	    !cert_authority_find_all(st, o, &i.f, e))
		return false;
	*again = i.f.requested == NULL;
	if (*again)
		return is_imported(&i, e);
	if (!check(&i, o, e))
		return err_wrap(e, "not imported");
	place_chain(&i);
	if (make_ra(&i, o, e) && store_write(st, add_import, &i, e))
		return true;
	cert_authority_abandon(o, i.ra, e);
	return false;
}
