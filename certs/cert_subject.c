/*
 * Writes X.509 names and subjectAltName of a struct cert_subject, whose values
 * may have come from people and devices: each is checked and passed as a
 * value.  No state; safe from any thread.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "certs/cert_subject_priv.h"
#include "core/der.h"
#include "core/limits.h"

/* RFC 5280 A.1: ub-common-name, ub-organization-name and the like. */
enum { NAME_CHARS_MAX = 64 };
/* Class of the tags of GeneralName. */
enum { CONTEXT = 0x80 };

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

/* A RelativeDistinguishedName with one attribute, an UTF8String. */
static bool
put_entry(struct buf *out, int nid, size_t chars_max, const char *value,
    struct err *e)
{
	size_t chars, at = out->len;

	if (str_empty(value))
		return true;
	chars = str_utf8_len(value);
	if (chars > chars_max || has_control(value))
		return err_set(e, ERR_INVALID,
		    "subject: %s is longer than %zu characters, or not plain "
		    "UTF-8 text",
		    OBJ_nid2sn(nid), chars_max);
	der_put_oid(out, nid);
	der_put(out, V_ASN1_UTF8STRING, slice_str(value));
	der_wrap(out, at, DER_SEQUENCE);
	der_wrap(out, at, DER_SET);
	return true;
}

bool
cert_subject_name(const struct cert_subject *s, struct buf *out, struct err *e)
{
	size_t at = out->len;

	if (str_empty(s->cn))
		return err_set(e, ERR_INVALID, "subject: no CN");
	if (!put_entry(out, NID_organizationName, NAME_CHARS_MAX, s->o, e) ||
	    !put_entry(
	        out, NID_organizationalUnitName, NAME_CHARS_MAX, s->ou, e) ||
	    !put_entry(out, NID_commonName, NAME_CHARS_MAX, s->cn, e) ||
	    !put_entry(out, NID_userId, LIMIT_NAME, s->uid, e))
		return false;
	der_wrap(out, at, DER_SEQUENCE);
	return buf_ok(out, e);
}

/* RFC 4514 2.4. */
static bool
needs_escape(const char *value, size_t i)
{
	char c = value[i];

	if (c == ' ')
		return i == 0 || value[i + 1] == '\0';
	return (c == '#' && i == 0) || strchr(",+\"\\<>;", c) != NULL;
}

static void
put_text_entry(struct buf *out, const char *type, const char *value)
{
	if (str_empty(value))
		return;
	if (out->len > 0)
		buf_addc(out, ',');
	buf_addf(out, "%s=", type);
	for (size_t i = 0; value[i] != '\0'; i++) {
		if (needs_escape(value, i))
			buf_addc(out, '\\');
		buf_addc(out, value[i]);
	}
}

void
cert_subject_text(const struct cert_subject *s, char *out, size_t size)
{
	AUTO(buf_free) struct buf *text = buf_new(LIMIT_CERT);

	put_text_entry(text, "UID", s->uid);
	put_text_entry(text, "CN", s->cn);
	put_text_entry(text, "OU", s->ou);
	put_text_entry(text, "O", s->o);
	str_copy_cut(out, size, buf_str(text));
}

/* IA5String holds ASCII; blanks have no place in any of these names. */
static bool
is_graphic(const char *s)
{
	for (; *s != '\0'; s++)
		if (!isascii((unsigned char)*s) || !isgraph((unsigned char)*s))
			return false;
	return true;
}

/* Letters, digits, '-' and '.', with one leading "*." (RFC 5280 4.2.1.6,
 * RFC 6125 6.4.3). */
static bool
is_dns(const char *s)
{
	const char *p = str_starts(s, "*.") ? s + 2 : s;

	if (strlen(s) > 253 || *p == '\0' || *p == '.' || *p == '-')
		return false;
	for (; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' &&
		    (*p != '.' || p[1] == '.' || p[1] == '\0'))
			return false;
	return true;
}

static bool
is_email(const char *s)
{
	const char *at = strchr(s, '@');

	return at != NULL && at != s && strchr(at + 1, '@') == NULL &&
	       is_dns(at + 1);
}

static bool
is_uri(const char *s)
{
	return isalpha((unsigned char)*s) && strchr(s, ':') != NULL;
}

/* A GeneralName (RFC 5280 4.2.1.6), whose number is its tag. */
static bool
put_text(struct buf *out, int type, const char *text, struct err *e)
{
	static const struct {
		const char *what;
		bool (*good)(const char *s);
	} rules[] = {
		[GEN_EMAIL] = { "email", is_email },
		[GEN_DNS] = { "dns", is_dns },
		[GEN_URI] = { "uri", is_uri },
	};

	if (str_empty(text))
		return true;
	assert(rules[type].good != NULL);
	if (strlen(text) > LIMIT_NAME || !is_graphic(text) ||
	    !rules[type].good(text))
		return err_set(e, ERR_INVALID,
		    "subject: %s is not one that a certificate can hold",
		    rules[type].what);
	der_put(out, (uint8_t)(CONTEXT | type), slice_str(text));
	return true;
}

static bool
put_ip(struct buf *out, const char *text, struct err *e)
{
	uint8_t address[sizeof(struct in6_addr)];
	size_t len = sizeof(struct in_addr);

	if (str_empty(text))
		return true;
	if (inet_pton(AF_INET, text, address) != 1) {
		len = sizeof(struct in6_addr);
		if (inet_pton(AF_INET6, text, address) != 1)
			return err_set(
			    e, ERR_INVALID, "subject: ip is not an address");
	}
	der_put(out, CONTEXT | GEN_IPADD, slice_of(address, len));
	return true;
}

static bool
put_alternative(
    struct buf *out, const struct cert_alternative *a, struct err *e)
{
	static const struct {
		const char *kind;
		int type;
	} kinds[] = {
		{ "email", GEN_EMAIL },
		{ "dns", GEN_DNS },
		{ "uri", GEN_URI },
	};

	if (str_eq(a->kind, "ip"))
		return put_ip(out, a->value, e);
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_eq(a->kind, kinds[i].kind))
			return put_text(out, kinds[i].type, a->value, e);
	return err_set(e, ERR_INVALID, "subject: a name of an unknown kind");
}

bool
cert_subject_san(const struct cert_subject *s, struct buf *out, struct err *e)
{
	size_t at = out->len;

	if (!put_text(out, GEN_EMAIL, s->email, e) ||
	    !put_text(out, GEN_DNS, s->dns, e) || !put_ip(out, s->ip, e) ||
	    !put_text(out, GEN_URI, s->uri, e))
		return false;
	for (size_t i = 0; i < COUNT(s->more) && s->more[i].kind != NULL; i++)
		if (!put_alternative(out, &s->more[i], e))
			return false;
	if (out->len > at)
		der_wrap(out, at, DER_SEQUENCE);
	return buf_ok(out, e);
}

bool
cert_subject_check(const struct cert_subject *s, struct err *e)
{
	AUTO(buf_free) struct buf *trial = buf_new(LIMIT_CERT);

	return cert_subject_name(s, trial, e) && cert_subject_san(s, trial, e);
}
