/* Import of the push certificate. */
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "tests/unit/api_fixture.h"

/* A self-signed certificate with the topic as UID; key and certificate PEM. */
static void
make_push(const char *topic, struct buf *cert, struct buf **key)
{
	AUTO(cert_key_free) EVP_PKEY *k = NULL;
	AUTO(cert_x509_free) X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	OK(cert_key_new(CERT_RSA_2048, &k, &e));
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * 300);
	X509_set_pubkey(x, k);
	X509_NAME_add_entry_by_NID(name, NID_userId, MBSTRING_UTF8,
	    (const unsigned char *)topic, -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	    (const unsigned char *)"APSP:0f3a", -1, -1, 0);
	X509_set_issuer_name(x, name);
	assert_true(X509_sign(x, k, EVP_sha256()) > 0);
	OK(cert_pem(x, cert, &e));
	OK(cert_key_pem(k, key, &e));
}

static char *
body_of(const struct buf *cert, const struct buf *key, const char *typed)
{
	AUTO(json_free) json_t *j = json_object();

	json_put_str(j, "certificate", buf_str(cert));
	json_put_str(j, "key", buf_str(key));
	json_put_str(j, "owner", "it@example.com");
	if (typed != NULL)
		json_put_str(j, "change_topic_to", typed);
	return json_text(j);
}

static void
imported_and_shown(void **state)
{
	struct admin *a = *state;
	AUTO(buf_free) struct buf *cert = buf_new(1 << 16);
	AUTO(buf_free) struct buf *cert2 = buf_new(1 << 16);
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(buf_wipe) struct buf *key2 = NULL;
	AUTO(str_free) char *good = NULL;
	AUTO(str_free) char *mixed = NULL;
	AUTO(str_free) char *other = NULL;
	AUTO(str_free) char *allowed = NULL;

	REFUSED(VIEWER, "GET /api/v1/push-certificate", NULL, 404,
	    "no_push_certificate");
	make_push(TEST_TOPIC, cert, &key);
	make_push("com.apple.mgmt.External.other", cert2, &key2);
	good = body_of(cert, key, NULL);
	mixed = body_of(cert, key2, NULL);
	other = body_of(cert2, key2, NULL);
	allowed = body_of(cert2, key2, "com.apple.mgmt.External.other");

	CALL(ADMIN, "PUT /api/v1/push-certificate", mixed, 400);
	assert_string_equal(a->topic, "");
	CALL(ADMIN, "PUT /api/v1/push-certificate", good, 200);
	assert_string_equal(text_at(a, "topic"), TEST_TOPIC);
	assert_string_equal(a->topic, TEST_TOPIC);
	CALL(VIEWER, "GET /api/v1/push-certificate", NULL, 200);
	assert_string_equal(text_at(a, "owner"), "it@example.com");
	assert_true(json_integer_value(at(a, "days_left")) > 290);
	assert_null(json_object_get(a->body, "key"));

	/* Macs depend on the old topic. */
	REFUSED(ADMIN, "PUT /api/v1/push-certificate", other, 409,
	    "push_topic_change");
	assert_string_equal(a->topic, TEST_TOPIC);
	CALL(ADMIN, "PUT /api/v1/push-certificate", allowed, 200);
	assert_string_equal(a->topic, "com.apple.mgmt.External.other");
}

static void
bad_input(void **state)
{
	struct admin *a = *state;

	REFUSED(ADMIN, "PUT /api/v1/push-certificate", "{}", 400, "invalid");
	CALL(ADMIN, "PUT /api/v1/push-certificate",
	    "{\"certificate\":\"x\",\"key\":\"y\",\"owner\":\"z\"}", 400);
	REFUSED(ADMIN, "PUT /api/v1/push-certificate",
	    "{\"certificate\":\"x\",\"key\":\"y\"}", 400, "invalid");
}

