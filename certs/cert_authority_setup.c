/*
 * First start of the authority, and new RA certificates.  Runs on the thread
 * that opens the authority.
 *
 * Keys are on disk before any row names them, and all rows come in one
 * transaction: whatever interrupts a start, the next one finds either a whole
 * authority or none.
 */
#include <stdio.h>
#include <unistd.h>

#include "certs/cert_authority_priv.h"
#include "certs/cert_build_priv.h"
#include "core/clock.h"
#include "core/random.h"

enum { YEAR_DAYS = 365, ROOT_YEARS = 20, ISSUING_YEARS = 10, RA_YEARS = 2 };
/* Half of its life: only a start renews it, and servers run for long. */
#define RA_RENEW_MS (RA_YEARS * YEAR_DAYS / 2 * MS_DAY)

/* What each of our own certificates is. */
static const struct rank {
	const char *role;
	const char *name; /* behind the organization's */
	struct cert_build_usage usage;
	int64_t years;
} ranks[] = {
	{ CERT_ROLE_ROOT, "Root CA",
	    { "critical,CA:TRUE,pathlen:1", "critical,keyCertSign,cRLSign",
	        NULL },
	    ROOT_YEARS },
	{ CERT_ROLE_ISSUING, "Issuing CA G1",
	    { "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign",
	        NULL },
	    ISSUING_YEARS },
	/* No extended key usage: some SCEP clients do not expect one. */
	{ CERT_ROLE_RA, "SCEP RA",
	    { "critical,CA:FALSE", "critical,digitalSignature,keyEncipherment",
	        NULL },
	    RA_YEARS },
};
enum { ROOT, ISSUING, RA };

static void
pubkey_free(X509_PUBKEY **p)
{
	X509_PUBKEY_free(*p);
	*p = NULL;
}

void
cert_authority_row_clear(struct cert_authority_row *r)
{
	cert_x509_free(&r->certificate);
}

char *
cert_authority_key_path(const char *key_dir, const struct cert_authority_row *r)
{
	return str_printf("%s/%s", key_dir, r->key_file);
}

/* A key of our own with its row, before the row is in the database. */
struct member {
	struct cert_authority_row row;
	EVP_PKEY *key;
	char *path;
};

static void
member_clear(struct member *m)
{
	cert_authority_row_clear(&m->row);
	cert_key_free(&m->key);
	str_free(&m->path);
}

/* Takes away the key of a member that did not come to be. */
static void
member_abandon(const struct member *m)
{
	if (m->path != NULL)
		unlink(m->path);
}

static bool
member_key(struct member *m, const struct cert_authority_options *o,
    const struct rank *rank, enum cert_key_kind kind, struct err *e)
{
	uint8_t unique[8];
	char hex[2 * sizeof(unique) + 1];

	random_bytes(unique, sizeof(unique));
	hex_to(hex, unique, sizeof(unique));
	str_copy_cut(m->row.role, sizeof(m->row.role), rank->role);
	snprintf(m->row.id, sizeof(m->row.id), "%s-%s", rank->role, hex);
	snprintf(m->row.key_file, sizeof(m->row.key_file), "%s.key", m->row.id);
	if (!cert_key_new(kind, &m->key, e))
		return err_wrap(e, "key of the %s", rank->name);
	m->path = cert_authority_key_path(o->key_dir, &m->row);
	return cert_key_save(m->path, m->key, e);
}

/* Writes and reads it, so that it is as if loaded: with its key decoded. */
static bool
reread(X509 *built, X509 **out, struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;

	return cert_der(built, &der, e) && cert_parse(buf_slice(der), out, e);
}

