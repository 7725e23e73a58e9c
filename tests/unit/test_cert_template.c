/* The table of templates, and subjects to JSON and back. */
#include "cert_fixture.h"

#include "certs/cert_template.h"
#include "core/json.h"

static void
table_is_complete(void **state)
{
	static const char *const names[] = { CERT_TEMPLATE_DEVICE,
		CERT_TEMPLATE_USER, CERT_TEMPLATE_SCEP, CERT_TEMPLATE_TLS };
	size_t n = 0;

	(void)state;
	for (const struct cert_template *t = cert_templates(); t->name != NULL;
	     t++, n++) {
		assert_ptr_equal(cert_template_find(t->name), t);
		assert_false(str_empty(t->help));
		assert_true(str_starts(t->key_usage, "critical,"));
		assert_int_equal(t->key_usage_ec != NULL, t->ec);
		assert_true(t->backdate_ms >= MS_H);
	}
	assert_int_equal(n, COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++)
		assert_non_null(cert_template_find(names[i]));
	assert_null(cert_template_find("ca"));
	assert_null(cert_template_find(""));
	assert_null(cert_template_find(NULL));
}

static void
subject_survives_json(void **state)
{
	const struct cert_subject s = { .cn = "佐藤 \"太郎\"",
		.o = "O",
		.ou = "OU",
		.uid = "sato",
		.email = "s@example.com",
		.dns = "mac.example",
		.ip = "::1",
		.uri = "urn:x",
		.more = { { "dns", "b.example" }, { "ip", "192.0.2.1" } } };
	AUTO(str_free) char *text = cert_subject_json(&s);
	AUTO(json_free) json_t *keep = NULL;
	struct cert_subject got = { 0 };
	struct err e = { 0 };

	(void)state;
	must(cert_subject_from_json(text, &got, &keep, &e), &e);
	assert_string_equal(got.cn, s.cn);
	assert_string_equal(got.o, s.o);
	assert_string_equal(got.ou, s.ou);
	assert_string_equal(got.uid, s.uid);
	assert_string_equal(got.email, s.email);
	assert_string_equal(got.dns, s.dns);
	assert_string_equal(got.ip, s.ip);
	assert_string_equal(got.uri, s.uri);
	assert_string_equal(got.more[0].kind, "dns");
	assert_string_equal(got.more[0].value, "b.example");
	assert_string_equal(got.more[1].kind, "ip");
	assert_string_equal(got.more[1].value, "192.0.2.1");
	assert_null(got.more[2].kind);
}

static void
absent_stays_absent(void **state)
{
	const struct cert_subject s = { .cn = "a" };
	AUTO(str_free) char *text = cert_subject_json(&s);
	AUTO(json_free) json_t *keep = NULL;
	struct cert_subject got = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_string_equal(text, "{\"cn\":\"a\"}");
	must(cert_subject_from_json(text, &got, &keep, &e), &e);
	assert_null(got.o);
	assert_null(got.email);
}

static void
bad_json_is_refused(void **state)
{
	static const char *const bad[] = { "", "[]", "{}", "{\"cn\":\"\"}",
		"{\"cn\":1}", "{\"o\":\"x\"}", "{\"cn\":\"a\",\"ca\":\"b\"}",
		"{\"cn\":\"a\",\"cn\":\"b\"}", "{\"cn\":\"a\"}x",
		"{\"cn\":\"a\",\"more\":{}}",
		"{\"cn\":\"a\",\"more\":[\"dns\"]}",
		"{\"cn\":\"a\",\"more\":[{}]}",
		"{\"cn\":\"a\",\"more\":[{\"ou\":\"b\"}]}",
		"{\"cn\":\"a\",\"more\":[{\"dns\":1}]}",
		"{\"cn\":\"a\",\"more\":[{\"dns\":\"\"}]}",
		"{\"cn\":\"a\",\"more\":[{\"dns\":\"b\",\"ip\":\"::\"}]}",
		"{\"cn\":\"a\",\"more\":[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6]}" };
	struct cert_subject got = { 0 };
	json_t *keep = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		must_fail(cert_subject_from_json(bad[i], &got, &keep, &failure),
		    ERR_INVALID);
	assert_null(keep);
	assert_null(got.cn);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_complete),
		cmocka_unit_test(subject_survives_json),
		cmocka_unit_test(absent_stays_absent),
		cmocka_unit_test(bad_json_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
