/* The ledger as the API lists it. */
#include "tests/unit/api_fixture.h"

#define KEY "00000000000000000000000000000000000000000000000000000000000000cc"

static void
add(struct site *s, const char *fp, const char *device, int64_t not_after,
    const char *revoked)
{
	struct store_tx *tx = site_write(s);
	int64_t now = clock_now_ms();

	OK(store_exec(tx,
	    "INSERT INTO certificate (fingerprint, serial, authority_id, "
	    "subject, spki, template, purpose, device_id, der, not_before, "
	    "not_after, state, created_at, transaction_id, challenge_id) "
	    "VALUES ($1, $1, 'ca', '=cmd()', '" KEY "', "
	    "'device-user', 'rollout', $2, $3, $4, $5, $6, $7, 'T-' || $1, "
	    "'C-' || $1)",
	    S_ARGS(S_TEXT(fp), S_TEXT(device), S_BLOB(slice_str("der")),
	        S_INT(now), S_INT(now + not_after), S_TEXT(revoked),
	        S_INT(1000)),
	    NULL, &e));
	site_commit(tx);
}

static const char *
state_at(const struct admin *a, size_t i)
{
	return text_in(json_array_get(at(a, "certificates"), i), "state");
}

static size_t
count(struct admin *a, const char *query)
{
	AUTO(str_free)
	char *line = str_printf("GET /api/v1/certificates?%s", query);

	CALL(VIEWER, line, NULL, 200);
	return json_array_size(at(a, "certificates"));
}

#define BAD(query, status, code)                                               \
	REFUSED(VIEWER, "GET /api/v1/certificates?" query, NULL, status, code)

static void
states_filter_pages(void **state)
{
	struct admin *a = *state;
	char path[256];

	add(a->site, "f1", "M-T2", 31 * MS_DAY, "issued");
	add(a->site, "f2", "M-T2", 29 * MS_DAY, "issued");
	add(a->site, "f3", "M-T2", -1, "issued");
	add(a->site, "f4", "M-T2", MS_DAY, "revoked");
	add(a->site, "f5", "M-INTEL", 31 * MS_DAY, "issued");

	CALL(
	    VIEWER, "GET /api/v1/certificates?device=C02T2&limit=3", NULL, 200);
	assert_int_equal(json_array_size(at(a, "certificates")), 3);
	assert_string_equal(state_at(a, 0), "revoked");
	assert_string_equal(state_at(a, 1), "expired");
	assert_string_equal(state_at(a, 2), "expiring");
	assert_string_equal(
	    text_in(json_array_get(at(a, "certificates"), 0), "device"),
	    "C02T2");
	snprintf(path, sizeof(path),
	    "GET /api/v1/certificates?device=C02T2&limit=3&after=%s",
	    text_at(a, "next"));
	CALL(VIEWER, path, NULL, 200);
	assert_int_equal(json_array_size(at(a, "certificates")), 1);
	assert_string_equal(state_at(a, 0), "valid");
	assert_true(json_is_null(at(a, "next")));
	CALL(VIEWER, "GET /api/v1/certificates?limit=500", NULL, 200);
	assert_true(json_array_size(at(a, "certificates")) >= 5);
}

/* Each filter alone, together, and what none of them is. */
static void
every_filter_filters(void **state)
{
	struct admin *a = *state;

	assert_int_equal(count(a, "device=C02T2&state=valid"), 1);
	assert_int_equal(count(a, "device=C02T2&state=expiring"), 1);
	assert_int_equal(count(a, "state=expired"), 1);
	assert_string_equal(state_at(a, 0), "expired");
	assert_int_equal(count(a, "state=expiring"), 1);
	assert_string_equal(state_at(a, 0), "expiring");
	assert_int_equal(count(a, "state=revoked"), 1);
	assert_string_equal(state_at(a, 0), "revoked");
	assert_int_equal(count(a, "state=held"), 0);
	assert_int_equal(count(a, "state=valid&template=device-user"), 2);
	assert_int_equal(count(a, "template=device-user"), 5);
	assert_int_equal(count(a, "purpose=rollout&serial=f2"), 1);
	assert_int_equal(count(a, "purpose=enroll"), 0);
	assert_int_equal(count(a, "serial=f3"), 1);
	assert_int_equal(count(a, "serial=f3&state=valid"), 0);
	assert_int_equal(count(a, "transaction=T-f4"), 1);
	assert_int_equal(count(a, "transaction=T-f9"), 0);
	assert_int_equal(count(a, "challenge=C-f4"), 1);
	assert_int_equal(count(a, "challenge=C-f4&state=valid"), 0);
	assert_int_equal(count(a, "challenge=C-f9"), 0);
	assert_int_equal(count(a, "key=" KEY), 5);
	assert_int_equal(count(a, "key=" KEY "&state=valid"), 2);
	assert_string_equal(
	    text_in(json_array_get(at(a, "certificates"), 0), "key"), KEY);

	BAD("after=x", 400, "invalid");
	BAD("after=:x", 400, "invalid");
	BAD("device=none", 404, "not_found");
	BAD("user=none", 404, "not_found");
	BAD("state=live", 400, "invalid");
	BAD("purpose=fun", 400, "invalid");
	BAD("template=none", 400, "invalid");
	BAD("serial=XY", 400, "invalid");
	BAD("fingerprint=f1", 400, "invalid");
	BAD("key=f1", 400, "invalid");
	BAD("challenge=%FF", 400, "invalid");
	BAD("format=xml", 400, "invalid");
	BAD("limit=501", 400, "invalid");
	BAD("subject=%FF", 400, "invalid");
	BAD("device=%C3%28", 400, "invalid");
	BAD("state=valid%00", 400, "invalid");
	BAD("after=%FF", 400, "invalid");
	BAD("stat=valid", 400, "unknown_filter");
	BAD("state=valid&x", 400, "unknown_filter");
}