/* issuer NULL: self-signed. */
static bool
member_sign(struct member *m, const struct cert_authority_options *o,
    const struct rank *rank, const struct member *issuer, struct err *e)
{
	AUTO(cert_build_extensions_free)
	STACK_OF(X509_EXTENSION) *extensions = NULL;
	AUTO(pubkey_free) X509_PUBKEY *pub = NULL;
	AUTO(cert_x509_free) X509 *built = NULL;
	AUTO(str_free)
	char *cn = str_printf("%s %s", o->organization, rank->name);
	struct cert_subject subject = { .cn = cn, .o = o->organization };
	struct cert_build_term term = { clock_now_ms(), rank->years * YEAR_DAYS,
		MS_DAY };
	struct cert_build b = {
		.subject = &subject,
		.issuer = issuer != NULL ? issuer->row.certificate : NULL,
		.signer = issuer != NULL ? issuer->key : m->key,
		.md = EVP_sha256(),
	};

	if (!X509_PUBKEY_set(&pub, m->key))
		return err_openssl(e, ERR_INTERNAL, "public key");
	if (!cert_build_extensions(&rank->usage, &extensions, e) ||
	    !cert_build_validity(&term, b.issuer, &b.validity, e))
		return false;
	b.pub = pub;
	b.extensions = extensions;
	return cert_build(&b, &built, e) &&
	       reread(built, &m->row.certificate, e);
}

static bool
make_members(struct member m[COUNT(ranks)],
    const struct cert_authority_options *o, struct err *e)
{
	/* RSA 4096 takes seconds to make, and RSA 3072 outlives its 20 years
	 * by NIST SP 800-57.  The RA decrypts, so it is RSA. */
	const enum cert_key_kind kinds[] = { CERT_RSA_3072, o->issuing_key,
		CERT_RSA_2048 };

	for (size_t i = 0; i < COUNT(ranks); i++)
		if (!member_key(&m[i], o, &ranks[i], kinds[i], e) ||
		    !member_sign(
		        &m[i], o, &ranks[i], i > 0 ? &m[i - 1] : NULL, e))
			return false;
	return true;
}

/* *added false: there is an authority already. */
static bool
add_members(struct store *st, const struct member m[COUNT(ranks)], bool *added,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(cert_authority_row_clear) struct cert_authority_row there = { 0 };

	if (!store_begin(st, STORE_WRITE, &tx, e) ||
	    !cert_authority_db_active(tx, CERT_ROLE_ROOT, &there, e))
		return false;
	*added = there.certificate == NULL;
	if (!*added)
		return true;
	for (size_t i = 0; i < COUNT(ranks); i++)
		if (!cert_authority_db_add(tx, &m[i].row, e))
			return false;
	return store_commit(&tx, e);
}

bool
cert_authority_setup(
    struct store *st, const struct cert_authority_options *o, struct err *e)
{
	struct member m[COUNT(ranks)] = { 0 };
	bool added = false;
	bool good = make_members(m, o, e) && add_members(st, m, &added, e);

	for (size_t i = 0; i < COUNT(ranks); i++) {
		if (!good || !added)
			member_abandon(&m[i]);
		member_clear(&m[i]);
	}
	return good || err_wrap(e, "making the certificate authority");
}

bool
cert_authority_ra_due(const X509 *ra, const X509 *issuing)
{
	int64_t last = cert_not_after(ra);

	return last - clock_now_ms() < RA_RENEW_MS &&
	       cert_not_after(issuing) > last;
}

static bool
replace_ra(struct store *st, const struct member *m, const char *old_id,
    bool *added, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	if (!store_begin(st, STORE_WRITE, &tx, e) ||
	    !cert_authority_db_retire(tx, old_id, added, e))
		return false;
	if (!*added)
		return true;
	return cert_authority_db_add(tx, &m->row, e) && store_commit(&tx, e);
}

bool
cert_authority_renew_ra(
    struct store *st, const struct cert_authority_renewal *r, struct err *e)
{
	const struct member issuer = { .row = { .certificate = r->issuing },
		.key = r->issuing_key };
	AUTO(member_clear) struct member m = { 0 };
	bool added = false;
	bool good = member_key(&m, r->options, &ranks[RA], CERT_RSA_2048, e) &&
	            member_sign(&m, r->options, &ranks[RA], &issuer, e) &&
	            replace_ra(st, &m, r->old->id, &added, e);

	if (!good || !added)
		member_abandon(&m);
	return good || err_wrap(e, "renewing the RA certificate");
}
