/*
 * Names out of a certificate or a CSR, as a subject that can be issued again:
 * the first of each kind that we issue.  No state; any thread.
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
}

/* The first usable value stays; one that is no text is passed over. */
static void
keep(const char **to, const ASN1_STRING *s)
{
	uint8_t *utf8 = NULL;
	int len;

	if (*to != NULL || s == NULL)
		return;
	len = ASN1_STRING_to_UTF8(&utf8, s);
	if (len > 0 && len <= VALUE_MAX && memchr(utf8, 0, (size_t)len) == NULL)
		*to = str_printf("%.*s", len, (const char *)utf8);
	OPENSSL_free(utf8);
}

static void
read_name(const X509_NAME *name, struct cert_subject *s)
{
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

		if (at >= 0)
			keep(fields[i].to, X509_NAME_ENTRY_get_data(
			                       X509_NAME_get_entry(name, at)));
	}
}

static void
keep_address(const char **to, const ASN1_OCTET_STRING *s)
{
	int len = ASN1_STRING_length(s);
	char text[INET6_ADDRSTRLEN];

	if (*to == NULL && (len == 4 || len == 16) &&
	    inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(s),
	        text, sizeof(text)) != NULL)
		*to = str_dup(text);
}

static void
read_alternative(const GENERAL_NAME *g, struct cert_subject *s)
{
	switch (g->type) {
	case GEN_EMAIL:
		keep(&s->email, g->d.rfc822Name);
		break;
	case GEN_DNS:
		keep(&s->dns, g->d.dNSName);
		break;
	case GEN_URI:
		keep(&s->uri, g->d.uniformResourceIdentifier);
		break;
	case GEN_IPADD:
		keep_address(&s->ip, g->d.iPAddress);
		break;
	default: /* of a kind that we do not issue */
		break;
	}
}

static void
read_extensions(
    const STACK_OF(X509_EXTENSION) * extensions, struct cert_subject *s)
{
	GENERAL_NAMES *names =
	    X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		read_alternative(sk_GENERAL_NAME_value(names, i), s);
	GENERAL_NAMES_free(names);
}

void
scep_names_of_certificate(const X509 *x, struct scep_names *out)
{
	*out = (struct scep_names){ 0 };
	read_name(X509_get_subject_name(x), &out->subject);
	read_extensions(X509_get0_extensions(x), &out->subject);
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
	read_name(X509_REQ_get_subject_name(req), &out->subject);
	extensions = X509_REQ_get_extensions(req);
	read_extensions(extensions, &out->subject);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	X509_REQ_free(req);
	return true;
}
