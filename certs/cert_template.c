/*
 * The table of certificate templates.  No state; safe from any thread.
 */
#include "certs/cert_template.h"
#include "core/clock.h"

/* clang-format off */
#define ORDINARY_KEYS                                                          \
	.rsa_min = 2048, .rsa_max = 4096, .ec_min = 256, .rsa = true,          \
	.ec = true, .san = true, .sha1 = true, .des3 = true,                   \
	.webhook_seconds = 5
/* clang-format on */

/*
 * notBefore lies a day back for what goes to a Mac: a Mac fresh from the box
 * may not know the time yet.  Apple refuses server certificates that live
 * longer than 825 days, or 398 where the root is publicly trusted.
 */
static const struct cert_template templates[] = {
	{ .name = CERT_TEMPLATE_DEVICE,
	    .help = "MDM identity of a Mac",
	    .key_usage = "critical,digitalSignature,keyEncipherment",
	    .key_usage_ec = "critical,digitalSignature",
	    .ext_key_usage = "clientAuth",
	    .life_days = 365,
	    .backdate_ms = MS_DAY,
	    .renew_days = 120,
	    ORDINARY_KEYS },
	{ .name = CERT_TEMPLATE_USER,
	    .help = "certificate of the user assigned to a Mac",
	    .key_usage = "critical,digitalSignature,keyEncipherment",
	    .key_usage_ec = "critical,digitalSignature",
	    .ext_key_usage = "clientAuth",
	    .life_days = 1126, /* 3 years and 1 month */
	    .backdate_ms = MS_DAY,
	    .renew_days = 365,
	    ORDINARY_KEYS },
	{ .name = CERT_TEMPLATE_SCEP,
	    .help = "other SCEP clients, each by its own challenge",
	    .key_usage = "critical,digitalSignature,keyEncipherment",
	    .key_usage_ec = "critical,digitalSignature",
	    .ext_key_usage = "clientAuth",
	    .life_days = 365,
	    .backdate_ms = MS_DAY,
	    .renew_days = 120,
	    ORDINARY_KEYS },
	{ .name = CERT_TEMPLATE_TLS,
	    .help = "TLS server of this installation",
	    .key_usage = "critical,digitalSignature,keyEncipherment",
	    .key_usage_ec = "critical,digitalSignature",
	    .ext_key_usage = "serverAuth",
	    .life_days = 397,
	    .backdate_ms = MS_H,
	    .renew_days = 30,
	    ORDINARY_KEYS },
	{ .name = NULL },
};

const struct cert_template *
cert_templates(void)
{
	return templates;
}

const struct cert_template *
cert_template_find(const char *name)
{
	for (const struct cert_template *t = templates; t->name != NULL; t++)
		if (str_eq(t->name, name))
			return t;
	return NULL;
}

bool
cert_template_key(const struct cert_template *t, EVP_PKEY *k, struct err *e)
{
	int bits;

	if (!cert_key_acceptable(k, t->ec, e))
		return err_wrap(e, "template %s", t->name);
	bits = EVP_PKEY_get_bits(k);
	if (EVP_PKEY_get_base_id(k) != EVP_PKEY_RSA)
		return bits >= t->ec_min ||
		       err_set(e, ERR_INVALID,
		           "template %s: an EC key of %d bits; %d are needed",
		           t->name, bits, (int)t->ec_min);
	if (!t->rsa)
		return err_set(
		    e, ERR_INVALID, "template %s: not for RSA keys", t->name);
	if (bits < t->rsa_min || bits > t->rsa_max)
		return err_set(e, ERR_INVALID,
		    "template %s: an RSA key of %d bits; %d to %d are accepted",
		    t->name, bits, (int)t->rsa_min, (int)t->rsa_max);
	return true;
}
