/*
 * SCEP on HTTP: discovery, methods, paths, and every way to write the base64
 * of a GET (sections 5.1 and 5.2 of the conformance list).
 */
#include "core/encode.h"
#include "tests/unit/scep_served.h"
#include "tests/unit/scep_template_fixture.h"

static struct fetch_answer
ask(struct served *s, const char *method, const char *path, struct slice body,
    const char *type)
{
	const char *headers[] = { type, NULL };
	AUTO(str_free) char *url = str_printf("%s%s", s->base, path);
	struct fetch_request rq = {
		.method = method, .url = url, .headers = headers, .body = body
	};
	struct fetch_answer a = { 0 };
	struct err e = { 0 };

	if (!fetch_do(s->fetch, &rq, &a, &e))
		fail_msg("%s %s: %s", method, path, e.text);
	return a;
}

static struct fetch_answer
get(struct served *s, const char *path)
{
	return ask(s, "GET", path, slice_of(NULL, 0), NULL);
}

static void
status_of(struct served *s, const char *path, int expected)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = get(s, path);

	assert_int_equal(a.status, expected);
}

static void
case_1_2_capabilities(void **state)
{
	static const char *const paths[] = { "/scep?operation=GetCACaps",
		"/scep?operation=GetCACaps&message=anything",
		"/scep?operation=GetCACaps&message=",
		"/scep?x=1&operation=GetCACaps&y=2" };

	for (size_t i = 0; i < COUNT(paths); i++) {
		AUTO(fetch_answer_clear)
		struct fetch_answer a = get(*state, paths[i]);

		assert_int_equal(a.status, 200);
		assert_string_equal(a.content_type, "text/plain");
		assert_string_equal(buf_str(a.body),
		    "POSTPKIOperation\nRenewal\nSHA-512\nSHA-384\nSHA-256\n"
		    "SHA-1\nAES\nDES3\nSCEPStandard");
	}
}

static void
case_3_5_6_ca_certificates(void **state)
{
	static const char *const paths[] = { "/scep?operation=GetCACert",
		"/scep?operation=GetCACert&message=",
		"/scep?operation=GetCACert&message=CAIdentifier",
		"/scep?operation=GetCACert&message=0",
		"/scep?operation=GetCACert&message=%E3%83%9E%E3%83%83%E3%82%AF",
		"/scep?operation=GetCAChain" };
	struct served *s = *state;
	struct slice chain = cert_authority_ra_chain(s->w->authority);
	const uint8_t *p = chain.p;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)chain.len);
	STACK_OF(X509) *certs = CMS_get1_certs(cms);
	const uint32_t both = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT;
	const uint32_t ca = KU_KEY_CERT_SIGN | KU_CRL_SIGN;

	for (size_t i = 0; i < COUNT(paths); i++) {
		AUTO(fetch_answer_clear)
		struct fetch_answer a = get(s, paths[i]);

		assert_int_equal(a.status, 200);
		assert_string_equal(
		    a.content_type, "application/x-x509-ca-ra-cert");
		assert_true(slice_eq(buf_slice(a.body), chain));
	}
	assert_int_equal(sk_X509_num(certs), 3);
	assert_int_equal(X509_cmp(sk_X509_value(certs, 0), s->w->ra), 0);
	assert_int_equal(X509_cmp(sk_X509_value(certs, 1),
	                     cert_authority_issuing(s->w->authority)),
	    0);
	assert_int_equal(X509_get_key_usage(sk_X509_value(certs, 0)), both);
	assert_int_equal(X509_get_key_usage(sk_X509_value(certs, 1)), ca);
	assert_int_equal(X509_get_key_usage(sk_X509_value(certs, 2)), ca);
	for (int i = 0; i < 3; i++)
		assert_int_equal(X509_verify(sk_X509_value(certs, i),
		                     X509_get0_pubkey(sk_X509_value(
		                         certs, i < 2 ? i + 1 : 2))),
		    1);
	sk_X509_pop_free(certs, X509_free);
	CMS_ContentInfo_free(cms);
}

