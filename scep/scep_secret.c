/* Secrets of templates: setting, checking, telling of them.  No state. */
#include <string.h>

#include "certs/cert_template_set.h"
#include "core/json.h"
#include "core/log.h"
#include "core/random.h"
#include "scep/scep_secret_priv.h"
#include "store/store_event.h"

enum { RANDOM_SIZE = 32, NAME_MAX_BYTES = 64 };

static void
mac_of(const struct seal *seal, const char *template, const char *challenge,
    char out[SHA256_HEX_SIZE])
{
	AUTO(buf_wipe)
	struct buf *in = buf_new(strlen(template) + 1 + strlen(challenge));

	buf_add(in, template, strlen(template) + 1);
	buf_adds(in, challenge);
	seal_mac(seal, "scep.static", buf_slice(in), out);
}

bool
scep_secret_fits(
    const struct scep_secret *s, const struct seal *seal, const char *challenge)
{
	char mac[SHA256_HEX_SIZE];

	mac_of(seal, s->template, challenge, mac);
	return strlen(s->mac) == sizeof(mac) - 1 &&
	       mem_eq_const_time(mac, s->mac, sizeof(mac) - 1);
}

bool
scep_secret_lists(const struct scep_secret *s, const char *name)
{
	AUTO(json_free) json_t *names = NULL;
	struct err e;
	json_t *one;
	size_t i;

	if (!json_parse_any(slice_str(s->names), &names, &e))
		return false;
	json_array_foreach(names, i,
	    one) if (str_eq(json_string_value(one), name)) return true;
	return false;
}

/* What the sealed key belongs to. */
static char *
context_of(const char *template)
{
	return str_printf("scep.webhook:%s", template);
}

bool
scep_secret_key(const struct scep_secret *s, const struct seal *seal,
    struct buf **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *key = buf_new(SCEP_SECRET_MAX);
	AUTO(str_free) char *context = context_of(s->template);

	if (!seal_get(seal, context, buf_slice(s->sealed), key, e) ||
	    !buf_ok(key, e))
		return err_wrap(e, "webhook of %s", s->template);
	*out = TAKE(key);
	return true;
}

static bool
check_secret(const char *secret, struct err *e)
{
	size_t len = strlen(secret);

	for (const char *p = secret; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f)
			len = 0;
	return (len >= SCEP_SECRET_MIN && len <= SCEP_SECRET_MAX) ||
	       err_set(e, ERR_INVALID,
	           "secret: %d to %d printable ASCII characters without "
	           "blanks",
	           SCEP_SECRET_MIN, SCEP_SECRET_MAX);
}

static bool
check_names(const json_t *names, struct err *e)
{
	AUTO(json_free) json_t *seen = json_object();
	size_t n = json_array_size(names);
	json_t *one;
	size_t i;

	if (n == 0 || n > SCEP_SECRET_NAMES)
		return err_set(e, ERR_INVALID,
		    "names: the list of 1 to %d devices that may use it",
		    SCEP_SECRET_NAMES);
	json_array_foreach(names, i, one)
	{
		const char *name = json_string_value(one);
		const struct cert_subject s = { .cn = name };

		if (str_empty(name) || strlen(name) > NAME_MAX_BYTES ||
		    json_object_get(seen, name) != NULL ||
		    !cert_subject_check(&s, e))
			return err_set(e, ERR_INVALID,
			    "names: each is a text of 1 to %d bytes, there "
			    "once",
			    NAME_MAX_BYTES);
		json_object_set_new(seen, name, json_true());
	}
	return true;
}

static bool
tell(struct store_tx *tx, const char *kind, const char *template,
    const char *by, struct err *e)
{
	return store_event_add(
	    tx, &(struct store_event){ kind, NULL, template, by, NULL }, e);
}

static bool
kind_of(
    struct store_tx *tx, const char *template, const char **out, struct err *e)
{
	AUTO(cert_template_free) struct cert_template *t = NULL;

	*out = NULL;
	if (!cert_template_for_challenges(tx, template, &t, e))
		return false;
	if (t != NULL)
		*out = cert_challenge_name(t->challenge);
	return true;
}

/* "static" or "webhook", a literal: kinds that have one. */
static bool
kind_with_secret(
    struct store_tx *tx, const char *template, const char **out, struct err *e)
{
	const char *kind;

	if (!kind_of(tx, template, &kind, e))
		return false;
	if (kind == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no such template");
	if (!str_eq(kind, "static") && !str_eq(kind, "webhook"))
		return err_set(e, ERR_CONFLICT,
		    "challenge of this template is %s, which has no secret",
		    kind);
	*out = kind;
	return true;
}

static bool
check_wish(const struct scep_secret_wish *w, bool is_static, struct err *e)
{
	if (w->secret != NULL && !check_secret(w->secret, e))
		return false;
	if (is_static)
		return check_names(w->names, e);
	return w->names == NULL ||
	       err_set(e, ERR_INVALID, "names: of static challenges only");
}

/* Without a list the one that is there stays; *keep is freed by the caller. */
static bool
find_names(struct store_tx *tx, struct scep_secret_wish *w, json_t **keep,
    struct err *e)
{
	AUTO(scep_secret_clear) struct scep_secret old = { 0 };
	bool found;

