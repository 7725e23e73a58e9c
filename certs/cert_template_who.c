/*
 * What a template says about who gets certificates of it, and about whom they
 * speak: kind of challenge, webhook, subject.  No state; any thread.
 */
#include <string.h>

#include "certs/cert_pattern.h"
#include "certs/cert_subject_priv.h"
#include "certs/cert_template_priv.h"
#include "core/json.h"
#include "core/limits.h"

static const struct kind {
	const char *name;
	unsigned variables; /* of which somebody tells the values */
} kinds[] = {
	[CERT_CHALLENGE_ONE_TIME] = { "one-time", CERT_VARIABLES_ALL },
	[CERT_CHALLENGE_STATIC] = { "static", CERT_VARIABLE_NAME },
	[CERT_CHALLENGE_WEBHOOK] = { "webhook", CERT_VARIABLES_ALL },
	[CERT_CHALLENGE_NONE] = { "none", CERT_VARIABLES_NONE },
};

const char *
cert_challenge_name(enum cert_challenge kind)
{
	return kinds[kind].name;
}

static bool
read_challenge(const json_t *fields, struct cert_template *t, struct err *e)
{
	const char *name;

	if (!json_get_str(fields, "challenge", LIMIT_NAME, &name, e))
		return false;
	if (name == NULL)
		return true;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_eq(kinds[i].name, name)) {
			t->challenge = (enum cert_challenge)i;
			return true;
		}
	return err_set(
	    e, ERR_INVALID, "challenge is one-time, static, webhook or none");
}

static bool
read_beyond(const json_t *fields, struct cert_template *t, struct err *e)
{
	const char *beyond;

	if (!json_get_str(fields, "beyond", LIMIT_NAME, &beyond, e))
		return false;
	if (beyond == NULL)
		return true;
	t->strict = str_eq(beyond, "refuse");
	return t->strict || str_eq(beyond, "ignore") ||
	       err_set(e, ERR_INVALID, "beyond is ignore or refuse");
}

/* Copies the texts, which are borrowed from the JSON. */
static bool
keep_subject(const struct cert_subject *from, struct cert_template_text *text,
    struct cert_template *t, struct err *e)
{
	struct cert_subject copy = *from;
	size_t used = 0;

	for (const struct cert_subject_field *f = cert_subject_fields;
	     f->key != NULL; f++) {
		const char *one = *cert_subject_at(&copy, f);
		char *to = text->subject + used;

		if (one == NULL)
			continue;
		if (!str_copy(to, sizeof(text->subject) - used, one))
			return err_set(e, ERR_INVALID, "subject is too long");
		*cert_subject_at(&copy, f) = to;
		used += strlen(to) + 1;
	}
	t->subject = copy;
	return true;
}

static bool
read_subject(const json_t *fields, struct cert_template_text *text,
    struct cert_template *t, struct err *e)
{
	static const struct cert_subject of_the_device = { .cn = "$NAME" };
	const json_t *o = json_object_get(fields, "subject");
	unsigned allowed = kinds[t->challenge].variables;
	struct cert_subject s = { 0 };

	t->subject = s;
	if (o != NULL && !json_is_null(o)) {
		if (!json_is_object(o))
			return err_set(e, ERR_INVALID, "subject is an object");
		if (!cert_subject_read(o, &s, e) ||
		    !cert_pattern_check(&s, allowed, e))
			return false;
	} else if (t->challenge == CERT_CHALLENGE_STATIC ||
	           t->challenge == CERT_CHALLENGE_WEBHOOK) {
		s = of_the_device;
	}
	return keep_subject(&s, text, t, e);
}

/* Challenges do not travel in the clear but within this machine. */
static bool
may_be_told(const char *url)
{
	static const char *const starts[] = { "https://",
		"http://127.0.0.1:", "http://127.0.0.1/",
		"http://[::1]:", "http://[::1]/" };

	for (const char *p = url; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f ||
		    *p == '@')
			return false;
	for (size_t i = 0; i < COUNT(starts); i++)
		if (str_starts(url, starts[i]))
			return true;
	return false;
}

static bool
read_webhook(const json_t *fields, struct cert_template_text *text,
    struct cert_template *t, struct err *e)
{
	bool asks = t->challenge == CERT_CHALLENGE_WEBHOOK;
	const char *url;

	if (!json_get_str(
	        fields, "webhook", sizeof(text->webhook) - 1, &url, e))
		return false;
	if (asks != (url != NULL))
		return err_set(e, ERR_INVALID,
		    asks ? "webhook: its URL is missing"
		         : "webhook is for challenge webhook only");
	if (url == NULL)
		return true;
	if (!may_be_told(url))
		return err_set(e, ERR_INVALID,
		    "webhook begins with https://, or with http:// and a "
		    "loopback address, and holds no '@' or blank");
	str_copy_cut(text->webhook, sizeof(text->webhook), url);
	t->webhook = text->webhook;
	return true;
}

bool
cert_template_who(const json_t *fields, struct cert_template_text *text,
    struct cert_template *t, struct err *e)
{
	if (!read_challenge(fields, t, e) || !read_beyond(fields, t, e) ||
	    !read_subject(fields, text, t, e) ||
	    !read_webhook(fields, text, t, e))
		return false;
	return t->rsa || t->ec ||
	       err_set(e, ERR_INVALID, "neither rsa nor ec: no key fits");
}

void
cert_template_who_json(const struct cert_template *t, json_t *o)
{
	json_put_str(o, "challenge", cert_challenge_name(t->challenge));
	json_put_str(o, "beyond", t->strict ? "refuse" : "ignore");
	json_object_set_new(o, "subject",
	    t->subject.cn != NULL ? cert_subject_object(&t->subject)
	                          : json_null());
	json_put_str(o, "webhook", t->webhook);
}
