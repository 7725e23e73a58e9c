/*
 * Asking an upstream: an EST server of the test's own, which issues over TLS,
 * and a SCEP service beside it.
 */
#include <openssl/x509v3.h>

#include "core/json.h"
#include "scep/scep_approval.h"
#include "scep/scep_priv.h"
#include "scep/scep_upstream.h"
#include "tests/unit/core_test.h"
#include "tests/unit/scep_served.h"
#include "tests/unit/scep_server.h"

struct up {
	struct world *w;
	struct http_server *http;
	struct fetch *fetch;
	STACK_OF(X509) * anchors;
	struct buf *csr; /* of w->key2, without a challenge */
	char est[64], scep[64];
	char locked[64]; /* the same EST server where 401 may be said */
	/* What simpleenroll does. */
	int status;              /* 0: it issues */
	const char *says, *type; /* with that status */
	X509 *cert;              /* is given in place of one that it issues */
	bool allow_des;
	struct scep_server server;
};

/* ---- the EST server ---- */

static void
give(struct http_reply *rp, struct slice der)
{
	AUTO(buf_free) struct buf *p7 = buf_new(1 << 16);

	scep_degenerate(der, slice_str(""), p7);
	http_set(rp, 200, "application/pkcs7-mime; smime-type=certs-only");
	b64_encode(http_out(rp), buf_slice(p7));
}

static bool
est_cacerts(const struct http_request *rq, struct http_reply *rp, void *arg,
    struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;
	struct up *u = arg;

	(void)rq;
	if (!cert_der(cert_authority_issuing(u->w->authority), &der, e))
		return false;
	give(rp, buf_slice(der));
	return true;
}

static bool
est_issue(struct up *u, struct slice body, struct buf **der, struct err *e)
{
	AUTO(buf_free) struct buf *csr = buf_new(1 << 14);
	AUTO(scep_csr_free) struct scep_csr *read = NULL;
	AUTO(cert_issued_clear) struct cert_issued issued = { 0 };
	struct scep_verdict v;
	struct cert_subject subject = { .cn = "from upstream" };
	struct cert_issue in = {
		.template = cert_template_find(CERT_TEMPLATE_SCEP),
		.subject = &subject,
		.now_ms = clock_now_ms(),
	};

	if (u->cert != NULL)
		return cert_der(u->cert, der, e);
	if (!b64_decode(csr, body, B64_SPACES, e))
		return false;
	assert_true(slice_eq(buf_slice(csr), buf_slice(u->csr)));
	scep_csr_parse(buf_slice(csr), true, NULL, &read, &v);
	assert_int_equal(v.fail, -1);
	in.pub = read->pub;
	if (!cert_authority_issue(u->w->authority, &in, &issued, e))
		return false;
	*der = TAKE(issued.der);
	return true;
}

static bool
est_enroll(const struct http_request *rq, struct http_reply *rp, void *arg,
    struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;
	struct up *u = arg;

	if (u->status != 0) {
		http_set(
		    rp, u->status, u->type != NULL ? u->type : "text/plain");
		buf_adds(http_out(rp), u->says != NULL ? u->says : "");
		http_set_header(rp, "Retry-After", "90");
		return true;
	}
	if (!est_issue(u, http_body(rq), &der, e))
		return false;
	give(rp, buf_slice(der));
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/.well-known/est/cacerts", HTTP_ANYONE, 0, est_cacerts },
	{ "POST", "/.well-known/est/simpleenroll", HTTP_ANYONE, 65536,
	    est_enroll },
};

