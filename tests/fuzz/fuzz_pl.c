/*
 * Any bytes as a plist: whatever is accepted must be shown as JSON that
 * jansson reads, and be walked by every getter.
 */
#include <assert.h>

#include <jansson.h>

#include "core/limits.h"
#include "core/pl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const keys[] = { "UDID", "Token", "a", "b" };

static void
try_getters(const struct pl *p)
{
	const struct pl *node = NULL;
	struct slice bytes;
	struct err e;
	const char *s;
	int64_t n;
	bool yes;

	for (size_t i = 0; i < COUNT(keys); i++) {
		if (pl_get_str(p, keys[i], LIMIT_ID, &s, &e) && s != NULL)
			assert(str_utf8_len(s) <= LIMIT_ID);
		if (pl_get_data(p, keys[i], LIMIT_PUSH_TOKEN, &bytes, &e))
			assert(bytes.len <= LIMIT_PUSH_TOKEN);
		if (pl_get_array(p, keys[i], &node, &e) && node != NULL)
			assert(pl_array_item(node, pl_array_len(node)) == NULL);
		if (!pl_get_int(p, keys[i], 0, &n, &e) ||
		    !pl_get_bool(p, keys[i], false, &yes, &e) ||
		    !pl_get_dict(p, keys[i], &node, &e))
			assert(e.code == ERR_INVALID);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(pl_free) struct pl *p = NULL;
	AUTO(buf_free) struct buf *json = buf_new(64 << 20);
	struct err e = { 0 };
	json_t *back;

	if (!pl_parse(slice_of(data, size), &p, &e)) {
		assert(e.code == ERR_INVALID || e.code == ERR_TOO_LARGE);
		return 0;
	}
	try_getters(p);
	if (!pl_to_json(p, json, &e))
		return 0;
	back = json_loadb(buf_str(json), json->len,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	assert(back != NULL);
	json_decref(back);
	return 0;
}