static struct answer
get_csv(struct admin *a, const char *query, const char *accept)
{
	AUTO(str_free)
	char *request =
	    str_printf("GET /api/v1/certificates?%s HTTP/1.1\r\nHost: x\r\n"
	               "Authorization: Bearer %s\r\nAccept: %s\r\n\r\n",
	        query, a->tokens[VIEWER], accept);
	struct answer got;

	ask(a->port, request, &got);
	assert_int_equal(got.status, 200);
	assert_non_null(strstr(got.head, "text/csv"));
	return got;
}

static void
csv_is_whole_and_harmless(void **state)
{
	struct admin *a = *state;
	struct answer got = get_csv(a, "device=C02T2", "text/csv");
	const char *link;

	assert_true(str_starts(buf_str(got.body), "fingerprint,serial,"));
	assert_non_null(strstr(buf_str(got.body), "\r\nf4,f4,"));
	/* What a request for a certificate said. */
	assert_non_null(strstr(buf_str(got.body), ",\"'=cmd()\","));
	assert_null(header_of(&got, "Link"));
	answer_clear(&got);

	got = get_csv(a, "format=csv&limit=2&device=C02T2", "*/*");
	link = header_of(&got, "Link");
	assert_non_null(link);
	assert_non_null(strstr(link,
	    "</api/v1/certificates?format=csv&limit=2&device=C02T2&after="));
	answer_clear(&got);
}

/* Of f1 to f5 above, and of an outside CA. */
static void
name_some(struct site *s)
{
	static const char *const subjects[][2] = { { "f1", "CN=Gate-7,O=Ex" },
		{ "f2", "CN=gate-70" }, { "f3", "CN=100%_!" },
		{ "f4", "CN=x,OU=GATE-7" }, { "f5", "CN=gateX7" } };
	struct store_tx *tx = site_write(s);

	for (size_t i = 0; i < COUNT(subjects); i++)
		OK(store_exec(tx,
		    "UPDATE certificate SET subject = $2, authority_id = $3 "
		    "WHERE fingerprint = $1",
		    S_ARGS(S_TEXT(subjects[i][0]), S_TEXT(subjects[i][1]),
		        S_TEXT(i < 3 ? cert_authority_id(s->authority)
		                     : "upstream:corp:0a0a")),
		    NULL, &e));
	OK(store_exec(tx,
	    "INSERT INTO outside_authority (id, upstream, chain, created_at) "
	    "VALUES ('upstream:corp:0a0a', 'corp', $1, 1)",
	    S_ARGS(S_BLOB(slice_str("der"))), NULL, &e));
	site_commit(tx);
}

/* How many rows the pages of two have together. */
static size_t
paged(struct admin *a, const char *query)
{
	AUTO(str_free) char *next = str_dup("");
	size_t n = 0;

	for (;;) {
		AUTO(str_free)
		char *line = str_printf("%s&limit=2%s", query, next);
		size_t got = count(a, line);

		assert_in_range(got, 1, 2);
		n += got;
		if (json_is_null(at(a, "next")))
			return n;
		str_free(&next);
		next = str_printf("&after=%s", text_at(a, "next"));
	}
}