static void
listen_tls(struct up *u)
{
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(buf_free) struct buf *root = buf_new(8192);
	struct http_options ho = { .workers = 2 };
	uint16_t port, locked;

	assert_ok(
	    cert_authority_tls(u->w->authority, "127.0.0.1", &cert, &key, e));
	assert_ok(cert_pem(cert_authority_root(u->w->authority), root, e));
	struct http_listen hl = { .side = HTTP_DEVICE_SIDE,
		.address = "127.0.0.1",
		.cert_pem = buf_str(cert),
		.key_pem = buf_str(key) };
	struct fetch_options fo = { .ca_pem = buf_str(root) };
	assert_ok(http_new(&ho, &u->http, e));
	http_add(u->http, HTTP_DEVICE_SIDE, routes, COUNT(routes), u);
	scep_http_add(u->http, u->w->service);
	http_add(u->http, HTTP_ADMIN_SIDE, routes, COUNT(routes), u);
	assert_ok(http_listen(u->http, &hl, &port, e));
	hl.side = HTTP_ADMIN_SIDE;
	assert_ok(http_listen(u->http, &hl, &locked, e));
	assert_ok(fetch_new(&fo, &u->fetch, e));
	snprintf(u->est, sizeof(u->est), "https://127.0.0.1:%u/.well-known/est",
	    port);
	snprintf(u->locked, sizeof(u->locked),
	    "https://127.0.0.1:%u/.well-known/est", locked);
	snprintf(u->scep, sizeof(u->scep), "https://127.0.0.1:%u/scep", port);
}

static int
setup(void **state)
{
	struct up *u = calloc(1, sizeof(*u));

	u->w = world_open();
	world_service(u->w, (struct scep_options){ .failures_per_min = 1000,
	                        .approval_ms = MS_DAY });
	u->csr = forge_csr_make(
	    (struct forge_csr){ .key = u->w->key2, .cn = "device-1" });
	u->anchors = sk_X509_new_null();
	sk_X509_push(u->anchors, cert_authority_root(u->w->authority));
	listen_tls(u);
	*state = u;
	return 0;
}

static int
teardown(void **state)
{
	struct up *u = *state;

	scep_server_stop(&u->server);
	fetch_free(&u->fetch);
	http_free(&u->http);
	sk_X509_free(u->anchors);
	buf_free(&u->csr);
	world_close(u->w);
	free(u);
	return 0;
}

/* ---- what is asked ---- */

static struct scep_upstream_answer
ask_at(struct up *u, bool est, const char *url, struct scep_upstream_request rq)
{
	struct scep_upstream_options o = { .est = est,
		.url = url,
		.fetch = u->fetch,
		.anchors = u->anchors,
		.ra = u->w->signer,
		.ra_key = u->w->key,
		.allow_des = u->allow_des };
	struct scep_upstream_answer a;

	if (rq.csr.len == 0)
		rq.csr = buf_slice(u->csr);
	scep_upstream_ask(&o, &rq, &a);
	assert_int_equal(a.cert != NULL, a.state == SCEP_UPSTREAM_ISSUED);
	assert_int_equal(a.reason[0] != '\0',
	    a.state == SCEP_UPSTREAM_LATER || a.state == SCEP_UPSTREAM_REFUSED);
	return a;
}

#define EXPECT(want, call)                                                     \
	do {                                                                   \
		AUTO(scep_upstream_answer_clear)                               \
		struct scep_upstream_answer a_ = (call);                       \
		if (a_.state != (want))                                        \
			fail_msg("state %d: %s", (int)a_.state, a_.reason);    \
	} while (0)

static struct scep_upstream_answer
ask_est(struct up *u)
{
	return ask_at(u, true, u->est, (struct scep_upstream_request){ 0 });
}

static struct scep_upstream_answer
ask_scep(struct up *u, struct buf *csr, bool waiting)
{
	return ask_at(u, false, u->scep,
	    (struct scep_upstream_request){
	        .csr = buf_slice(csr), .waiting = waiting });
}

static void
assert_ours(struct up *u, const struct scep_upstream_answer *a)
{
	if (a->state != SCEP_UPSTREAM_ISSUED)
		fail_msg("%s", a->reason);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(a->cert), u->w->key2), 1);
	assert_true(sk_X509_num(a->chain) > 0);
}

static void
est_gives_a_certificate(void **state)
{
	struct up *u = *state;
	AUTO(scep_upstream_answer_clear)
	struct scep_upstream_answer a = ask_est(u);

	assert_ours(u, &a);
}

