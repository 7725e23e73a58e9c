/* The writer: read back by the reader. */
#include <math.h>

#include "core/clock.h"
#include "core/pl.h"
#include "core_test.h"

static void
all_kinds_are_read_back(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(10000);
	AUTO(buf_free) struct buf *json = buf_new(10000);
	AUTO(pl_free) struct pl *p = NULL;

	(void)state;
	pl_begin(b);
	pl_dict(b);
	pl_key_str(b, "PIN", "123456");
	pl_key_str(b, "absent", NULL);
	pl_key_int(b, "min", INT64_MIN);
	pl_key_bool(b, "yes", true);
	pl_key_bool(b, "no", false);
	pl_key_data(b, "data", slice_of("\0\xff", 2));
	pl_key_data(b, "none", slice_of(NULL, 0));
	pl_key(b, "list");
	pl_array(b);
	pl_str(b, "a<b>&\"c'\xe3\x81\x82");
	pl_int(b, 0);
	pl_real(b, 0.25);
	pl_real(b, (double)INFINITY);
	pl_real(b, -(double)INFINITY);
	pl_real(b, (double)NAN);
	pl_date(b, 0);
	pl_dict(b);
	pl_dict_end(b);
	pl_array_end(b);
	pl_dict_end(b);
	pl_end(b);
	assert_ok(buf_ok(b, e));
	assert_ok(pl_parse(buf_slice(b), &p, e));
	assert_ok(pl_to_json(p, json, e));
	assert_string_equal(buf_str(json),
	    "{\"PIN\":\"123456\",\"min\":-9223372036854775808,\"yes\":true,"
	    "\"no\":false,\"data\":\"AP8=\",\"none\":\"\",\"list\":["
	    "\"a<b>&\\\"c'\xe3\x81\x82\",0,0.25,null,null,null,"
	    "\"1970-01-01T00:00:00Z\",{}]}");
}

static void
hostile_text_stays_text(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(10000);
	AUTO(pl_free) struct pl *p = NULL;
	const char *s;

	(void)state;
	pl_begin(b);
	pl_dict(b);
	pl_key_str(
	    b, "</key><key>x", "</string><key>y</key><true/>\x01\r\xff]]>");
	pl_dict_end(b);
	pl_end(b);
	assert_ok(pl_parse(buf_slice(b), &p, e));
	assert_ok(pl_need_str(p, "</key><key>x", 99, &s, e));
	assert_string_equal(s, "</string><key>y</key><true/>\r]]>");
	assert_false(pl_has(p, "y"));
}

static void
overflow_shows_at_the_end(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(250);

	(void)state;
	pl_begin(b);
	pl_dict(b);
	pl_key_str(b, "key", "a text that does not fit any more by far");
	pl_dict_end(b);
	pl_end(b);
	assert_err(buf_ok(b, e), ERR_TOO_LARGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_kinds_are_read_back),
		cmocka_unit_test(hostile_text_stays_text),
		cmocka_unit_test(overflow_shows_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