/* The push token that the fixture's Macs lack. */
static void
give_token(struct admin *a, const char *topic)
{
	struct store_tx *tx = site_write(a->site);

	OK(store_exec(tx,
	    "UPDATE enrollment SET topic = $1, push_token = $2, "
	    "push_magic = 'magic', last_seen_at = 5 WHERE id = 'M-INTEL'",
	    S_ARGS(S_TEXT(topic), S_BLOB(slice_str("token"))), NULL, &e));
	site_commit(tx);
}

static void
a_canary_goes_first(void **state)
{
	struct admin *a = *state;
	AUTO(buf_free) struct buf *cert = buf_new(1 << 16);
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(str_free) char *good = NULL;
	char id[64];

	make_push("com.apple.mgmt.External.other", cert, &key);
	good = body_of(cert, key, "com.apple.mgmt.External.other");
	give_token(a, "com.apple.mgmt.External.other");
	CALL(VIEWER, "GET /api/v1/push-certificate", NULL, 200);
	str_copy_cut(id, sizeof(id), text_at(a, "id"));
	a->canaries = 0;
	a->canary = (struct apns_answer){ .outcome = APNS_OUR_FAULT,
		.status = 403,
		.reason = "BadCertificate" };
	REFUSED(
	    ADMIN, "PUT /api/v1/push-certificate", good, 409, "canary_failed");
	CALL(VIEWER, "GET /api/v1/push-certificate", NULL, 200);
	assert_string_equal(text_at(a, "id"), id);
	a->canary = (struct apns_answer){ .outcome = APNS_ACCEPTED,
		.status = 200,
		.id = "7f0c3f3e-52a8-4c7d-9a0e-0d1b6f9b2a11" };
	CALL(ADMIN, "PUT /api/v1/push-certificate", good, 200);
	assert_string_equal(
	    json_string_value(json_object_get(at(a, "canary"), "serial")),
	    "C02INTEL");
	assert_int_equal(a->canaries, 2);
	/* Back, and the history tells of all. */
	CALL(ADMIN, "POST /api/v1/push-certificate/restore", "{}", 200);
	assert_int_equal(a->canaries, 3);
	CALL(VIEWER, "GET /api/v1/push-certificates", NULL, 200);
	assert_true(json_array_size(at(a, "push_certificates")) >= 3);
	REFUSED(ADMIN, "POST /api/v1/push-certificate/restore",
	    "{\"id\":\"none\"}", 404, "not_found");
	REFUSED(OPERATOR, "POST /api/v1/push-certificate/restore", "{}", 403,
	    "forbidden");
}

static void
the_key_waits_for_apples_answer(void **state)
{
	struct admin *a = *state;
	AUTO(buf_free) struct buf *cert = buf_new(1 << 16);
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(json_free) json_t *j = json_object();
	AUTO(str_free) char *body = NULL;

	REFUSED(ADMIN, "POST /api/v1/push-certificate-requests",
	    "{\"organization\":\"x\",\"country\":\"jp\",\"email\":\"a@b\"}",
	    400, "invalid");
	CALL(ADMIN, "POST /api/v1/push-certificate-requests",
	    "{\"organization\":\"x\",\"country\":\"JP\",\"email\":\"a@b\"}",
	    201);
	assert_non_null(strstr(text_at(a, "csr"), "CERTIFICATE REQUEST"));
	assert_null(strstr(text_at(a, "csr"), "PRIVATE"));
	/* Somebody else's certificate has no key here. */
	make_push(TEST_TOPIC, cert, &key);
	json_put_str(j, "certificate", buf_str(cert));
	json_put_str(j, "owner", "it@example.com");
	body = json_text(j);
	REFUSED(ADMIN, "PUT /api/v1/push-certificate", body, 400, "no_key");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(imported_and_shown),
		cmocka_unit_test(bad_input),
		cmocka_unit_test(a_canary_goes_first),
		cmocka_unit_test(the_key_waits_for_apples_answer),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
