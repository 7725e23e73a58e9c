/* Metrics in Prometheus' text format 0.0.4. */
#include "http_test.h"

static const char *const results[] = { "ok", "failed", NULL };

static const struct http_metric rows[] = {
	{ "mutsu_pushes_total", "Pushes sent.", "counter", "result", results },
	{ "mutsu_devices", "Enrolled devices.", "gauge", NULL, NULL },
};

static void
writes_every_row(void **state)
{
	struct http_metrics *m = http_metrics_new(rows, COUNT(rows));
	struct buf *b = buf_new(4096);

	(void)state;
	http_metric_add(m, 0, 1, 2);
	http_metric_add(m, 0, 1, 3);
	http_metric_set(m, 1, 0, 42);
	http_metric_set(m, 1, 0, 41);
	http_metrics_write(m, b);
	assert_string_equal(buf_str(b),
	    "# HELP mutsu_pushes_total Pushes sent.\n"
	    "# TYPE mutsu_pushes_total counter\n"
	    "mutsu_pushes_total{result=\"ok\"} 0\n"
	    "mutsu_pushes_total{result=\"failed\"} 5\n"
	    "# HELP mutsu_devices Enrolled devices.\n"
	    "# TYPE mutsu_devices gauge\n"
	    "mutsu_devices 41\n");
	buf_free(&b);
	http_metrics_free(&m);
	assert_null(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_every_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
