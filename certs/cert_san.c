/* Names as texts for people.  No state; any thread. */
#include <arpa/inet.h>
#include <openssl/err.h>

#include "certs/cert_san.h"
#include "core/json.h"

enum { VALUE_MAX = 255, OID_SIZE = 80 };

/* "kind:value", or the kind alone where there is no text.  A NUL, behind which
 * something else may stand, is shown as '?'. */
static char *
labelled(const char *kind, char mark, const ASN1_STRING *s)
{
	AUTO(buf_free) struct buf *out = buf_new(8 * VALUE_MAX);
	uint8_t *utf8 = NULL;
	int len = s != NULL ? ASN1_STRING_to_UTF8(&utf8, s) : -1;

	buf_adds(out, kind);
	if (len > VALUE_MAX)
		len = VALUE_MAX;
	for (int i = 0; i < len; i++)
		utf8[i] = utf8[i] != '\0' ? utf8[i] : '?';
	if (len > 0) {
		buf_addc(out, mark);
		buf_add_utf8(out, slice_of(utf8, (size_t)len));
	}
	OPENSSL_free(utf8);
	ERR_clear_error();
	return str_dup(buf_str(out));
}

static char *
address(const ASN1_OCTET_STRING *s)
{
	int len = ASN1_STRING_length(s);
	char text[INET6_ADDRSTRLEN];

	if ((len != 4 && len != 16) ||
	    inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(s),
	        text, sizeof(text)) == NULL)
		return str_dup("ip");
	return str_printf("ip:%s", text);
}

/* Of Windows: the name of an account. */
static char *
other(const OTHERNAME *o)
{
	char oid[OID_SIZE];

	if (OBJ_obj2nid(o->type_id) == NID_ms_upn &&
	    o->value->type == V_ASN1_UTF8STRING)
		return labelled("upn", ':', o->value->value.utf8string);
	OBJ_obj2txt(oid, sizeof(oid), o->type_id, 1);
	return str_printf("otherName:%s", oid);
}

static char *
registered(const ASN1_OBJECT *o)
{
	char oid[OID_SIZE];

	OBJ_obj2txt(oid, sizeof(oid), o, 1);
	return str_printf("rid:%s", oid);
}

char *
cert_san_text(const GENERAL_NAME *g)
{
	switch (g->type) {
	case GEN_EMAIL:
		return labelled("email", ':', g->d.rfc822Name);
	case GEN_DNS:
		return labelled("dns", ':', g->d.dNSName);
	case GEN_URI:
		return labelled("uri", ':', g->d.uniformResourceIdentifier);
	case GEN_IPADD:
		return address(g->d.iPAddress);
	case GEN_OTHERNAME:
		return other(g->d.otherName);
	case GEN_RID:
		return registered(g->d.registeredID);
	case GEN_DIRNAME:
		return str_dup("directoryName");
	default:
		return str_dup("a name of another kind");
	}
}

char *
cert_san_attribute(const X509_NAME_ENTRY *n)
{
	const ASN1_OBJECT *o = X509_NAME_ENTRY_get_object(n);
	int nid = OBJ_obj2nid(o);
	char oid[OID_SIZE];

	OBJ_obj2txt(oid, sizeof(oid), o, 1);
	return labelled(nid != NID_undef ? OBJ_nid2sn(nid) : oid, '=',
	    X509_NAME_ENTRY_get_data(n));
}

json_t *
cert_san_json(const X509 *x)
{
	json_t *all = json_array();
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		AUTO(str_free)
		char *text = cert_san_text(sk_GENERAL_NAME_value(names, i));

		json_array_append_new(all, json_string(text));
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return all;
}

static void
add(json_t *all, const char *kind, const char *value)
{
	AUTO(str_free) char *text = NULL;

	if (value == NULL)
		return;
	text = str_printf("%s:%s", kind, value);
	json_array_append_new(all, json_string(text));
}

json_t *
cert_san_of_subject(const struct cert_subject *s)
{
	json_t *all = json_array();

	add(all, "email", s->email);
	add(all, "dns", s->dns);
	add(all, "ip", s->ip);
	add(all, "uri", s->uri);
	for (size_t i = 0; i < COUNT(s->more) && s->more[i].kind != NULL; i++)
		add(all, s->more[i].kind, s->more[i].value);
	return all;
}
