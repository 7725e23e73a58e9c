/* Any bytes as JSON: what is accepted is written and accepted again. */
#include <assert.h>
#include <stdlib.h>

#include "core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "a", "b", NULL };
	AUTO(json_free) json_t *j = NULL;
	AUTO(json_free) json_t *again = NULL;
	AUTO(str_free) char *text = NULL;
	struct err e = { 0 };
	const char *s;
	int64_t n;
	bool yes;

	if (!json_parse(slice_of(data, size), &j, &e)) {
		assert(e.code == ERR_INVALID);
		return 0;
	}
	if (json_get_str(j, "a", 8, &s, &e) && s != NULL)
		assert(str_utf8_len(s) <= 8);
	if (!json_get_int(j, "a", 0, &n, &e) ||
	    !json_get_bool(j, "a", false, &yes, &e) ||
	    !json_only_keys(j, keys, &e))
		assert(e.code == ERR_INVALID);
	text = json_text(j);
	if (!json_parse(slice_str(text), &again, &e))
		abort();
	assert(json_equal(j, again));
	return 0;
}
