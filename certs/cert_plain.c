/*
 * Walks DER of a SignedData, RFC 5652 section 5:
 *
 *	ContentInfo SEQUENCE { OID signedData, [0] { SignedData SEQUENCE {
 *	    version 1, digestAlgorithms SET, encapContentInfo SEQUENCE { OID },
 *	    certificates [0] { Certificate SEQUENCE },
 *	    signerInfos SET { SignerInfo SEQUENCE {
 *	        version 1, sid SEQUENCE { issuer, serialNumber },
 *	        digestAlgorithm, signedAttrs [0], signatureAlgorithm,
 *	        signature OCTET STRING } } } }
 *
 * and of a certificate, RFC 5280 section 4.1 and RFC 8017 appendix A.1.1:
 *
 *	Certificate SEQUENCE { tbsCertificate SEQUENCE { [0] version,
 *	    serialNumber, signature, issuer, validity SEQUENCE { two times },
 *	    subject, subjectPublicKeyInfo SEQUENCE { algorithm, BIT STRING {
 *	        SEQUENCE { modulus, publicExponent } } }, ... },
 *	    signatureAlgorithm, signature BIT STRING }
 *
 * Strict: single-byte tags, definite and minimal lengths, nothing past the
 * end.  No state; safe from any thread.
 */
#include "certs/cert_plain_priv.h"

enum {
	TAG_INTEGER = 0x02,
	TAG_BITS = 0x03,
	TAG_OCTETS = 0x04,
	TAG_OID = 0x06,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
	TAG_0 = 0xa0
};

/* Object identifiers, as they are encoded. */
#define OID(bytes)                                                             \
	{                                                                      \
		(const uint8_t *)(bytes), sizeof(bytes) - 1                    \
	}
static const struct slice signed_data =
    OID("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02");
static const struct slice data = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01");
static const struct slice content_type =
    OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03");
static const struct slice message_digest =
    OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04");
static const struct slice rsa_encryption =
    OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");