static void
est_statuses_say_what_next(void **state)
{
	struct up *u = *state;
	AUTO(scep_upstream_answer_clear) struct scep_upstream_answer a = { 0 };

	u->status = 202;
	a = ask_est(u);
	assert_int_equal(a.state, SCEP_UPSTREAM_WAITING);
	assert_int_equal(a.retry_after_s, 90);
	u->status = 503;
	EXPECT(SCEP_UPSTREAM_LATER, ask_est(u));
	u->status = 403;
	EXPECT(SCEP_UPSTREAM_REFUSED, ask_est(u));
	u->status = 0;
	/* Port 1: nobody is there. */
	EXPECT(SCEP_UPSTREAM_LATER,
	    ask_at(u, true, "https://127.0.0.1:1/.well-known/est",
	        (struct scep_upstream_request){ 0 }));
}

static void
expect_reason(struct up *u, enum scep_upstream_state state, const char *reason)
{
	AUTO(scep_upstream_answer_clear)
	struct scep_upstream_answer a =
	    ask_at(u, true, u->locked, (struct scep_upstream_request){ 0 });

	assert_int_equal(a.state, state);
	assert_string_equal(a.reason, reason);
	assert_int_equal(a.ours, u->status == 401);
}

static void
est_says_why(void **state)
{
	struct up *u = *state;
	AUTO(buf_free) struct buf *longest = buf_new(4096);

	u->status = 400;
	u->says = "\r\n  the key is\tweak:\n use 3072\x1b[2J \xc3\xa4\n";
	expect_reason(u, SCEP_UPSTREAM_REFUSED,
	    "EST simpleenroll: HTTP status 400: the key is weak: use 3072 [2J "
	    "??");
	u->type = "application/problem+json";
	u->says = "{\"detail\":\"no\"}";
	expect_reason(u, SCEP_UPSTREAM_REFUSED,
	    "EST simpleenroll: HTTP status 400: {\"detail\":\"no\"}");
	u->type = "text/html";
	expect_reason(
	    u, SCEP_UPSTREAM_REFUSED, "EST simpleenroll: HTTP status 400");
	u->type = NULL;
	while (longest->len < 2000)
		buf_adds(longest, "word ");
	u->says = buf_str(longest);
	{
		AUTO(scep_upstream_answer_clear)
		struct scep_upstream_answer a = ask_est(u);

		assert_in_range(strlen(a.reason), 180, 230);
	}
	u->says = NULL;
	u->status = 0;
}

/* Our password is wrong, whatever the request. */
static void
est_does_not_know_us(void **state)
{
	struct up *u = *state;

	u->status = 401;
	u->says = "who are you?";
	expect_reason(u, SCEP_UPSTREAM_LATER,
	    "EST simpleenroll: HTTP status 401: it does not take the user and "
	    "password, or the certificate, that are configured here: who are "
	    "you?");
	u->says = NULL;
	u->status = 0;
}

struct wrong {
	const char *constraints; /* "CA:TRUE" */
	bool self_signed;
	long from_s, to_s;
};

/* A certificate for the key of the CSR. */
static X509 *
certify(struct up *u, struct wrong c)
{
	const struct cert_member *ca = cert_authority_issuer_of(
	    u->w->authority, cert_authority_recipient(u->w->authority, 0));
	X509 *x = X509_new();
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_basic_constraints, c.constraints);

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const uint8_t *)"x", -1, -1, 0);
	X509_set_issuer_name(
	    x, X509_get_subject_name(c.self_signed ? x : ca->certificate));
	X509_gmtime_adj(X509_getm_notBefore(x), c.from_s);
	X509_gmtime_adj(X509_getm_notAfter(x), c.to_s);
	X509_set_pubkey(x, u->w->key2);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	assert_true(X509_sign(x, c.self_signed ? u->w->key2 : ca->key,
	                EVP_sha256()) > 0);
	return x;
}

