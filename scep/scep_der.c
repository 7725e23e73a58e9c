/*
 * The little reading of DER that OpenSSL has no function for: looking into an
 * encoded structure.  No state; any thread.
 */
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
