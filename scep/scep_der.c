/*
 * The little DER that OpenSSL has no function for: looking into an encoded
 * structure, and writing a few nested elements.  No state; any thread.
 */
#include <assert.h>
#include <openssl/asn1.h>

#include "scep/scep_priv.h"

bool
scep_der_next(struct slice *in, int *tag, int *xclass, struct slice *body)
{
	const uint8_t *p = in->p;
	long len = 0;
	int ret;

	if (in->len == 0)
		return false;
	ret = ASN1_get_object(&p, &len, tag, xclass, (long)in->len);
	/* 0x80: malformed; 1: indefinite length, which DER does not have. */
	if ((ret & 0x81) != 0 || len < 0)
		return false;
	*body = slice_of(p, (size_t)len);
	in->len -= (size_t)(p - in->p) + (size_t)len;
	in->p = p + len;
	return true;
}

void
scep_der_put(struct buf *out, uint8_t tag, struct slice body)
{
	uint8_t head[6] = { tag };
	size_t n = 1, octets = 1;

	assert(body.len <= 0xffffff);
	if (body.len < 0x80) {
		head[n++] = (uint8_t)body.len;
	} else {
		while (body.len >> (8 * octets) != 0)
			octets++;
		head[n++] = (uint8_t)(0x80 | octets);
		while (octets-- > 0)
			head[n++] = (uint8_t)(body.len >> (8 * octets));
	}
	buf_add(out, head, n);
	buf_add(out, body.p, body.len);
}

void
scep_cms_free(CMS_ContentInfo **c)
{
	CMS_ContentInfo_free(*c);
	*c = NULL;
}
