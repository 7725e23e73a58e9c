/* The profiles, read back by the plist parser. */
#include "tests/unit/enroll_payload.h"

static struct pl *
enrolment(struct site *s, bool anchors)
{
	AUTO(buf_free) struct buf *b = buf_new(ENROLL_PROFILE_MAX);
	struct pl *p = NULL;

	OK(enroll_profile_enrolment(
	    &(struct enroll_profile){ .organization = "Acme & <Co>",
	        .public_url = "https://mdm.example.com:8443",
	        .topic = TEST_TOPIC,
	        .challenge = "SECRET1",
	        .ref = "ref-1",
	        .root = cert_authority_root(s->authority),
	        .anchors =
	            anchors ? cert_authority_anchors(s->authority) : NULL },
	    b, &e));
	OK(pl_parse(buf_slice(b), &p, &e));
	return p;
}

static void
top_level(void **state)
{
	AUTO(pl_free) struct pl *a = enrolment(*state, true);
	AUTO(pl_free) struct pl *b = enrolment(*state, true);

	assert_string_equal(text_of(a, "PayloadType"), "Configuration");
	assert_int_equal(int_of(a, "PayloadVersion"), 1);
	assert_string_equal(
	    text_of(a, "PayloadIdentifier"), "com.mutsu.enroll");
	assert_string_equal(text_of(a, "PayloadOrganization"), "Acme & <Co>");
	assert_true(uuid_valid(text_of(a, "PayloadUUID")));
	assert_string_not_equal(
	    text_of(a, "PayloadUUID"), text_of(b, "PayloadUUID"));
	/* "System" here would cost the user channel. */
	assert_false(pl_has(a, "PayloadScope"));
}

static void
payloads_are_in_order(void **state)
{
	static const char *const types[] = { "com.apple.security.root",
		"com.apple.security.pkcs1", "com.apple.security.scep",
		"com.apple.mdm" };
	AUTO(pl_free) struct pl *p = enrolment(*state, true);
	const struct pl *content = NULL;

	OK(pl_get_array(p, "PayloadContent", &content, &e));
	assert_int_equal(pl_array_len(content), COUNT(types));
	for (size_t i = 0; i < COUNT(types); i++)
		assert_string_equal(
		    text_of(pl_array_item(content, i), "PayloadType"),
		    types[i]);
}

static void
anchors_are_ours_and_can_be_left_out(void **state)
{
	struct site *s = *state;
	AUTO(pl_free) struct pl *with = enrolment(s, true);
	AUTO(pl_free) struct pl *without = enrolment(s, false);
	AUTO(buf_free) struct buf *root = NULL;
	AUTO(buf_free) struct buf *issuing = NULL;

	OK(cert_der(cert_authority_root(s->authority), &root, &e));
	OK(cert_der(cert_authority_issuing(s->authority), &issuing, &e));
	assert_true(
	    slice_eq(data_of(payload_of(with, "com.apple.security.root"),
	                 "PayloadContent"),
	        buf_slice(root)));
	assert_true(
	    slice_eq(data_of(payload_of(with, "com.apple.security.pkcs1"),
	                 "PayloadContent"),
	        buf_slice(issuing)));
	assert_null(payload_of(without, "com.apple.security.root"));
	assert_null(payload_of(without, "com.apple.security.pkcs1"));
	assert_non_null(payload_of(without, "com.apple.mdm"));
}

static void
expect_rdn(
    const struct pl *subject, size_t i, const char *type, const char *value)
{
	const struct pl *rdn = pl_array_item(subject, i);
	const struct pl *pair = pl_array_item(rdn, 0);

	assert_int_equal(pl_array_len(rdn), 1);
	assert_int_equal(pl_array_len(pair), 2);
	assert_string_equal(pl_node_str(pl_array_item(pair, 0)), type);
	assert_string_equal(pl_node_str(pl_array_item(pair, 1)), value);
}

