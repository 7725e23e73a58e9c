/*
 * What a request that goes to an upstream may ask for.  An upstream reads the
 * client's own request, so that must not say more than the client may have:
 * every name in it has to be one of those that the challenge, or the old
 * certificate, gives; and it may want no extension beyond the template.  No
 * state; any thread.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "scep/scep_relay_priv.h"

#define TEXT_NAMES "the request asks for names that were not given to it"
#define TEXT_EXTENSIONS "the request asks for more than its template allows"

/* Absent in what is allowed: nothing is equal. */
static bool
same(const char *allowed, const ASN1_STRING *s)
{
	uint8_t *utf8 = NULL;
	int len = s != NULL ? ASN1_STRING_to_UTF8(&utf8, s) : -1;
	bool ok = allowed != NULL && len > 0 &&
	          slice_eq_str(slice_of(utf8, (size_t)len), allowed);

	OPENSSL_free(utf8);
	ERR_clear_error();
	return ok;
}

static const char *
allowed_of(const struct cert_subject *a, int nid)
{
	switch (nid) {
	case NID_commonName:
		return a->cn;
	case NID_organizationName:
		return a->o;
	case NID_organizationalUnitName:
		return a->ou;
	case NID_userId:
		return a->uid;
	case NID_pkcs9_emailAddress:
		return a->email;
	default:
		return NULL;
	}
}

static bool
subject_within(const X509_NAME *name, const struct cert_subject *a)
{
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		X509_NAME_ENTRY *n = X509_NAME_get_entry(name, i);
		int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(n));

		if (!same(allowed_of(a, nid), X509_NAME_ENTRY_get_data(n)))
			return false;
	}
	/* What has no name cannot be found again. */
	return X509_NAME_get_index_by_NID(name, NID_commonName, -1) >= 0;
}

static bool
same_address(const char *allowed, const ASN1_OCTET_STRING *s)
{
	int len = ASN1_STRING_length(s);
	char text[INET6_ADDRSTRLEN];

	return allowed != NULL && (len == 4 || len == 16) &&
	       inet_ntop(len == 4 ? AF_INET : AF_INET6,
	           ASN1_STRING_get0_data(s), text, sizeof(text)) != NULL &&
	       str_eq(text, allowed);
}

static bool
alternative_within(const GENERAL_NAME *g, const struct cert_subject *a)
{
	switch (g->type) {
	case GEN_EMAIL:
		return same(a->email, g->d.rfc822Name);
	case GEN_DNS:
		return same(a->dns, g->d.dNSName);
	case GEN_URI:
		return same(a->uri, g->d.uniformResourceIdentifier);
	case GEN_IPADD:
		return same_address(a->ip, g->d.iPAddress);
	default:
		return false;
	}
}

static bool
alternatives_within(X509_EXTENSION *x, const struct cert_subject *a)
{
	GENERAL_NAMES *names = X509V3_EXT_d2i(x);
	bool ok = names != NULL;

	for (int i = 0; ok && i < sk_GENERAL_NAME_num(names); i++)
		ok = alternative_within(sk_GENERAL_NAME_value(names, i), a);
	GENERAL_NAMES_free(names);
	return ok;
}

/* One of the words of "clientAuth,ipsecIKE". */
static bool
has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	while (words != NULL && *words != '\0') {
		size_t n = strcspn(words, ",");

		if (n == len && strncmp(words, word, n) == 0)
			return true;
		words += n + (words[n] == ',');
	}
	return false;
}

static bool
purposes_within(X509_EXTENSION *x, const struct cert_template *t)
{
	EXTENDED_KEY_USAGE *all = X509V3_EXT_d2i(x);
	bool ok = all != NULL;

	for (int i = 0; ok && i < sk_ASN1_OBJECT_num(all); i++) {
		int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(all, i));

		ok = nid != NID_undef &&
		     has_word(t->ext_key_usage, OBJ_nid2sn(nid));
	}
	EXTENDED_KEY_USAGE_free(all);
	return ok;
}

