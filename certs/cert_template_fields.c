/*
 * What a template says, from JSON and to JSON, and the rules about it.  No
 * state; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "certs/cert_template_priv.h"
#include "core/json.h"
#include "core/limits.h"

#define CRITICAL "critical,"
enum { HELP_MAX = 200, LIFE_DAYS_MAX = 3650 };

/* None that makes authorities, signs code or answers for others. */
static const char *const key_usages[] = { "digitalSignature", "nonRepudiation",
	"keyEncipherment", NULL };
static const char *const ext_key_usages[] = { "clientAuth", "serverAuth",
	"emailProtection", "ipsecIKE", NULL };

static const char *const all_keys[] = { "help", "key_usage", "ext_key_usage",
	"life_days", "renew_days", "rsa", "rsa_min", "rsa_max", "ec", "ec_min",
	"san", "sha1", "des3", "challenge", "approval", "subject", "beyond",
	"webhook", "webhook_seconds", "upstream", NULL };

/* What may be changed of the built-in ones: never so that Macs, or this
 * server, could no longer get theirs. */
static const struct rule {
	const char *name;
	const char *keys[18]; /* NULL-ended */
	int64_t life_min, life_max;
} rules[] = {
	{ CERT_TEMPLATE_DEVICE, { "life_days", "renew_days" }, 30,
	    LIFE_DAYS_MAX },
	{ CERT_TEMPLATE_USER,
	    { "life_days", "renew_days", "subject", "upstream" }, 30,
	    LIFE_DAYS_MAX },
	{ CERT_TEMPLATE_SCEP,
	    { "life_days", "renew_days", "rsa", "rsa_min", "rsa_max", "ec",
	        "ec_min", "sha1", "des3", "challenge", "approval", "subject",
	        "beyond", "webhook", "webhook_seconds", "upstream" },
	    1, LIFE_DAYS_MAX },
	/* Apple: server certificates of private authorities. */
	{ CERT_TEMPLATE_TLS, { "life_days", "renew_days" }, 60, 825 },
};

static const struct number {
	const char *key;
	size_t offset;
	int64_t min, max;
} numbers[] = {
	{ "life_days", offsetof(struct cert_template, life_days), 1,
	    LIFE_DAYS_MAX },
	{ "renew_days", offsetof(struct cert_template, renew_days), 0,
	    LIFE_DAYS_MAX },
	{ "rsa_min", offsetof(struct cert_template, rsa_min), 2048, 4096 },
	{ "rsa_max", offsetof(struct cert_template, rsa_max), 2048, 4096 },
	{ "ec_min", offsetof(struct cert_template, ec_min), 256, 384 },
	{ "webhook_seconds", offsetof(struct cert_template, webhook_seconds), 1,
	    20 },
};

static const struct flag {
	const char *key;
	size_t offset;
} flags[] = {
	{ "rsa", offsetof(struct cert_template, rsa) },
	{ "ec", offsetof(struct cert_template, ec) },
	{ "san", offsetof(struct cert_template, san) },
	{ "sha1", offsetof(struct cert_template, sha1) },
	{ "des3", offsetof(struct cert_template, des3) },
	{ "approval", offsetof(struct cert_template, approval) },
};

static const struct rule *
rule_of(const char *name)
{
	for (size_t i = 0; i < COUNT(rules); i++)
		if (str_eq(rules[i].name, name))
			return &rules[i];
	return NULL;
}

static bool
is_one_of(const char *const *names, const char *word)
{
	while (*names != NULL && !str_eq(*names, word))
		names++;
	return *names != NULL;
}

static bool
bad_word(const char *key, const char *const *known, struct err *e)
{
	AUTO(buf_free) struct buf *all = buf_new(256);

	for (size_t i = 0; known[i] != NULL; i++)
		buf_addf(all, "%s%s", i > 0 ? ", " : "", known[i]);
	return err_set(e, ERR_INVALID, "%s: an array of %s, each at most once",
	    key, buf_str(all));
}

/* Writes the words of an array, each known and there once, behind what is in
 * out; absent: leaves it. */
