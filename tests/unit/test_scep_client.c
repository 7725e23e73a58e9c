/* The client against the service, and against servers that lie. */
#include "certs/cert_cms.h"
#include "scep/scep_client.h"
#include "tests/unit/scep_served.h"

static const struct cert_subject subject = { .cn = "sim-1", .o = "Sim" };

static struct scep_client_result
enroll(struct served *s, struct scep_client_options o)
{
	AUTO(str_free) char *url = str_printf("%s/scep", s->base);
	struct scep_client_result r = { 0 };
	struct err e = { 0 };

	o.url = url;
	o.subject = &subject;
	o.key = s->w->key;
	if (!scep_client_enroll(s->fetch, &o, &r, &e))
		fail_msg("%s", e.text);
	return r;
}

static void
enrols(struct served *s, struct scep_client_options o)
{
	struct challenge c = world_challenge(s->w);
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };

	o.challenge = c.text;
	r = enroll(s, o);
	assert_int_equal(r.status, SCEP_SUCCESS);
	assert_int_equal(r.fail_info, -1);
	assert_non_null(r.cert);
	assert_int_equal(sk_X509_num(r.chain), 3);
	assert_int_equal(
	    X509_verify(r.cert, X509_get0_pubkey(sk_X509_value(r.chain, 1))),
	    1);
	assert_int_equal(world_issued_for(s->w, &c), 1);
}

static void
every_way_enrols(void **state)
{
	enrols(*state, (struct scep_client_options){ 0 });
	enrols(*state, (struct scep_client_options){ .get = true });
	enrols(*state, (struct scep_client_options){ .digest_nid = NID_sha1,
	                   .cipher_nid = NID_des_ede3_cbc });
	enrols(*state, (struct scep_client_options){ .get = true,
	                   .digest_nid = NID_sha1,
	                   .cipher_nid = NID_des_ede3_cbc,
	                   .ca_name = "Name with +/ &=" });
}

static void
failure_is_told(void **state)
{
	AUTO(scep_client_result_clear)
	struct scep_client_result r = enroll(
	    *state, (struct scep_client_options){ .challenge = "wrong" });

	assert_int_equal(r.status, SCEP_FAILURE);
	assert_int_equal(r.fail_info, SCEP_BAD_REQUEST);
	assert_string_equal(
	    r.fail_text, "challenge password invalid or expired");
	assert_null(r.cert);
}

static void
reasons_of_http_are_told(void **state)
{
	struct served *s = *state;
	AUTO(str_free) char *url = str_printf("%s/scep", s->base);
	AUTO(str_free) char *nowhere = str_printf("%s/scep/none", s->base);
	struct scep_client_options o = { .url = url };
	AUTO(scep_client_free) struct scep_client *c = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *next = NULL;
	struct scep_client *no = NULL;
	struct err e = { 0 };

	assert_true(scep_client_new(s->fetch, &o, &c, &e));
	assert_false(scep_client_next_ca(c, &next, &e));
	assert_int_equal(e.code, ERR_REFUSED);
	assert_string_equal(e.text,
	    "GetNextCACert: HTTP status 404, there is no next CA certificate");
	o.url = nowhere;
	assert_false(scep_client_new(s->fetch, &o, &no, &e));
	assert_string_equal(e.text,
	    "GetCACert: HTTP status 404, there is no such template or "
	    "upstream");
}

/* All of them, so that what a server offers can be shown. */
static void
capabilities_and_reasons_have_names(void **state)
{
	static const char *const names[] = { "AES", "DES3", "GetNextCACert",
		"POSTPKIOperation", "Renewal", "SHA-1", "SHA-256", "SHA-512",
		"SCEPStandard", "SHA-384" };
	struct served *s = *state;
	AUTO(str_free) char *url = str_printf("%s/scep", s->base);
	struct scep_client_options o = { .url = url };
	AUTO(scep_client_free) struct scep_client *c = NULL;
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(names); i++)
		assert_string_equal(scep_client_cap_name(1U << i), names[i]);
	assert_null(scep_client_cap_name(1U << COUNT(names)));
	assert_true(scep_client_new(s->fetch, &o, &c, &e));
	assert_true((scep_client_ca(c)->caps & SCEP_CAP_SHA384) != 0);
	assert_string_equal(scep_fail_name(0), "badAlg");
	assert_string_equal(scep_fail_name(4), "badCertId");
	assert_string_equal(scep_fail_name(5), "no failInfo");
	assert_string_equal(scep_fail_name(-1), "no failInfo");
}

