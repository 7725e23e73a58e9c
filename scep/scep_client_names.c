/*
 * The subjectAltName that the client's request asks for (RFC 5280 4.2.1.6).  No
 * state; any thread.
 */
#include <openssl/x509v3.h>

#include "scep/scep_client_priv.h"

static void
names_free(GENERAL_NAMES **names)
{
	GENERAL_NAMES_free(*names);
	*names = NULL;
}

/* The value of a GeneralName of that type, the caller's; NULL: it fits none. */
static ASN1_STRING *
make_value(int type, const char *text)
{
	ASN1_STRING *s;

	if (type == GEN_IPADD)
		return a2i_IPADDRESS(text);
	s = ASN1_IA5STRING_new();
	if (s != NULL && ASN1_STRING_set(s, text, -1) == 1)
		return s;
	ASN1_STRING_free(s);
	return NULL;
}

static bool
add(GENERAL_NAMES *names, const char *kind, const char *text, struct err *e)
{
	static const struct {
		const char *kind;
		int type;
	} kinds[] = {
		{ "email", GEN_EMAIL },
		{ "dns", GEN_DNS },
		{ "ip", GEN_IPADD },
		{ "uri", GEN_URI },
	};
	ASN1_STRING *value = NULL;
	GENERAL_NAME *name;

	if (str_empty(text))
		return true;
	name = GENERAL_NAME_new();
	for (size_t i = 0; name != NULL && i < COUNT(kinds); i++) {
		if (!str_eq(kinds[i].kind, kind))
			continue;
		value = make_value(kinds[i].type, text);
		if (value != NULL)
			GENERAL_NAME_set0_value(name, kinds[i].type, value);
	}
	if (value != NULL && sk_GENERAL_NAME_push(names, name) > 0)
		return true;
	GENERAL_NAME_free(name);
	return err_openssl(
	    e, ERR_INVALID, "\"%s\" is no %s of a certificate", text, kind);
}

static bool
from_subject(const struct cert_subject *s, GENERAL_NAMES *names, struct err *e)
{
	if (!add(names, "email", s->email, e) ||
	    !add(names, "dns", s->dns, e) || !add(names, "ip", s->ip, e) ||
	    !add(names, "uri", s->uri, e))
		return false;
	for (size_t i = 0; i < COUNT(s->more) && s->more[i].kind != NULL; i++)
		if (!add(names, s->more[i].kind, s->more[i].value, e))
			return false;
	return true;
}

/* Those of the subject; without any, those of the certificate that is renewed,
 * as they are there.  *out stays NULL when there are none. */
static bool
find(const struct scep_client_options *o, X509_EXTENSION **out, struct err *e)
{
	AUTO(names_free) GENERAL_NAMES *names = GENERAL_NAMES_new();
	int at;

	if (names == NULL)
		return err_openssl(e, ERR_INTERNAL, "subjectAltName");
	if (!from_subject(o->subject, names, e))
		return false;
	if (sk_GENERAL_NAME_num(names) > 0) {
		*out = X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
		return *out != NULL ||
		       err_openssl(e, ERR_INTERNAL, "subjectAltName");
	}
	at = o->signer != NULL
	         ? X509_get_ext_by_NID(o->signer, NID_subject_alt_name, -1)
	         : -1;
	if (at < 0)
		return true;
	*out = X509_EXTENSION_dup(X509_get_ext(o->signer, at));
	return *out != NULL || err_openssl(e, ERR_INTERNAL, "subjectAltName");
}

bool
scep_client_names(
    const struct scep_client_options *o, X509_REQ *req, struct err *e)
{
	AUTO(cert_extension_free) X509_EXTENSION *x = NULL;
	STACK_OF(X509_EXTENSION) * list;
	bool ok;

	if (!find(o, &x, e))
		return false;
	if (x == NULL)
		return true;
	list = sk_X509_EXTENSION_new_null();
	ok = list != NULL && sk_X509_EXTENSION_push(list, x) > 0 &&
	     X509_REQ_add_extensions(req, list) == 1;
	sk_X509_EXTENSION_free(list);
	return ok || err_openssl(e, ERR_INTERNAL, "subjectAltName");
}
