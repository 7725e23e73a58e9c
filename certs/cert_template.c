/*
 * The table of certificate templates, and the subject of a certificate as it
 * is kept in the challenge table.  No state; safe from any thread.
 */
#include <stdlib.h>

#include "certs/cert_template.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/limits.h"

/* clang-format off */
#define ORDINARY_KEYS                                                          \
	.rsa_min = 2048, .rsa_max = 4096, .ec = true, .san = true,             \
	.sha1 = true, .des3 = true
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
	if (EVP_PKEY_get_base_id(k) == EVP_PKEY_RSA &&
	    (bits < t->rsa_min || bits > t->rsa_max))
		return err_set(e, ERR_INVALID,
		    "template %s: an RSA key of %d bits; %d to %d are accepted",
		    t->name, bits, (int)t->rsa_min, (int)t->rsa_max);
	return true;
}

/* The fields of a subject, for both directions. */
static const struct field {
	const char *key;
	size_t offset;
} fields[] = {
	{ "cn", offsetof(struct cert_subject, cn) },
	{ "o", offsetof(struct cert_subject, o) },
	{ "ou", offsetof(struct cert_subject, ou) },
	{ "uid", offsetof(struct cert_subject, uid) },
	{ "email", offsetof(struct cert_subject, email) },
	{ "dns", offsetof(struct cert_subject, dns) },
	{ "ip", offsetof(struct cert_subject, ip) },
	{ "uri", offsetof(struct cert_subject, uri) },
};

static const char **
field_of(struct cert_subject *s, const struct field *f)
{
	return (const char **)((char *)s + f->offset);
}

char *
cert_subject_json(const struct cert_subject *s)
{
	AUTO(json_free) json_t *o = json_object();
	struct cert_subject copy = *s;

	for (size_t i = 0; i < COUNT(fields); i++) {
		const char *value = *field_of(&copy, &fields[i]);

		if (value != NULL)
			json_put_str(o, fields[i].key, value);
	}
	return json_text(o);
}

bool
cert_subject_from_json(const char *text, struct cert_subject *out,
    json_t **keep_out, struct err *e)
{
	static const char *const keys[] = { "cn", "o", "ou", "uid", "email",
		"dns", "ip", "uri", NULL };
	AUTO(json_free) json_t *o = NULL;
	struct cert_subject s = { 0 };

	if (!json_parse(slice_str(text), &o, e) || !json_only_keys(o, keys, e))
		return err_wrap(e, "subject");
	for (size_t i = 0; i < COUNT(fields); i++)
		if (!json_get_str(o, fields[i].key, LIMIT_NAME,
		        field_of(&s, &fields[i]), e))
			return err_wrap(e, "subject");
	if (str_empty(s.cn))
		return err_set(e, ERR_INVALID, "subject: no cn");
	*out = s;
	*keep_out = TAKE(o);
	return true;
}