static bool
read_words(const json_t *fields, const char *key, const char *const *known,
    struct slice prefix, char *out, size_t size, struct err *e)
{
	const json_t *array = json_object_get(fields, key);
	AUTO(buf_free) struct buf *text = buf_new(size - 1);
	const char *before = "";

	if (array == NULL)
		return true;
	buf_add(text, prefix.p, prefix.len);
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *word = json_string_value(json_array_get(array, i));

		if (word == NULL || !is_one_of(known, word) ||
		    strstr(buf_str(text), word) != NULL)
			return bad_word(key, known, e);
		buf_adds(text, before);
		buf_adds(text, word);
		before = ",";
	}
	if (json_array_size(array) == 0)
		return bad_word(key, known, e);
	if (!buf_ok(text, e))
		return false;
	str_copy_cut(out, size, buf_str(text));
	return true;
}

/* An EC key cannot encipher (RFC 8422 5.5, RFC 5480 3). */
static void
usage_of_ec(const char *usage, char *out, size_t size)
{
	const char *cut = strstr(usage, ",keyEncipherment");

	if (cut == NULL)
		snprintf(out, size, "%s", usage);
	else
		snprintf(out, size, "%.*s%s", (int)(cut - usage), usage,
		    cut + strlen(",keyEncipherment"));
}

static bool
read_usages(const json_t *fields, struct cert_template_text *text,
    const struct cert_template *t, struct err *e)
{
	if (!read_words(fields, "key_usage", key_usages, slice_str(CRITICAL),
	        text->key_usage, sizeof(text->key_usage), e) ||
	    !read_words(fields, "ext_key_usage", ext_key_usages, slice_str(""),
	        text->ext_key_usage, sizeof(text->ext_key_usage), e))
		return false;
	/* A renewal is signed with it. */
	if (strstr(text->key_usage, "digitalSignature") == NULL)
		return err_set(
		    e, ERR_INVALID, "key_usage holds digitalSignature");
	if (t->ec)
		usage_of_ec(text->key_usage, text->key_usage_ec,
		    sizeof(text->key_usage_ec));
	return true;
}

static bool
read_numbers(const json_t *fields, struct cert_template *t, struct err *e)
{
	for (size_t i = 0; i < COUNT(numbers); i++) {
		const struct number *n = &numbers[i];
		int64_t *to = (int64_t *)(void *)((char *)t + n->offset);

		if (!json_get_int(fields, n->key, *to, to, e))
			return false;
		if (*to < n->min || *to > n->max)
			return err_set(e, ERR_INVALID,
			    "%s lies between %d and %d", n->key, (int)n->min,
			    (int)n->max);
	}
	if (t->rsa_min > t->rsa_max)
		return err_set(e, ERR_INVALID, "rsa_min is above rsa_max");
	if (json_object_get(fields, "renew_days") == NULL &&
	    t->renew_days > t->life_days)
		t->renew_days = t->life_days / 3;
	if (t->renew_days > t->life_days)
		return err_set(e, ERR_INVALID,
		    "renew_days is above life_days: 0 lets renew at any time");
	return true;
}

static bool
read_flags(const json_t *fields, struct cert_template *t, struct err *e)
{
	for (size_t i = 0; i < COUNT(flags); i++) {
		bool *to = (bool *)((char *)t + flags[i].offset);

		if (!json_get_bool(fields, flags[i].key, *to, to, e))
			return false;
	}
	return true;
}

/* Whether there is an upstream of that name is for scep/ to know. */
static bool
read_upstream(const json_t *fields, struct cert_template_text *text,
    struct cert_template *t, struct err *e)
{
	const char *name;

	if (!json_get_str(fields, "upstream", LIMIT_NAME, &name, e))
		return false;
	t->upstream = NULL;
	if (name == NULL)
		return true;
	if (str_eq(text->name, CERT_TEMPLATE_DEVICE) ||
	    str_eq(text->name, CERT_TEMPLATE_TLS))
		return err_set(e, ERR_INVALID,
		    "upstream: Macs and this server know each other by "
		    "certificates of this authority alone");
	if (!cert_template_name_good(name))
		return err_set(
		    e, ERR_INVALID, "upstream is no name of an upstream");
	str_copy_cut(text->upstream, sizeof(text->upstream), name);
	t->upstream = text->upstream;
	return true;
}