static void
case_7_to_12_what_there_is_not(void **state)
{
	static const char *const methods[] = { "PUT", "DELETE", "OPTIONS" };

	status_of(*state, "/scep?operation=GetNextCACert", 404);
	status_of(*state, "/scep", 400);
	status_of(*state, "/scep?operation=Foo", 400);
	status_of(*state, "/scep?operation=getcacaps", 400);
	status_of(*state, "/scep?operation=", 400);
	status_of(*state, "/scep?operation=GetCACaps&operation=Foo", 200);
	status_of(*state, "/scep/unknown-profile", 404);
	for (size_t i = 0; i < COUNT(methods); i++) {
		AUTO(fetch_answer_clear)
		struct fetch_answer a = ask(*state, methods[i],
		    "/scep?operation=GetCACaps", slice_of(NULL, 0), NULL);

		assert_int_equal(a.status, 405);
	}
}

static void
case_11_13_head_and_post(void **state)
{
	AUTO(fetch_answer_clear)
	struct fetch_answer head = ask(*state, "HEAD",
	    "/scep?operation=GetCACert", slice_of(NULL, 0), NULL);
	AUTO(fetch_answer_clear)
	struct fetch_answer post = ask(*state, "POST",
	    "/scep?operation=GetCACert", slice_of(NULL, 0), NULL);

	assert_int_equal(head.status, 200);
	assert_int_equal(head.body->len, 0);
	assert_int_equal(post.status, 200);
	assert_string_equal(post.content_type, "application/x-x509-ca-ra-cert");
}

/* A CertRep with SUCCESS; frees a. */
static void
success(struct served *s, struct fetch_answer a)
{
	struct forge_message m =
	    forge_message(s->w->key, s->w->signer, slice_of(NULL, 0));
	AUTO(answer_clear) struct answer out = { 0 };

	if (a.status != 200)
		fail_msg("status %d: %s", a.status, buf_str(a.body));
	assert_string_equal(a.content_type, "application/x-pki-message");
	answer_read(s->w, &m, buf_slice(a.body), &out);
	assert_int_equal(out.status, SCEP_SUCCESS);
	fetch_answer_clear(&a);
}

static struct buf *
request(struct served *s)
{
	struct challenge c = world_challenge(s->w);

	return world_request(s->w, c.text);
}

static void
case_14_content_types(void **state)
{
	static const char *const types[] = { "Content-Type:",
		"Content-Type: application/octet-stream",
		"Content-Type: application/x-www-form-urlencoded",
		"Content-Type: application/x-pki-message" };

	for (size_t i = 0; i < COUNT(types); i++) {
		AUTO(buf_free) struct buf *m = request(*state);

		success(
		    *state, ask(*state, "POST", "/scep?operation=PKIOperation",
		                buf_slice(m), types[i]));
	}
}

static void
case_15_16_post_without_operation(void **state)
{
	AUTO(buf_free) struct buf *m = request(*state);
	AUTO(fetch_answer_clear)
	struct fetch_answer none = ask(*state, "POST",
	    "/scep?operation=PKIOperation", slice_of(NULL, 0), NULL);

	success(*state, ask(*state, "POST", "/scep", buf_slice(m), NULL));
	assert_int_equal(none.status, 400);
}

static void
case_17_body_wins_over_message(void **state)
{
	AUTO(buf_free) struct buf *m = request(*state);

	success(
	    *state, ask(*state, "POST",
	                "/scep?operation=PKIOperation&message=%30%82%00rubbish",
	                buf_slice(m), NULL));
}

/* Nobody would get the certificate. */
static void
case_11_head_issues_nothing(void **state)
{
	AUTO(buf_free) struct buf *m = request(*state);
	AUTO(buf_free) struct buf *path = buf_new(64 << 10);
	AUTO(fetch_answer_clear) struct fetch_answer head = { 0 };

	buf_adds(path, "/scep?operation=PKIOperation&message=");
	b64_encode(path, buf_slice(m));
	head = ask(*state, "HEAD", buf_str(path), slice_of(NULL, 0), NULL);
	assert_int_equal(head.status, 400);
	success(
	    *state, ask(*state, "GET", buf_str(path), slice_of(NULL, 0), NULL));
}

static void
case_19_paths(void **state)
{
	static const char *const paths[] = { "/scep", "/scep/",
		"/scep/pkiclient.exe", "/cgi-bin/pkiclient.exe",
		"/certsrv/mscep/mscep.dll" };

	for (size_t i = 0; i < COUNT(paths); i++) {
		AUTO(buf_free) struct buf *m = request(*state);
		AUTO(str_free)
		char *path = str_printf("%s?operation=PKIOperation", paths[i]);

		success(*state, ask(*state, "POST", path, buf_slice(m), NULL));
	}
}

