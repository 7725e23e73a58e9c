/* Challenges for SCEP clients: made by administrators, shown once. */
#include "tests/unit/api_fixture.h"

#include "scep/scep_challenge.h"

#define PATH "POST /api/v1/scep-challenges"

static void
made_and_shown_once(void **state)
{
	struct admin *a = *state;
	char mac[SHA256_HEX_SIZE];

	CALL(ADMIN, PATH,
	    "{\"cn\":\"printer\",\"o\":\"Acme\",\"dns\":\"p1.example.com\","
	    "\"email\":\"it@example.com\",\"minutes\":5}",
	    201);
	assert_non_null(strcasestr(a->head, "Cache-Control: no-store"));
	assert_string_equal(text_at(a, "template"), "scep");
	assert_string_equal(text_at(a, "url"), "https://mdm.example.com/scep");
	assert_non_null(text_at(a, "expires_at"));
	assert_int_equal(
	    strlen(text_at(a, "challenge")), SCEP_CHALLENGE_SIZE - 1);
	scep_challenge_mac(a->site->seal, text_at(a, "challenge"), mac);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM challenge WHERE mac = $1 "
	                     "AND template = 'scep' AND purpose = 'scep' AND "
	                     "device_id IS NULL AND used_at IS NULL AND "
	                     "expires_at - created_at <= 300000",
	                     mac),
	    1);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM event WHERE "
	                     "kind = 'challenge.created' AND subject_id = $1 "
	                     "AND actor = 'token:admin'",
	                     text_at(a, "id")),
	    1);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM event WHERE data LIKE "
	                     "'%' || $1 || '%'",
	                     text_at(a, "challenge")),
	    0);
}

/* The CA of an upstream is told at its template's address only. */
static void
outside_has_an_address(void **state)
{
	struct admin *a = *state;
	AUTO(buf_free) struct buf *ca = buf_new(8192);
	AUTO(json_free) json_t *o = json_object();
	AUTO(str_free) char *fields = NULL;

	OK(cert_pem(cert_authority_root(a->site->authority), ca, &e));
	json_put_str(o, "kind", "scep");
	json_put_str(o, "url", "http://ca.example.com/scep");
	json_put_str(o, "ca", buf_str(ca));
	fields = json_text(o);
	CALL(ADMIN, "PUT /api/v1/upstreams/corp", fields, 200);
	CALL(ADMIN, "PUT /api/v1/templates/gates", "{\"upstream\":\"corp\"}",
	    200);
	CALL(ADMIN, PATH, "{\"cn\":\"gate\",\"template\":\"gates\"}", 201);
	assert_string_equal(
	    text_at(a, "url"), "https://mdm.example.com/scep/gates");
	CALL(ADMIN, "PUT /api/v1/templates/gates", "{}", 200);
	CALL(ADMIN, PATH, "{\"cn\":\"gate\",\"template\":\"gates\"}", 201);
	assert_string_equal(text_at(a, "url"), "https://mdm.example.com/scep");
}

static void
administrators_only(void **state)
{
	struct admin *a = *state;

	REFUSED(NOBODY, PATH, "{\"cn\":\"x\"}", 401, "unauthorized");
	REFUSED(VIEWER, PATH, "{\"cn\":\"x\"}", 403, "forbidden");
	REFUSED(OPERATOR, PATH, "{\"cn\":\"x\"}", 403, "forbidden");
}

static void
bad_input(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"cn\":\"\"}",
		"{\"cn\":1}",
		"{\"cn\":\"a\\nb\"}",
		"{\"cn\":\"a\",\"dns\":\"a b\"}",
		"{\"cn\":\"a\",\"email\":\"nobody\"}",
		"{\"cn\":\"a\",\"minutes\":0}",
		"{\"cn\":\"a\",\"minutes\":10081}",
		"{\"cn\":\"a\",\"minutes\":-9223372036854775808}",
		"{\"cn\":\"a\",\"minutes\":\"5\"}",
		"{\"cn\":\"a\",\"uid\":\"root\"}",
		("{\"cn\":\"0123456789012345678901234567890123456789012345678"
		 "9012345678901234\"}"),
	};
	struct admin *a = *state;

	for (size_t i = 0; i < COUNT(bad); i++)
		REFUSED(ADMIN, PATH, bad[i], 400, "invalid");
	assert_int_equal(site_events(a->site, "challenge.created"), 1);
}

