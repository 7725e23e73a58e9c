/* Definite lengths, in as few octets as they take. */
#include "core/der.h"

static size_t
length_octets(size_t len)
{
	size_t octets = 1;

	while (octets < sizeof(len) && len >> (8 * octets) != 0)
		octets++;
	return octets;
}

void
der_head(struct buf *out, uint8_t tag, size_t len)
{
	uint8_t head[2 + sizeof(len)] = { tag, (uint8_t)len };
	size_t n = 2;

	if (len >= 0x80) {
		size_t octets = length_octets(len);

		head[1] = (uint8_t)(0x80 | octets);
		while (octets-- > 0)
			head[n++] = (uint8_t)(len >> (8 * octets));
	}
	buf_add(out, head, n);
}

void
der_put(struct buf *out, uint8_t tag, struct slice body)
{
	der_head(out, tag, body.len);
	buf_add(out, body.p, body.len);
}
