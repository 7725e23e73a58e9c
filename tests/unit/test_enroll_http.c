/* Enrolment over a real server: page, signed profile, root, limits. */
#include "tests/unit/http_test.h"

#include "tests/unit/enroll_payload.h"

struct open_site {
	struct site *s;
	struct http_server *http;
	uint16_t port;
};

static struct open_site
serve(struct enroll_options o)
{
	struct open_site w = { .s = site_open() };

	o.ship_anchors = true;
	site_enroll(w.s, o);
	w.http = server_new((struct http_options){ .workers = 2 });
	enroll_http_add(w.http, w.s->enroll);
	w.port = server_listen(w.http, HTTP_DEVICE_SIDE);
	return w;
}

static void
close_site(struct open_site *w)
{
	http_free(&w->http);
	site_close(w->s);
}

static void
get(struct open_site *w, const char *method, const char *path,
    const char *headers, struct answer *a)
{
	char request[512];

	snprintf(request, sizeof(request),
	    "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, headers);
	ask(w->port, request, a);
}

#define GET(path) get(&w, "GET", path, "", &a)

static int64_t
challenges(struct open_site *w)
{
	return site_number(w->s, "SELECT COUNT(*) FROM challenge", NULL);
}

static void
expect_header(const struct answer *a, const char *name, const char *value)
{
	const char *is = header_of(a, name);

	if (is == NULL || strstr(is, value) == NULL)
		fail_msg("%s is %s", name, is == NULL ? "absent" : is);
}

static void
page_in_both_languages(void **state)
{
	struct open_site w = serve((struct enroll_options){ 0 });
	struct answer a;

	(void)state;
	GET("/enroll");
	assert_int_equal(a.status, 200);
	expect_header(&a, "Content-Type", "text/html; charset=utf-8");
	expect_header(&a, "Content-Security-Policy", "default-src 'none'");
	expect_header(&a, "X-Content-Type-Options", "nosniff");
	expect_header(&a, "Vary", "Accept-Language");
	assert_non_null(strstr(buf_str(a.body), "Acme &amp; &lt;Co&gt;"));
	answer_clear(&a);
	get(&w, "GET", "/enroll", "Accept-Language: ja-JP\r\n", &a);
	assert_non_null(strstr(buf_str(a.body), "lang=\"ja\">\n<head>"));
	answer_clear(&a);
	get(&w, "GET", "/enroll?lang=en", "Accept-Language: ja\r\n", &a);
	assert_non_null(strstr(buf_str(a.body), "lang=\"en\">\n<head>"));
	answer_clear(&a);
	assert_int_equal(challenges(&w), 0);
	close_site(&w);
}

/* Opens the signature as a Mac would that trusts our root. */
static struct buf *
open_profile(struct open_site *w, struct slice der)
{
	STACK_OF(X509) *anchors = sk_X509_new_null();
	struct buf *content = NULL;
	X509 *signer = NULL;
	char cn[256];

	sk_X509_push(anchors, cert_authority_root(w->s->authority));
	OK(cert_cms_open(der, anchors, &content, &signer, &e));
	cert_subject_value(signer, NID_commonName, cn, sizeof(cn));
	assert_string_equal(cn, "mdm.example.com");
	cert_x509_free(&signer);
	sk_X509_free(anchors);
	return content;
}

/* Another reader of plists agrees, if this machine has it. */
static void
plistutil_reads(struct open_site *w, const struct buf *xml)
{
	char path[128], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/enroll.plist", w->s->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fwrite(xml->p, 1, xml->len, f);
	assert_int_equal(fclose(f), 0);
	snprintf(line, sizeof(line),
	    "command -v plistutil >/dev/null || exit 0; "
	    "plistutil -i %s -f bin -o %s.bin && test -s %s.bin",
	    path, path, path);
	assert_int_equal(system(line), 0);
}

static void
profile_is_signed_and_made_once(void **state)
{
	struct open_site w = serve((struct enroll_options){ 0 });
	AUTO(buf_free) struct buf *one = NULL;
	AUTO(buf_free) struct buf *two = NULL;
	AUTO(pl_free) struct pl *p = NULL;
	AUTO(pl_free) struct pl *q = NULL;
	struct answer a;

	(void)state;
	GET("/enroll/profile");
	assert_int_equal(a.status, 200);
	expect_header(&a, "Content-Type", "application/x-apple-aspen-config");
	expect_header(&a, "Content-Disposition", "enroll.mobileconfig");
	expect_header(&a, "Cache-Control", "no-store");
	one = open_profile(&w, buf_slice(a.body));
	answer_clear(&a);
	GET("/enroll/profile");
	two = open_profile(&w, buf_slice(a.body));
	answer_clear(&a);
	OK(pl_parse(buf_slice(one), &p, &e));
	OK(pl_parse(buf_slice(two), &q, &e));
	assert_string_not_equal(
	    text_of(scep_of(p), "Challenge"), text_of(scep_of(q), "Challenge"));
	assert_int_equal(strlen(text_of(scep_of(p), "Challenge")), 32);
	assert_int_equal(challenges(&w), 2);
	assert_int_equal(
	    site_number(w.s,
	        "SELECT COUNT(*) FROM challenge WHERE purpose = 'enroll' AND "
	        "template = 'device-identity' AND enrollment_ref IS NOT NULL "
	        "AND device_id IS NULL",
	        NULL),
	    2);
	plistutil_reads(&w, one);
	close_site(&w);
}

static void
looking_makes_no_challenge(void **state)
{
	struct open_site w = serve((struct enroll_options){ 0 });
	struct answer a;

	(void)state;
	get(&w, "HEAD", "/enroll/profile", "", &a);
	assert_int_equal(a.status, 200);
	answer_clear(&a);
	get(&w, "POST", "/enroll/profile", "Content-Length: 0\r\n", &a);
	assert_int_equal(a.status, 405);
	answer_clear(&a);
	assert_int_equal(challenges(&w), 0);
	close_site(&w);
}

static void
too_many_downloads(void **state)
{
	struct open_site w =
	    serve((struct enroll_options){ .downloads_per_min = 2 });
	struct answer a;

	(void)state;
	for (int i = 0; i < 3; i++) {
		GET("/enroll/profile");
		assert_int_equal(a.status, i < 2 ? 200 : 429);
		answer_clear(&a);
	}
	assert_int_equal(challenges(&w), 2);
	close_site(&w);
}

static void
no_topic_no_profile(void **state)
{
	struct open_site w = serve((struct enroll_options){ .topic = "" });
	struct answer a;

	(void)state;
	GET("/enroll");
	assert_int_equal(a.status, 503);
	assert_non_null(strstr(buf_str(a.body), "push certificate"));
	answer_clear(&a);
	GET("/enroll/profile?lang=ja");
	assert_int_equal(a.status, 503);
	expect_header(&a, "Content-Type", "text/html");
	answer_clear(&a);
	assert_int_equal(challenges(&w), 0);

	enroll_service_set_topic(w.s->enroll, TEST_TOPIC);
	GET("/enroll/profile");
	assert_int_equal(a.status, 200);
	answer_clear(&a);
	close_site(&w);
}

static void
root_and_style(void **state)
{
	struct open_site w = serve((struct enroll_options){ 0 });
	AUTO(cert_x509_free) X509 *root = NULL;
	struct answer a;

	(void)state;
	GET("/enroll/ca.crt");
	assert_int_equal(a.status, 200);
	expect_header(&a, "Content-Type", "application/x-x509-ca-cert");
	OK(cert_parse(buf_slice(a.body), &root, &e));
	assert_int_equal(
	    X509_cmp(root, cert_authority_root(w.s->authority)), 0);
	answer_clear(&a);
	GET("/enroll/style.css");
	assert_int_equal(a.status, 200);
	expect_header(&a, "Content-Type", "text/css");
	assert_true(a.body->len > 100);
	answer_clear(&a);
	close_site(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_in_both_languages),
		cmocka_unit_test(profile_is_signed_and_made_once),
		cmocka_unit_test(looking_makes_no_challenge),
		cmocka_unit_test(too_many_downloads),
		cmocka_unit_test(no_topic_no_profile),
		cmocka_unit_test(root_and_style),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
