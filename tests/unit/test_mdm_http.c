/*
 * The protocol over HTTP, with certificates of a real authority: signatures,
 * content types, sizes, and what a refused device is answered.
 */
#include "mdm_fixture.h"

#include "certs/cert_cms.h"
#include "core/fetch.h"

#define TYPE_CHECKIN "application/x-apple-aspen-mdm-checkin"
#define TYPE_CONNECT "application/x-apple-aspen-mdm; charset=UTF-8"
#define PLIST(inside) "<plist version=\"1.0\"><dict>" inside "</dict></plist>"
#define IDLE                                                                   \
	PLIST("<key>UDID</key><string>" UDID_1                                 \
	      "</string><key>Status</key><string>Idle</string>")
#define AUTHENTICATE                                                           \
	PLIST("<key>MessageType</key><string>Authenticate</string>"            \
	      "<key>Topic</key><string>" TOPIC "</string>"                     \
	      "<key>UDID</key><string>" UDID_1 "</string>"                     \
	      "<key>SerialNumber</key><string>C02X</string>"                   \
	      "<key>ProductName</key><string>Mac14,2</string>")
#define TOKEN                                                                  \
	PLIST("<key>MessageType</key><string>TokenUpdate</string>"             \
	      "<key>Topic</key><string>" TOPIC "</string>"                     \
	      "<key>UDID</key><string>" UDID_1 "</string>"                     \
	      "<key>PushMagic</key><string>M</string>"                         \
	      "<key>Token</key><data>QUJD</data>")

struct served {
	struct world *w;
	struct cert_authority *authority;
	struct http_server *http;
	struct fetch *fetch;
	EVP_PKEY *key;
	X509 *mac, *other; /* ours; self-made is made in its test */
	char url[64];
};

static X509 *
issue_real(struct served *s, const char *purpose)
{
	AUTO(cert_issued_clear) struct cert_issued i = { 0 };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct cert_subject subject = { .cn = "Mac" };
	struct cert_issue in = { cert_template_find(CERT_TEMPLATE_DEVICE),
		&subject, NULL, clock_now_ms(), NULL };
	struct cert_record r = { .issued = &i,
		.authority_id = cert_authority_id(s->authority),
		.template = CERT_TEMPLATE_DEVICE,
		.purpose = purpose };
	X509 *x = NULL;

	assert_int_equal(X509_PUBKEY_set(&in.pub, s->key), 1);
	OK(cert_authority_issue(s->authority, &in, &i, e));
	X509_PUBKEY_free(in.pub);
	OK(store_begin(s->w->store, STORE_WRITE, &tx, e));
	OK(cert_ledger_add(tx, &r, e));
	OK(store_commit(&tx, e));
	OK(cert_parse(buf_slice(i.der), &x, e));
	return x;
}

static int
serve(void **state)
{
	struct served *s = mem_zalloc(1, sizeof(*s));
	void *world = NULL;
	struct http_listen l = { .side = HTTP_DEVICE_SIDE,
		.address = "127.0.0.1" };
	uint16_t port = 0;

	world_make(&world);
	s->w = world;
	OK(cert_authority_open(s->w->store,
	    &(struct cert_authority_options){
	        .vault = { .seal = s->w->seal }, .organization = "Example" },
	    &s->authority, e));
	OK(cert_key_new(CERT_RSA_2048, &s->key, e));
	OK(http_new(&(struct http_options){ .workers = 2 }, &s->http, e));
	mdm_http_add(s->http, s->w->mdm);
	OK(http_listen(s->http, &l, &port, e));
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", port);
	OK(fetch_new(&(struct fetch_options){ 0 }, &s->fetch, e));
	*state = s;
	return 0;
}

static int
stop(void **state)
{
	struct served *s = *state;
	void *world = s->w;

	fetch_free(&s->fetch);
	http_free(&s->http);
	cert_x509_free(&s->mac);
	cert_x509_free(&s->other);
	cert_key_free(&s->key);
	cert_authority_free(&s->authority);
	world_drop(&world);
	free(s);
	return 0;
}