static void
prepared_request_is_good(void **state)
{
	struct served *s = *state;
	struct challenge c = world_challenge(s->w);
	struct scep_client_options o = {
		.subject = &subject, .challenge = c.text, .key = s->w->key
	};
	AUTO(buf_free) struct buf *m = NULL;
	AUTO(buf_free) struct buf *reply = NULL;
	STACK_OF(X509) *ca = sk_X509_new_null();
	struct err e;

	sk_X509_push(ca, s->w->ra);
	assert_true(scep_client_request(&o, ca, &m, &e));
	assert_true(scep_operation(
	    s->w->service, buf_slice(m), "192.0.2.1", &reply, &e));
	assert_int_equal(world_issued_for(s->w, &c), 1);
	sk_X509_free(ca);
}

static void
chain_without_an_ra_is_refused(void **state)
{
	struct served *s = *state;
	struct scep_client_options o = {
		.subject = &subject, .challenge = "x", .key = s->w->key
	};
	STACK_OF(X509) *ca = sk_X509_new_null();
	struct buf *m = NULL;
	struct err e;

	sk_X509_push(ca, cert_authority_issuing(s->w->authority));
	sk_X509_push(ca, cert_authority_root(s->w->authority));
	assert_false(scep_client_request(&o, ca, &m, &e));
	assert_int_equal(e.code, ERR_INVALID);
	assert_null(m);
	sk_X509_free(ca);
}

/* ---- a server that answers what a test tells it ---- */

struct liar {
	const char *caps, *type;
	struct slice ca, reply, next;
	const char *reply_type;
	/* Signs what it answers, as the RA would, when it is set. */
	struct world *world;
	bool polled, wrong_signer;
	enum scep_status first, later; /* before and after a CertPoll */
	X509 *cert;                    /* for SCEP_SUCCESS */
};

/* A well-made CertRep to whatever was asked. */
static struct buf *
answer_signed(struct liar *l, struct slice request)
{
	AUTO(scep_message_free) struct scep_message *m = NULL;
	AUTO(buf_free) struct buf *plain = NULL;
	AUTO(buf_free) struct buf *der = NULL;
	X509 *ra = l->wrong_signer ? l->world->signer : l->world->ra;
	EVP_PKEY *key = l->wrong_signer
	                    ? l->world->key
	                    : cert_authority_ra_key(l->world->authority);
	struct scep_reply r = { .fail_text = "no" };
	struct scep_verdict v;
	struct buf *out = NULL;
	struct err e;

	assert_true(scep_parse(NULL, request, &m, &v, &e));
	scep_open(m, l->world->ra, cert_authority_ra_key(l->world->authority),
	    &plain, &v);
	assert_int_equal(v.fail, -1);
	l->polled |= m->type == SCEP_CERT_POLL;
	r.status = l->polled ? l->later : l->first;
	if (r.status == SCEP_SUCCESS) {
		assert_true(cert_der(l->cert, &der, &e));
		r.cert_der = buf_slice(der);
	}
	assert_true(scep_reply_build(m, &r, ra, key, &out, &e));
	return out;
}

static bool
lie(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct liar *l = service;
	AUTO(buf_free) struct buf *made = NULL;
	const char *operation = http_query(rq, "operation");
	struct slice body = l->reply;
	const char *type = l->reply_type;

	(void)e;
	if (str_eq(operation, "GetCACaps")) {
		type = "text/plain";
		body = slice_str(l->caps);
	} else if (str_eq(operation, "GetCACert")) {
		type = l->type;
		body = l->ca;
	} else if (str_eq(operation, "GetNextCACert")) {
		type = "application/x-x509-next-ca-cert";
		body = l->next;
	} else if (l->world != NULL) {
		made = answer_signed(l, http_body(rq));
		body = buf_slice(made);
	}
	http_set(rp, 200, type);
	buf_add(http_out(rp), body.p, body.len);
	return true;
}

static const struct http_route lies[] = {
	{ "GET", "/scep", HTTP_ANYONE, 0, lie },
	{ "POST", "/scep", HTTP_ANYONE, 65536, lie },
};

static void
liar_listen(struct liar *l, struct http_server **http, char *url, size_t size)
{
	struct http_listen hl = { .side = HTTP_DEVICE_SIDE,
		.address = "127.0.0.1" };
	struct http_options ho = { .workers = 1 };
	struct err e = { 0 };
	uint16_t port;

	if (!http_new(&ho, http, &e))
		fail_msg("%s", e.text);
	http_add(*http, HTTP_DEVICE_SIDE, lies, COUNT(lies), l);
	if (!http_listen(*http, &hl, &port, &e))
		fail_msg("%s", e.text);
	snprintf(url, size, "http://127.0.0.1:%u/scep", port);
}

