/*
 * What a request asks for beyond what its certificate would say: names,
 * usages, extensions.  Only templates that refuse such requests look; for the
 * others it does not matter what is in a request.  No state; any thread.
 */
#include <openssl/x509v3.h>
#include <string.h>

#include "scep/scep_names_priv.h"
#include "scep/scep_service_priv.h"

#define TEXT_NAMES "the request asks for other names than it may have"
#define TEXT_USAGE "the request asks for other usages than it may have"
#define TEXT_EXTENSION "the request asks for an extension it may not have"

/* Names of a kind that we do not issue are beyond as well. */
static bool
name_issued(const X509_NAME_ENTRY *entry, const struct cert_subject *will)
{
	const struct {
		int nid;
		const char *value;
	} fields[] = {
		{ NID_commonName, will->cn },
		{ NID_organizationName, will->o },
		{ NID_organizationalUnitName, will->ou },
		{ NID_userId, will->uid },
	};
	int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
	uint8_t *asked = NULL;
	bool issued = false;
	int len;

	len = ASN1_STRING_to_UTF8(&asked, X509_NAME_ENTRY_get_data(entry));
	for (size_t i = 0; len >= 0 && i < COUNT(fields); i++)
		issued |=
		    nid == fields[i].nid && fields[i].value != NULL &&
		    slice_eq_str(slice_of(asked, (size_t)len), fields[i].value);
	OPENSSL_free(asked);
	return issued;
}

static bool
subject_issued(const X509_NAME *asked, const struct cert_subject *will)
{
	for (int i = 0; i < X509_NAME_entry_count(asked); i++)
		if (!name_issued(X509_NAME_get_entry(asked, i), will))
			return false;
	return true;
}

static bool
is(const char *asked, const char *issued)
{
	return asked != NULL && str_eq(asked, issued);
}

static bool
one_issued(const GENERAL_NAME *asked, const struct cert_subject *will)
{
	AUTO(scep_names_clear) struct scep_names one = { 0 };
	const struct cert_subject *s = &one.subject;

	return scep_names_alternative(asked, &one) &&
	       (is(s->email, will->email) || is(s->dns, will->dns) ||
	           is(s->ip, will->ip) || is(s->uri, will->uri));
}

static bool
alternative_issued(GENERAL_NAMES *asked, const struct cert_subject *will,
    const struct cert_template *t)
{
	bool good = asked != NULL && t->san;

	for (int i = 0; good && i < sk_GENERAL_NAME_num(asked); i++)
		good = one_issued(sk_GENERAL_NAME_value(asked, i), will);
	GENERAL_NAMES_free(asked);
	return good;
}

static bool
key_usage_issued(ASN1_BIT_STRING *asked, const struct cert_template *t, bool ec)
{
	static const struct {
		int bit;
		const char *name;
	} bits[] = { { 0, "digitalSignature" }, { 1, "nonRepudiation" },
		{ 2, "keyEncipherment" } };
	const char *has =
	    ec && t->key_usage_ec != NULL ? t->key_usage_ec : t->key_usage;
	bool good = asked != NULL;

	for (int bit = 0; good && bit <= 8; bit++) {
		if (ASN1_BIT_STRING_get_bit(asked, bit) == 0)
			continue;
		good = bit < (int)COUNT(bits) &&
		       strstr(has, bits[bit].name) != NULL;
	}
	ASN1_BIT_STRING_free(asked);
	return good;
}

/* ext_key_usage holds short names of OpenSSL's, by commas. */
static bool
usage_in(const char *list, const char *name)
{
	size_t len = strlen(name);

	while (list != NULL && *list != '\0') {
		size_t n = strcspn(list, ",");

		if (n == len && memcmp(list, name, n) == 0)
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

static bool
ext_key_usage_issued(EXTENDED_KEY_USAGE *asked, const struct cert_template *t)
{
	bool good = asked != NULL;

	for (int i = 0; good && i < sk_ASN1_OBJECT_num(asked); i++)
		good = usage_in(t->ext_key_usage,
		    OBJ_nid2sn(OBJ_obj2nid(sk_ASN1_OBJECT_value(asked, i))));
	EXTENDED_KEY_USAGE_free(asked);
	return good;
}

static bool
no_authority(BASIC_CONSTRAINTS *asked)
{
	bool good = asked != NULL && !asked->ca;

	BASIC_CONSTRAINTS_free(asked);
	return good;
}

static const char *
extension_problem(X509_EXTENSION *x, const struct scep_request *rq,
    const struct cert_template *t, const struct cert_subject *will)
{
	bool ec = EVP_PKEY_get_base_id(rq->csr->key) != EVP_PKEY_RSA;

	switch (OBJ_obj2nid(X509_EXTENSION_get_object(x))) {
	case NID_subject_alt_name:
		return alternative_issued(X509V3_EXT_d2i(x), will, t)
		           ? NULL
		           : TEXT_NAMES;
	case NID_key_usage:
		return key_usage_issued(X509V3_EXT_d2i(x), t, ec) ? NULL
		                                                  : TEXT_USAGE;
	case NID_ext_key_usage:
		return ext_key_usage_issued(X509V3_EXT_d2i(x), t) ? NULL
		                                                  : TEXT_USAGE;
	case NID_basic_constraints:
		return no_authority(X509V3_EXT_d2i(x)) ? NULL : TEXT_EXTENSION;
	case NID_subject_key_identifier:
		return NULL; /* every certificate has one */
	default:
		return TEXT_EXTENSION;
	}
}

static const char *
problem_of(X509_REQ *req, const struct scep_request *rq,
    const struct cert_template *t, const struct cert_subject *will)
{
	STACK_OF(X509_EXTENSION) *asked = X509_REQ_get_extensions(req);
	const char *problem = NULL;

	if (!subject_issued(X509_REQ_get_subject_name(req), will))
		problem = TEXT_NAMES;
	/* Only the first list would be read. */
	else if (X509_REQ_get_attr_by_NID(req, NID_ext_req, -1) >= 0 &&
	         X509_REQ_get_attr_by_NID(req, NID_ms_ext_req, -1) >= 0)
		problem = TEXT_EXTENSION;
	for (int i = 0; problem == NULL && i < sk_X509_EXTENSION_num(asked);
	     i++)
		problem = extension_problem(
		    sk_X509_EXTENSION_value(asked, i), rq, t, will);
	sk_X509_EXTENSION_pop_free(asked, X509_EXTENSION_free);
	return problem;
}

bool
scep_strict(const struct scep_request *rq, const struct cert_template *t,
    const struct cert_subject *will, struct scep_verdict *v)
{
	const uint8_t *p = rq->csr_der.p;
	const char *problem;
	X509_REQ *req;

	if (!t->strict)
		return true;
	req = d2i_X509_REQ(NULL, &p, (long)rq->csr_der.len);
	problem =
	    req != NULL ? problem_of(req, rq, t, will) : SCEP_TEXT_UNREADABLE;
	X509_REQ_free(req);
	if (problem != NULL)
		scep_refuse(v, SCEP_BAD_REQUEST, problem);
	return problem == NULL;
}
