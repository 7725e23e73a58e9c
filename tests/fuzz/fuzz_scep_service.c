/*
 * What lies behind signature and encryption, which no mutation gets past: the
 * bytes are signed and encrypted here, and the service answers.  The first
 * byte says what the rest is: see modes[].
 */
#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/der.h"
#include "core/log.h"
#include "scep/scep_service_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16 << 10 };

static struct {
	char dir[32];
	struct store *store;
	struct seal *seal;
	struct cert_live *live;
	struct cert_authority *authority;
	struct cert_crl *crl;
	struct scep_service *service;
	EVP_PKEY *key;
	X509 *signer;
	uint8_t *spki;
	int spki_len;
} the;

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static void
finish(void)
{
	scep_service_free(&the.service);
	cert_crl_free(&the.crl);
	cert_authority_free(&the.authority);
	cert_live_free(&the.live);
	seal_free(&the.seal);
	store_close(&the.store);
	EVP_PKEY_free(the.key);
	X509_free(the.signer);
	OPENSSL_free(the.spki);
	nftw(the.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
must(bool good, const struct err *e)
{
	if (!good) {
		fprintf(stderr, "%s\n", e->text);
		abort();
	}
}

static X509 *
self_signed(EVP_PKEY *key)
{
	X509 *x = X509_new();

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN",
	    MBSTRING_UTF8, (const uint8_t *)"x", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	return x;
}

static void
start(void)
{
	char db[64], master[64];
	struct err e = { 0 };
	struct store_options so = { .path = db };
	struct cert_authority_options ao = { .organization = "Fuzz",
		.issuing_key = { .kind = CERT_RSA_2048 },
		.single = true };
	struct scep_options o = { .failures_per_min = 1 << 30,
		.approval_ms = MS_DAY };

	log_set_level(LOG_ERROR);
	snprintf(the.dir, sizeof(the.dir), "/tmp/fuzz-scep-XXXXXX");
	if (mkdtemp(the.dir) == NULL)
		abort();
	snprintf(db, sizeof(db), "%s/db", the.dir);
	snprintf(master, sizeof(master), "%s/master", the.dir);
	must(store_open(&so, &the.store, &e), &e);
	must(seal_open(master, &the.seal, &e), &e);
	ao.vault.seal = the.seal;
	must(cert_live_open(the.store, &ao, &the.live, &e), &e);
	the.authority = cert_live_get(the.live);
	must(cert_crl_new(
	         &(struct cert_crl_options){
	             .store = the.store, .live = the.live, .node = "fuzz" },
	         &the.crl, &e),
	    &e);
	o.store = the.store;
	o.seal = the.seal;
	o.live = the.live;
	o.crl = the.crl;
	must(scep_service_new(&o, &the.service, &e), &e);
	the.key = EVP_RSA_gen(2048);
	the.signer = self_signed(the.key);
	the.spki_len = i2d_PUBKEY(the.key, &the.spki);
	atexit(finish);
}

/* A CSR of the.key, signed, whose attributes are the input. */
static void
csr_around(struct slice attributes, struct buf *out)
{
	static const uint8_t head[] = { 0x02, 0x01, 0x00, 0x30, 0x00 };
	static const uint8_t rsa_sha256[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a,
		0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00 };
	AUTO(buf_free) struct buf *info = buf_new(2 * INPUT_MAX);
	AUTO(buf_free) struct buf *body = buf_new(2 * INPUT_MAX);
	uint8_t signature[1 + 256] = { 0 };
	size_t len = 256;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	buf_add(body, head, sizeof(head));
	buf_add(body, the.spki, (size_t)the.spki_len);
	buf_add(body, attributes.p, attributes.len);
	der_put(info, 0x30, buf_slice(body));
	if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, the.key) != 1 ||
	    EVP_DigestSign(ctx, signature + 1, &len, info->p, info->len) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
	buf_add(info, rsa_sha256, sizeof(rsa_sha256));
	der_put(info, 0x03, slice_of(signature, sizeof(signature)));
	der_put(out, 0x30, buf_slice(info));
}

static const struct mode {
	enum scep_type type;
	bool attributes; /* of a CSR; else the whole messageData */
} modes[] = {
	{ SCEP_PKCS_REQ, true },
	{ SCEP_PKCS_REQ, false },
	{ SCEP_RENEWAL_REQ, true },
	{ SCEP_CERT_POLL, false },
	{ SCEP_GET_CERT, false },
	{ SCEP_GET_CRL, false },
};

static void
ask(const struct mode *m, struct slice content)
{
	AUTO(buf_free) struct buf *envelope = NULL;
	AUTO(buf_free) struct buf *message = NULL;
	AUTO(buf_free) struct buf *reply = NULL;
	X509 *ra = cert_authority_ra(the.authority);
	EVP_PKEY_CTX *use;
	struct err e = { 0 };
	struct scep_sign in = { .cert = the.signer,
		.key = the.key,
		.digest_nid = NID_sha256,
		.attrs = { .type = (int)m->type,
		    .status = -1,
		    .fail_info = -1,
		    .transaction_id = "fuzz",
		    .transaction_tag = V_ASN1_PRINTABLESTRING,
		    .sender_nonce = slice_str("0123456789abcdef") } };

	use = EVP_PKEY_CTX_new_from_pkey(NULL, X509_get0_pubkey(ra), NULL);
	must(scep_envelope_make(
	         content, ra, use, NID_aes_128_cbc, &envelope, &e),
	    &e);
	EVP_PKEY_CTX_free(use);
	in.content = buf_slice(envelope);
	must(scep_sign(&in, &message, &e), &e);
	must(scep_operation(
	         the.service, buf_slice(message), "192.0.2.1", &reply, &e),
	    &e);
	assert(reply != NULL && reply->len > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_free) struct buf *csr = buf_new(4 * INPUT_MAX);
	const struct mode *m;
	struct slice rest;

	if (the.service == NULL)
		start();
	if (size < 1 || size > INPUT_MAX)
		return 0;
	m = &modes[data[0] % COUNT(modes)];
	rest = slice_of(data + 1, size - 1);
	if (m->attributes) {
		csr_around(rest, csr);
		rest = buf_slice(csr);
	}
	ask(m, rest);
	return 0;
}
