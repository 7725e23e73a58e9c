/*
 * Names out of a certificate or a CSR, as a subject that can be issued again:
 * one of each kind that a subject can say, and all alternative names of the
 * kinds that we issue.  No state; any thread.
 */
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "scep/scep_names_priv.h"

enum { VALUE_MAX = 1024 };

void
scep_names_clear(struct scep_names *n)
{
	const char **all[] = { &n->subject.cn, &n->subject.o, &n->subject.ou,
		&n->subject.uid, &n->subject.email, &n->subject.dns,
		&n->subject.ip, &n->subject.uri };

	for (size_t i = 0; i < COUNT(all); i++) {
		char *own = (char *)*all[i];

		str_free(&own);
		*all[i] = NULL;
	}
	for (size_t i = 0; i < COUNT(n->subject.more); i++) {
		char *own = (char *)n->subject.more[i].value;

		str_free(&own);
		n->subject.more[i] = (struct cert_alternative){ NULL, NULL };
	}
}

/* The caller's; NULL: no text that fits. */
static char *
text_of(const ASN1_STRING *s)
{
	uint8_t *utf8 = NULL;
	int len = s != NULL ? ASN1_STRING_to_UTF8(&utf8, s) : -1;
	char *text = NULL;

	if (len > 0 && len <= VALUE_MAX && memchr(utf8, 0, (size_t)len) == NULL)
		text = str_printf("%.*s", len, (const char *)utf8);
	OPENSSL_free(utf8);
	return text;
}

static void
read_name(const X509_NAME *name, struct scep_names *out)
{
	struct cert_subject *s = &out->subject;
	const struct {
		int nid;
		const char **to;
	} fields[] = {
		{ NID_commonName, &s->cn },
		{ NID_organizationName, &s->o },
		{ NID_organizationalUnitName, &s->ou },
		{ NID_userId, &s->uid },
	};

	for (size_t i = 0; i < COUNT(fields); i++) {
		int at = X509_NAME_get_index_by_NID(name, fields[i].nid, -1);

		if (at < 0)
			continue;
		*fields[i].to = text_of(
		    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
		if (*fields[i].to == NULL ||
		    X509_NAME_get_index_by_NID(name, fields[i].nid, at) >= 0)
			out->lost = true;
	}
}

/* Takes value; it is there once, however often it was asked for. */
static void
keep(struct scep_names *out, const char *kind, const char **first, char *value)
{
	AUTO(str_free) char *own = value;
	struct cert_alternative *more = out->subject.more;
	size_t i = 0;

	if (value == NULL) {
		out->lost = true;
		return;
	}
	if (*first == NULL) {
		*first = TAKE(own);
		return;
	}
	if (str_eq(*first, value))
		return;
	for (; i < CERT_MORE_NAMES && more[i].kind != NULL; i++)
		if (str_eq(more[i].kind, kind) && str_eq(more[i].value, value))
			return;
	if (i == CERT_MORE_NAMES)
		out->lost = true;
	else
		more[i] = (struct cert_alternative){ kind, TAKE(own) };
}

static char *
address_of(const ASN1_OCTET_STRING *s)
{
	int len = ASN1_STRING_length(s);
	char text[INET6_ADDRSTRLEN];

	return (len == 4 || len == 16) &&
	               inet_ntop(len == 4 ? AF_INET : AF_INET6,
	                   ASN1_STRING_get0_data(s), text, sizeof(text)) != NULL
	           ? str_dup(text)
	           : NULL;
}

static void
read_alternative(const GENERAL_NAME *g, struct scep_names *out)
{
	struct cert_subject *s = &out->subject;

	switch (g->type) {
	case GEN_EMAIL:
		keep(out, "email", &s->email, text_of(g->d.rfc822Name));
		break;
	case GEN_DNS:
		keep(out, "dns", &s->dns, text_of(g->d.dNSName));
		break;
	case GEN_URI:
		keep(out, "uri", &s->uri,
		    text_of(g->d.uniformResourceIdentifier));
		break;
	case GEN_IPADD:
		keep(out, "ip", &s->ip, address_of(g->d.iPAddress));
		break;
	default: /* of a kind that we do not issue: see scep_ignored() */
		break;
	}
}

static void
read_extensions(
    const STACK_OF(X509_EXTENSION) * extensions, struct scep_names *out)
{
	int critical;
	GENERAL_NAMES *names =
	    X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, NULL);

	/* -1: there is none; else it is there twice, or cannot be read. */
	if (names == NULL && critical != -1)
		out->lost = true;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		read_alternative(sk_GENERAL_NAME_value(names, i), out);
	GENERAL_NAMES_free(names);
}

void
scep_names_of_certificate(const X509 *x, struct scep_names *out)
{
	*out = (struct scep_names){ 0 };
	read_name(X509_get_subject_name(x), out);
	read_extensions(X509_get0_extensions(x), out);
}

bool
scep_names_one_list(const X509_REQ *req)
{
	int lists = 0;

	for (int i = 0; i < X509_REQ_get_attr_count(req); i++) {
		X509_ATTRIBUTE *a = X509_REQ_get_attr(req, i);
		int nid = OBJ_obj2nid(X509_ATTRIBUTE_get0_object(a));

		if (nid == NID_ext_req || nid == NID_ms_ext_req)
			lists += X509_ATTRIBUTE_count(a) == 1 ? 1 : 2;
	}
	return lists <= 1;
}

bool
scep_names_of_request(struct slice csr, struct scep_names *out)
{
	const uint8_t *p = csr.p;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)csr.len);
	STACK_OF(X509_EXTENSION) * extensions;

	*out = (struct scep_names){ 0 };
	if (req == NULL)
		return false;
	read_name(X509_REQ_get_subject_name(req), out);
	extensions = X509_REQ_get_extensions(req);
	read_extensions(extensions, out);
	out->lost |= !scep_names_one_list(req);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	X509_REQ_free(req);
	return true;
}
