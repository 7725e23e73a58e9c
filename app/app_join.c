/* Lists of names on one line, for people.  One thread. */
#include "app/app_cli.h"
#include "core/json.h"

enum { LINE_MAX_BYTES = 64 << 10 };

void
app_join(json_t *o, const char *key)
{
	const json_t *array = json_object_get(o, key), *one;
	AUTO(buf_free) struct buf *line = buf_new(LINE_MAX_BYTES);
	size_t i;

	json_array_foreach(array, i, one)
	{
		const char *text = json_string_value(one);

		buf_addf(
		    line, "%s%s", i > 0 ? ", " : "", text != NULL ? text : "");
	}
	json_put_str(o, key, buf_str(line));
}