/* Keys and listener are made once; each test finds the tables empty. */
static int
begin(void **state)
{
	struct served *s = *state;

	execute(s->w, "DELETE FROM command");
	execute(s->w, "DELETE FROM enrollment");
	execute(s->w, "DELETE FROM device");
	execute(s->w, "DELETE FROM certificate WHERE purpose <> 'service'");
	cert_x509_free(&s->mac);
	cert_x509_free(&s->other);
	s->mac = issue_real(s, "enroll");
	s->other = issue_real(s, "enroll");
	return 0;
}

struct sent {
	X509 *signer; /* NULL: no signature */
	const char *path, *type, *body, *signed_body;
	struct slice raw; /* instead of body */
};

static int
put(struct served *s, const struct sent *m)
{
	AUTO(buf_free) struct buf *der = NULL;
	AUTO(buf_free) struct buf *text = buf_new(64 << 10);
	AUTO(str_free)
	char *url =
	    str_printf("%s%s", s->url, m->path != NULL ? m->path : "/mdm");
	AUTO(str_free) char *type = str_printf("Content-Type: %s", m->type);
	struct slice body = m->raw.p != NULL ? m->raw : slice_str(m->body);
	const char *headers[] = { type, NULL, NULL };
	struct fetch_answer a = { 0 };
	int status;

	if (m->signer != NULL) {
		struct slice covered =
		    m->signed_body != NULL ? slice_str(m->signed_body) : body;

		OK(cert_cms_sign_detached(covered, m->signer, s->key, &der, e));
		buf_adds(text, "Mdm-Signature: ");
		b64_encode(text, buf_slice(der));
		headers[1] = buf_str(text);
	}
	OK(fetch_do(s->fetch,
	    &(struct fetch_request){
	        .method = "PUT", .url = url, .headers = headers, .body = body },
	    &a, e));
	buf_reset(s->w->answer);
	buf_add(s->w->answer, a.body->p, a.body->len);
	/* 401 and this code un-enrol a Mac. */
	assert_int_not_equal(a.status, 401);
	assert_null(strstr(buf_str(s->w->answer), "unrecognized"));
	status = a.status;
	fetch_answer_clear(&a);
	return status;
}

static int
connect_as(struct served *s, X509 *signer, const char *body)
{
	return put(
	    s, &(struct sent){ signer, NULL, TYPE_CONNECT, body, NULL, { 0 } });
}

static int
checkin_as(struct served *s, X509 *signer, const char *body)
{
	return put(
	    s, &(struct sent){ signer, NULL, TYPE_CHECKIN, body, NULL, { 0 } });
}

static void
a_mac_enrols_and_connects(void **state)
{
	struct served *s = *state;

	assert_int_equal(checkin_as(s, s->mac, AUTHENTICATE), 200);
	assert_int_equal(s->w->answer->len, 0);
	assert_int_equal(connect_as(s, s->mac, IDLE), 200);
	assert_int_equal(s->w->answer->len, 0);
	assert_int_equal(put(s, &(struct sent){ s->mac, "/checkin",
	                            TYPE_CHECKIN, TOKEN, NULL, { 0 } }),
	    200);
	assert_int_equal(connect_as(s, s->mac, IDLE), 200);
	assert_non_null(
	    strstr(buf_str(s->w->answer), "<string>DeviceInformation"));
}

static void
proofs_that_do_not_hold_are_403(void **state)
{
	struct served *s = *state;
	AUTO(cert_x509_free) X509 *rollout = issue_real(s, "rollout");
	struct sent altered = { s->mac, NULL, TYPE_CONNECT, IDLE, TOKEN,
		{ 0 } };

	assert_int_equal(checkin_as(s, s->mac, AUTHENTICATE), 200);
	assert_int_equal(connect_as(s, NULL, IDLE), 403);
	assert_int_equal(put(s, &altered), 403);
	assert_int_equal(connect_as(s, s->other, IDLE), 403);
	assert_int_equal(connect_as(s, rollout, IDLE), 403);
	assert_int_equal(checkin_as(s, s->mac, AUTHENTICATE), 200);
}

