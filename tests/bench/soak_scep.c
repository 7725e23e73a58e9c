/*
 * Writes a load file in which the good requests of a data directory that
 * bench_seed made alternate with one of each hostile kind; soak_scep.sh sends
 * it for minutes and watches the server's memory.
 *
 *	soak_scep --data DIR --load FILE
 *
 * The forge of the unit tests makes the requests, and each has to get the
 * answer that the conformance list of SCEP wants.  One thread.
 */
#include <getopt.h>
#include <stdio.h>

#include "bench_load.h"
#include "certs/cert_authority.h"
#include "core/seal.h"
#include "store/store.h"
#include "tests/unit/scep_forge_signed.h"

enum { REQUEST_MAX = 256 << 10, GOOD_BETWEEN = 4, DEPTH = 10000 };

/* What the kinds are made of. */
static struct {
	EVP_PKEY *key, *small, *ec;
	X509 *ra, *signer, *small_signer, *ec_signer;
} the;

static void
must(bool ok, const struct err *e)
{
	if (ok)
		return;
	fprintf(stderr, "soak_scep: %s\n", e->text);
	exit(1);
}

/* ---- kinds ---- */

static struct buf *
csr(struct forge_csr c)
{
	if (c.key == NULL)
		c.key = the.key;
	if (c.challenge.p == NULL)
		c.challenge = TEXT("nobodyknowsthis");
	return forge_csr_make(c);
}

/* In an envelope for the RA, unless another is named. */
static struct buf *
sealed(struct forge_env env, struct slice plain)
{
	if (env.to[0] == NULL)
		env.to[0] = the.ra;
	return forge_envelope(env, plain);
}

static struct buf *
message(struct slice envelope, void (*change)(struct forge_message *m))
{
	struct forge_message m = forge_message(the.key, the.signer, envelope);

	if (change != NULL)
		change(&m);
	return forge_signed(&m);
}

static struct buf *
of_csr(struct forge_csr c)
{
	AUTO(buf_free) struct buf *plain = csr(c);
	AUTO(buf_free)
	struct buf *env = sealed((struct forge_env){ 0 }, buf_slice(plain));

	return message(buf_slice(env), NULL);
}

static struct buf *
of_env(struct forge_env e)
{
	AUTO(buf_free) struct buf *plain = csr((struct forge_csr){ 0 });
	AUTO(buf_free) struct buf *env = sealed(e, buf_slice(plain));

	return message(buf_slice(env), NULL);
}

static struct buf *
of_message(void (*change)(struct forge_message *m))
{
	AUTO(buf_free) struct buf *plain = csr((struct forge_csr){ 0 });
	AUTO(buf_free)
	struct buf *env = sealed((struct forge_env){ 0 }, buf_slice(plain));

	return message(buf_slice(env), change);
}