static bool
no_authority(X509_EXTENSION *x)
{
	BASIC_CONSTRAINTS *b = X509V3_EXT_d2i(x);
	bool ok = b != NULL && !b->ca;

	BASIC_CONSTRAINTS_free(b);
	return ok;
}

/* As RFC 5280 4.2.1.3 numbers them; templates know the first three. */
static bool
usages_within(X509_EXTENSION *x, const struct cert_template *t)
{
	static const char *const names[] = { "digitalSignature",
		"nonRepudiation", "keyEncipherment" };
	ASN1_BIT_STRING *bits = X509V3_EXT_d2i(x);
	bool ok = bits != NULL;

	for (int bit = 0; ok && bit <= 8; bit++)
		if (ASN1_BIT_STRING_get_bit(bits, bit) != 0)
			ok = bit < (int)COUNT(names) &&
			     strstr(t->key_usage, names[bit]) != NULL;
	ASN1_BIT_STRING_free(bits);
	return ok;
}

static const char *
extension_problem(X509_EXTENSION *x, const struct cert_subject *a,
    const struct cert_template *t)
{
	bool ok;

	switch (OBJ_obj2nid(X509_EXTENSION_get_object(x))) {
	case NID_subject_alt_name:
		return alternatives_within(x, a) ? NULL : TEXT_NAMES;
	case NID_key_usage:
		ok = usages_within(x, t);
		break;
	case NID_ext_key_usage:
		ok = purposes_within(x, t);
		break;
	case NID_basic_constraints:
		ok = no_authority(x);
		break;
	case NID_subject_key_identifier:
		ok = true;
		break;
	default:
		ok = false;
	}
	return ok ? NULL : TEXT_EXTENSIONS;
}

/* Attributes that say nothing about the certificate: the challenge, a label,
 * and what Windows tells of itself. */
static bool
harmless(const ASN1_OBJECT *o)
{
	static const char *const oids[] = { "1.2.840.113549.1.9.7",
		"1.2.840.113549.1.9.20", "1.3.6.1.4.1.311.13.2.2",
		"1.3.6.1.4.1.311.13.2.3" };
	char oid[80];

	OBJ_obj2txt(oid, sizeof(oid), o, 1);
	for (size_t i = 0; i < COUNT(oids); i++)
		if (str_eq(oids[i], oid))
			return true;
	return false;
}

/* One list of extensions: which of several an upstream reads, nobody knows. */
static bool
attributes_within(X509_REQ *req)
{
	int lists = 0;

	for (int i = 0; i < X509_REQ_get_attr_count(req); i++) {
		X509_ATTRIBUTE *a = X509_REQ_get_attr(req, i);
		ASN1_OBJECT *o = X509_ATTRIBUTE_get0_object(a);
		int nid = OBJ_obj2nid(o);

		if (nid == NID_ext_req || nid == NID_ms_ext_req) {
			if (++lists > 1 || X509_ATTRIBUTE_count(a) != 1)
				return false;
		} else if (!harmless(o))
			return false;
	}
	return true;
}

const char *
scep_relay_problem(struct slice csr, const struct cert_subject *allowed,
    const struct cert_template *t)
{
	const uint8_t *p = csr.p;
	AUTO(cert_req_free)
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)csr.len);
	STACK_OF(X509_EXTENSION) * all;
	const char *problem = NULL;

	if (req == NULL || !attributes_within(req)) {
		ERR_clear_error();
		return TEXT_EXTENSIONS;
	}
	if (!subject_within(X509_REQ_get_subject_name(req), allowed))
		problem = TEXT_NAMES;
	all = X509_REQ_get_extensions(req);
	for (int i = 0; problem == NULL && i < sk_X509_EXTENSION_num(all); i++)
		problem = extension_problem(
		    sk_X509_EXTENSION_value(all, i), allowed, t);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	ERR_clear_error();
	return problem;
}
