/* Subjects with variables.  No state; any thread. */
#include <ctype.h>
#include <string.h>

#include "certs/cert_pattern.h"
#include "certs/cert_subject_priv.h"
#include "core/json.h"
#include "core/limits.h"

/* The bit of a row in sets of variables is its place. */
static const struct variable {
	const char *name;
	size_t offset;
} variables[] = {
	{ "NAME", offsetof(struct cert_variables, name) },
	{ "SERIAL", offsetof(struct cert_variables, serial) },
	{ "UDID", offsetof(struct cert_variables, udid) },
	{ "MODEL", offsetof(struct cert_variables, model) },
	{ "USER", offsetof(struct cert_variables, user) },
	{ "FULLNAME", offsetof(struct cert_variables, full_name) },
	{ "EMAIL", offsetof(struct cert_variables, email) },
};

/* A pattern on its way. */
struct run {
	const char *key, *pattern;
	const char *at;                 /* what comes next */
	unsigned allowed;               /* variables that may be there */
	const struct cert_variables *v; /* NULL: only look */
	bool behind_at;                 /* an '@' was written */
	bool varies;                    /* there was a variable */
	struct buf *out;
};

static const char *
value_of(const struct cert_variables *v, size_t i)
{
	return *(const char *const *)(const void *)((const char *)v +
	                                            variables[i].offset);
}

bool
cert_variables_read(const json_t *o, struct cert_variables *out, struct err *e)
{
	const char *keys[COUNT(variables) + 1] = { NULL };
	struct cert_variables v = *out;

	for (size_t i = 0; i < COUNT(variables); i++)
		keys[i] = variables[i].name;
	if (!json_only_keys(o, keys, e))
		return err_wrap(e, "variables");
	for (size_t i = 0; i < COUNT(variables); i++) {
		const char **to =
		    (const char **)(void *)((char *)&v + variables[i].offset);
		const char *value;

		if (!json_get_str(o, variables[i].name, LIMIT_NAME, &value, e))
			return err_wrap(e, "variables");
		if (value != NULL)
			*to = value;
	}
	*out = v;
	return true;
}

/* "NAME" or "{NAME}" behind the dollar; COUNT(variables): none. */
static size_t
take_variable(struct run *r)
{
	bool braced = *r->at == '{';
	const char *name = r->at + braced;
	size_t len = 0, i = 0;

	while (isupper((unsigned char)name[len]))
		len++;
	while (i < COUNT(variables) &&
	       !slice_eq_str(slice_of(name, len), variables[i].name))
		i++;
	if (braced && name[len] != '}')
		return COUNT(variables);
	r->at = name + len + braced;
	return i;
}

/* The variable is all that the pattern says. */
static bool
alone(const struct run *r)
{
	return *r->at == '\0' && r->out->len == 0;
}

static bool
only(const char *value, const char *others)
{
	for (; *value != '\0'; value++)
		if (!isascii((unsigned char)*value) ||
		    (!isalnum((unsigned char)*value) &&
		        strchr(others, *value) == NULL))
			return false;
	return true;
}

static bool
plain(const char *value)
{
	for (const char *p = value; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return strlen(value) <= LIMIT_NAME &&
	       slice_utf8_valid(slice_str(value));
}

static bool
fits(const struct run *r, const char *value)
{
	bool mail = str_eq(r->key, "email");

	if (!plain(value))
		return false;
	if (str_eq(r->key, "dns") || (mail && r->behind_at))
		return only(value, alone(r) ? "-." : "-");
	if (mail && !alone(r))
		return only(value, "-._+");
	return true;
}

/* RFC 3986 2.1: all but unreserved characters. */
static void
add_escaped(struct buf *out, const char *value)
{
	for (; *value != '\0'; value++) {
		const char one[] = { *value, '\0' };

		if (only(one, "-._~"))
			buf_addc(out, *value);
		else
			buf_addf(out, "%%%02X", (unsigned char)*value);
	}
}

static bool
add_variable(struct run *r, struct err *e)
{
	size_t i = take_variable(r);
	const char *value;

	if (i == COUNT(variables))
		return err_set(e, ERR_INVALID,
		    "subject: %s: what follows a '$' is no variable", r->key);
	if ((r->allowed & (1u << i)) == 0)
		return err_set(e, ERR_INVALID,
		    "subject: %s: nobody tells $%s to this kind of challenge",
		    r->key, variables[i].name);
	r->varies = true;
	if (r->v == NULL)
		return true;
	value = value_of(r->v, i);
	if (str_empty(value))
		return err_set(e, ERR_INVALID,
		    "subject: %s: $%s has no value here", r->key,
		    variables[i].name);
	if (!fits(r, value))
		return err_set(e, ERR_INVALID,
		    "subject: %s: the value of $%s cannot stand there", r->key,
		    variables[i].name);
	if (str_eq(r->key, "uri"))
		add_escaped(r->out, value);
	else
		buf_adds(r->out, value);
	return true;
}

static bool
run(struct run *r, struct err *e)
{
	for (r->at = r->pattern; *r->at != '\0';) {
		char c = *r->at++;

		if (c == '$' && *r->at != '$') {
			if (!add_variable(r, e))
				return false;
			continue;
		}
		r->at += c == '$';
		r->behind_at |= c == '@';
		buf_addc(r->out, c);
	}
	return !r->out->overflow ||
	       err_set(e, ERR_INVALID, "subject: %s is longer than %d bytes",
	           r->key, LIMIT_NAME);
}

/* Text that is always the same has to be good by itself. */
static bool
check_one(const struct cert_subject_field *f, const char *pattern,
    unsigned allowed, struct err *e)
{
	AUTO(buf_free) struct buf *text = buf_new(LIMIT_NAME);
	struct run r = { .key = f->key,
		.pattern = pattern,
		.allowed = allowed,
		.out = text };
	struct cert_subject alone = { .cn = "x" };

	if (!run(&r, e))
		return false;
	*cert_subject_at(&alone, f) = buf_str(text);
	return r.varies || cert_subject_check(&alone, e);
}

bool
cert_pattern_check(
    const struct cert_subject *pattern, unsigned allowed, struct err *e)
{
	struct cert_subject copy = *pattern;

	for (const struct cert_subject_field *f = cert_subject_fields;
	     f->key != NULL; f++) {
		const char *one = *cert_subject_at(&copy, f);

		if (one != NULL && !check_one(f, one, allowed, e))
			return false;
	}
	return true;
}

static bool
expand_one(json_t *o, const char *key, const char *pattern,
    const struct cert_variables *v, struct err *e)
{
	AUTO(buf_free) struct buf *text = buf_new(LIMIT_NAME);
	struct run r = { .key = key,
		.pattern = pattern,
		.allowed = CERT_VARIABLES_ALL,
		.v = v,
		.out = text };

	if (!run(&r, e))
		return false;
	json_put_str(o, key, buf_str(text));
	return true;
}

bool
cert_pattern_expand(const struct cert_subject *pattern,
    const struct cert_variables *v, char **json_out, struct err *e)
{
	AUTO(json_free) json_t *o = json_object();
	struct cert_subject copy = *pattern, result;

	for (const struct cert_subject_field *f = cert_subject_fields;
	     f->key != NULL; f++) {
		const char *one = *cert_subject_at(&copy, f);

		if (one != NULL && !expand_one(o, f->key, one, v, e))
			return false;
	}
	if (!cert_subject_read(o, &result, e) ||
	    !cert_subject_check(&result, e))
		return false;
	*json_out = json_text(o);
	return true;
}