/* What a client of this liar learns; r is cleared by the caller. */
static enum err_code
ask(struct served *s, struct liar *l, const char *pin, bool poll,
    struct scep_client_result *r)
{
	struct http_server *http = NULL;
	AUTO(scep_client_free) struct scep_client *c = NULL;
	struct err e = { 0 };
	char url[64];
	bool good;

	liar_listen(l, &http, url, sizeof(url));
	struct scep_client_options o = { .url = url,
		.subject = &subject,
		.challenge = "x",
		.ca_fingerprint = pin,
		.key = s->w->key };
	good =
	    scep_client_new(s->fetch, &o, &c, &e) && scep_client_send(c, r, &e);
	if (good && poll) {
		assert_int_equal(r->status, SCEP_PENDING);
		scep_client_result_clear(r);
		good = scep_client_poll(c, r, &e);
	}
	http_free(&http);
	return good ? 0 : e.code;
}

static enum err_code
ask_liar(struct served *s, struct liar *l)
{
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };
	enum err_code code = ask(s, l, NULL, false, &r);

	assert_null(r.cert);
	return code;
}

static struct liar
honest(struct served *s)
{
	return (struct liar){ .caps = "SCEPStandard\nRenewal",
		.type = "application/x-x509-ca-ra-cert",
		.ca = cert_authority_ra_chain(s->w->authority),
		.reply_type = "application/x-pki-message",
		.world = s->w,
		.first = SCEP_PENDING };
}

/* A certificate of our issuing CA for the client's key. */
static X509 *
genuine(struct served *s)
{
	struct challenge c = world_challenge(s->w);
	AUTO(scep_client_result_clear)
	struct scep_client_result r =
	    enroll(s, (struct scep_client_options){ .challenge = c.text });

	assert_non_null(r.cert);
	X509_up_ref(r.cert);
	return r.cert;
}

static void
pending_is_polled(void **state)
{
	struct served *s = *state;
	AUTO(cert_x509_free) X509 *cert = genuine(s);
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };
	struct liar l = honest(s);

	l.cert = cert;
	l.later = SCEP_SUCCESS;
	assert_int_equal(ask(s, &l, NULL, true, &r), 0);
	assert_true(l.polled);
	assert_int_equal(X509_cmp(r.cert, cert), 0);
	scep_client_result_clear(&r);
	l = honest(s);
	l.later = SCEP_FAILURE;
	assert_int_equal(ask(s, &l, NULL, true, &r), 0);
	assert_int_equal(r.status, SCEP_FAILURE);
	assert_null(r.cert);
}

static void
foreign_certificates_are_refused(void **state)
{
	struct served *s = *state;
	struct liar l = honest(s);

	/* Of our key, but signed by nobody of GetCACert. */
	l.first = SCEP_SUCCESS;
	l.cert = s->w->signer;
	assert_int_equal(ask_liar(s, &l), ERR_INVALID);
	/* Of that CA, but with another key. */
	l.cert = s->w->ra;
	assert_int_equal(ask_liar(s, &l), ERR_INVALID);
	/* Signed by somebody that GetCACert does not name. */
	l.first = SCEP_PENDING;
	l.wrong_signer = true;
	assert_int_equal(ask_liar(s, &l), ERR_INVALID);
}

/* GetCACert of a thief: the real root beside a certificate of his. */
static uint8_t *
mixed_chain(X509 *root, X509 *thief, int *len)
{
	PKCS7 *p7 = PKCS7_new();
	uint8_t *der = NULL;

	PKCS7_set_type(p7, NID_pkcs7_signed);
	PKCS7_content_new(p7, NID_pkcs7_data);
	PKCS7_add_certificate(p7, root);
	PKCS7_add_certificate(p7, thief);
	*len = i2d_PKCS7(p7, &der);
	PKCS7_free(p7);
	assert_true(*len > 0);
	return der;
}

static enum err_code
ask_pinned(struct served *s, struct liar *l, X509 *pinned)
{
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };
	char pin[SHA256_HEX_SIZE];

	cert_fingerprint(pinned, pin);
	return ask(s, l, pin, false, &r);
}

