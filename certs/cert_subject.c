/*
 * Builds X.509 names and subjectAltName from a struct cert_subject, whose
 * values may have come from people and devices: each is checked and passed as
 * a value.  No state; safe from any thread.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "certs/cert_subject_priv.h"
#include "core/limits.h"

/* RFC 5280 A.1: ub-common-name, ub-organization-name and the like. */
enum { NAME_CHARS_MAX = 64 };

static void
names_free(GENERAL_NAMES **names)
{
	GENERAL_NAMES_free(*names);
	*names = NULL;
}

static void
name_free(GENERAL_NAME **name)
{
	GENERAL_NAME_free(*name);
	*name = NULL;
}

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

static bool
add_entry(X509_NAME *name, int nid, size_t chars_max, const char *value,
    struct err *e)
{
	size_t chars;

	if (str_empty(value))
		return true;
	chars = str_utf8_len(value);
	if (chars > chars_max || has_control(value))
		return err_set(e, ERR_INVALID,
		    "subject: %s is longer than %zu characters, or not plain "
		    "UTF-8 text",
		    OBJ_nid2sn(nid), chars_max);
	if (!X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
	        (const unsigned char *)value, (int)strlen(value), -1, 0))
		return err_openssl(
		    e, ERR_INVALID, "subject: %s", OBJ_nid2sn(nid));
	return true;
}

bool
cert_subject_name(const struct cert_subject *s, X509_NAME *name, struct err *e)
{
	if (str_empty(s->cn))
		return err_set(e, ERR_INVALID, "subject: no CN");
	return add_entry(name, NID_organizationName, NAME_CHARS_MAX, s->o, e) &&
	       add_entry(name, NID_organizationalUnitName, NAME_CHARS_MAX,
	           s->ou, e) &&
	       add_entry(name, NID_commonName, NAME_CHARS_MAX, s->cn, e) &&
	       add_entry(name, NID_userId, LIMIT_NAME, s->uid, e);
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

/* Takes value. */
static bool
push_name(GENERAL_NAMES *names, int type, ASN1_STRING *value, struct err *e)
{
	AUTO(name_free) GENERAL_NAME *name = GENERAL_NAME_new();

	if (name == NULL) {
		ASN1_STRING_free(value);
		return err_openssl(e, ERR_INTERNAL, "subjectAltName");
	}
	GENERAL_NAME_set0_value(name, type, value);
	if (sk_GENERAL_NAME_push(names, name) == 0)
		return err_openssl(e, ERR_INTERNAL, "subjectAltName");
	(void)TAKE(name);
	return true;
}

static bool
add_bytes(GENERAL_NAMES *names, int type, struct slice bytes, struct err *e)
{
	ASN1_STRING *value = ASN1_STRING_type_new(
	    type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

	if (value == NULL || !ASN1_STRING_set(value, bytes.p, (int)bytes.len)) {
		ASN1_STRING_free(value);
		return err_openssl(e, ERR_INTERNAL, "subjectAltName");
	}
	return push_name(names, type, value, e);
}

static bool
add_text(GENERAL_NAMES *names, int type, const char *text, struct err *e)
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
	return add_bytes(names, type, slice_str(text), e);
}

static bool
add_ip(GENERAL_NAMES *names, const char *text, struct err *e)
{
	uint8_t address[sizeof(struct in6_addr)];

	if (str_empty(text))
		return true;
	if (inet_pton(AF_INET, text, address) == 1)
		return add_bytes(names, GEN_IPADD,
		    slice_of(address, sizeof(struct in_addr)), e);
	if (inet_pton(AF_INET6, text, address) == 1)
		return add_bytes(names, GEN_IPADD,
		    slice_of(address, sizeof(struct in6_addr)), e);
	return err_set(e, ERR_INVALID, "subject: ip is not an address");
}

bool
cert_subject_add_san(const struct cert_subject *s, X509 *x, struct err *e)
{
	AUTO(names_free) GENERAL_NAMES *names = GENERAL_NAMES_new();

	if (names == NULL)
		return err_openssl(e, ERR_INTERNAL, "subjectAltName");
	if (!add_text(names, GEN_EMAIL, s->email, e) ||
	    !add_text(names, GEN_DNS, s->dns, e) || !add_ip(names, s->ip, e) ||
	    !add_text(names, GEN_URI, s->uri, e))
		return false;
	if (sk_GENERAL_NAME_num(names) > 0 &&
	    X509_add1_ext_i2d(
	        x, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) != 1)
		return err_openssl(e, ERR_INTERNAL, "subjectAltName");
	return true;
}

bool
cert_subject_check(const struct cert_subject *s, struct err *e)
{
	AUTO(cert_x509_free) X509 *trial = X509_new();

	if (trial == NULL)
		return err_openssl(e, ERR_INTERNAL, "subject");
	return cert_subject_name(s, X509_get_subject_name(trial), e) &&
	       cert_subject_add_san(s, trial, e);
}
