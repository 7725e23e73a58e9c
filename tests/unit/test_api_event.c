/* The event feed: order, paging, and the long poll. */
#include <pthread.h>

#include "http/http_priv.h"
#include "tests/unit/api_fixture.h"

static void
add_event(struct admin *a, const char *subject)
{
	struct store_tx *tx = site_write(a->site);

	OK(store_event_add(tx,
	    &(struct store_event){
	        "device.updated", "M-T2", subject, "test", "{\"fact\":[1,2]}" },
	    &e));
	site_commit(tx);
}

static int64_t
next_of(const struct admin *a)
{
	return json_integer_value(at(a, "next"));
}

static void
in_order_without_gaps(void **state)
{
	struct admin *a = *state;
	char path[64], subject[16];
	int64_t after = 0, seen = 0;

	for (int i = 0; i < 10; i++) {
		snprintf(subject, sizeof(subject), "s%d", i);
		add_event(a, subject);
	}
	do {
		snprintf(path, sizeof(path),
		    "GET /api/v1/events?after=%lld&limit=3", (long long)after);
		CALL(VIEWER, path, NULL, 200);
		for (size_t i = 0; i < json_array_size(at(a, "events")); i++) {
			const json_t *ev = json_array_get(at(a, "events"), i);

			assert_int_equal(
			    json_integer_value(json_object_get(ev, "seq")),
			    ++seen);
		}
		after = next_of(a);
	} while (json_array_size(at(a, "events")) > 0);
	assert_int_equal(seen, after);
	assert_true(seen >= 10);
}

static void
one_event(void **state)
{
	struct admin *a = *state;
	char path[64];
	const json_t *ev;

	add_event(a, "subject");
	snprintf(path, sizeof(path), "GET /api/v1/events?after=%lld",
	    (long long)site_number(
	        a->site, "SELECT MAX(seq) - 1 FROM event", NULL));
	CALL(VIEWER, path, NULL, 200);
	ev = json_array_get(at(a, "events"), 0);
	assert_string_equal(text_in(ev, "kind"), "device.updated");
	assert_string_equal(text_in(ev, "device"), "C02T2");
	assert_string_equal(text_in(ev, "device_id"), "M-T2");
	assert_string_equal(text_in(ev, "subject"), "subject");
	assert_string_equal(text_in(ev, "actor"), "test");
	assert_int_equal(json_array_size(json_object_get(
	                     json_object_get(ev, "data"), "fact")),
	    2);
}

/* Adds an event when a poll is parked. */
static void *
poster(void *arg)
{
	struct admin *a = arg;

	WAIT_FOR(atomic_load(&a->http->lot.count) > 0);
	add_event(a, "late");
	return NULL;
}

/* Adds one at once: before the poll, while it looks, or while it parks. */
static void *
racer(void *arg)
{
	add_event(arg, "early");
	return NULL;
}

static void
long_poll_is_woken(void **state)
{
	struct admin *a = *state;

	for (int round = 0; round < 30; round++) {
		int64_t last =
		    site_number(a->site, "SELECT MAX(seq) FROM event", NULL);
		int64_t began = clock_mono_ms();
		pthread_t t;
		char path[64];

		snprintf(path, sizeof(path),
		    "GET /api/v1/events?after=%lld&wait=15", (long long)last);
		pthread_create(&t, NULL, round < 3 ? poster : racer, a);
		CALL(VIEWER, path, NULL, 200);
		pthread_join(t, NULL);
		assert_int_equal(json_array_size(at(a, "events")), 1);
		assert_int_equal(next_of(a), last + 1);
		assert_true(clock_mono_ms() - began < 10000);
	}
}

static void
long_poll_ends_empty(void **state)
{
	struct admin *a = *state;
	int64_t last = site_number(a->site, "SELECT MAX(seq) FROM event", NULL);
	int64_t began = clock_mono_ms();
	char path[64];

	snprintf(path, sizeof(path), "GET /api/v1/events?after=%lld&wait=1",
	    (long long)last);
	CALL(VIEWER, path, NULL, 200);
	assert_int_equal(json_array_size(at(a, "events")), 0);
	assert_int_equal(next_of(a), last);
	assert_true(clock_mono_ms() - began >= 900);
}

static void
bad_input(void **state)
{
	struct admin *a = *state;

	REFUSED(VIEWER, "GET /api/v1/events?after=-1", NULL, 400, "invalid");
	REFUSED(VIEWER, "GET /api/v1/events?after=x", NULL, 400, "invalid");
	REFUSED(VIEWER, "GET /api/v1/events?last=x", NULL, 400, "invalid");
	REFUSED(VIEWER, "GET /api/v1/events?last=101", NULL, 400, "invalid");
	REFUSED(
	    VIEWER, "GET /api/v1/events?last=1&after=1", NULL, 400, "invalid");
	REFUSED(VIEWER, "GET /api/v1/events?wait=61", NULL, 400, "invalid");
	REFUSED(VIEWER, "GET /api/v1/events?limit=501", NULL, 400, "invalid");
	CALL(VIEWER, "GET /api/v1/events?after=9223372036854775807", NULL, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_without_gaps),
		cmocka_unit_test(one_event),
		cmocka_unit_test(long_poll_is_woken),
		cmocka_unit_test(long_poll_ends_empty),
		cmocka_unit_test(bad_input),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