static void
scep_payload(void **state)
{
	struct site *s = *state;
	AUTO(pl_free) struct pl *p = enrolment(s, true);
	AUTO(buf_free) struct buf *root = NULL;
	const struct pl *c = scep_of(p), *subject = NULL;
	uint8_t hash[SHA256_SIZE];

	assert_string_equal(
	    text_of(c, "URL"), "https://mdm.example.com:8443/scep");
	assert_string_equal(text_of(c, "Challenge"), "SECRET1");
	assert_int_equal(int_of(c, "Keysize"), 2048);
	assert_string_equal(text_of(c, "Key Type"), "RSA");
	assert_int_equal(int_of(c, "Key Usage"), 5);
	assert_int_equal(int_of(c, "Retries"), 3);
	assert_int_equal(int_of(c, "RetryDelay"), 10);
	assert_false(bool_of(c, "KeyIsExtractable"));
	assert_false(bool_of(c, "AllowAllAppsAccess"));
	OK(pl_get_array(c, "Subject", &subject, &e));
	assert_int_equal(pl_array_len(subject), 2);
	expect_rdn(subject, 0, "O", "Acme & <Co>");
	expect_rdn(subject, 1, "CN", "ref-1");
	OK(cert_der(cert_authority_root(s->authority), &root, &e));
	sha256(hash, buf_slice(root));
	assert_true(slice_eq(
	    data_of(c, "CAFingerprint"), slice_of(hash, sizeof(hash))));
}

static void
mdm_payload(void **state)
{
	AUTO(pl_free) struct pl *p = enrolment(*state, true);
	const struct pl *m = payload_of(p, "com.apple.mdm"), *caps = NULL;

	assert_string_equal(
	    text_of(m, "ServerURL"), "https://mdm.example.com:8443/mdm");
	assert_string_equal(
	    text_of(m, "CheckInURL"), "https://mdm.example.com:8443/checkin");
	assert_string_equal(text_of(m, "Topic"), TEST_TOPIC);
	assert_int_equal(int_of(m, "AccessRights"), 8191);
	assert_true(bool_of(m, "SignMessage"));
	assert_true(bool_of(m, "CheckOutWhenRemoved"));
	assert_string_equal(text_of(m, "IdentityCertificateUUID"),
	    text_of(payload_of(p, "com.apple.security.scep"), "PayloadUUID"));
	OK(pl_get_array(m, "ServerCapabilities", &caps, &e));
	assert_int_equal(pl_array_len(caps), 1);
	assert_string_equal(pl_node_str(pl_array_item(caps, 0)),
	    "com.apple.mdm.per-user-connections");
}

static struct pl *
user_profile(struct site *s, const char *name, const char *email)
{
	AUTO(buf_free) struct buf *b = buf_new(ENROLL_PROFILE_MAX);
	struct pl *p = NULL;

	OK(enroll_profile_user(
	    &(struct enroll_user_profile){ .organization = "Acme",
	        .public_url = "https://mdm.example.com",
	        .challenge = "SECRET2",
	        .identifier = ENROLL_USER_IDENTIFIER "r1",
	        .user_name = name,
	        .email = email,
	        .root = cert_authority_root(s->authority) },
	    b, &e));
	OK(pl_parse(buf_slice(b), &p, &e));
	return p;
}

static void
profile_of_a_user(void **state)
{
	AUTO(pl_free)
	struct pl *p = user_profile(*state, "佐藤", "sato@example.com");
	AUTO(pl_free) struct pl *q = user_profile(*state, "sato", "");
	const struct pl *subject = NULL, *san = NULL;

	assert_string_equal(
	    text_of(p, "PayloadIdentifier"), "com.mutsu.user-certificate.r1");
	assert_string_equal(text_of(p, "PayloadScope"), "System");
	OK(pl_get_array(scep_of(p), "Subject", &subject, &e));
	expect_rdn(subject, 0, "O", "Acme");
	expect_rdn(subject, 1, "CN", "佐藤");
	OK(pl_get_dict(scep_of(p), "SubjectAltName", &san, &e));
	assert_string_equal(text_of(san, "rfc822Name"), "sato@example.com");
	assert_string_equal(text_of(scep_of(p), "Challenge"), "SECRET2");
	assert_false(pl_has(scep_of(q), "SubjectAltName"));
	assert_null(payload_of(p, "com.apple.mdm"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_level),
		cmocka_unit_test(payloads_are_in_order),
		cmocka_unit_test(anchors_are_ours_and_can_be_left_out),
		cmocka_unit_test(scep_payload),
		cmocka_unit_test(mdm_payload),
		cmocka_unit_test(profile_of_a_user),
	};

	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
