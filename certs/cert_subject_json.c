/*
 * The subject of a certificate as JSON: in the challenge table, and in what
 * templates say.  No state; safe from any thread.
 */
#include "certs/cert_subject_priv.h"
#include "core/json.h"
#include "core/limits.h"

const struct cert_subject_field cert_subject_fields[] = {
	{ "cn", offsetof(struct cert_subject, cn) },
	{ "o", offsetof(struct cert_subject, o) },
	{ "ou", offsetof(struct cert_subject, ou) },
	{ "uid", offsetof(struct cert_subject, uid) },
	{ "email", offsetof(struct cert_subject, email) },
	{ "dns", offsetof(struct cert_subject, dns) },
	{ "ip", offsetof(struct cert_subject, ip) },
	{ "uri", offsetof(struct cert_subject, uri) },
	{ NULL, 0 },
};

const char **
cert_subject_at(struct cert_subject *s, const struct cert_subject_field *f)
{
	return (const char **)((char *)s + f->offset);
}

json_t *
cert_subject_object(const struct cert_subject *s)
{
	struct cert_subject copy = *s;
	json_t *o = json_object();

	for (const struct cert_subject_field *f = cert_subject_fields;
	     f->key != NULL; f++) {
		const char *value = *cert_subject_at(&copy, f);

		if (value != NULL)
			json_put_str(o, f->key, value);
	}
	return o;
}

char *
cert_subject_json(const struct cert_subject *s)
{
	AUTO(json_free) json_t *o = cert_subject_object(s);

	return json_text(o);
}

bool
cert_subject_read(const json_t *o, struct cert_subject *out, struct err *e)
{
	static const char *const keys[] = { "cn", "o", "ou", "uid", "email",
		"dns", "ip", "uri", NULL };
	struct cert_subject s = { 0 };

	if (!json_only_keys(o, keys, e))
		return err_wrap(e, "subject");
	for (const struct cert_subject_field *f = cert_subject_fields;
	     f->key != NULL; f++)
		if (!json_get_str(
		        o, f->key, LIMIT_NAME, cert_subject_at(&s, f), e))
			return err_wrap(e, "subject");
	if (str_empty(s.cn))
		return err_set(e, ERR_INVALID, "subject: no cn");
	*out = s;
	return true;
}

bool
cert_subject_from_json(const char *text, struct cert_subject *out,
    json_t **keep_out, struct err *e)
{
	AUTO(json_free) json_t *o = NULL;

	if (!json_parse(slice_str(text), &o, e))
		return err_wrap(e, "subject");
	if (!cert_subject_read(o, out, e))
		return false;
	*keep_out = TAKE(o);
	return true;
}
