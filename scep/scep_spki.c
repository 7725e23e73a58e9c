/*
 * Whether a SubjectPublicKeyInfo is written in its one form.  The ledger knows
 * keys by their bytes, which issued certificates repeat: another encoding of a
 * key would be another key, and what follows it would be signed.  No state; any
 * thread.
 */
#include <openssl/ec.h>

#include "core/der.h"
#include "scep/scep_priv.h"

/* An element with the shortest length (X.690 10.1). */
static bool
take(struct slice *in, uint8_t identifier, struct slice *body)
{
	const uint8_t *p = in->p;
	size_t shortest;
	int tag, xclass;

	if (in->len == 0 || *p != identifier ||
	    !scep_der_next(in, &tag, &xclass, body))
		return false;
	shortest =
	    2 + (body->len > 0x7f) + (body->len > 0xff) + (body->len > 0xffff);
	return (size_t)(body->p - p) == shortest;
}

/* Positive, without octets that say nothing (X.690 8.3.2). */
static bool
take_number(struct slice *in)
{
	struct slice n;

	return take(in, DER_INTEGER, &n) && n.len > 0 && n.p[0] < 0x80 &&
	       (n.len == 1 || n.p[0] != 0 || n.p[1] >= 0x80);
}

static bool
is_oid(struct slice oid, const uint8_t *is, size_t len)
{
	return slice_eq(oid, slice_of(is, len));
}

/* RFC 3279 2.3.1: parameters NULL, and an RSAPublicKey. */
static bool
is_rsa(struct slice parameters, struct slice key)
{
	struct slice body;

	return take(&parameters, DER_NULL, &body) && body.len == 0 &&
	       parameters.len == 0 && take(&key, DER_SEQUENCE, &body) &&
	       key.len == 0 && take_number(&body) && take_number(&body) &&
	       body.len == 0;
}

/* RFC 5480 2.1.1, 2.2: a named curve, and a point that is not compressed. */
static bool
is_ec(struct slice parameters, struct slice key)
{
	struct slice body;

	return take(&parameters, DER_OID, &body) && parameters.len == 0 &&
	       key.len > 0 && key.p[0] == POINT_CONVERSION_UNCOMPRESSED;
}

bool
scep_spki_is_der(struct slice spki)
{
	static const uint8_t rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
		0x01, 0x01 };
	static const uint8_t ec[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
		0x01 };
	struct slice info, algorithm, oid, key;

	if (!take(&spki, DER_SEQUENCE, &info) || spki.len != 0 ||
	    !take(&info, DER_SEQUENCE, &algorithm) ||
	    !take(&algorithm, DER_OID, &oid) ||
	    !take(&info, DER_BIT_STRING, &key) || info.len != 0)
		return false;
	/* The first octet counts the unused bits. */
	if (key.len < 2 || key.p[0] != 0)
		return false;
	key = slice_of(key.p + 1, key.len - 1);
	if (is_oid(oid, rsa, sizeof(rsa)))
		return is_rsa(algorithm, key);
	return is_oid(oid, ec, sizeof(ec)) && is_ec(algorithm, key);
}