/* Each template has an address of its own, which says what it accepts. */
static void
case_19_20_paths_of_templates(void **state)
{
	struct served *s = *state;
	static const char *const paths[] = { "/scep/device-identity",
		"/scep/device-identity/",
		"/scep/device-identity/pkiclient.exe" };
	AUTO(fetch_answer_clear) struct fetch_answer caps = { 0 };
	AUTO(fetch_answer_clear) struct fetch_answer all = { 0 };

	for (size_t i = 0; i < COUNT(paths); i++) {
		AUTO(buf_free) struct buf *m = request(s);
		AUTO(str_free)
		char *path = str_printf("%s?operation=PKIOperation", paths[i]);

		success(s, ask(s, "POST", path, buf_slice(m), NULL));
	}
	world_template(s->w, "modern", "{\"sha1\":false,\"des3\":false}");
	caps = get(s, "/scep/modern?operation=GetCACaps");
	assert_string_equal(buf_str(caps.body),
	    "POSTPKIOperation\nRenewal\nSHA-512\nSHA-384\nSHA-256\nAES\n"
	    "SCEPStandard");
	all = get(s, "/scep/scep?operation=GetCACaps");
	assert_non_null(strstr(buf_str(all.body), "SHA-1\nAES\nDES3"));
	status_of(s, "/scep/modern?operation=GetCACert", 200);
	status_of(s, "/scep/tls-server?operation=GetCACaps", 404);
	status_of(s, "/scep/no-such?operation=GetCACert", 404);
	status_of(s, "/scep/no-such/pkiclient.exe?operation=GetCACert", 404);
}

static void
case_21_body_too_large(void **state)
{
	AUTO(buf_free) struct buf *b = forge_buf();
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };

	for (int i = 0; i < 64 * 1024 + 1; i++)
		buf_addc(b, '0');
	a = ask(
	    *state, "POST", "/scep?operation=PKIOperation", buf_slice(b), NULL);
	assert_int_equal(a.status, 413);
}

/* How a client writes the base64 of a GET. */
struct form {
	bool escape_plus, escape_slash, drop_padding, url_safe;
	const char *every_64; /* NULL: nothing */
	int blanks;           /* so many '+' are "%20", before all else */
};

static char *
write_get(struct slice message, struct form f)
{
	AUTO(buf_free) struct buf *b64 = forge_buf();
	AUTO(buf_free) struct buf *out = forge_buf();

	b64_encode(b64, message);
	buf_adds(out, "/scep?operation=PKIOperation&message=");
	for (size_t i = 0; i < b64->len; i++) {
		char c = (char)b64->p[i];

		if (i > 0 && i % 64 == 0 && f.every_64 != NULL)
			buf_adds(out, f.every_64);
		if (c == '+' && f.blanks-- > 0)
			buf_adds(out, "%20");
		else if (c == '+' && f.url_safe)
			buf_addc(out, '-');
		else if (c == '/' && f.url_safe)
			buf_addc(out, '_');
		else if (c == '+' && f.escape_plus)
			buf_adds(out, "%2B");
		else if (c == '/' && f.escape_slash)
			buf_adds(out, "%2f");
		else if (c == '=')
			buf_adds(out, f.drop_padding ? "" : "%3D");
		else
			buf_addc(out, c);
	}
	return str_dup(buf_str(out));
}

static void
case_25_to_28_forms_of_base64(void **state)
{
	static const struct form forms[] = {
		{ .escape_plus = true, .escape_slash = true },
		{ 0 },
		{ .escape_plus = true, .every_64 = "%0A" },
		{ .every_64 = "%0D%0A" },
		{ .every_64 = "%20" },
		{ .drop_padding = true },
		{ .url_safe = true, .drop_padding = true },
		{ .url_safe = true },
	};

	for (size_t i = 0; i < COUNT(forms); i++) {
		AUTO(buf_free) struct buf *m = request(*state);
		AUTO(str_free)
		char *path = write_get(buf_slice(m), forms[i]);

		success(*state, get(*state, path));
	}
}

/* '+' is a blank to those who decode a query, and "%20" when they write it
 * again; lines that end with blanks are read as well. */
