/* Log lines, as they arrive at standard error. */
#include <sys/stat.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core_test.h"

/* What calls write to standard error. */
static char captured[3 * 8192];

static void
capture_begin(int *saved, int ends[2])
{
	fflush(stderr);
	*saved = dup(STDERR_FILENO);
	assert_int_equal(pipe(ends), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	close(ends[1]);
}

static void
capture_end(int saved, int ends[2])
{
	size_t len = 0;
	ssize_t n;

	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	while (
	    (n = read(ends[0], captured + len, sizeof(captured) - 1 - len)) > 0)
		len += (size_t)n;
	close(ends[0]);
	captured[len] = '\0';
}

#define CAPTURE(call)                                                          \
	do {                                                                   \
		int saved_, ends_[2];                                          \
		capture_begin(&saved_, ends_);                                 \
		call;                                                          \
		capture_end(saved_, ends_);                                    \
	} while (0)

/* The captured line behind its time. */
static const char *
line(void)
{
	char *space = strchr(captured, ' ');
	char at[64];
	int64_t ms;

	assert_non_null(space);
	snprintf(at, sizeof(at), "%.*s", (int)(space - captured), captured);
	assert_ok(clock_parse(at, &ms, e));
	return space + 1;
}

static void
pairs_and_levels(void **state)
{
	(void)state;
	CAPTURE(log_event(LOG_INFO, "enrolled", "udid", "U-1", "serial", NULL,
	    "n", LOG_NUM(-42), NULL));
	assert_string_equal(line(), "info enrolled udid=U-1 n=-42\n");
	CAPTURE(log_event(LOG_DEBUG, "detail", NULL));
	assert_string_equal(captured, "");
	log_set_level(LOG_ERROR);
	CAPTURE(log_event(LOG_WARN, "warned", NULL));
	assert_string_equal(captured, "");
	CAPTURE(log_event(LOG_ERROR, "failed", NULL));
	assert_string_equal(line(), "error failed\n");
	log_set_level(LOG_INFO);
}

static void
request_id_of_the_thread(void **state)
{
	(void)state;
	log_set_request("r1");
	CAPTURE(log_event(LOG_WARN, "x", "a", "b", NULL));
	assert_string_equal(line(), "warn x req=r1 a=b\n");
	log_set_request(NULL);
	CAPTURE(log_event(LOG_WARN, "x", NULL));
	assert_string_equal(line(), "warn x\n");
}

static void
hostile_values_stay_one_value(void **state)
{
	static const char *const rows[][2] = {
		{ "", "\"\"" },
		{ "two words", "\"two words\"" },
		{ "a=b", "\"a=b\"" },
		{ "say \"hi\"", "\"say \\\"hi\\\"\"" },
		{ "back\\slash", "\"back\\\\slash\"" },
		{ "x\ninfo forged a=b", "\"x\\ninfo forged a=b\"" },
		{ "\x1b[31m", "\"\\x1B[31m\"" },
		{ "\xff\xfe", "\"\\xFF\\xFE\"" },
		{ "\xc2\x9b", "\"\\xC2\\x9B\"" },
		{ "\xe3\x81\x82", "\xe3\x81\x82" },
	};
	char want[128];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		CAPTURE(log_event(LOG_INFO, "e", "k", rows[i][0], NULL));
		snprintf(want, sizeof(want), "info e k=%s\n", rows[i][1]);
		assert_string_equal(line(), want);
	}
}

static void
long_lines_are_cut(void **state)
{
	static char value[10000];
	size_t len;

	(void)state;
	memset(value, 'a', sizeof(value) - 1);
	CAPTURE(log_event(LOG_INFO, "e", "k", value, "next", "x", NULL));
	len = strlen(captured);
	assert_in_range(len, 4000, 4096);
	assert_int_equal(captured[len - 1], '\n');
	assert_null(strstr(captured, "next"));
	/* A quoted one is closed. */
	memset(value, '\n', sizeof(value) - 1);
	CAPTURE(log_event(LOG_INFO, "e", "k", value, "next", "x", NULL));
	len = strlen(captured);
	assert_in_range(len, 4000, 4096);
	assert_string_equal(captured + len - 5, "...\"\n");
}

static void
expect_in(const char *path, const char *event)
{
	AUTO(buf_free) struct buf *text = NULL;

	assert_ok(file_read(path, 4096, &text, e));
	str_copy_cut(captured, sizeof(captured), buf_str(text));
	assert_string_equal(line(), event);
}

/* The last test: there is no way back to standard error. */
static void
a_file_instead(void **state)
{
	AUTO(str_free) char *path = str_printf("/tmp/test_log.%d", getpid());
	AUTO(str_free) char *old = str_printf("%s.1", path);
	struct err e;

	(void)state;
	assert_ok(log_to_file(path, e));
	CAPTURE(log_event(LOG_INFO, "one", NULL));
	assert_string_equal(captured, "");
	expect_in(path, "info one\n");
	/* Rotated. */
	assert_int_equal(rename(path, old), 0);
	assert_ok(log_to_file(path, e));
	log_event(LOG_INFO, "two", NULL);
	expect_in(path, "info two\n");
	expect_in(old, "info one\n");
	unlink(path);
	/* What cannot be opened changes nothing. */
	assert_false(log_to_file("/nowhere/at/all", &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	/* Nor does anything wait for somebody who reads a FIFO. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(log_to_file(path, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	unlink(path);
	unlink(old);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_and_levels),
		cmocka_unit_test(request_id_of_the_thread),
		cmocka_unit_test(hostile_values_stay_one_value),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(a_file_instead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
