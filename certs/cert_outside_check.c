/*
 * What an issuing CA below an outside root has to be (RFC 5280 4.2.1, 6.1).
 * Said rule by rule, because an administrator has to go back to those who
 * signed it; OpenSSL's own verification has the last word.  Pure functions;
 * any thread.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "certs/cert_outside_priv.h"
#include "core/clock.h"

enum { STRENGTH_BITS = 112, NAME_MAX_CHARS = 100 };

/* Returns false: a rule is broken. */
static bool
bad(X509 *x, const char *what, struct err *e)
{
	char subject[NAME_MAX_CHARS];

	cert_subject(x, subject, sizeof(subject));
	return err_set(e, ERR_INVALID, "%s: %s", subject, what);
}

static bool
same_name(const X509_NAME *a, const X509_NAME *b)
{
	return X509_NAME_cmp(a, b) == 0;
}

static bool
self_issued(X509 *x)
{
	return same_name(X509_get_subject_name(x), X509_get_issuer_name(x));
}

/* By name and signature. */
static bool
signed_by(X509 *x, X509 *issuer)
{
	bool good =
	    same_name(X509_get_issuer_name(x), X509_get_subject_name(issuer)) &&
	    X509_verify(x, X509_get0_pubkey(issuer)) == 1;

	ERR_clear_error();
	return good;
}

/* ---- order ---- */

/* That which has our key.  *out stays NULL: none has. */
static bool
find_ours(STACK_OF(X509) * given, EVP_PKEY *key, X509 **out, struct err *e)
{
	for (int i = 0; i < sk_X509_num(given); i++) {
		X509 *x = sk_X509_value(given, i);

		if (EVP_PKEY_eq(X509_get0_pubkey(x), key) != 1)
			continue;
		if (*out != NULL)
			return bad(
			    x, "two certificates of the requested key", e);
		*out = x;
	}
	ERR_clear_error();
	return *out != NULL ||
	       err_set(e, ERR_INVALID,
	           "no certificate for the key of the open request");
}

static bool
no_doubles(STACK_OF(X509) * given, struct err *e)
{
	for (int i = 0; i < sk_X509_num(given); i++)
		for (int j = 0; j < i; j++) {
			X509 *x = sk_X509_value(given, i);

			if (X509_issuer_and_serial_cmp(
			        x, sk_X509_value(given, j)) == 0)
				return bad(x,
				    "two certificates of one issuer and serial "
				    "number",
				    e);
		}
	return true;
}

static bool
push(STACK_OF(X509) * s, X509 *x, struct err *e)
{
	if (!X509_up_ref(x))
		return err_openssl(e, ERR_INTERNAL, "chain");
	if (sk_X509_push(s, x) > 0)
		return true;
	X509_free(x);
	return err_openssl(e, ERR_INTERNAL, "chain");
}

static X509 *
issuer_in(STACK_OF(X509) * given, X509 *x)
{
	for (int i = 0; i < sk_X509_num(given); i++)
		if (signed_by(x, sk_X509_value(given, i)))
			return sk_X509_value(given, i);
	return NULL;
}

/* One of that name there may be, whose signature it is not. */
static bool
no_issuer(STACK_OF(X509) * given, X509 *x, struct err *e)
{
	for (int i = 0; i < sk_X509_num(given); i++)
		if (same_name(X509_get_issuer_name(x),
		        X509_get_subject_name(sk_X509_value(given, i))))
			return bad(x, "the signature is not its issuer's", e);
	return bad(x,
	    "its issuer is missing; the chain has to reach a self-signed root "
	    "(--root names one)",
	    e);
}

bool
cert_outside_order(
    STACK_OF(X509) * given, EVP_PKEY *key, STACK_OF(X509) * *out, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *x = NULL;

	if (chain == NULL)
		return err_openssl(e, ERR_INTERNAL, "chain");
	if (!no_doubles(given, e) || !find_ours(given, key, &x, e))
		return false;
	if (self_issued(x))
		return bad(x, "is self-signed; another CA has to sign it", e);
	while (sk_X509_num(chain) < sk_X509_num(given)) {
		if (!push(chain, x, e))
			return false;
		if (self_issued(x) && signed_by(x, x))
			break;
		x = issuer_in(given, x);
		if (x == NULL)
			return no_issuer(given,
			    sk_X509_value(chain, sk_X509_num(chain) - 1), e);
	}
	x = sk_X509_value(chain, sk_X509_num(chain) - 1);
	if (!self_issued(x) || !signed_by(x, x))
		return no_issuer(given, x, e);
	if (sk_X509_num(chain) < sk_X509_num(given))
		return err_set(e, ERR_INVALID,
		    "there are certificates that do not belong to the chain");
	*out = TAKE(chain);
	return true;
}

/* ---- rules ---- */

/* A place in the chain. */
struct spot {
	X509 *x, *issuer; /* the root: itself */
	int below;        /* CAs below it */
	int64_t now;
};

static bool
is_old_version(const struct spot *s)
{
	return X509_get_version(s->x) != X509_VERSION_3;
}

static bool
is_malformed(const struct spot *s)
{
	return X509_check_purpose(s->x, -1, 0) != 1 ||
	       (X509_get_extension_flags(s->x) & EXFLAG_INVALID) != 0;
}

static bool
has_unknown_critical(const struct spot *s)
{
	return (X509_get_extension_flags(s->x) & EXFLAG_CRITICAL) != 0;
}

static bool
is_no_ca(const struct spot *s)
{
	return (X509_get_extension_flags(s->x) & EXFLAG_CA) == 0;
}

static bool
cannot_sign(const struct spot *s)
{
	return (X509_get_key_usage(s->x) & KU_KEY_CERT_SIGN) == 0;
}