static void
fingerprint_pins_the_server(void **state)
{
	struct served *s = *state;
	X509 *root = cert_authority_root(s->w->authority);
	X509 *issuing = cert_authority_issuing(s->w->authority);
	AUTO(cert_x509_free)
	X509 *thief =
	    forge_certificate((struct forge_cert){ .key = s->w->key2 });
	struct liar l = honest(s);
	uint8_t *chain;
	int len;

	assert_int_equal(ask_pinned(s, &l, root), 0);
	assert_int_equal(ask_pinned(s, &l, issuing), 0);
	assert_int_equal(ask_pinned(s, &l, s->w->ra), 0);
	assert_int_equal(ask_pinned(s, &l, thief), ERR_FORBIDDEN);
	chain = mixed_chain(root, thief, &len);
	l.ca = slice_of(chain, (size_t)len);
	assert_int_equal(ask_pinned(s, &l, root), ERR_FORBIDDEN);
	OPENSSL_free(chain);
}

/* How many certificates of a next CA the client believes; 0: none. */
static int
next_of(struct served *s, struct liar *l, X509 *signer, EVP_PKEY *key)
{
	AUTO(buf_free) struct buf *next = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	AUTO(scep_client_free) struct scep_client *c = NULL;
	struct http_server *http = NULL;
	struct err e = { 0 };
	char url[64];

	assert_true(cert_cms_sign(cert_authority_ra_chain(s->w->authority),
	    signer, key, NULL, &next, &e));
	l->next = buf_slice(next);
	liar_listen(l, &http, url, sizeof(url));
	struct scep_client_options o = { .url = url };
	assert_true(scep_client_new(s->fetch, &o, &c, &e));
	if (!scep_client_next_ca(c, &chain, &e))
		assert_int_equal(e.code, ERR_INVALID);
	http_free(&http);
	return chain != NULL ? sk_X509_num(chain) : 0;
}

static void
next_ca_is_signed_by_the_present(void **state)
{
	struct served *s = *state;
	struct liar l = honest(s);

	assert_int_equal(
	    next_of(s, &l, s->w->ra, cert_authority_ra_key(s->w->authority)),
	    3);
	assert_int_equal(next_of(s, &l, s->w->signer, s->w->key), 0);
}

/* A genuine reply to somebody else's request. */
static struct buf *
foreign_reply(struct served *s)
{
	struct challenge c = world_challenge(s->w);
	AUTO(buf_free) struct buf *m = world_request(s->w, c.text);
	struct buf *reply = NULL;
	struct err e;

	assert_true(scep_operation(
	    s->w->service, buf_slice(m), "192.0.2.1", &reply, &e));
	return reply;
}

static void
lies_are_noticed(void **state)
{
	struct served *s = *state;
	AUTO(buf_free) struct buf *foreign = foreign_reply(s);
	struct liar l = { .caps = "SCEPStandard\r\n",
		.type = "application/x-x509-ca-ra-cert",
		.ca = cert_authority_ra_chain(s->w->authority),
		.reply_type = "application/x-pki-message",
		.reply = buf_slice(foreign) };

	/* Well signed, but another transaction. */
	assert_int_equal(ask_liar(s, &l), ERR_INVALID);
	l.reply = TEXT("nonsense");
	assert_int_equal(ask_liar(s, &l), ERR_INVALID);
	l.reply_type = "text/html";
	assert_int_equal(ask_liar(s, &l), ERR_INVALID);
	l.ca = TEXT("nonsense");
	assert_int_equal(ask_liar(s, &l), ERR_INVALID);
	l.type = "application/x-x509-ca-cert";
	assert_int_equal(ask_liar(s, &l), ERR_INVALID);
	l.type = "application/x-x509-ca-ra-cert";
	l.ca = cert_authority_ra_chain(s->w->authority);
	l.caps = "DES\nMD5\n";
	assert_int_equal(ask_liar(s, &l), ERR_REFUSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_enrols),
		cmocka_unit_test(failure_is_told),
		cmocka_unit_test(reasons_of_http_are_told),
		cmocka_unit_test(capabilities_and_reasons_have_names),
		cmocka_unit_test(prepared_request_is_good),
		cmocka_unit_test(chain_without_an_ra_is_refused),
		cmocka_unit_test(lies_are_noticed),
		cmocka_unit_test(pending_is_polled),
		cmocka_unit_test(foreign_certificates_are_refused),
		cmocka_unit_test(fingerprint_pins_the_server),
		cmocka_unit_test(next_ca_is_signed_by_the_present),
	};

	return cmocka_run_group_tests(tests, served_setup, served_teardown);
}
