/* Each step before a push certificate's end is told of once. */
#include "tests/unit/cert_fixture.h"

#include "apns/apns_alarm.h"
#include "core/log.h"

static void
run(struct store *st, int64_t now)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct apns_alarms told;
	struct err e = { 0 };

	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	must(apns_alarm(tx, now, &told, &e), &e);
	must(store_commit(&tx, &e), &e);
	apns_alarm_log(&told);
}

static int64_t
events(struct store *st, const char *kind)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	bool more;

	must(store_begin(st, STORE_READ, &tx, &e), &e);
	must(store_query(tx, "SELECT COUNT(*) FROM event WHERE kind = $1",
	         S_ARGS(S_TEXT(kind)), &r, &e),
	    &e);
	must(store_next(r, &more, &e), &e);
	return store_int(r, 0);
}

static void
add(struct store *st, const char *id, const char *state, int64_t not_after)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	must(store_exec(tx,
	         "INSERT INTO push_certificate (id, topic, state, certificate, "
	         "key, not_after, created_at, activated_at) "
	         "VALUES ($1, $1, $2, 'pem', $3, $4, 1, 1)",
	         S_ARGS(S_TEXT(id), S_TEXT(state), S_BLOB(slice_str("k")),
	             S_INT(not_after)),
	         NULL, &e),
	    &e);
	must(store_commit(&tx, &e), &e);
}

static void
each_step_is_told_once(void **state)
{
	char dir[] = "/tmp/apns-alarm-XXXXXX";
	AUTO(str_free) char *path = NULL;
	AUTO(str_free) char *database = NULL;
	AUTO(store_close) struct store *st = NULL;
	int64_t now = clock_now_ms(), end = now + 70 * MS_DAY;
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = str_printf("%s/db", dir);
	database = test_database(path);
	must(store_open(&(struct store_options){ .path = database }, &st, &e),
	    &e);
	add(st, "in-use", "active", end);
	add(st, "gone", "old", now - MS_DAY);
	for (int day = 0; day <= 75; day++) {
		run(st, now + day * MS_DAY);
		run(st, now + day * MS_DAY + MS_H);
	}
	assert_int_equal(events(st, "push_certificate.expiring"), 5);
	assert_int_equal(events(st, "push_certificate.expired"), 1);
	/* One that comes with three days left says so at once, and once. */
	add(st, "late", "active", now + 3 * MS_DAY);
	run(st, now);
	run(st, now + MS_H);
	assert_int_equal(events(st, "push_certificate.expiring"), 6);
	store_close(&st);
	{
		AUTO(str_free) char *rm = str_printf("rm -rf %s", dir);

		assert_int_equal(system(rm), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_is_told_once),
	};

	log_set_level(LOG_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