static bool
check_rule(const struct rule *rule, const json_t *fields,
    const struct cert_template *t, struct err *e)
{
	if (rule == NULL)
		return true;
	if (!json_only_keys(fields, rule->keys, e))
		return err_wrap(e, "of this built-in template it is fixed");
	if (t->life_days < rule->life_min || t->life_days > rule->life_max)
		return err_set(e, ERR_INVALID,
		    "life_days lies between %d and %d in this template",
		    (int)rule->life_min, (int)rule->life_max);
	return true;
}

static void
start_text(struct cert_template_text *text, const char *name,
    const struct cert_template *base)
{
	*text = (struct cert_template_text){ 0 };
	str_copy_cut(text->name, sizeof(text->name), name);
	str_copy_cut(text->help, sizeof(text->help),
	    str_eq(name, base->name) ? base->help : "");
	str_copy_cut(text->key_usage, sizeof(text->key_usage), base->key_usage);
	str_copy_cut(text->ext_key_usage, sizeof(text->ext_key_usage),
	    base->ext_key_usage);
}

bool
cert_template_fields(const char *name, const json_t *fields,
    struct cert_template_text *text, struct cert_template *out, struct err *e)
{
	const struct cert_template *base = cert_template_find(name);
	const char *help;
	struct cert_template t;

	if (base == NULL)
		base = cert_template_find(CERT_TEMPLATE_SCEP);
	start_text(text, name, base);
	t = *base;
	if (!json_only_keys(fields, all_keys, e) ||
	    !json_get_str(fields, "help", HELP_MAX, &help, e) ||
	    !read_numbers(fields, &t, e) || !read_flags(fields, &t, e) ||
	    !read_upstream(fields, text, &t, e) ||
	    !check_rule(rule_of(name), fields, &t, e) ||
	    !read_usages(fields, text, &t, e) ||
	    !cert_template_who(fields, text, &t, e))
		return err_wrap(e, "template %s", name);
	if (help != NULL)
		str_copy_cut(text->help, sizeof(text->help), help);
	t.name = text->name;
	t.help = text->help;
	t.key_usage = text->key_usage;
	t.key_usage_ec = t.ec ? text->key_usage_ec : NULL;
	t.ext_key_usage = text->ext_key_usage;
	*out = t;
	return true;
}

static json_t *
words(const char *text)
{
	json_t *array = json_array();

	if (str_starts(text, CRITICAL))
		text += strlen(CRITICAL);
	while (*text != '\0') {
		size_t n = strcspn(text, ",");

		json_array_append_new(array, json_stringn(text, n));
		text += n + (text[n] == ',');
	}
	return array;
}

json_t *
cert_template_fields_json(const struct cert_template *t)
{
	json_t *o = json_object();

	json_put_str(o, "name", t->name);
	json_put_str(o, "help", t->help);
	json_object_set_new(o, "key_usage", words(t->key_usage));
	json_object_set_new(o, "ext_key_usage", words(t->ext_key_usage));
	for (size_t i = 0; i < COUNT(numbers); i++)
		json_put_int(o, numbers[i].key,
		    *(const int64_t *)(const void *)((const char *)t +
		                                     numbers[i].offset));
	for (size_t i = 0; i < COUNT(flags); i++)
		json_put_bool(o, flags[i].key,
		    *(const bool *)((const char *)t + flags[i].offset));
	cert_template_who_json(t, o);
	json_put_str(o, "upstream", t->upstream);
	return o;
}

json_t *
cert_template_fields_kept(const char *name, const json_t *fields)
{
	const struct rule *rule = rule_of(name);
	json_t *kept = json_copy((json_t *)fields), *value;
	AUTO(json_free) json_t *comes = NULL;
	const char *key;

	if (rule == NULL)
		return kept;
	comes = cert_template_fields_json(cert_template_find(name));
	json_object_foreach(comes, key, value)
	{
		if (!is_one_of(rule->keys, key) &&
		    json_equal(json_object_get(kept, key), value))
			json_object_del(kept, key);
	}
	return kept;
}