/* The template says the names; whom they are of is in the database. */
static void
for_a_device_and_its_user(void **state)
{
	struct admin *a = *state;
	struct enroll_user u = { .name = "sato",
		.full_name = "佐藤 花子",
		.email = "sato@example.com" };
	struct store_tx *tx = site_write(a->site);
	char id[UUID_SIZE];

	OK(enroll_user_put(tx, &u, "test", id, &e));
	site_commit(tx);
	CALL(ADMIN, "PUT /api/v1/templates/vpn",
	    "{\"subject\":{\"cn\":\"$SERIAL\",\"ou\":\"$FULLNAME\","
	    "\"uid\":\"$USER\",\"email\":\"$EMAIL\",\"o\":\"$MODEL\"}}",
	    200);
	CALL(ADMIN, PATH,
	    "{\"template\":\"vpn\",\"device\":\"intel\",\"user\":\"sato\"}",
	    201);
	assert_int_equal(
	    site_number(a->site,
	        "SELECT COUNT(*) FROM challenge WHERE id = $1 AND subject = "
	        "'{\"cn\":\"C02INTEL\",\"o\":\"MacBookPro11,1\","
	        "\"ou\":\"佐藤 花子\",\"uid\":\"sato\","
	        "\"email\":\"sato@example.com\"}' AND device_id = 'M-INTEL' "
	        "AND user_id IS NOT NULL AND purpose = 'scep'",
	        text_at(a, "id")),
	    1);
	/* What the caller says goes before what we know. */
	CALL(ADMIN, PATH,
	    "{\"template\":\"vpn\",\"variables\":{\"SERIAL\":\"S\","
	    "\"FULLNAME\":\"f\",\"USER\":\"u\",\"MODEL\":\"m\","
	    "\"EMAIL\":\"a@b.example\"}}",
	    201);
	assert_int_equal(
	    site_number(a->site,
	        "SELECT COUNT(*) FROM challenge WHERE id = $1 AND subject LIKE "
	        "'{\"cn\":\"S\",%' AND device_id IS NULL",
	        text_at(a, "id")),
	    1);
}

static void
values_that_are_missing(void **state)
{
	struct admin *a = *state;

	REFUSED(ADMIN, PATH, "{\"template\":\"vpn\",\"device\":\"intel\"}", 400,
	    "invalid");
	assert_non_null(strstr(text_at(a, "detail"), "$FULLNAME"));
	REFUSED(
	    ADMIN, PATH, "{\"template\":\"vpn\",\"cn\":\"x\"}", 400, "invalid");
	assert_non_null(strstr(text_at(a, "detail"), "says the names"));
	REFUSED(ADMIN, PATH, "{\"template\":\"vpn\",\"device\":\"none\"}", 404,
	    "not_found");
	REFUSED(ADMIN, PATH, "{\"template\":\"vpn\",\"device\":\"twin\"}", 409,
	    "ambiguous_device");
	REFUSED(ADMIN, PATH, "{\"template\":\"vpn\",\"user\":\"none\"}", 404,
	    "not_found");
	REFUSED(ADMIN, PATH,
	    "{\"template\":\"vpn\",\"variables\":{\"CN\":\"x\"}}", 400,
	    "invalid");
	CALL(ADMIN, "PUT /api/v1/templates/shared",
	    "{\"challenge\":\"static\"}", 200);
	REFUSED(ADMIN, PATH, "{\"template\":\"shared\"}", 400, "invalid");
	assert_non_null(strstr(text_at(a, "detail"), "static"));
}

/* What says nothing of a user is not hers, whoever has the Mac. */
static void
of_the_machine_alone(void **state)
{
	struct admin *a = *state;
	struct store_tx *tx = site_write(a->site);
	const char *sql = "SELECT COUNT(*) FROM challenge WHERE id = $1 "
	                  "AND device_id = 'M-INTEL' AND user_id IS NULL";

	OK(store_exec(tx,
	    "UPDATE device SET user_id = (SELECT id FROM users WHERE "
	    "name = 'sato') WHERE id = 'M-INTEL'",
	    S_ARGS(), NULL, &e));
	site_commit(tx);
	CALL(ADMIN, "PUT /api/v1/templates/wifi",
	    "{\"subject\":{\"cn\":\"$SERIAL\"}}", 200);
	CALL(ADMIN, PATH, "{\"template\":\"wifi\",\"device\":\"intel\"}", 201);
	assert_int_equal(site_number(a->site, sql, text_at(a, "id")), 1);
	CALL(ADMIN, PATH, "{\"template\":\"vpn\",\"device\":\"intel\"}", 201);
	assert_int_equal(site_number(a->site, sql, text_at(a, "id")), 0);
	CALL(ADMIN, PATH,
	    "{\"template\":\"wifi\",\"device\":\"intel\",\"user\":\"sato\"}",
	    201);
	assert_int_equal(site_number(a->site, sql, text_at(a, "id")), 0);
}

static void
not_for_a_deleted_device(void **state)
{
	struct admin *a = *state;
	struct store_tx *tx = site_write(a->site);

	OK(store_exec(tx,
	    "INSERT INTO device (id, udid, state, chip, created_at, "
	    "updated_at) VALUES ('GONE', 'deleted:GONE', 'deleted', "
	    "'unknown', 0, 0)",
	    S_ARGS(), NULL, &e));
	site_commit(tx);
	REFUSED(ADMIN, PATH, "{\"cn\":\"x\",\"device\":\"GONE\"}", 409,
	    "device_deleted");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_and_shown_once),
		cmocka_unit_test(administrators_only),
		cmocka_unit_test(bad_input),
		cmocka_unit_test(for_a_device_and_its_user),
		cmocka_unit_test(values_that_are_missing),
		cmocka_unit_test(outside_has_an_address),
		cmocka_unit_test(of_the_machine_alone),
		cmocka_unit_test(not_for_a_deleted_device),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