/* One row a digest: itself, and RSA with it. */
static const struct {
	struct slice oid, with_rsa;
	size_t size;
} digests[CERT_PLAIN_DIGESTS] = {
	[CERT_PLAIN_SHA1] = { OID("\x2b\x0e\x03\x02\x1a"),
	    OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"), 20 },
	[CERT_PLAIN_SHA256] = { OID("\x60\x86\x48\x01\x65\x03\x04\x02\x01"),
	    OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), 32 },
	[CERT_PLAIN_SHA384] = { OID("\x60\x86\x48\x01\x65\x03\x04\x02\x02"),
	    OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"), 48 },
	[CERT_PLAIN_SHA512] = { OID("\x60\x86\x48\x01\x65\x03\x04\x02\x03"),
	    OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"), 64 },
};

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
cert_plain_find(struct slice der, struct cert_plain *out)
{
	struct slice info, oid, explicit0, body, skipped, certificates, inner;
	const uint8_t *start, *element;

	if (!take_only(&der, TAG_SEQUENCE, &info) ||
	    !take(&info, TAG_OID, &oid) || !slice_eq(oid, signed_data) ||
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

/* ---- the signer ---- */

/* INTEGER 1, which both versions are here. */
static bool
take_one(struct slice *in)
{
	struct slice version;

	return take(in, TAG_INTEGER, &version) && version.len == 1 &&
	       version.p[0] == 1;
}

/* An AlgorithmIdentifier without parameters, or with NULL. */
static bool
take_algorithm(struct slice *in, struct slice *oid)
{
	static const uint8_t null[] = { 0x05, 0x00 };
	struct slice a;

	return take(in, TAG_SEQUENCE, &a) && take(&a, TAG_OID, oid) &&
	       (a.len == 0 || slice_eq(a, slice_of(null, sizeof(null))));
}

static bool
find_digest(struct slice oid, enum cert_plain_digest *out)
{
	for (size_t i = 0; i < COUNT(digests); i++) {
		if (slice_eq(oid, digests[i].oid)) {
			*out = (enum cert_plain_digest)i;
			return true;
		}
	}
	return false;
}

/* Before the certificates: version, one digest, data that is elsewhere. */
static bool
read_head(struct slice in, struct slice *digest_oid)
{
	struct slice algorithms, content, type;

	return take_one(&in) && take(&in, TAG_SET, &algorithms) &&
	       take_algorithm(&algorithms, digest_oid) && algorithms.len == 0 &&
	       take_only(&in, TAG_SEQUENCE, &content) &&
	       take_only(&content, TAG_OID, &type) && slice_eq(type, data);
}

/* Takes an element with this tag whole, with tag and length. */
static bool
take_whole(struct slice *in, uint8_t tag, struct slice *element)
{
	struct slice content;
	const uint8_t *start = in->p;

	if (!take(in, tag, &content))
		return false;
	*element = slice_of(start, (size_t)(in->p - start));
	return true;
}

/* Whether sid names the certificate, in the same bytes. */
static bool
names(struct slice sid, struct slice certificate)
{
	struct slice outer, tbs, skipped, issuer, serial, its_issuer,
	    its_serial;

	return take_whole(&sid, TAG_SEQUENCE, &issuer) &&
	       take_whole(&sid, TAG_INTEGER, &serial) && sid.len == 0 &&
	       take_only(&certificate, TAG_SEQUENCE, &outer) &&
	       take(&outer, TAG_SEQUENCE, &tbs) &&
	       take(&tbs, TAG_0, &skipped) &&
	       take_whole(&tbs, TAG_INTEGER, &its_serial) &&
	       take(&tbs, TAG_SEQUENCE, &skipped) &&
	       take_whole(&tbs, TAG_SEQUENCE, &its_issuer) &&
	       slice_eq(issuer, its_issuer) && slice_eq(serial, its_serial);
}

/* The type is said once and is data, the digest is said once. */
static bool
read_attributes(struct slice in, struct slice *digest)
{
	int types = 0, said = 0;

	while (in.len > 0) {
		struct slice attribute, oid, values, value;

		if (!take(&in, TAG_SEQUENCE, &attribute) ||
		    !take(&attribute, TAG_OID, &oid) ||
		    !take_only(&attribute, TAG_SET, &values))
			return false;
		if (slice_eq(oid, content_type)) {
			types++;
			if (!take_only(&values, TAG_OID, &value) ||
			    !slice_eq(value, data))
				return false;
		} else if (slice_eq(oid, message_digest)) {
			said++;
			if (!take_only(&values, TAG_OCTETS, digest))
				return false;
		}
	}
	return types == 1 && said == 1;
}

bool
cert_plain_signer(const struct cert_plain *p, struct cert_plain_signer *out)
{
	struct slice in = p->tail, infos, info, sid, oid, used, with,
	             attributes;

	if (!read_head(p->head, &used) || !find_digest(used, &out->digest) ||
	    !take_only(&in, TAG_SET, &infos) ||
	    !take_only(&infos, TAG_SEQUENCE, &info) || !take_one(&info) ||
	    !take(&info, TAG_SEQUENCE, &sid) || !names(sid, p->certificate) ||
	    !take_algorithm(&info, &oid) || !slice_eq(oid, used) ||
	    !take_whole(&info, TAG_0, &attributes) ||
	    !take_algorithm(&info, &with) ||
	    !take_only(&info, TAG_OCTETS, &out->signature))
		return false;
	out->attributes = slice_of(attributes.p + 1, attributes.len - 1);
	return (slice_eq(with, rsa_encryption) ||
	           slice_eq(with, digests[out->digest].with_rsa)) &&
	       take_only(&attributes, TAG_0, &in) &&
	       read_attributes(in, &out->message_digest) &&
	       out->message_digest.len == digests[out->digest].size;
}

/* ---- a certificate ---- */

/* A positive INTEGER in its shortest form, without the sign's octet. */
static bool
take_positive(struct slice *in, struct slice *out)
{
	if (!take(in, TAG_INTEGER, out) || out->len == 0 || out->p[0] >= 0x80)
		return false;
	if (out->p[0] != 0)
		return true;
	*out = slice_of(out->p + 1, out->len - 1);
	return out->len > 0 && out->p[0] >= 0x80;
}

/* A BIT STRING of whole octets. */
static bool
take_bits(struct slice *in, struct slice *out)
{
	if (!take(in, TAG_BITS, out) || out->len == 0 || out->p[0] != 0)
		return false;
	*out = slice_of(out->p + 1, out->len - 1);
	return true;
}

static bool
read_key(struct slice in, struct cert_plain_certificate *out)
{
	struct slice oid, bits, key;

	return take_algorithm(&in, &oid) && slice_eq(oid, rsa_encryption) &&
	       take_bits(&in, &bits) && in.len == 0 &&
	       take_only(&bits, TAG_SEQUENCE, &key) &&
	       take_positive(&key, &out->modulus) &&
	       take_positive(&key, &out->exponent) && key.len == 0;
}

static bool
read_validity(struct slice in, struct cert_plain_certificate *out)
{
	return in.len > 0 && take_whole(&in, in.p[0], &out->not_before) &&
	       in.len > 0 && take_whole(&in, in.p[0], &out->not_after) &&
	       in.len == 0;
}

static bool
read_tbs(struct slice tbs, struct cert_plain_certificate *out)
{
	static const uint8_t version_3[] = { 0x02, 0x01, 0x02 };
	struct slice in, version, skipped, validity, key;

	return take_only(&tbs, TAG_SEQUENCE, &in) &&
	       take(&in, TAG_0, &version) &&
	       slice_eq(version, slice_of(version_3, sizeof(version_3))) &&
	       take(&in, TAG_INTEGER, &skipped) &&
	       take_whole(&in, TAG_SEQUENCE, &out->algorithm) &&
	       take_whole(&in, TAG_SEQUENCE, &out->issuer) &&
	       take(&in, TAG_SEQUENCE, &validity) &&
	       read_validity(validity, out) &&
	       take(&in, TAG_SEQUENCE, &skipped) &&
	       take(&in, TAG_SEQUENCE, &key) && read_key(key, out);
}

bool
cert_plain_certificate(
    struct slice certificate, struct cert_plain_certificate *out)
{
	struct slice in, algorithm;

	return take_only(&certificate, TAG_SEQUENCE, &in) &&
	       take_whole(&in, TAG_SEQUENCE, &out->tbs) &&
	       take_whole(&in, TAG_SEQUENCE, &algorithm) &&
	       take_bits(&in, &out->signature) && in.len == 0 &&
	       read_tbs(out->tbs, out) && slice_eq(algorithm, out->algorithm);
}
