/*
 * What a client says of an answer that it cannot use: nothing of what was in
 * the envelope, which somebody else may have encrypted.
 */
#include "scep/scep_client_priv.h"
#include "tests/unit/core_test.h"
#include "tests/unit/scep_fixture.h"

struct asked {
	struct world *w;
	struct scep_client_options o;
	struct scep_client_ca ca;
	struct scep_pending p;
};

static const struct cert_subject subject = { .cn = "device-1" };

static int
setup(void **state)
{
	struct asked *a = calloc(1, sizeof(*a));

	a->w = world_open();
	a->o = (struct scep_client_options){
		.subject = &subject, .challenge = "x", .key = a->w->key
	};
	assert_ok(scep_client_certificates(
	    cert_authority_ra_chain(a->w->authority), &a->ca.chain, e));
	a->p = (struct scep_pending){ .recipient = a->w->ra,
		.digest_nid = NID_sha256,
		.cipher_nid = NID_aes_128_cbc };
	assert_ok(scep_client_prepare(&a->o, SCEP_PKCS_REQ, &a->p, e));
	*state = a;
	return 0;
}

static int
teardown(void **state)
{
	struct asked *a = *state;

	scep_pending_clear(&a->p);
	cert_stack_free(&a->ca.chain);
	world_close(a->w);
	free(a);
	return 0;
}

/* SUCCESS in all that is signed, with this envelope. */
static bool
read_reply(struct asked *a, struct slice env, struct err *why)
{
	struct forge_message m = forge_message(
	    cert_authority_ra_key(a->w->authority), a->w->ra, env);
	AUTO(buf_free) struct buf *der = NULL;
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };

	m.attrs[FORGE_MESSAGE_TYPE].value = TEXT("3");
	m.attrs[FORGE_TRANSACTION].value = slice_str(a->p.transaction_id);
	m.attrs[FORGE_EXTRA] = (struct forge_attr){ SCEP_OID "3",
		V_ASN1_PRINTABLESTRING, TEXT("0"), 0, 0 };
	m.attrs[FORGE_EXTRA + 1] =
	    (struct forge_attr){ SCEP_OID "6", V_ASN1_OCTET_STRING,
		    slice_of(a->p.nonce, sizeof(a->p.nonce)), 0, 0 };
	der = forge_signed(&m);
	return scep_client_read_reply(
	    buf_slice(der), &a->o, &a->ca, &a->p, &r, why);
}

/* Why it is refused. */
static struct err
refused(struct asked *a, struct forge_env env, struct slice plain)
{
	AUTO(buf_free) struct buf *der = NULL;
	struct err why = { 0 };

	env.to[0] = a->p.self;
	der = forge_envelope(env, plain);
	assert_false(read_reply(a, buf_slice(der), &why));
	assert_int_equal(why.code, ERR_INVALID);
	return why;
}

static struct buf *
holding(X509 *x)
{
	AUTO(buf_free) struct buf *der = NULL;
	struct buf *out = buf_new(1 << 14);

	assert_ok(cert_der(x, &der, e));
	scep_degenerate(buf_slice(der), slice_str(""), out);
	return out;
}

static X509 *
issue(struct asked *a, X509 *of)
{
	AUTO(cert_issued_clear) struct cert_issued issued = { 0 };
	struct cert_issue in = {
		.template = cert_template_find(CERT_TEMPLATE_SCEP),
		.subject = &subject,
		.pub = X509_get_X509_PUBKEY(of),
		.now_ms = clock_now_ms(),
	};
	X509 *x = NULL;

	assert_ok(cert_authority_issue(a->w->authority, &in, &issued, e));
	assert_ok(cert_parse(buf_slice(issued.der), &x, e));
	return x;
}

static void
one_text_from_the_key_to_the_certificate(void **state)
{
	struct asked *a = *state;
	AUTO(buf_free) struct buf *foreign = holding(a->w->ra);
	AUTO(buf_free) struct buf *self = holding(a->w->signer);
	struct err key, padding, csr, another, unsigned_;

	key = refused(a, (struct forge_env){ .bad_key = true },
	    TEXT("what somebody else wrote"));
	padding = refused(a, (struct forge_env){ .bad_padding = true },
	    TEXT("what somebody else wrote"));
	csr = refused(a, (struct forge_env){ 0 }, TEXT("a request"));
	another = refused(a, (struct forge_env){ 0 }, buf_slice(foreign));
	unsigned_ = refused(a, (struct forge_env){ 0 }, buf_slice(self));
	assert_string_equal(padding.text, key.text);
	assert_string_equal(csr.text, key.text);
	assert_string_equal(another.text, key.text);
	assert_string_equal(unsigned_.text, key.text);
}

static void
a_good_one_is_read(void **state)
{
	struct asked *a = *state;
	AUTO(cert_x509_free) X509 *ours = issue(a, a->w->signer);
	AUTO(buf_free) struct buf *plain = holding(ours);
	AUTO(buf_free)
	struct buf *env = forge_envelope(
	    (struct forge_env){ .to = { a->p.self } }, buf_slice(plain));
	AUTO(buf_free)
	struct buf *stray = forge_envelope(
	    (struct forge_env){ .to = { a->w->ra } }, buf_slice(plain));
	struct err why = { 0 };

	assert_ok(read_reply(a, buf_slice(env), e));
	/* Not for us: that is open to see. */
	assert_false(read_reply(a, buf_slice(stray), &why));
	assert_non_null(strstr(why.text, SCEP_TEXT_NOT_FOR_US));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_text_from_the_key_to_the_certificate),
		cmocka_unit_test(a_good_one_is_read),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
