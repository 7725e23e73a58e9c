/* Push certificates: what is refused, and the life of one in the database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apns/apns_cert.h"
#include "core/clock.h"
#include "sim/sim_apns_cert.h"
#include "tests/store/database.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-4333-8444-555555555555"
#define TOPIC2 "com.apple.mgmt.External.99999999-2222-4333-8444-555555555555"

static void
must(bool ok, const struct err *e)
{
	if (!ok)
		fail_msg("%s", e->text);
}

static struct sim_apns_certs *
make(const char *topic, int64_t from_ms, int64_t to_ms)
{
	struct sim_apns_cert_options o = {
		.topic = topic, .not_before_ms = from_ms, .not_after_ms = to_ms
	};
	struct sim_apns_certs *c = NULL;
	struct err e = { 0 };

	must(sim_apns_certs_new(&o, &c, &e), &e);
	return c;
}

static void
parsed(void **state)
{
	AUTO(sim_apns_certs_free) struct sim_apns_certs *s = make(TOPIC, 0, 0);
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	AUTO(str_free)
	char *chain = str_printf("%s%s", s->push_cert_pem, s->ca_pem);
	struct err e = { 0 };

	(void)state;
	must(apns_cert_parse(
	         slice_str(chain), slice_str(s->push_key_pem), &c, &e),
	    &e);
	assert_string_equal(c->topic, TOPIC);
	assert_true(uuid_valid(c->id));
	assert_true(c->not_after > clock_now_ms() + 360 * MS_DAY);
	assert_non_null(strstr(c->key_pem, "PRIVATE KEY"));
	/* The chain came along. */
	assert_non_null(strstr(strstr(c->cert_pem, "BEGIN") + 5, "BEGIN"));
}

static void
refuse(const char *cert, const char *key, const char *says)
{
	struct apns_cert *c = NULL;
	struct err e = { 0 };

	assert_false(apns_cert_parse(slice_str(cert), slice_str(key), &c, &e));
	assert_null(c);
	assert_int_equal(e.code, ERR_INVALID);
	if (strstr(e.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.text, says);
}

static void
refused(void **state)
{
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *good = make(TOPIC, 0, 0);
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *none = make(NULL, 0, 0);
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *app = make("com.example.app", 0, 0);
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *bare = make("com.apple.mgmt.", 0, 0);
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *odd = make("com.apple.mgmt.Ex ternal", 0, 0);
	int64_t now = clock_now_ms();
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *old =
	    make(TOPIC, now - 2 * MS_DAY, now - MS_DAY);
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *early =
	    make(TOPIC, now + 5 * MS_DAY, now + 9 * MS_DAY);

	(void)state;
	refuse(none->push_cert_pem, none->push_key_pem, "no UID");
	refuse(app->push_cert_pem, app->push_key_pem, "com.apple.mgmt.");
	refuse(bare->push_cert_pem, bare->push_key_pem, "com.apple.mgmt.");
	refuse(odd->push_cert_pem, odd->push_key_pem, "com.apple.mgmt.");
	refuse(old->push_cert_pem, old->push_key_pem, "expired");
	refuse(early->push_cert_pem, early->push_key_pem, "not valid before");
	refuse(good->push_cert_pem, none->push_key_pem, "does not belong");
	refuse(good->push_cert_pem, good->server_key_pem, "does not belong");
	refuse(good->push_cert_pem, "", "key");
	refuse("", good->push_key_pem, "push certificate");
	refuse("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	    good->push_key_pem, "push certificate");
}

struct base {
	char dir[64];
	struct store *st;
	struct seal *seal;
};

static void
base_open(struct base *b)
{
	AUTO(str_free) char *database = NULL;
	struct err e = { 0 };
	char path[96];

	(void)snprintf(b->dir, sizeof(b->dir), "/tmp/apns-cert-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	(void)snprintf(path, sizeof(path), "%s/db", b->dir);
	database = test_database(path);
	must(
	    store_open(&(struct store_options){ .path = database }, &b->st, &e),
	    &e);
	(void)snprintf(path, sizeof(path), "%s/master", b->dir);
	must(seal_open(path, &b->seal, &e), &e);
}

static void
base_close(struct base *b)
{
	static const char *const names[] = { "db", "db-wal", "db-shm",
		"db.lock", "master" };

	store_close(&b->st);
	seal_free(&b->seal);
	for (size_t i = 0; i < COUNT(names); i++) {
		char path[96];

		(void)snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(b->dir);
}

static bool
save(struct base *b, const struct sim_apns_certs *s, const char *typed,
    struct err *e)
{
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return apns_cert_parse(slice_str(s->push_cert_pem),
	           slice_str(s->push_key_pem), &c, e) &&
	       store_begin(b->st, STORE_WRITE, &tx, e) &&
	       apns_cert_save(tx, b->seal, c,
	           &(struct apns_cert_import){ .owner = "it@example.com",
	               .typed_topic = typed,
	               .actor = "token:root" },
	           e) &&
	       store_commit(&tx, e);
}

static void
check_active(struct base *b, const struct sim_apns_certs *s, const char *topic)
{
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(b->st, STORE_READ, &tx, &e), &e);
	must(apns_cert_load(tx, b->seal, &c, &e), &e);
	if (topic == NULL) {
		assert_null(c);
		return;
	}
	assert_string_equal(c->topic, topic);
	assert_string_equal(c->key_pem, s->push_key_pem);
	assert_string_equal(c->cert_pem, s->push_cert_pem);
}

static void
add_enrolment(struct base *b, const char *topic)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(b->st, STORE_WRITE, &tx, &e), &e);
	must(store_exec(tx,
	         "INSERT INTO device (id, udid, state, created_at, updated_at) "
	         "VALUES ('d', 'u', 'enrolled', 1, 1)",
	         S_ARGS(), NULL, &e),
	    &e);
	must(store_exec(tx,
	         "INSERT INTO enrollment (id, device_id, channel, state, "
	         "topic) VALUES ('u', 'd', 'device', 'enrolled', $1)",
	         S_ARGS(S_TEXT(topic)), NULL, &e),
	    &e);
	must(store_commit(&tx, &e), &e);
}

static int64_t
count(struct base *b, const char *sql)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	bool more;

	must(store_begin(b->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx, sql, S_ARGS(), &r, &e), &e);
	must(store_next(r, &more, &e), &e);
	return store_int(r, 0);
}

