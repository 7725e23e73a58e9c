/*
 * What a request asks for beyond what it may have: names, usages, extensions.
 * It matters for templates that refuse such requests, and for requests that go
 * to an upstream, which reads them itself: no more may be in them than the
 * client may have.  No state; any thread.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "scep/scep_names_priv.h"
#include "scep/scep_service_priv.h"

#define TEXT_NAMES "the request asks for other names than it may have"
#define TEXT_USAGE "the request asks for other usages than it may have"
#define TEXT_EXTENSION "the request asks for an extension it may not have"
#define TEXT_ATTRIBUTES "the request has attributes it may not have"

/* ---- names ---- */

/* Absent in what is allowed: nothing is equal. */
static bool
same(const char *allowed, const ASN1_STRING *s)
{
	uint8_t *utf8 = NULL;
	int len = s != NULL ? ASN1_STRING_to_UTF8(&utf8, s) : -1;
	bool ok = allowed != NULL && len > 0 &&
	          slice_eq_str(slice_of(utf8, (size_t)len), allowed);

	OPENSSL_free(utf8);
	return ok;
}

/* Names of a kind that we do not issue are beyond as well; an upstream may put
 * the address into the subject. */
static const char *
allowed_of(const struct scep_beyond *may, int nid)
{
	const struct cert_subject *a = may->names;

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
		return may->outside ? a->email : NULL;
	default:
		return NULL;
	}
}

bool
scep_beyond_attribute(const X509_NAME_ENTRY *n, const struct scep_beyond *may)
{
	int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(n));

	return !same(allowed_of(may, nid), X509_NAME_ENTRY_get_data(n));
}

