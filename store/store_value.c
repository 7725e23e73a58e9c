/* Values of parameters.  No state. */
#include <string.h>

#include "store/store_priv.h"

struct store_value
store_value_text(const char *s)
{
	if (s == NULL)
		return S_NULL;
	return (struct store_value){ .type = STORE_TEXT, .s = slice_str(s) };
}

struct store_value
store_value_blob(struct slice s)
{
	if (s.p == NULL)
		return S_NULL;
	return (struct store_value){ .type = STORE_BLOB, .s = s };
}

char *
store_like(const char *part)
{
	AUTO(buf_free) struct buf *b = NULL;

	if (str_empty(part))
		return NULL;
	b = buf_new(2 * strlen(part) + 2);
	buf_addc(b, '%');
	for (const char *c = part; *c != '\0'; c++) {
		if (*c == '%' || *c == '_' || *c == '!')
			buf_addc(b, '!');
		buf_addc(b, *c);
	}
	buf_addc(b, '%');
	return str_dup(buf_str(b));
}

struct store_value *
store_values_copy(const struct store_value *args)
{
	size_t n = 1, bytes = 0;
	struct store_value *copy;
	uint8_t *p;

	for (const struct store_value *v = args; v->type != STORE_END; v++) {
		n++;
		bytes += v->s.len;
	}
	copy = mem_alloc(n * sizeof(*copy) + bytes);
	memcpy(copy, args, n * sizeof(*copy));
	p = (uint8_t *)(copy + n);
	for (size_t i = 0; i < n - 1; i++) {
		struct slice *s = &copy[i].s;

		if (s->p == NULL)
			continue;
		if (s->len > 0)
			memcpy(p, s->p, s->len);
		s->p = p;
		p += s->len;
	}
	return copy;
}