static void
saved_and_renewed(void **state)
{
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *one = make(TOPIC, 0, 0);
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *two = make(TOPIC, 0, 0);
	struct base b = { 0 };
	struct err e = { 0 };

	(void)state;
	base_open(&b);
	check_active(&b, NULL, NULL);
	must(save(&b, one, NULL, &e), &e);
	check_active(&b, one, TOPIC);
	add_enrolment(&b, TOPIC);
	/* The same topic: renewal. */
	must(save(&b, two, NULL, &e), &e);
	check_active(&b, two, TOPIC);
	assert_int_equal(
	    count(&b, "SELECT COUNT(*) FROM push_certificate WHERE "
	              "state = 'active'"),
	    1);
	assert_int_equal(count(&b, "SELECT COUNT(*) FROM push_certificate "
	                           "WHERE state = 'old'"),
	    1);
	assert_int_equal(count(&b, "SELECT COUNT(*) FROM event WHERE kind = "
	                           "'push_certificate.imported'"),
	    2);
	/* The key is sealed. */
	assert_int_equal(count(&b, "SELECT COUNT(*) FROM push_certificate "
	                           "WHERE CAST(key AS TEXT) LIKE '%PRIVATE%'"),
	    0);
	base_close(&b);
}

static void
topic_change_refused(void **state)
{
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *one = make(TOPIC, 0, 0);
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *two = make(TOPIC2, 0, 0);
	struct base b = { 0 };
	struct err e = { 0 };

	(void)state;
	base_open(&b);
	must(save(&b, one, NULL, &e), &e);
	/* Nobody depends on the old one yet. */
	must(save(&b, two, NULL, &e), &e);
	must(save(&b, one, NULL, &e), &e);
	add_enrolment(&b, TOPIC);
	assert_false(save(&b, two, NULL, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_string_equal(e.slug, "push_topic_change");
	assert_non_null(strstr(e.text, "1 enrolment"));
	assert_false(save(&b, two, TOPIC, &e)); /* mistyped */
	check_active(&b, one, TOPIC);
	clock_set_offset_ms(10);
	must(save(&b, two, TOPIC2, &e), &e);
	check_active(&b, two, TOPIC2);
	clock_set_offset_ms(0);
	base_close(&b);
}

static void
restore(struct base *b, const char *id, struct err *e, bool wanted)
{
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	bool ok;

	must(store_begin(b->st, STORE_WRITE, &tx, e), e);
	ok = apns_cert_load_old(tx, b->seal, id, &c, e) &&
	     apns_cert_restore(tx, c, "token:root", e) && store_commit(&tx, e);
	assert_int_equal(ok, wanted);
}

static void
gone_back_from(void **state)
{
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *one = make(TOPIC, 0, clock_now_ms() + MS_DAY);
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *two = make(TOPIC, 0, 0);
	struct base b = { 0 };
	struct err e = { 0 };

	(void)state;
	base_open(&b);
	must(save(&b, one, NULL, &e), &e);
	restore(&b, NULL, &e, false);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	must(save(&b, two, NULL, &e), &e);
	restore(&b, NULL, &e, true);
	check_active(&b, one, TOPIC);
	/* And forward again. */
	restore(&b, NULL, &e, true);
	check_active(&b, two, TOPIC);
	restore(&b, "no such", &e, false);
	assert_int_equal(
	    count(&b, "SELECT COUNT(*) FROM push_certificate WHERE "
	              "state = 'active'"),
	    1);
	clock_set_offset_ms(2 * MS_DAY);
	restore(&b, NULL, &e, false);
	assert_string_equal(e.slug, "expired");
	clock_set_offset_ms(0);
	check_active(&b, two, TOPIC);
	base_close(&b);
}

static void
several_topics(void **state)
{
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *one = make(TOPIC, 0, 0);
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *two = make(TOPIC2, 0, 0);
	AUTO(apns_cert_free) struct apns_cert *all = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct base b = { 0 };
	struct err e = { 0 };

	(void)state;
	base_open(&b);
	must(save(&b, one, NULL, &e), &e);
	must(save(&b, two, NULL, &e), &e);
	must(store_begin(b.st, STORE_READ, &tx, &e), &e);
	must(apns_cert_load_all(tx, b.seal, &all, &e), &e);
	assert_string_equal(all->topic, TOPIC2);
	assert_string_equal(all->next->topic, TOPIC);
	assert_null(all->next->next);
	store_rollback(&tx);
	base_close(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsed),
		cmocka_unit_test(refused),
		cmocka_unit_test(saved_and_renewed),
		cmocka_unit_test(topic_change_refused),
		cmocka_unit_test(gone_back_from),
		cmocka_unit_test(several_topics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
