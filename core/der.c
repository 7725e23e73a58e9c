/* Definite lengths, in as few octets as they take. */
#include <string.h>

#include <openssl/objects.h>

#include "core/clock.h"
#include "core/der.h"

enum { HEAD_MAX = 2 + sizeof(size_t) };

static size_t
length_octets(size_t len)
{
	size_t octets = 1;

	while (octets < sizeof(len) && len >> (8 * octets) != 0)
		octets++;
	return octets;
}

static size_t
make_head(uint8_t head[HEAD_MAX], uint8_t tag, size_t len)
{
	size_t n = 2;

	head[0] = tag;
	head[1] = (uint8_t)len;
	if (len >= 0x80) {
		size_t octets = length_octets(len);

		head[1] = (uint8_t)(0x80 | octets);
		while (octets-- > 0)
			head[n++] = (uint8_t)(len >> (8 * octets));
	}
	return n;
}

void
der_head(struct buf *out, uint8_t tag, size_t len)
{
	uint8_t head[HEAD_MAX];

	buf_add(out, head, make_head(head, tag, len));
}

void
der_put(struct buf *out, uint8_t tag, struct slice body)
{
	der_head(out, tag, body.len);
	buf_add(out, body.p, body.len);
}

void
der_put_oid(struct buf *out, int nid)
{
	const ASN1_OBJECT *o = OBJ_nid2obj(nid);

	der_put(out, DER_OID, slice_of(OBJ_get0_data(o), OBJ_length(o)));
}

void
der_wrap(struct buf *out, size_t at, uint8_t tag)
{
	uint8_t head[HEAD_MAX];
	size_t len = out->len - at, n = make_head(head, tag, len);

	if (buf_grow(out, n) == NULL)
		return;
	memmove(out->p + at + n, out->p + at, len);
	memcpy(out->p + at, head, n);
}

uint8_t
der_time(int64_t at_ms, char out[DER_TIME_SIZE], size_t *len)
{
	char text[CLOCK_TEXT_SIZE], digits[CLOCK_TEXT_SIZE] = "";
	bool utc;
	size_t n = 0;

	clock_format_s(text, at_ms);
	for (const char *p = text; *p != '\0'; p++)
		if ((*p >= '0' && *p <= '9') || *p == 'Z')
			digits[n++] = *p;
	utc = memcmp(digits, "1950", 4) >= 0 && memcmp(digits, "2050", 4) < 0;
	*len = utc ? n - 2 : n;
	memcpy(out, utc ? digits + 2 : digits, *len);
	return utc ? DER_UTC_TIME : DER_GENERALIZED_TIME;
}