static void
subjects_and_authorities(void **state)
{
	struct admin *a = *state;
	AUTO(str_free) char *of_ours = NULL;
	AUTO(str_free) char *both = NULL;
	char long_one[512] = "GET /api/v1/certificates?subject=";

	name_some(a->site);
	of_ours = str_printf(
	    "authority=%s&device=C02T2", cert_authority_id(a->site->authority));
	both = str_printf("%s&subject=70", of_ours);
	assert_int_equal(count(a, "subject=gate-7"), 3);
	assert_int_equal(count(a, "subject=GATE-7"), 3);
	assert_int_equal(count(a, "subject=cn%3Dgate-7%2c"), 1);
	assert_int_equal(count(a, "subject=gate_7"), 0);
	assert_int_equal(count(a, "subject=gate%257"), 0);
	assert_int_equal(count(a, "subject=%25"), 1);
	assert_int_equal(count(a, "subject=_!"), 1);
	assert_int_equal(count(a, "subject=gate&state=revoked"), 1);
	assert_int_equal(count(a, "subject=gate&state=expiring"), 1);
	assert_int_equal(count(a, "authority=upstream:corp:0a0a"), 2);
	assert_int_equal(count(a, of_ours), 3);
	assert_int_equal(count(a, both), 1);
	assert_int_equal(paged(a, "subject=gate"), 4);
	assert_int_equal(paged(a, "subject=Gate-7"), 3);
	assert_int_equal(paged(a, "authority=upstream:corp:0a0a"), 2);
	assert_int_equal(paged(a, of_ours), 3);

	BAD("authority=none", 400, "invalid");
	BAD("authority=upstream:corp", 400, "invalid");
	BAD("subjects=gate", 400, "unknown_filter");
	memset(long_one + strlen(long_one), 'x', 257);
	CALL(VIEWER, long_one, NULL, 400);
}

/* The next page asks for the same, whatever characters that is. */
static void
csv_is_searched_by_subject(void **state)
{
	struct admin *a = *state;
	struct answer got =
	    get_csv(a, "format=csv&limit=2&subject=GATE-7", "*/*");
	const char *link = header_of(&got, "Link");
	struct store_tx *tx;

	assert_non_null(strstr(buf_str(got.body), "\r\nf4,f4,"));
	assert_non_null(strstr(buf_str(got.body), "\r\nf2,f2,"));
	assert_null(strstr(buf_str(got.body), "\r\nf5,"));
	assert_non_null(strstr(link, "&subject=GATE-7&after=1000:f2>"));
	answer_clear(&got);
	got = get_csv(
	    a, "format=csv&limit=2&subject=GATE-7&after=1000:f2", "*/*");
	assert_non_null(strstr(buf_str(got.body), "\r\nf1,f1,"));
	assert_null(header_of(&got, "Link"));
	answer_clear(&got);
	add(a->site, "g1", "M-T2", MS_DAY, "issued");
	add(a->site, "g2", "M-T2", MS_DAY, "issued");
	OK(store_exec(tx = site_write(a->site),
	    "UPDATE certificate SET subject = 'CN=a>b' WHERE fingerprint IN "
	    "('g1', 'g2')",
	    S_ARGS(), NULL, &e));
	site_commit(tx);
	got = get_csv(a, "format=csv&limit=1&subject=a>b", "*/*");
	link = header_of(&got, "Link");
	assert_non_null(strstr(link, "&subject=a%3Eb&after=1000:g2>"));
	answer_clear(&got);
}

#define FP "00000000000000000000000000000000000000000000000000000000000000aa"
#define ONE "/api/v1/certificates/" FP

