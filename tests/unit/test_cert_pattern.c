/* Subjects with variables, and values that devices and people chose. */
#include "cert_fixture.h"

#include "certs/cert_pattern.h"
#include "core/json.h"

static const struct cert_variables mac = { .name = "Sato's Mac",
	.serial = "C02XK1ZZJGH6",
	.udid = "0781C94F",
	.model = "MacBookPro16,1",
	.user = "sato",
	.full_name = "佐藤 花子",
	.email = "sato@example.com" };

static void
expands(struct cert_subject pattern, const char *json)
{
	AUTO(str_free) char *text = NULL;
	struct err e = { 0 };

	must(cert_pattern_expand(&pattern, &mac, &text, &e), &e);
	assert_string_equal(text, json);
}

static void
values_stand_where_variables_stood(void **state)
{
	(void)state;
	expands((struct cert_subject){ .cn = "$SERIAL" },
	    "{\"cn\":\"C02XK1ZZJGH6\"}");
	expands((struct cert_subject){ .cn = "$FULLNAME ($USER)",
	            .o = "${USER}s, O=$$5",
	            .ou = "$MODEL",
	            .uid = "$UDID" },
	    "{\"cn\":\"佐藤 花子 (sato)\",\"o\":\"satos, O=$5\","
	    "\"ou\":\"MacBookPro16,1\",\"uid\":\"0781C94F\"}");
	expands((struct cert_subject){ .cn = "x",
	            .email = "$USER+mac@$USER.example.com",
	            .dns = "$SERIAL.example.com",
	            .ip = "192.0.2.1",
	            .uri = "urn:mac:$NAME" },
	    "{\"cn\":\"x\",\"email\":\"sato+mac@sato.example.com\","
	    "\"dns\":\"C02XK1ZZJGH6.example.com\",\"ip\":\"192.0.2.1\","
	    "\"uri\":\"urn:mac:Sato%27s%20Mac\"}");
	expands((struct cert_subject){ .cn = "x", .email = "$EMAIL" },
	    "{\"cn\":\"x\",\"email\":\"sato@example.com\"}");
}

static void
fails(struct cert_subject pattern, struct cert_variables v, const char *word)
{
	AUTO(str_free) char *text = NULL;

	must_fail(
	    cert_pattern_expand(&pattern, &v, &text, &failure), ERR_INVALID);
	assert_non_null(strstr(failure.text, word));
	assert_null(text);
}

static void
missing_values_are_named(void **state)
{
	struct cert_variables v = mac;

	(void)state;
	v.email = NULL;
	fails((struct cert_subject){ .cn = "$USER", .email = "$EMAIL" }, v,
	    "$EMAIL");
	v.email = "";
	fails((struct cert_subject){ .cn = "$USER", .email = "$EMAIL" }, v,
	    "$EMAIL");
}