static void
case_26_27_blanks(void **state)
{
	static const struct form forms[] = {
		{ .blanks = 1000 },
		{ .blanks = 1000, .every_64 = "%0D%0A" },
		{ .blanks = 1000, .every_64 = "%0A", .escape_slash = true },
		{ .blanks = 1000, .every_64 = "%09" },
		{ .blanks = 1000, .drop_padding = true },
		{ .blanks = 1000, .url_safe = true, .drop_padding = true },
		{ .blanks = 1 },
		{ .blanks = 2, .escape_plus = true },
		{ .blanks = 3, .url_safe = true },
		{ .blanks = 4 }, /* without them still whole groups */
		{ .blanks = 8, .drop_padding = true, .every_64 = "%0A" },
		{ .every_64 = "%20", .drop_padding = true },
		{ .every_64 = "%0D%0A%20", .escape_plus = true },
		{ .every_64 = "%20", .url_safe = true },
		{ .every_64 = "%20%20%20%20" },
	};

	for (size_t i = 0; i < COUNT(forms); i++) {
		AUTO(buf_free) struct buf *m = request(*state);
		AUTO(str_free)
		char *path = write_get(buf_slice(m), forms[i]);
		AUTO(str_free) char *line = str_printf("%s%%0A", path);

		success(*state, get(*state, path));
		success(*state, get(*state, line));
	}
}

/* Indefinite lengths end where their octets say. */
static void
case_26_27_blanks_in_ber(void **state)
{
	static const struct form forms[] = { { .blanks = 1000 },
		{ .blanks = 4 }, { .blanks = 1000, .every_64 = "%0A" },
		{ .every_64 = "%20" } };
	struct served *s = *state;
	struct forge_message m =
	    forge_message(s->w->key, s->w->signer, slice_of(NULL, 0));
	AUTO(buf_free) struct buf *bytes = NULL;

	m.ber = true;
	bytes = forge_signed(&m);
	for (size_t i = 0; i < COUNT(forms); i++) {
		AUTO(str_free)
		char *path = write_get(buf_slice(bytes), forms[i]);

		/* It was read, and there is nothing inside. */
		status_of(s, path, 200);
	}
}

/* A client that sends its chain along. */
static void
case_31_long_get(void **state)
{
	struct served *s = *state;
	struct challenge c = world_challenge(s->w);
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){
	    .key = s->w->key, .challenge = slice_str(c.text) });
	AUTO(buf_free)
	struct buf *env = forge_envelope(
	    (struct forge_env){ .to = { s->w->ra } }, buf_slice(csr));
	struct forge_message m =
	    forge_message(s->w->key, s->w->signer, buf_slice(env));
	AUTO(buf_free) struct buf *bytes = NULL;
	AUTO(str_free) char *path = NULL;

	for (size_t i = 1; i < 14; i++)
		m.certs[i] = cert_authority_issuing(s->w->authority);
	bytes = forge_signed(&m);
	path = write_get(buf_slice(bytes), (struct form){ .url_safe = true });
	assert_in_range(strlen(path), 14000, 30000);
	success(s, get(s, path));
}

static void
case_29_30_bad_base64(void **state)
{
	static const char *const bad[] = { "MIIB*MII", "MIIBA", "MIIB=MII",
		"MIIB%3D%3Dxx", "", "%0A", "MII%", "MII%4", "MII%zz", "%20",
		"MII%20", "M%20I", "MIIB%3D%20%3D%20%3D", "MIIB%20%20%20%20" };

	for (size_t i = 0; i < COUNT(bad); i++) {
		AUTO(str_free)
		char *path = str_printf(
		    "/scep?operation=PKIOperation&message=%s", bad[i]);

		status_of(*state, path, 400);
	}
	status_of(*state, "/scep?operation=PKIOperation", 400);
	status_of(*state, "/scep?operation=PKIOperation&messages=MIIB", 400);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_1_2_capabilities),
		cmocka_unit_test(case_3_5_6_ca_certificates),
		cmocka_unit_test(case_7_to_12_what_there_is_not),
		cmocka_unit_test(case_11_13_head_and_post),
		cmocka_unit_test(case_14_content_types),
		cmocka_unit_test(case_15_16_post_without_operation),
		cmocka_unit_test(case_17_body_wins_over_message),
		cmocka_unit_test(case_11_head_issues_nothing),
		cmocka_unit_test(case_19_paths),
		cmocka_unit_test(case_19_20_paths_of_templates),
		cmocka_unit_test(case_21_body_too_large),
		cmocka_unit_test(case_25_to_28_forms_of_base64),
		cmocka_unit_test(case_26_27_blanks),
		cmocka_unit_test(case_26_27_blanks_in_ber),
		cmocka_unit_test(case_31_long_get),
		cmocka_unit_test(case_29_30_bad_base64),
	};

	return cmocka_run_group_tests(tests, served_setup, served_teardown);
}