#define CHANGE(name, statement)                                                \
	static void change_##name(struct forge_message *m)                     \
	{                                                                      \
		statement;                                                     \
	}                                                                      \
	static struct buf *name(void)                                          \
	{                                                                      \
		return of_message(change_##name);                              \
	}
#define CSR(name, ...)                                                         \
	static struct buf *name(void)                                          \
	{                                                                      \
		return of_csr((struct forge_csr){ __VA_ARGS__ });              \
	}
#define ENV(name, ...)                                                         \
	static struct buf *name(void)                                          \
	{                                                                      \
		return of_env((struct forge_env){ __VA_ARGS__ });              \
	}
/* The messageData is garbage for this type. */
#define TYPE(name, number)                                                     \
	CHANGE(name, m->attrs[FORGE_MESSAGE_TYPE].value = TEXT(number))

CHANGE(bad_signature, m->bad_signature = true)
CHANGE(two_signers, m->signers = 2)
CHANGE(no_signer, m->signers = 0)
CHANGE(no_attributes, m->no_attrs = true)
CHANGE(unsorted, m->unsorted = true)
CHANGE(no_certificate, m->certs[0] = NULL)
CHANGE(no_content, m->content = slice_of(NULL, 0))
CHANGE(empty_content, m->content = TEXT(""))
CHANGE(no_transaction, m->attrs[FORGE_TRANSACTION].oid = NULL)
CHANGE(two_transactions, m->attrs[FORGE_TRANSACTION].values = 2)
CHANGE(no_nonce, m->attrs[FORGE_SENDER_NONCE].oid = NULL)
CHANGE(wrong_digest, m->attrs[FORGE_MESSAGE_DIGEST].value = TEXT("short"))
CHANGE(md5, (m->md = EVP_md5(), m->md_name = "md5"))
CHANGE(other_content, m->content_type = "pkcs7-signedData")
CHANGE(other_outside, m->outer_type = "pkcs7-envelopedData")
CHANGE(by_key_id, m->by_ski = true)
CHANGE(ber, m->ber = true)
CHANGE(small_key, (m->key = the.small, m->signer = the.small_signer,
                      m->certs[0] = the.small_signer))
CHANGE(ec_signer,
    (m->key = the.ec, m->signer = the.ec_signer, m->certs[0] = the.ec_signer))
TYPE(type_0, "0")
TYPE(type_reply, "3")
TYPE(type_update, "18")
TYPE(type_poll, "20")
TYPE(type_cert, "21")
TYPE(type_crl, "22")
TYPE(type_renewal, "17")
TYPE(type_255, "255")
TYPE(type_words, "nineteen")
CSR(unknown_challenge, .cn = "x")
CSR(bad_csr_signature, .bad_signature = true)
CSR(two_challenges, .challenges = 2)
CSR(two_values, .values = 2)
CSR(csr_version, .version = 3)
CSR(csr_small, .key = the.small)
CSR(csr_ec, .key = the.ec)
CSR(bmp_challenge, .challenge = TEXT("\0a\0b"),
    .challenge_tag = V_ASN1_BMPSTRING)
ENV(not_for_us, .to = { the.signer })
ENV(many_recipients,
    .to = { the.ra, the.ra, the.ra, the.signer, the.signer, the.signer })
ENV(bad_key, .bad_key = true)
ENV(bad_rsa, .bad_rsa = true)
ENV(bad_padding, .bad_padding = true)
ENV(camellia, .cipher = "CAMELLIA-128-CBC")
ENV(oaep, .transport = "oaep-sha256")
ENV(env_ber, .ber = true)
ENV(env_type, .type = "pkcs7-signedData")

static struct buf *
no_csr(void)
{
	AUTO(buf_free)
	struct buf *env =
	    sealed((struct forge_env){ 0 }, TEXT("\x30\x03\x02\x01\x01"));

	return message(buf_slice(env), NULL);
}

static struct buf *
no_envelope(void)
{
	return message(TEXT("\x30\x80garbage"), NULL);
}

static struct buf *
garbage(void)
{
	struct buf *out = forge_buf();

	for (int i = 0; i < 3000; i++)
		buf_addc(out, (char)(i * 7 + i / 11));
	return out;
}

static struct buf *
truncated(void)
{
	struct buf *out = of_csr((struct forge_csr){ 0 });

	buf_cut(out, out->len - 300);
	return out;
}

static struct buf *
nested(void)
{
	struct buf *out = forge_buf();

	for (int i = 0; i < DEPTH; i++)
		buf_add(out, "\x30\x80", 2);
	return out;
}

static struct buf *
padded(void)
{
	AUTO(buf_free) struct buf *long_text = forge_buf();

	for (int i = 0; i < 60000; i++)
		buf_addc(long_text, 'x');
	return message(buf_slice(long_text), NULL);
}

static const struct kind {
	struct buf *(*make)(void);
	int status; /* of HTTP; 200: a signed CertRep */
} kinds[] = {
	{ bad_signature, 200 },
	{ two_signers, 400 },
	{ no_signer, 400 },
	{ no_attributes, 400 },
	{ unsorted, 200 },
	{ no_certificate, 200 },
	{ no_content, 200 },
	{ empty_content, 200 },
	{ no_transaction, 400 },
	{ two_transactions, 400 },
	{ no_nonce, 400 },
	{ wrong_digest, 200 },
	{ md5, 200 },
	{ other_content, 400 },
	{ other_outside, 400 },
	{ by_key_id, 200 },
	{ ber, 200 },
	{ small_key, 200 },
	{ ec_signer, 200 },
	{ type_0, 200 },
	{ type_reply, 200 },
	{ type_update, 200 },
	{ type_poll, 200 },
	{ type_cert, 200 },
	{ type_crl, 200 },
	{ type_renewal, 200 },
	{ type_255, 200 },
	{ type_words, 400 },
	{ unknown_challenge, 200 },
	{ bad_csr_signature, 200 },
	{ two_challenges, 200 },
	{ two_values, 200 },
	{ csr_version, 200 },
	{ csr_small, 200 },
	{ csr_ec, 200 },
	{ bmp_challenge, 200 },
	{ not_for_us, 200 },
	{ many_recipients, 200 },
	{ bad_key, 200 },
	{ bad_rsa, 200 },
	{ bad_padding, 200 },
	{ camellia, 200 },
	{ oaep, 200 },
	{ env_ber, 200 },
	{ env_type, 200 },
	{ no_csr, 200 },
	{ no_envelope, 200 },
	{ garbage, 400 },
	{ truncated, 400 },
	{ nested, 400 },
	{ padded, 200 },
};

/* ---- the file ---- */

/* The attribute pkiStatus with the value "2", FAILURE. */
static const uint8_t failure[] = { 0x06, 0x0a, 0x60, 0x86, 0x48, 0x01, 0x86,
	0xf8, 0x45, 0x01, 0x09, 0x03, 0x31, 0x03, 0x13, 0x01, '2' };

static struct buf *
request(const struct kind *k)
{
	AUTO(buf_free) struct buf *body = k->make();
	struct buf *out = buf_new(REQUEST_MAX);

	buf_addf(out,
	    "POST /scep?operation=PKIOperation HTTP/1.1\r\n"
	    "Host: localhost\r\nContent-Length: %zu\r\n\r\n",
	    body->len);
	buf_add(out, body->p, body->len);
	return out;
}

static bool
add_kind(struct load_file *f, const struct kind *k, struct err *e)
{
	AUTO(buf_free) struct buf *rq = request(k);
	struct load_lane lane = { .count = 1 };

	lane.steps[0] = (struct load_step){ .side = LOAD_DEVICE,
		.status = k->status,
		.expect = k->status == 200 ? LOAD_HAS : LOAD_ANY,
		.has = slice_of(failure, sizeof(failure)),
		.request = buf_slice(rq) };
	return load_add(f, &lane, e);
}

static bool
write_mix(const struct load *good, const char *path, struct err *e)
{
	AUTO(load_file_free) struct load_file *f = NULL;
	size_t next = 0;

	if (!load_create(path, &f, e))
		return false;
	for (size_t i = 0; i < good->count; i++) {
		if (i % GOOD_BETWEEN == 0 &&
		    !add_kind(f, &kinds[next++ % COUNT(kinds)], e))
			return false;
		if (!load_add(f, &good->lanes[i], e))
			return false;
	}
	return load_finish(&f, e);
}

static bool
open_ra(const char *dir, struct err *e)
{
	AUTO(str_free) char *db = str_printf("%s/mutsu.db", dir);
	AUTO(str_free) char *master = str_printf("%s/master.key", dir);
	AUTO(store_close) struct store *st = NULL;
	AUTO(seal_free) struct seal *seal = NULL;
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	struct cert_authority_options o = { .organization = "Mutsu" };

	if (!seal_open(master, &seal, e) ||
	    !store_open(&(struct store_options){ .path = db }, &st, e))
		return false;
	o.vault.seal = seal;
	if (!cert_authority_open(st, &o, &a, e))
		return false;
	the.ra = X509_dup(cert_authority_ra(a));
	return true;
}

int
main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "load", required_argument, NULL, 'l' },
		{ 0 },
	};
	const char *dir = NULL, *path = NULL;
	AUTO(str_free) char *from = NULL;
	AUTO(load_clear) struct load good = { 0 };
	struct err e;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
		*(c == 'd' ? &dir : &path) = optarg;
	if (dir == NULL || path == NULL)
		return 2;
	from = str_printf("%s/scep.load", dir);
	must(open_ra(dir, &e) && load_read(from, &good, &e), &e);
	the.key = forge_rsa(2048);
	the.small = forge_rsa(1024);
	the.ec = forge_ec("P-256");
	the.signer = forge_certificate((struct forge_cert){ .key = the.key });
	the.small_signer =
	    forge_certificate((struct forge_cert){ .key = the.small });
	the.ec_signer = forge_certificate((struct forge_cert){ .key = the.ec });
	must(write_mix(&good, path, &e), &e);
	return 0;
}