static void
bad_bodies_are_400(void **state)
{
	struct served *s = *state;
	static const uint8_t binary[] = "bplist00\xd0\x08";
	AUTO(buf_free) struct buf *deep = buf_new(64 << 10);
	struct sent b = { s->mac, NULL, TYPE_CONNECT, NULL, NULL,
		{ binary, sizeof(binary) - 1 } };

	assert_int_equal(put(s, &b), 400);
	assert_int_equal(connect_as(s, s->mac, "<plist><dict>"), 400);
	assert_int_equal(connect_as(s, s->mac, "hello"), 400);
	for (int i = 0; i < 500; i++)
		buf_adds(deep, "<dict><key>a</key>");
	assert_int_equal(connect_as(s, s->mac, buf_str(deep)), 400);
	assert_int_equal(connect_as(s, s->mac,
	                     PLIST("<key>Status</key><string>Idle</string>")),
	    400);
	assert_int_equal(connect_as(s, s->mac,
	                     PLIST("<key>UDID</key><string>a:b</string>"
	                           "<key>Status</key><string>Idle</string>")),
	    400);
	assert_int_equal(connect_as(s, s->mac,
	                     PLIST("<key>EnrollmentID</key><string>a</string>"
	                           "<key>Status</key><string>Idle</string>")),
	    400);
	assert_int_equal(
	    checkin_as(s, s->mac,
	        PLIST("<key>MessageType</key><string>Hello</string>"
	              "<key>UDID</key><string>" UDID_1 "</string>")),
	    400);
}

static void
content_types_are_checked(void **state)
{
	struct served *s = *state;
	struct sent m = { s->mac, NULL, "application/xml", IDLE, NULL, { 0 } };

	assert_int_equal(put(s, &m), 400);
	m.type = "application/x-apple-aspen-mdm-check";
	assert_int_equal(put(s, &m), 400);
	m.path = "/checkin";
	m.type = TYPE_CONNECT;
	assert_int_equal(put(s, &m), 400);
}

static void
large_bodies_of_strangers_are_not_read(void **state)
{
	struct served *s = *state;
	AUTO(buf_free) struct buf *large = buf_new(1 << 20);

	buf_adds(large, "<plist version=\"1.0\"><dict><key>UDID</key><string>");
	while (large->len <= LIMIT_BODY_CHECKIN)
		buf_adds(large, "0123456789012345678901234567890123456789");
	/* Not a plist: who is told so may send large ones. */
	assert_int_equal(connect_as(s, s->mac, buf_str(large)), 400);
	assert_int_equal(checkin_as(s, s->mac, buf_str(large)), 413);
	execute(s->w, "DELETE FROM certificate");
	assert_int_equal(connect_as(s, s->mac, buf_str(large)), 403);
}

static void
network_logins_are_410(void **state)
{
	struct served *s = *state;

	assert_int_equal(checkin_as(s, s->mac, AUTHENTICATE), 200);
	assert_int_equal(
	    checkin_as(s, s->mac,
	        PLIST("<key>MessageType</key><string>UserAuthenticate</string>"
	              "<key>UDID</key><string>" UDID_1 "</string>"
	              "<key>UserID</key><string>22222222</string>")),
	    410);
}

static void
idles_are_counted(void **state)
{
	struct served *s = *state;
	struct mdm_stats before, after;

	mdm_service_stats(s->w->mdm, &before);
	assert_int_equal(checkin_as(s, s->mac, AUTHENTICATE), 200);
	for (int i = 0; i < 20; i++)
		assert_int_equal(connect_as(s, s->mac, IDLE), 200);
	mdm_service_stats(s->w->mdm, &after);
	assert_int_equal(after.idle - before.idle, 20);
	assert_int_equal(after.rejected, before.rejected);
}

#define T(name) cmocka_unit_test_setup(name, begin)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_mac_enrols_and_connects),
		T(proofs_that_do_not_hold_are_403),
		T(bad_bodies_are_400),
		T(content_types_are_checked),
		T(large_bodies_of_strangers_are_not_read),
		T(network_logins_are_410),
		T(idles_are_counted),
	};

	return cmocka_run_group_tests(tests, serve, stop);
}
