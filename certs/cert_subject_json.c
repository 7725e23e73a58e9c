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

/* [{"dns": "b.example.com"}, ...] */
static json_t *
more_names(const struct cert_subject *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < COUNT(s->more) && s->more[i].kind != NULL; i++) {
		json_t *one = json_object();

		json_put_str(one, s->more[i].kind, s->more[i].value);
		json_array_append_new(all, one);
	}
	return all;
}

char *
cert_subject_json(const struct cert_subject *s)
{
	AUTO(json_free) json_t *o = cert_subject_object(s);

	if (s->more[0].kind != NULL)
		json_object_set_new(o, "more", more_names(s));
	return json_text(o);
}

static bool
read_more(const json_t *o, struct cert_subject *out, struct err *e)
{
	static const char *const kinds[] = { "email", "dns", "ip", "uri",
		NULL };
	const json_t *more = json_object_get(o, "more"), *one;
	size_t i;

	if (more == NULL)
		return true;
	if (!json_is_array(more) || json_array_size(more) > COUNT(out->more))
		return err_set(e, ERR_INVALID,
		    "subject: more is a list of at most %zu", COUNT(out->more));
	json_array_foreach(more, i, one)
	{
		struct cert_alternative *a = &out->more[i];

		a->kind = json_object_iter_key(json_object_iter((json_t *)one));
		if (json_object_size(one) != 1 ||
		    !json_only_keys(one, kinds, e) ||
		    !json_need_str(one, a->kind, LIMIT_NAME, &a->value, e))
			return err_set(
			    e, ERR_INVALID, "subject: more: each is one name");
	}
	return true;
}

/* The first is not in templates. */
static const char *const keys[] = { "more", "cn", "o", "ou", "uid", "email",
	"dns", "ip", "uri", NULL };

static bool
read_fields(const json_t *o, const char *const *known, struct cert_subject *out,
    struct err *e)
{
	struct cert_subject s = { 0 };

	if (!json_only_keys(o, known, e))
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
cert_subject_read(const json_t *o, struct cert_subject *out, struct err *e)
{
	return read_fields(o, keys + 1, out, e);
}

bool
cert_subject_from_json(const char *text, struct cert_subject *out,
    json_t **keep_out, struct err *e)
{
	AUTO(json_free) json_t *o = NULL;
	struct cert_subject s;

	if (!json_parse(slice_str(text), &o, e))
		return err_wrap(e, "subject");
	if (!read_fields(o, keys, &s, e) || !read_more(o, &s, e))
		return false;
	*out = s;
	*keep_out = TAKE(o);
	return true;
}