static bool
cannot_revoke(const struct spot *s)
{
	return s->below == 0 && (X509_get_key_usage(s->x) & KU_CRL_SIGN) == 0;
}

static bool
says_no_usage(const struct spot *s)
{
	return s->below == 0 &&
	       (X509_get_extension_flags(s->x) & EXFLAG_KUSAGE) == 0;
}

static bool
is_too_high(const struct spot *s)
{
	long most = X509_get_pathlen(s->x);

	return most >= 0 && most < s->below;
}

static bool
is_early(const struct spot *s)
{
	return cert_not_before(s->x) > s->now;
}

static bool
is_late(const struct spot *s)
{
	return cert_not_after(s->x) <= s->now;
}

static bool
outlives(const struct spot *s)
{
	int64_t end = cert_not_after(s->issuer);

	return end > s->now && cert_not_after(s->x) > end;
}

/* Nobody relies on a root's own signature, and old roots have SHA-1. */
static bool
is_badly_signed(const struct spot *s)
{
	int bits = 0;

	return s->issuer != s->x &&
	       (X509_get_signature_info(s->x, NULL, NULL, &bits, NULL) != 1 ||
	           bits < STRENGTH_BITS);
}

static bool
has_weak_key(const struct spot *s)
{
	EVP_PKEY *k = X509_get0_pubkey(s->x);
	int kind = k != NULL ? EVP_PKEY_get_base_id(k) : EVP_PKEY_NONE;

	return (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC) ||
	       EVP_PKEY_get_security_bits(k) < STRENGTH_BITS;
}

static bool
has_no_key_id(const struct spot *s)
{
	return s->below == 0 && X509_get0_subject_key_id(s->x) == NULL;
}

static bool
is_not_for_clients(const struct spot *s)
{
	uint32_t use = X509_get_extended_key_usage(s->x);

	/* All bits: there is no such extension. */
	return (use & (XKU_SSL_CLIENT | XKU_ANYEKU)) == 0;
}

static bool
has_no_name(const struct spot *s)
{
	return X509_NAME_entry_count(X509_get_subject_name(s->x)) == 0;
}

/* In this order: what is malformed is not asked further. */
static const struct rule {
	bool (*broken)(const struct spot *s);
	const char *text;
} rules[] = {
	{ is_malformed, "an extension cannot be read" },
	{ is_old_version, "not an X.509 version 3 certificate" },
	{ has_no_name, "it has no name" },
	{ is_no_ca, "basicConstraints do not say CA:TRUE" },
	{ says_no_usage, "it has no keyUsage" },
	{ cannot_sign, "keyUsage lacks keyCertSign" },
	{ cannot_revoke, "keyUsage lacks cRLSign" },
	{ is_too_high, "its pathlen allows no CA so far below" },
	{ has_unknown_critical, "a critical extension is not known here" },
	{ is_not_for_clients,
	    "extendedKeyUsage lacks clientAuth, which Macs' certificates "
	    "have" },
	{ has_no_key_id, "it has no subjectKeyIdentifier" },
	{ is_early, "it is not valid yet" },
	{ is_late, "it has expired" },
	{ outlives, "it ends after its issuer's certificate" },
	{ is_badly_signed, "signed with SHA-1 or weaker" },
	{ has_weak_key, "the key is neither RSA nor EC, or too short" },
};

bool
cert_outside_check(const STACK_OF(X509) * chain, struct err *e)
{
	int count = sk_X509_num(chain);
	struct spot s = { .now = clock_now_ms() };

	for (int i = 0; i < count; i++) {
		s.x = sk_X509_value(chain, i);
		s.issuer = sk_X509_value(chain, i + 1 < count ? i + 1 : i);
		s.below = i;
		for (size_t r = 0; r < COUNT(rules); r++)
			if (rules[r].broken(&s)) {
				ERR_clear_error();
				return bad(s.x, rules[r].text, e);
			}
	}
	return true;
}

bool
cert_outside_check_new(
    const struct cert_authority *a, X509 *issuing, struct err *e)
{
	for (size_t i = 0; a != NULL && i < a->count; i++) {
		X509 *there = a->members[i]->certificate;

		if (X509_issuer_and_serial_cmp(there, issuing) == 0)
			return bad(issuing,
			    "there is another one of its issuer and serial "
			    "number",
			    e);
		if (same_name(X509_get_subject_name(there),
		        X509_get_subject_name(issuing)))
			return bad(issuing,
			    "another certificate of the authority has this "
			    "name",
			    e);
	}
	return true;
}

/* ---- the last word ---- */

bool
cert_outside_verify(X509 *leaf, const STACK_OF(X509) * chain, struct err *e)
{
	AUTO(cert_store_free) X509_STORE *store = X509_STORE_new();
	AUTO(cert_store_ctx_free) X509_STORE_CTX *c = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *how;

	if (store == NULL || c == NULL ||
	    X509_STORE_add_cert(
	        store, sk_X509_value(chain, sk_X509_num(chain) - 1)) != 1 ||
	    X509_STORE_CTX_init(c, store, leaf, (STACK_OF(X509) *)chain) != 1)
		return err_openssl(e, ERR_INTERNAL, "verifying the chain");
	how = X509_STORE_CTX_get0_param(c);
	X509_VERIFY_PARAM_set_time(how, (time_t)(clock_now_ms() / MS_S));
	X509_VERIFY_PARAM_set_auth_level(how, 2);
	if (X509_verify_cert(c) == 1)
		return true;
	err_set(e, ERR_INVALID, "the chain does not hold: %s",
	    X509_verify_cert_error_string(X509_STORE_CTX_get_error(c)));
	ERR_clear_error();
	return false;
}