/* What a Mac or a user is called must not become another name. */
static void
hostile_values_are_refused(void **state)
{
	static const struct {
		struct cert_subject pattern;
		const char *value;
	} bad[] = {
		{ { .cn = "x", .dns = "$NAME.example.com" }, "*" },
		{ { .cn = "x", .dns = "$NAME.example.com" }, "a.b" },
		{ { .cn = "x", .dns = "mac-$NAME" }, "x.evil.example" },
		{ { .cn = "x", .dns = "$NAME" }, "*.example.com" },
		{ { .cn = "x", .dns = "$NAME" }, "a b" },
		{ { .cn = "x", .dns = "$NAME" }, "-" },
		{ { .cn = "x", .dns = "$NAME.example.com" }, "-a" },
		{ { .cn = "x", .email = "$NAME@example.com" },
		    "a@evil.example" },
		{ { .cn = "x", .email = "$NAME@example.com" }, "a b" },
		{ { .cn = "x", .email = "mac@$NAME" }, "evil.example" },
		{ { .cn = "x", .email = "$NAME" }, "no address" },
		{ { .cn = "x", .ip = "$NAME" }, "192.0.2.256" },
		{ { .cn = "x", .uri = "$NAME" }, "https://evil.example/" },
		{ { .cn = "$NAME" }, "a\nb" },
		{ { .cn = "$NAME" }, "\x1b[2J" },
		{ { .cn = "$NAME" }, "\xff" },
		{ { .cn = "$NAME" },
		    "a name that is longer than the sixty-four characters of "
		    "X.520 allow" },
	};
	char long_one[300];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		fails(bad[i].pattern,
		    (struct cert_variables){ .name = bad[i].value }, "subject");
	memset(long_one, 'x', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	fails((struct cert_subject){ .cn = "x", .uid = "$NAME" },
	    (struct cert_variables){ .name = long_one }, "$NAME");
	long_one[200] = '\0';
	fails((struct cert_subject){ .cn = "x", .uid = "$NAME$NAME" },
	    (struct cert_variables){ .name = long_one }, "uid");
}

/* Once is enough: a value is no pattern. */
static void
values_are_not_read_again(void **state)
{
	const struct cert_subject s = { .cn = "$NAME" };
	const struct cert_variables v = { .name = "$SERIAL", .serial = "S" };
	AUTO(str_free) char *text = NULL;
	struct err e = { 0 };

	(void)state;
	must(cert_pattern_expand(&s, &v, &text, &e), &e);
	assert_string_equal(text, "{\"cn\":\"$SERIAL\"}");
}

static void
patterns_are_checked_when_written(void **state)
{
	static const struct {
		struct cert_subject s;
		unsigned allowed;
		const char *word;
	} bad[] = {
		{ { .cn = "$HOST" }, CERT_VARIABLES_ALL, "no variable" },
		{ { .cn = "$" }, CERT_VARIABLES_ALL, "no variable" },
		{ { .cn = "$name" }, CERT_VARIABLES_ALL, "no variable" },
		{ { .cn = "${NAME" }, CERT_VARIABLES_ALL, "no variable" },
		{ { .cn = "$NAMES" }, CERT_VARIABLES_ALL, "no variable" },
		{ { .cn = "$USER" }, CERT_VARIABLE_NAME, "$USER" },
		{ { .cn = "$NAME" }, CERT_VARIABLES_NONE, "$NAME" },
		{ { .cn = "x", .dns = "a b" }, CERT_VARIABLES_ALL, "dns" },
		{ { .cn = "x", .ip = "1" }, CERT_VARIABLES_ALL, "ip" },
	};
	const struct cert_subject good = { .cn = "$NAME", .ip = "$NAME" };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		must_fail(
		    cert_pattern_check(&bad[i].s, bad[i].allowed, &failure),
		    ERR_INVALID);
		assert_non_null(strstr(failure.text, bad[i].word));
	}
	must(cert_pattern_check(&good, CERT_VARIABLE_NAME, &e), &e);
}

static void
variables_by_name(void **state)
{
	AUTO(json_free) json_t *o = NULL, *other = NULL, *number = NULL;
	struct cert_variables v = { .user = "sato", .name = "before" };
	struct err e = { 0 };

	(void)state;
	must(json_parse(slice_str("{\"NAME\":\"n\",\"EMAIL\":\"e\"}"), &o, &e),
	    &e);
	must(cert_variables_read(o, &v, &e), &e);
	assert_string_equal(v.name, "n");
	assert_string_equal(v.email, "e");
	assert_string_equal(v.user, "sato");
	assert_null(v.udid);
	must(json_parse(slice_str("{\"CN\":\"n\"}"), &other, &e), &e);
	must_fail(cert_variables_read(other, &v, &failure), ERR_INVALID);
	must(json_parse(slice_str("{\"NAME\":1}"), &number, &e), &e);
	must_fail(cert_variables_read(number, &v, &failure), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_stand_where_variables_stood),
		cmocka_unit_test(missing_values_are_named),
		cmocka_unit_test(hostile_values_are_refused),
		cmocka_unit_test(values_are_not_read_again),
		cmocka_unit_test(patterns_are_checked_when_written),
		cmocka_unit_test(variables_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