static enum scep_upstream_state
given(struct up *u, X509 *x)
{
	AUTO(scep_upstream_answer_clear) struct scep_upstream_answer a = { 0 };

	u->cert = x;
	a = ask_est(u);
	u->cert = NULL;
	return a.state;
}

static enum scep_upstream_state
given_made(struct up *u, struct wrong c)
{
	AUTO(cert_x509_free) X509 *x = certify(u, c);

	return given(u, x);
}

static void
wrong_certificates_are_refused(void **state)
{
	struct up *u = *state;
	struct wrong good = { "CA:FALSE", false, -60, 3600 }, c = good;

	assert_int_equal(given_made(u, good), SCEP_UPSTREAM_ISSUED);
	c.constraints = "CA:TRUE";
	assert_int_equal(given_made(u, c), SCEP_UPSTREAM_REFUSED);
	c = good;
	c.self_signed = true;
	assert_int_equal(given_made(u, c), SCEP_UPSTREAM_REFUSED);
	c = good;
	c.to_s = -10;
	assert_int_equal(given_made(u, c), SCEP_UPSTREAM_REFUSED);
	c = good;
	c.from_s = 1800;
	assert_int_equal(given_made(u, c), SCEP_UPSTREAM_REFUSED);
	/* An upstream whose clock is ahead of ours. */
	c.from_s = 120;
	assert_int_equal(given_made(u, c), SCEP_UPSTREAM_ISSUED);
	/* Another key. */
	assert_int_equal(given(u, u->w->ra), SCEP_UPSTREAM_REFUSED);
}

static void
scep_takes_the_clients_request(void **state)
{
	struct up *u = *state;
	struct challenge c = world_challenge(u->w);
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){
	    .key = u->w->key2, .challenge = slice_str(c.text) });
	AUTO(scep_upstream_answer_clear)
	struct scep_upstream_answer a = ask_scep(u, csr, false);
	AUTO(scep_upstream_answer_clear) struct scep_upstream_answer b = { 0 };

	assert_ours(u, &a);
	/* Asked again, as after a crash: the same certificate. */
	b = ask_scep(u, csr, false);
	assert_ours(u, &b);
	assert_int_equal(X509_cmp(a.cert, b.cert), 0);
	assert_int_equal(world_issued_for(u->w, &c), 1);
}

static void
scep_refusal_is_for_good(void **state)
{
	struct up *u = *state;
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){
	    .key = u->w->key2, .challenge = slice_str("wrong") });
	AUTO(scep_upstream_answer_clear)
	struct scep_upstream_answer a = ask_scep(u, csr, false);

	assert_int_equal(a.state, SCEP_UPSTREAM_REFUSED);
	assert_string_equal(a.reason,
	    "the upstream refused the request: badRequest, challenge password "
	    "invalid or expired");
	/* A status of HTTP decides nothing. */
	EXPECT(SCEP_UPSTREAM_LATER,
	    ask_at(u, false, u->est, (struct scep_upstream_request){ 0 }));
}

static void
approve(struct up *u)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct scep_request_page page = { .state = "pending",
		.before_at = INT64_MAX,
		.before_id = "",
		.limit = 2 };
	const char *id;

	assert_ok(store_begin(u->w->store, STORE_READ, &tx, e));
	assert_ok(scep_approval_list(tx, &page, array, &next, e));
	store_rollback(&tx);
	assert_int_equal(json_array_size(array), 1);
	id = json_string_value(json_object_get(json_array_get(array, 0), "id"));
	assert_ok(scep_approve(u->w->service, id, "test", e));
}

static void
scep_pending_is_polled(void **state)
{
	struct up *u = *state;
	AUTO(scep_upstream_answer_clear) struct scep_upstream_answer a = { 0 };

	/* It does not know the request yet: so it is made. */
	EXPECT(SCEP_UPSTREAM_WAITING, ask_scep(u, u->csr, true));
	EXPECT(SCEP_UPSTREAM_WAITING, ask_scep(u, u->csr, true));
	EXPECT(SCEP_UPSTREAM_WAITING, ask_scep(u, u->csr, false));
	approve(u);
	a = ask_scep(u, u->csr, true);
	assert_ours(u, &a);
}