/* Where it comes from: a certificate, a person, and names. */
static void
one_tells_more(void **state)
{
	struct admin *a = *state;
	AUTO(cert_issued_clear) struct cert_issued issued = { 0 };
	AUTO(str_free) char *line = NULL;
	struct cert_subject subject = { .cn = "gate", .dns = "gate.example" };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_PUBKEY *pub = NULL;
	struct cert_issue in = {
		.template = cert_template_find(CERT_TEMPLATE_SCEP),
		.subject = &subject,
		.now_ms = clock_now_ms(),
	};
	struct cert_record r = { .issued = &issued,
		.template = CERT_TEMPLATE_SCEP,
		.purpose = "scep",
		.transaction_id = "T-more" };
	struct store_tx *tx = site_write(a->site);

	assert_int_equal(X509_PUBKEY_set(&pub, key), 1);
	in.pub = pub;
	OK(cert_authority_issue(a->site->authority, &in, &issued, &e));
	r.authority_id = issued.authority_id;
	OK(cert_ledger_add(tx, &r, &e));
	OK(store_exec(tx,
	    "INSERT INTO renewal (old_fingerprint, transaction_id, spki,"
	    " fingerprint, created_at) VALUES ('before', 'T-more', 'k', $1, 1)",
	    S_ARGS(S_TEXT(issued.fingerprint)), NULL, &e));
	OK(store_exec(tx,
	    "INSERT INTO scep_request (id, transaction_id, signer_spki, spki,"
	    " csr, subject, template, peer, state, created_at, expires_at,"
	    " fingerprint, decided_by)"
	    " VALUES ('q1', 'T-more', 's', 'k', $1, '{}', 'scep', 'p',"
	    " 'issued', 1, 2, $2, 'token:boss')",
	    S_ARGS(S_BLOB(slice_str("x")), S_TEXT(issued.fingerprint)), NULL,
	    &e));
	site_commit(tx);
	line = str_printf("GET /api/v1/certificates/%s", issued.fingerprint);
	CALL(VIEWER, line, NULL, 200);
	assert_string_equal(text_at(a, "renews"), "before");
	assert_string_equal(text_at(a, "approved_by"), "token:boss");
	assert_int_equal(json_array_size(at(a, "san")), 1);
	assert_string_equal(json_string_value(json_array_get(at(a, "san"), 0)),
	    "dns:gate.example");
	OK(store_exec(tx = site_write(a->site),
	    "UPDATE scep_request SET decided_by = 'upstream:corp'", S_ARGS(),
	    NULL, &e));
	site_commit(tx);
	CALL(VIEWER, line, NULL, 200);
	assert_true(json_is_null(at(a, "approved_by")));
	X509_PUBKEY_free(pub);
	EVP_PKEY_free(key);
}

static void
revoked_held_released(void **state)
{
	struct admin *a = *state;

	add(a->site, FP, "M-T2", 31 * MS_DAY, "issued");
	CALL(VIEWER, "GET " ONE, NULL, 200);
	assert_string_equal(text_at(a, "state"), "valid");
	assert_true(json_is_null(at(a, "renews")));
	assert_true(json_is_null(at(a, "approved_by")));
	assert_int_equal(json_array_size(at(a, "san")), 0);
	assert_string_equal(text_at(a, "pem"),
	    "-----BEGIN CERTIFICATE-----\nZGVy\n"
	    "-----END CERTIFICATE-----\n");
	REFUSED(VIEWER, "POST " ONE "/revoke", "{\"reason\":\"unspecified\"}",
	    403, "forbidden");
	REFUSED(OPERATOR, "POST " ONE "/revoke", "{\"reason\":\"why not\"}",
	    400, "invalid");
	REFUSED(OPERATOR, "POST " ONE "/revoke", "{}", 400, "invalid");
	REFUSED(OPERATOR, "POST " ONE "/release", NULL, 409, "not_on_hold");
	CALL(OPERATOR, "POST " ONE "/revoke",
	    "{\"reason\":\"certificate_hold\"}", 200);
	assert_string_equal(text_at(a, "state"), "held");
	assert_int_equal(count(a, "state=held"), 1);
	assert_int_equal(count(a, "state=revoked"), 1);
	REFUSED(VIEWER, "POST " ONE "/release", NULL, 403, "forbidden");
	REFUSED(OPERATOR, "POST " ONE "/release", "{\"x\":1}", 400, "invalid");
	CALL(OPERATOR, "POST " ONE "/release", "{}", 200);
	assert_string_equal(text_at(a, "state"), "valid");
	assert_true(json_is_null(at(a, "revoked_by")));
	for (int i = 0; i < 2; i++) {
		CALL(OPERATOR, "POST " ONE "/revoke",
		    i == 0 ? "{\"reason\":\"key_compromise\"}"
		           : "{\"reason\":\"superseded\"}",
		    200);
		assert_string_equal(text_at(a, "state"), "revoked");
		assert_string_equal(
		    text_at(a, "revoke_reason"), "key_compromise");
		assert_string_equal(text_at(a, "revoked_by"), "token:operator");
	}
	assert_int_equal(count(a, "fingerprint=" FP), 1);
	assert_string_equal(site_text(a->site,
	                        "SELECT actor FROM event WHERE kind = "
	                        "'certificate.revoked' AND subject_id = $1 "
	                        "ORDER BY seq DESC LIMIT 1",
	                        FP),
	    "token:operator");
	REFUSED(OPERATOR, "POST /api/v1/certificates/none/revoke",
	    "{\"reason\":\"unspecified\"}", 404, "not_found");
	REFUSED(
	    VIEWER, "GET /api/v1/certificates/none", NULL, 404, "not_found");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_filter_pages),
		cmocka_unit_test(every_filter_filters),
		cmocka_unit_test(csv_is_whole_and_harmless),
		cmocka_unit_test(subjects_and_authorities),
		cmocka_unit_test(csv_is_searched_by_subject),
		cmocka_unit_test(one_tells_more),
		cmocka_unit_test(revoked_held_released),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