static bool
subject_within(const X509_NAME *name, const struct scep_beyond *may)
{
	for (int i = 0; i < X509_NAME_entry_count(name); i++)
		if (scep_beyond_attribute(X509_NAME_get_entry(name, i), may))
			return false;
	/* What has no name there cannot be found again. */
	return !may->outside ||
	       X509_NAME_get_index_by_NID(name, NID_commonName, -1) >= 0;
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
alternative_is(const GENERAL_NAME *g, const char *kind, const char *allowed)
{
	switch (g->type) {
	case GEN_EMAIL:
		return str_eq(kind, "email") && same(allowed, g->d.rfc822Name);
	case GEN_DNS:
		return str_eq(kind, "dns") && same(allowed, g->d.dNSName);
	case GEN_URI:
		return str_eq(kind, "uri") &&
		       same(allowed, g->d.uniformResourceIdentifier);
	case GEN_IPADD:
		return str_eq(kind, "ip") &&
		       same_address(allowed, g->d.iPAddress);
	default:
		return false;
	}
}

bool
scep_beyond_alternative(const GENERAL_NAME *g, const struct scep_beyond *may)
{
	const struct cert_subject *a = may->names;
	const struct cert_alternative *more = a->more;

	if (!may->outside && !may->template->san)
		return true;
	if (alternative_is(g, "email", a->email) ||
	    alternative_is(g, "dns", a->dns) ||
	    alternative_is(g, "uri", a->uri) || alternative_is(g, "ip", a->ip))
		return false;
	for (size_t i = 0; i < COUNT(a->more) && more[i].kind != NULL; i++)
		if (alternative_is(g, more[i].kind, more[i].value))
			return false;
	return true;
}

static bool
alternatives_within(X509_EXTENSION *x, const struct scep_beyond *may)
{
	GENERAL_NAMES *names = X509V3_EXT_d2i(x);
	bool ok = names != NULL && (may->outside || may->template->san);

	for (int i = 0; ok && i < sk_GENERAL_NAME_num(names); i++)
		ok = !scep_beyond_alternative(
		    sk_GENERAL_NAME_value(names, i), may);
	GENERAL_NAMES_free(names);
	return ok;
}

/* ---- usages ---- */

/* One of the words of "clientAuth,ipsecIKE"; short names of OpenSSL's. */
static bool
has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	while (words != NULL && *words != '\0') {
		size_t n = strcspn(words, ",");

		if (n == len && memcmp(words, word, n) == 0)
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

/* As RFC 5280 4.2.1.3 numbers them; templates know the first three. */
static bool
usages_within(X509_EXTENSION *x, X509_REQ *req, const struct cert_template *t)
{
	static const char *const names[] = { "digitalSignature",
		"nonRepudiation", "keyEncipherment" };
	const EVP_PKEY *key = X509_REQ_get0_pubkey(req);
	bool rsa = key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
	const char *has =
	    rsa || t->key_usage_ec == NULL ? t->key_usage : t->key_usage_ec;
	ASN1_BIT_STRING *bits = X509V3_EXT_d2i(x);
	bool ok = bits != NULL;

	for (int bit = 0; ok && bit <= 8; bit++)
		if (ASN1_BIT_STRING_get_bit(bits, bit) != 0)
			ok = bit < (int)COUNT(names) &&
			     has_word(has, names[bit]);
	ASN1_BIT_STRING_free(bits);
	return ok;
}

/* ---- extensions and attributes ---- */

static bool
no_authority(X509_EXTENSION *x)
{
	BASIC_CONSTRAINTS *b = X509V3_EXT_d2i(x);
	bool ok = b != NULL && !b->ca;

	BASIC_CONSTRAINTS_free(b);
	return ok;
}

static const char *
extension_problem(
    X509_EXTENSION *x, X509_REQ *req, const struct scep_beyond *may)
{
	switch (OBJ_obj2nid(X509_EXTENSION_get_object(x))) {
	case NID_subject_alt_name:
		return alternatives_within(x, may) ? NULL : TEXT_NAMES;
	case NID_key_usage:
		return usages_within(x, req, may->template) ? NULL : TEXT_USAGE;
	case NID_ext_key_usage:
		return purposes_within(x, may->template) ? NULL : TEXT_USAGE;
	case NID_basic_constraints:
		return no_authority(x) ? NULL : TEXT_EXTENSION;
	case NID_subject_key_identifier:
		return NULL; /* every certificate has one */
	default:
		return TEXT_EXTENSION;
	}
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

static bool
is_extension_list(const ASN1_OBJECT *o)
{
	return OBJ_obj2nid(o) == NID_ext_req ||
	       OBJ_obj2nid(o) == NID_ms_ext_req;
}

static const char *
attributes_problem(const X509_REQ *req, bool outside)
{
	if (!scep_names_one_list(req))
		return TEXT_EXTENSION;
	for (int i = 0; outside && i < X509_REQ_get_attr_count(req); i++) {
		const ASN1_OBJECT *o =
		    X509_ATTRIBUTE_get0_object(X509_REQ_get_attr(req, i));

		if (!is_extension_list(o) && !harmless(o))
			return TEXT_ATTRIBUTES;
	}
	return NULL;
}

static const char *
problem_of(X509_REQ *req, const struct scep_beyond *may)
{
	const char *problem = attributes_problem(req, may->outside);
	STACK_OF(X509_EXTENSION) * all;

	if (problem != NULL)
		return problem;
	if (!subject_within(X509_REQ_get_subject_name(req), may))
		return TEXT_NAMES;
	all = X509_REQ_get_extensions(req);
	for (int i = 0; problem == NULL && i < sk_X509_EXTENSION_num(all); i++)
		problem = extension_problem(
		    sk_X509_EXTENSION_value(all, i), req, may);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	return problem;
}

const char *
scep_beyond_problem(struct slice csr, const struct scep_beyond *may)
{
	const uint8_t *p = csr.p;
	AUTO(cert_req_free)
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)csr.len);
	const char *problem =
	    req != NULL ? problem_of(req, may) : SCEP_TEXT_UNREADABLE;

	ERR_clear_error();
	return problem;
}