static void
scep_server_is_pinned(void **state)
{
	struct up *u = *state;
	X509 *root = sk_X509_value(u->anchors, 0);
	struct challenge c = world_challenge(u->w);
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){
	    .key = u->w->key2, .challenge = slice_str(c.text) });
	AUTO(scep_upstream_answer_clear) struct scep_upstream_answer a = { 0 };

	sk_X509_set(u->anchors, 0, u->w->signer);
	EXPECT(SCEP_UPSTREAM_REFUSED, ask_scep(u, u->csr, false));
	/* Whoever takes requests is right, but no CA above the certificate. */
	sk_X509_set(u->anchors, 0, u->w->ra);
	a = ask_scep(u, csr, false);
	assert_int_equal(a.state, SCEP_UPSTREAM_REFUSED);
	assert_non_null(strstr(a.reason, "lead to a configured CA (SHA-256 "));
	sk_X509_push(u->anchors, root);
	scep_upstream_answer_clear(&a);
	a = ask_scep(u, csr, true);
	assert_ours(u, &a);
	sk_X509_pop(u->anchors);
	sk_X509_set(u->anchors, 0, root);
}

/* The upstream is somebody else's program, which answers in single DES. */
static void
scepserver_issues(void **state)
{
	struct up *u = *state;
	AUTO(scep_legacy_free) struct scep_legacy *legacy = NULL;
	X509 *root = sk_X509_value(u->anchors, 0);
	struct scep_upstream_answer a;

	assert_ok(scep_legacy_load(&legacy, e));
	scep_server_start(&u->server, u->w->dir, "secret", u->fetch);
	sk_X509_set(u->anchors, 0, u->server.ca);
	/* The second good one as after a crash: it cannot be polled. */
	for (int good = 0; good < 3; good++) {
		AUTO(buf_free)
		struct buf *csr =
		    forge_csr_make((struct forge_csr){ .key = u->w->key2,
		        .challenge = slice_str(good ? "secret" : "wrong") });

		u->allow_des = true;
		a = ask_at(u, false, u->server.url,
		    (struct scep_upstream_request){
		        .csr = buf_slice(csr), .perhaps = good == 2 });
		u->allow_des = false;
		if (good)
			assert_ours(u, &a);
		else
			assert_int_equal(a.state, SCEP_UPSTREAM_REFUSED);
		scep_upstream_answer_clear(&a);
	}
	sk_X509_set(u->anchors, 0, root);
}

static void
attempts_back_off(void **state)
{
	int64_t low = INT64_MAX, high = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		int64_t first = scep_upstream_delay_ms(1, 0);

		assert_in_range(first, 5 * MS_S, 10 * MS_S);
		low = first < low ? first : low;
		high = first > high ? first : high;
		assert_in_range(
		    scep_upstream_delay_ms(4, 0), 40 * MS_S, 80 * MS_S);
		assert_in_range(
		    scep_upstream_delay_ms(1000000, 0), MS_H / 2, MS_H);
		assert_in_range(scep_upstream_delay_ms(1, 7200), 2 * MS_H,
		    2 * MS_H + 10 * MS_S);
		assert_in_range(scep_upstream_delay_ms(1, INT64_MAX), MS_DAY,
		    MS_DAY + 10 * MS_S);
	}
	assert_true(high > low);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(est_gives_a_certificate),
		cmocka_unit_test(est_statuses_say_what_next),
		cmocka_unit_test(est_says_why),
		cmocka_unit_test(est_does_not_know_us),
		cmocka_unit_test(wrong_certificates_are_refused),
		cmocka_unit_test(scep_takes_the_clients_request),
		cmocka_unit_test(scep_refusal_is_for_good),
		cmocka_unit_test(scep_pending_is_polled),
		cmocka_unit_test(scep_server_is_pinned),
		cmocka_unit_test(scepserver_issues),
		cmocka_unit_test(attempts_back_off),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
