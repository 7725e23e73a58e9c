/* The alternative names that the client's request asks for. */
#include <openssl/x509v3.h>

#include "scep/scep_client.h"
#include "tests/unit/scep_answer.h"

static int
setup(void **state)
{
	*state = world_open();
	return 0;
}

static int
teardown(void **state)
{
	world_close(*state);
	return 0;
}

/* Of the request within a message, as OpenSSL prints them; the caller's. */
static char *
names_within(struct world *w, struct slice message)
{
	AUTO(scep_message_free) struct scep_message *m = NULL;
	AUTO(buf_wipe) struct buf *plain = NULL;
	AUTO(cert_req_free) X509_REQ *req = NULL;
	AUTO(cert_bio_free) BIO *bio = BIO_new(BIO_s_mem());
	STACK_OF(X509_EXTENSION) * list;
	struct scep_verdict v;
	struct err e;
	const uint8_t *p;
	char *text;
	long len;

	assert_true(scep_parse(NULL, message, &m, &v, &e));
	scep_open(m, w->ra, cert_authority_ra_key(w->authority), &plain, &v);
	assert_int_equal(v.fail, -1);
	p = plain->p;
	req = d2i_X509_REQ(NULL, &p, (long)plain->len);
	assert_non_null(req);
	list = X509_REQ_get_extensions(req);
	for (int i = 0; i < sk_X509_EXTENSION_num(list); i++)
		X509V3_EXT_print(bio, sk_X509_EXTENSION_value(list, i), 0, 0);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	len = BIO_get_mem_data(bio, &text);
	return str_printf("%.*s", (int)len, text);
}

static bool
make(struct world *w, const struct scep_client_options *o, struct buf **out)
{
	STACK_OF(X509) *ca = sk_X509_new_null();
	struct err e = { 0 };
	bool ok;

	sk_X509_push(ca, w->ra);
	ok = scep_client_request(o, ca, out, &e);
	assert_int_equal(e.code, ok ? ERR_NONE : ERR_INVALID);
	sk_X509_free(ca);
	return ok;
}

static void
asks_for(struct world *w, struct scep_client_options o,
    const struct cert_subject *subject, const char *wanted)
{
	AUTO(buf_free) struct buf *message = NULL;
	AUTO(str_free) char *names = NULL;

	o.subject = subject;
	o.challenge = "x";
	o.key = w->key;
	assert_true(make(w, &o, &message));
	names = names_within(w, buf_slice(message));
	assert_string_equal(names, wanted);
}

static void
all_names_are_asked_for(void **state)
{
	const struct cert_subject none = { .cn = "gate" };
	const struct cert_subject all = { .cn = "gate",
		.email = "it@example.com",
		.dns = "gate.example.com",
		.ip = "192.0.2.1",
		.uri = "urn:x:1",
		.more = { { "dns", "gate.example.net" },
		    { "ip", "2001:db8::1" }, { "uri", "urn:x:2" },
		    { "email", "a@example.com" } } };

	asks_for(*state, (struct scep_client_options){ 0 }, &none, "");
	asks_for(*state, (struct scep_client_options){ 0 }, &all,
	    "email:it@example.com, DNS:gate.example.com, IP "
	    "Address:192.0.2.1, URI:urn:x:1, DNS:gate.example.net, IP "
	    "Address:2001:DB8:0:0:0:0:0:1, URI:urn:x:2, email:a@example.com");
}

static void
a_renewal_asks_for_the_old_names(void **state)
{
	const struct cert_subject none = { .cn = "gate" };
	const struct cert_subject other = { .cn = "gate", .dns = "b.example" };
	struct world *w = *state;
	AUTO(cert_x509_free)
	X509 *old = forge_certificate((struct forge_cert){ .key = w->key });
	X509_EXTENSION *x = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_subject_alt_name, "DNS:a.example,RID:1.2.3");
	struct scep_client_options o = { .signer = old, .signer_key = w->key };

	asks_for(w, o, &none, "");
	assert_int_equal(X509_add_ext(old, x, -1), 1);
	X509_EXTENSION_free(x);
	assert_true(X509_sign(old, w->key, EVP_sha256()) > 0);
	asks_for(w, o, &none, "DNS:a.example, Registered ID:1.2.3");
	asks_for(w, o, &other, "DNS:b.example");
}

static void
what_is_no_name_is_refused(void **state)
{
	static const struct cert_subject bad[] = {
		{ .cn = "gate", .ip = "192.0.2" },
		{ .cn = "gate", .more = { { "name", "x" } } },
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct scep_client_options o = { .subject = &bad[i],
			.key = w->key };
		struct buf *message = NULL;

		assert_false(make(w, &o, &message));
		assert_null(message);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_names_are_asked_for),
		cmocka_unit_test(a_renewal_asks_for_the_old_names),
		cmocka_unit_test(what_is_no_name_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