	if (w->names != NULL)
		return true;
	if (!scep_db_secret_find(tx, w->template, "static", &old, &found, e))
		return false;
	if (found && !json_parse_any(slice_str(old.names), keep, e))
		return err_wrap(e, "names of %s", w->template);
	w->names = *keep;
	return true;
}

/* As its kind keeps it. */
static bool
keep(struct scep_secret *s, const struct seal *seal, const char *text,
    struct err *e)
{
	AUTO(str_free) char *context = NULL;

	if (str_eq(s->kind, "static")) {
		mac_of(seal, s->template, text, s->mac);
		return true;
	}
	context = context_of(s->template);
	s->sealed = buf_new(SCEP_SECRET_MAX + 64);
	return seal_put(seal, context, slice_str(text), s->sealed, e) &&
	       buf_ok(s->sealed, e);
}

bool
scep_secret_set(struct store_tx *tx, const struct seal *seal,
    const struct scep_secret_wish *asked, struct scep_secret_made *out,
    struct err *e)
{
	AUTO(scep_secret_clear) struct scep_secret s = { 0 };
	AUTO(json_free) json_t *names = NULL;
	struct scep_secret_wish w = *asked;
	const char *kind;
	bool is_static;

	*out = (struct scep_secret_made){ 0 };
	if (!kind_with_secret(tx, w.template, &kind, e))
		return false;
	is_static = str_eq(kind, "static");
	if ((is_static && !find_names(tx, &w, &names, e)) ||
	    !check_wish(&w, is_static, e))
		return false;
	str_copy_cut(s.template, sizeof(s.template), w.template);
	str_copy_cut(s.kind, sizeof(s.kind), kind);
	s.names = w.names != NULL ? json_text(w.names) : str_dup("[]");
	out->kind = kind;
	out->random = w.secret == NULL;
	if (out->random)
		random_alnum(out->text, RANDOM_SIZE);
	else
		str_copy_cut(out->text, sizeof(out->text), w.secret);
	return keep(&s, seal, out->text, e) &&
	       scep_db_secret_put(tx, &s, w.by, e) &&
	       tell(tx, "template.secret_set", s.template, w.by, e);
}

static bool
tell_names(struct store_tx *tx, const struct scep_secret_wish *w, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;

	json_put_str(data, "template", w->template);
	json_put_int(data, "names", (int64_t)json_array_size(w->names));
	text = json_text(data);
	return store_event_add(tx,
	    &(struct store_event){
	        "template.changed", NULL, w->template, w->by, text },
	    e);
}

bool
scep_secret_rename(
    struct store_tx *tx, const struct scep_secret_wish *w, struct err *e)
{
	AUTO(str_free) char *names = NULL;
	const char *kind;
	bool changed;

	if (!kind_with_secret(tx, w->template, &kind, e))
		return false;
	if (!str_eq(kind, "static"))
		return err_set(
		    e, ERR_INVALID, "names: of static challenges only");
	if (!check_names(w->names, e))
		return false;
	names = json_text(w->names);
	if (!scep_db_secret_names(tx, w->template, names, &changed, e))
		return false;
	return changed
	           ? tell_names(tx, w, e)
	           : err_set(e, ERR_NOT_FOUND, "this template has no secret");
}

bool
scep_secret_remove(
    struct store_tx *tx, const char *template, const char *by, struct err *e)
{
	bool dropped;

	if (!scep_db_secret_drop(tx, template, NULL, &dropped, e))
		return false;
	return dropped
	           ? tell(tx, "template.secret_removed", template, by, e)
	           : err_set(e, ERR_NOT_FOUND, "this template has no secret");
}

bool
scep_secret_follow(struct store_tx *tx, const char *template, struct err *e)
{
	const char *kind;
	bool dropped;

	return kind_of(tx, template, &kind, e) &&
	       scep_db_secret_drop(tx, template, kind, &dropped, e);
}

bool
scep_secret_show(
    struct store_tx *tx, const char *template, json_t *o, struct err *e)
{
	const char *kind = json_string_value(json_object_get(o, "challenge"));
	AUTO(scep_secret_clear) struct scep_secret s = { 0 };
	AUTO(json_free) json_t *names = NULL;
	bool is_static = str_eq(kind, "static"), found = false;

	if ((is_static || str_eq(kind, "webhook")) &&
	    !scep_db_secret_find(tx, template, kind, &s, &found, e))
		return false;
	json_put_time(o, "secret_set_at", found ? s.created_at : 0);
	if (found && is_static && json_parse_any(slice_str(s.names), &names, e))
		json_object_set(o, "names", names);
	if (is_static)
		json_put_str(o, "warning", SCEP_STATIC_WARNING);
	return true;
}

bool
scep_secret_warn(struct store *st, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_begin(st, STORE_READ, &tx, e) || !scep_db_secrets(tx, &r, e))
		return false;
	for (;;) {
		if (!store_next(r, &more, e))
			return false;
		if (!more)
			return true;
		if (str_eq(store_text(r, 1), "static"))
			log_event(LOG_WARN, "static_challenge", "template",
			    store_text(r, 0), "what", SCEP_STATIC_WARNING,
			    NULL);
	}
}
