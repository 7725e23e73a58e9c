/* Templates from the database over the built-in ones, and changing them. */
#include <string.h>

#include "certs/cert_template_priv.h"
#include "core/json.h"
#include "core/log.h"
#include "store/store_event.h"
#include "store/store_watch.h"

struct cert_template_set {
	struct cert_template t[CERT_TEMPLATES_MAX + 1]; /* and a NULL name */
	struct cert_template_text text[CERT_TEMPLATES_MAX];
	int64_t changed_at[CERT_TEMPLATES_MAX]; /* 0: as it comes */
	size_t count;
};

void
cert_template_set_free(struct cert_template_set **s)
{
	mem_free(s);
}

bool
cert_template_name_good(const char *name)
{
	size_t len = name != NULL ? strlen(name) : 0;

	return len > 0 && len < CERT_TEMPLATE_NAME_SIZE && name[0] >= 'a' &&
	       name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* The place of a template in the set, or that of a new one. */
static size_t
place_of(const struct cert_template_set *s, const char *name)
{
	size_t i = 0;

	while (i < s->count && !str_eq(s->t[i].name, name))
		i++;
	return i;
}

static bool
add_row(struct cert_template_set *s, const struct store_rows *r, struct err *e)
{
	AUTO(json_free) json_t *fields = NULL;
	const char *name = store_text(r, 0);
	size_t i = place_of(s, name);
	struct cert_template_text text;
	struct cert_template t;

	if (i == CERT_TEMPLATES_MAX)
		return err_set(e, ERR_CONFLICT, "there are too many templates");
	if (!json_parse(slice_str(store_text(r, 1)), &fields, e) ||
	    !cert_template_fields(name, fields, &text, &t, e))
		return false;
	/* Read again where it stays, for its texts lie beside it. */
	if (!cert_template_fields(name, fields, &s->text[i], &s->t[i], e))
		return false;
	s->changed_at[i] = store_int(r, 2);
	if (i == s->count)
		s->count++;
	return true;
}

bool
cert_template_set_load(
    struct store_tx *tx, struct cert_template_set **out, struct err *e)
{
	AUTO(cert_template_set_free)
	struct cert_template_set *s = mem_zalloc(1, sizeof(*s));
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	bool more;

	for (const struct cert_template *t = cert_templates(); t->name; t++)
		s->t[s->count++] = *t;
	if (!cert_template_db_rows(tx, &rows, e))
		return err_wrap(e, "templates");
	for (;;) {
		struct err bad = { 0 };

		if (!store_next(rows, &more, e))
			return err_wrap(e, "templates");
		if (!more)
			break;
		if (!add_row(s, rows, &bad))
			log_event(LOG_WARN, "template_passed_over", "template",
			    store_text(rows, 0), "why", bad.text, NULL);
	}
	*out = TAKE(s);
	return true;
}

const struct cert_template *
cert_template_set_all(const struct cert_template_set *s)
{
	return s->t;
}

json_t *
cert_template_set_json(const struct cert_template_set *s, size_t i)
{
	json_t *o = cert_template_fields_json(&s->t[i]);

	json_put_bool(o, "builtin", cert_template_find(s->t[i].name) != NULL);
	json_put_time(o, "changed_at", s->changed_at[i]);
	return o;
}

bool
cert_template_known(
    struct store_tx *tx, const char *name, bool *out, struct err *e)
{
	*out = cert_template_find(name) != NULL;
	if (*out || !cert_template_name_good(name))
		return true;
	return cert_template_db_ever(tx, name, out, e);
}

/* A template by itself; the template is its first member. */
struct held {
	struct cert_template t;
	struct cert_template_text text;
};

void
cert_template_free(struct cert_template **t)
{
	mem_free(t);
}

/* Leaves *h as it is when the row cannot be read: see
 * cert_template_set_load(). */
static bool
read_row(const char *name, const char *said, struct held *h)
{
	AUTO(json_free) json_t *fields = NULL;
	struct err bad;

	return json_parse(slice_str(said), &fields, &bad) &&
	       cert_template_fields(name, fields, &h->text, &h->t, &bad);
}

bool
cert_template_for_challenges(struct store_tx *tx, const char *name,
    struct cert_template **out, struct err *e)
{
	const struct cert_template *built_in = cert_template_find(name);
	AUTO(str_free) char *said = NULL;
	struct held *h;

	*out = NULL;
	if (!cert_template_name_good(name) || str_eq(name, CERT_TEMPLATE_TLS))
		return true;
	/* Nothing that can be changed of it concerns challenges. */
	if (!str_eq(name, CERT_TEMPLATE_DEVICE) &&
	    !cert_template_db_get(tx, name, &said, e))
		return false;
	h = mem_zalloc(1, sizeof(*h));
	if (built_in != NULL)
		h->t = *built_in;
	if ((said != NULL && read_row(name, said, h)) || built_in != NULL)
		*out = &h->t;
	else
		mem_free(&h);
	return true;
}

void
cert_template_hide(json_t *fields)
{
	const char *url = json_string_value(json_object_get(fields, "webhook"));
	AUTO(str_free) char *cut = NULL;

	if (url == NULL)
		return;
	cut = str_printf("%.*s", (int)strcspn(url, "?#"), url);
	json_put_str(fields, "webhook", cut);
}

/* Fields as text, for everybody who may read events. */
static char *
told_fields(const char *said)
{
	AUTO(json_free) json_t *fields = NULL;
	struct err unread;

	if (!json_parse(slice_str(said), &fields, &unread))
		return str_dup("{}");
	cert_template_hide(fields);
	return json_text(fields);
}

static bool
tell(struct store_tx *tx, const struct cert_template_change *c, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL, *fields = NULL;
	struct store_event ev = {
		.kind =
		    c->fields != NULL ? "template.changed" : "template.removed",
		.subject_id = c->name,
		.actor = c->by,
	};

	json_put_str(data, "template", c->name);
	if (c->fields != NULL) {
		fields = told_fields(c->fields);
		json_put_str(data, "fields", fields);
	}
	text = json_text(data);
	ev.data = text;
	return store_event_add(tx, &ev, e) &&
	       store_watch_touch(tx, STORE_WATCH_AUTHORITY, e);
}

static bool
room_for(struct store_tx *tx, const char *name, struct err *e)
{
	size_t built_in = 0;
	int64_t rows;
	bool there;

	while (cert_templates()[built_in].name != NULL)
		built_in++;
	if (!cert_template_db_find(tx, name, &there, e) ||
	    !cert_template_db_count(tx, &rows, e))
		return false;
	return there || rows < (int64_t)(CERT_TEMPLATES_MAX - built_in) ||
	       err_set(e, ERR_CONFLICT, "there are too many templates");
}

bool
cert_template_put(struct store_tx *tx, const char *name, const json_t *fields,
    const char *by, struct err *e)
{
	AUTO(json_free) json_t *kept = cert_template_fields_kept(name, fields);
	AUTO(str_free) char *said = json_text(kept);
	const struct cert_template_change c = { name, said, by };
	struct cert_template_text text;
	struct cert_template t;

	if (!cert_template_name_good(name))
		return err_set(e, ERR_INVALID,
		    "a template's name has 1 to %d of a-z, 0-9 and '-', a "
		    "letter first",
		    CERT_TEMPLATE_NAME_SIZE - 1);
	/* The ledger's mark of the RA's own certificates. */
	if (str_eq(name, CERT_TEMPLATE_RA))
		return err_set(e, ERR_INVALID, "this name is the server's own");
	return cert_template_fields(name, kept, &text, &t, e) &&
	       room_for(tx, name, e) && cert_template_db_put(tx, &c, e) &&
	       tell(tx, &c, e);
}

bool
cert_template_merge(struct store_tx *tx, const char *name, const json_t *fields,
    const char *by, struct err *e)
{
	AUTO(json_free) json_t *all = NULL;
	AUTO(str_free) char *said = NULL;
	const char *key;
	json_t *value;

	if (cert_template_name_good(name) &&
	    !cert_template_db_get(tx, name, &said, e))
		return false;
	if (!json_parse(slice_str(said != NULL ? said : "{}"), &all, e))
		return err_wrap(e, "template %s", name);
	json_object_foreach((json_t *)fields, key, value)
	{
		if (json_is_null(value))
			json_object_del(all, key);
		else
			json_object_set(all, key, value);
	}
	return cert_template_put(tx, name, all, by, e);
}

bool
cert_template_remove(
    struct store_tx *tx, const char *name, const char *by, struct err *e)
{
	const struct cert_template_change c = { name, NULL, by };
	bool there = false;

	if (cert_template_name_good(name) &&
	    !cert_template_db_find(tx, name, &there, e))
		return false;
	if (!there)
		return err_set(e, ERR_NOT_FOUND,
		    cert_template_find(name) != NULL
		        ? "this template is as it comes"
		        : "there is no such template");
	return cert_template_db_put(tx, &c, e) && tell(tx, &c, e);
}
