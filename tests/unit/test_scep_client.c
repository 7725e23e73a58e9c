/* The client against the service, and against servers that lie. */
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
	enrols(*state, (struct scep_client_options){ .des3_sha1 = true });
	enrols(*state,
	    (struct scep_client_options){
	        .get = true, .des3_sha1 = true, .ca_name = "Name with +/ &=" });
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
	struct slice ca, reply;
	const char *reply_type;
};

static bool
lie(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	const struct liar *l = service;
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
	}
	http_set(rp, 200, type);
	buf_add(http_out(rp), body.p, body.len);
	return true;
}

static enum err_code
ask_liar(struct served *s, struct liar *l)
{
	const struct http_route routes[] = { { "GET", "/scep", HTTP_ANYONE, 0,
		                                 lie },
		{ "POST", "/scep", HTTP_ANYONE, 65536, lie } };
	struct http_listen hl = { .side = HTTP_DEVICE_SIDE,
		.address = "127.0.0.1" };
	struct http_options ho = { .workers = 1 };
	struct http_server *http = NULL;
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };
	struct err e = { 0 };
	char url[64];
	uint16_t port;

	assert_true(http_new(&ho, &http, &e));
	http_add(http, HTTP_DEVICE_SIDE, routes, COUNT(routes), l);
	assert_true(http_listen(http, &hl, &port, &e));
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/scep", port);
	struct scep_client_options o = { .url = url,
		.subject = &subject,
		.challenge = "x",
		.key = s->w->key };
	assert_false(scep_client_enroll(s->fetch, &o, &r, &e));
	assert_null(r.cert);
	http_free(&http);
	return e.code;
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
	l.caps = "DES\nMD5\n";
	assert_int_equal(ask_liar(s, &l), ERR_REFUSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_enrols),
		cmocka_unit_test(failure_is_told),
		cmocka_unit_test(prepared_request_is_good),
		cmocka_unit_test(chain_without_an_ra_is_refused),
		cmocka_unit_test(lies_are_noticed),
	};

	return cmocka_run_group_tests(tests, served_setup, served_teardown);
}
