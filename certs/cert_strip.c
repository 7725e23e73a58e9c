/*
 * Walks the outer shell of a DER SignedData:
 *
 *	ContentInfo SEQUENCE { OID signedData, [0] { SignedData SEQUENCE {
 *	    version INTEGER, digestAlgorithms SET, encapContentInfo SEQUENCE,
 *	    certificates [0] { Certificate SEQUENCE }, ... } } }
 *
 * Strict: single-byte tags, definite and minimal lengths, nothing past the
 * end.  No state; safe from any thread.
 */
#include "certs/cert_strip_priv.h"

enum {
	TAG_INTEGER = 0x02,
	TAG_OID = 0x06,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
	TAG_0 = 0xa0
};

/* 1.2.840.113549.1.7.2 */
static const uint8_t signed_data[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
	0x07, 0x02 };

/*
 * Reads the length behind a tag; bytes of more than three octets of length
 * are beyond what we take.
 */
static bool
read_length(struct slice *in, size_t *out)
{
	size_t octets, len = 0;

	if (in->len == 0)
		return false;
	if (in->p[0] < 0x80) {
		*out = in->p[0];
		*in = slice_of(in->p + 1, in->len - 1);
		return true;
	}
	octets = in->p[0] & 0x7f;
	if (octets == 0 || octets > 3 || in->len < 1 + octets)
		return false;
	for (size_t i = 1; i <= octets; i++)
		len = len << 8 | in->p[i];
	/* Minimal: not short enough for fewer octets. */
	if (len < 0x80 || len >> 8 * (octets - 1) == 0)
		return false;
	*out = len;
	*in = slice_of(in->p + 1 + octets, in->len - 1 - octets);
	return true;
}

/* Takes the element with this tag off the front of in. */
static bool
take(struct slice *in, uint8_t tag, struct slice *content)
{
	struct slice rest;
	size_t len;

	if (in->len == 0 || in->p[0] != tag)
		return false;
	rest = slice_of(in->p + 1, in->len - 1);
	if (!read_length(&rest, &len) || len > rest.len)
		return false;
	*content = slice_of(rest.p, len);
	*in = slice_of(rest.p + len, rest.len - len);
	return true;
}

/* As take(), where the element has to fill in to its end. */
static bool
take_only(struct slice *in, uint8_t tag, struct slice *content)
{
	return take(in, tag, content) && in->len == 0;
}

bool
cert_strip_find(struct slice der, struct cert_strip *out)
{
	struct slice info, oid, explicit0, body, skipped, certificates, inner;
	const uint8_t *start, *element;

	if (!take_only(&der, TAG_SEQUENCE, &info) ||
	    !take(&info, TAG_OID, &oid) ||
	    !slice_eq(oid, slice_of(signed_data, sizeof(signed_data))) ||
	    !take_only(&info, TAG_0, &explicit0) ||
	    !take_only(&explicit0, TAG_SEQUENCE, &body))
		return false;

	start = body.p;
	if (!take(&body, TAG_INTEGER, &skipped) ||
	    !take(&body, TAG_SET, &skipped) ||
	    !take(&body, TAG_SEQUENCE, &skipped))
		return false;

	element = body.p;
	if (!take(&body, TAG_0, &certificates))
		return false;
	inner = certificates;
	if (!take_only(&inner, TAG_SEQUENCE, &skipped))
		return false;

	out->certificate = certificates;
	out->head = slice_of(start, (size_t)(element - start));
	out->tail = body;
	return true;
}

/* Octets that tag and length of len bytes take; read_length() let no more than
 * 2^24 - 1 through. */
static size_t
header_size(size_t len)
{
	return len < 0x80 ? 2 : len < 0x100 ? 3 : len < 0x10000 ? 4 : 5;
}

static void
put_header(struct buf *out, uint8_t tag, size_t len)
{
	size_t octets = header_size(len) - 2;

	buf_addc(out, (char)tag);
	if (octets == 0) {
		buf_addc(out, (char)len);
		return;
	}
	buf_addc(out, (char)(0x80 | octets));
	while (octets-- > 0)
		buf_addc(out, (char)(len >> 8 * octets));
}

struct buf *
cert_strip_build(const struct cert_strip *s)
{
	/* Sizes of contents, from the inside out. */
	size_t body = s->head.len + s->tail.len;
	size_t explicit0 = header_size(body) + body;
	size_t info = header_size(sizeof(signed_data)) + sizeof(signed_data) +
	              header_size(explicit0) + explicit0;
	struct buf *out = buf_new(header_size(info) + info);

	put_header(out, TAG_SEQUENCE, info);
	put_header(out, TAG_OID, sizeof(signed_data));
	buf_add(out, signed_data, sizeof(signed_data));
	put_header(out, TAG_0, explicit0);
	put_header(out, TAG_SEQUENCE, body);
	buf_add(out, s->head.p, s->head.len);
	buf_add(out, s->tail.p, s->tail.len);
	return out;
}
