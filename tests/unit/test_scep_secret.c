/* Secrets of templates: what is kept, what is refused, when they go. */
#include <ctype.h>

#include "scep/scep_secret_priv.h"
#include "tests/unit/scep_template_fixture.h"

struct wish {
	struct world *w;
	const char *template, *secret, *names;
	struct scep_secret_made made;
};

static bool
wish_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct wish *x = arg;
	AUTO(json_free) json_t *names = NULL;

	if (x->names != NULL && !json_parse_any(slice_str(x->names), &names, e))
		return false;
	return scep_secret_set(tx, x->w->seal,
	    &(struct scep_secret_wish){ x->template, x->secret, names, "test" },
	    &x->made, e);
}

static bool
set(struct wish *x, struct err *e)
{
	return store_write(x->w->store, wish_once, x, e);
}

static bool
follow(struct store_tx *tx, void *name, struct err *e)
{
	return scep_secret_follow(tx, name, e);
}

static bool
drop(struct store_tx *tx, void *name, struct err *e)
{
	return scep_secret_remove(tx, name, "test", e);
}

static int64_t
rows(struct world *w, const char *template)
{
	return world_number(w,
	    "SELECT count(*) FROM template_secret WHERE template = $1",
	    template);
}

static json_t *
shown(struct world *w, const char *template, const char *kind)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	json_t *o = json_object();
	struct err e = { 0 };

	json_put_str(o, "challenge", kind);
	if (!store_begin(w->store, STORE_READ, &tx, &e) ||
	    !scep_secret_show(tx, template, o, &e))
		fail_msg("%s", e.text);
	return o;
}

static void
static_ones_are_kept_as_macs(void **state)
{
	struct world *w = *state;
	struct wish x = { .w = w, .template = "printers", .names = "[\"a\"]" };
	AUTO(json_free) json_t *o = NULL;
	AUTO(str_free) char *text = NULL;
	struct err e = { 0 };

	world_template(w, "printers", "{\"challenge\":\"static\"}");
	if (!set(&x, &e))
		fail_msg("%s", e.text);
	assert_true(x.made.random);
	assert_string_equal(x.made.kind, "static");
	assert_int_equal(strlen(x.made.text), 32);
	for (const char *p = x.made.text; *p != '\0'; p++)
		assert_true(isalnum((unsigned char)*p));
	assert_int_equal(
	    world_number(w,
	        "SELECT count(*) FROM template_secret WHERE sealed IS NULL"
	        " AND length(mac) = 64 AND template = $1",
	        "printers"),
	    1);
	assert_int_equal(
	    world_number(w,
	        "SELECT count(*) FROM event WHERE kind = 'template.secret_set'"
	        " AND subject_id = $1 AND data IS NULL",
	        "printers"),
	    1);
	o = shown(w, "printers", "static");
	text = json_text(o);
	assert_null(strstr(text, x.made.text));
	assert_non_null(strstr(text, "\"names\":[\"a\"]"));
	assert_non_null(strstr(text, SCEP_STATIC_WARNING));
	assert_true(json_is_string(json_object_get(o, "secret_set_at")));
}

static bool
found(struct world *w, const char *template, const char *kind,
    struct scep_secret *out)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };
	bool there;

	if (!store_begin(w->store, STORE_READ, &tx, &e) ||
	    !scep_db_secret_find(tx, template, kind, out, &there, &e))
		fail_msg("%s", e.text);
	return there;
}

/* The MAC is of the template too: moved to another row it does not fit. */
static void
secrets_belong_to_their_template(void **state)
{
	struct world *w = *state;
	AUTO(scep_secret_clear) struct scep_secret s = { 0 };
	AUTO(scep_secret_clear) struct scep_secret hook = { 0 };
	AUTO(buf_wipe) struct buf *key = NULL;
	struct err e = { 0 };

	world_template(w, "printers", "{\"challenge\":\"static\"}");
	world_secret(w, "printers", "[\"a\",\"b\"]");
	assert_false(found(w, "printers", "webhook", &s));
	assert_true(found(w, "printers", "static", &s));
	assert_true(scep_secret_fits(&s, w->seal, STATIC_SECRET));
	assert_false(scep_secret_fits(&s, w->seal, STATIC_SECRET "x"));
	assert_false(scep_secret_fits(&s, w->seal, ""));
	assert_true(scep_secret_lists(&s, "b"));
	assert_false(scep_secret_lists(&s, "c"));
	str_copy_cut(s.template, sizeof(s.template), "others");
	assert_false(scep_secret_fits(&s, w->seal, STATIC_SECRET));

	world_template(w, "asked",
	    "{\"challenge\":\"webhook\",\"webhook\":\"https://a.example/\"}");
	world_secret(w, "asked", NULL);
	assert_true(found(w, "asked", "webhook", &hook));
	if (!scep_secret_key(&hook, w->seal, &key, &e))
		fail_msg("%s", e.text);
	assert_string_equal(buf_str(key), STATIC_SECRET);
	buf_wipe(&key);
	str_copy_cut(hook.template, sizeof(hook.template), "others");
	assert_false(scep_secret_key(&hook, w->seal, &key, &e));
}

static void
what_is_refused(void **state)
{
	static const struct {
		const char *template, *secret, *names;
		enum err_code code;
	} bad[] = {
		{ "no-such", NULL, NULL, ERR_NOT_FOUND },
		{ CERT_TEMPLATE_TLS, NULL, NULL, ERR_NOT_FOUND },
		{ CERT_TEMPLATE_SCEP, NULL, NULL, ERR_CONFLICT },
		{ CERT_TEMPLATE_DEVICE, NULL, "[\"a\"]", ERR_CONFLICT },
		{ "unset", NULL, NULL, ERR_INVALID },
		{ "printers", NULL, "[]", ERR_INVALID },
		{ "printers", NULL, "[1]", ERR_INVALID },
		{ "printers", NULL, "[\"\"]", ERR_INVALID },
		{ "printers", NULL, "[\"a\",\"a\"]", ERR_INVALID },
		{ "printers", NULL, "[\"a\\nb\"]", ERR_INVALID },
		{ "printers", "fifteen-letters", "[\"a\"]", ERR_INVALID },
		{ "printers", "sixteen letters!", "[\"a\"]", ERR_INVALID },
		{ "asked", NULL, "[\"a\"]", ERR_INVALID },
	};
	struct world *w = *state;

	world_template(w, "printers", "{\"challenge\":\"static\"}");
	world_template(w, "unset", "{\"challenge\":\"static\"}");
	world_template(w, "asked",
	    "{\"challenge\":\"webhook\",\"webhook\":\"https://a.example/\"}");
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct wish x = { .w = w,
			.template = bad[i].template,
			.secret = bad[i].secret,
			.names = bad[i].names };
		struct err e = { 0 };

		assert_false(set(&x, &e));
		assert_int_equal(e.code, bad[i].code);
	}
}

static void
they_go_with_their_kind(void **state)
{
	struct world *w = *state;
	char name[] = "printers";
	struct err e = { 0 };

	world_template(w, name, "{\"challenge\":\"static\"}");
	world_secret(w, name, "[\"a\"]");
	world_template(w, name, "{\"challenge\":\"static\",\"san\":false}");
	assert_true(store_write(w->store, follow, name, &e));
	assert_int_equal(rows(w, name), 1);
	world_template(w, name, "{\"challenge\":\"none\"}");
	assert_true(store_write(w->store, follow, name, &e));
	assert_int_equal(rows(w, name), 0);

	world_template(w, name, "{\"challenge\":\"static\"}");
	assert_false(store_write(w->store, drop, name, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	world_secret(w, name, "[\"a\"]");
	assert_true(store_write(w->store, drop, name, &e));
	assert_int_equal(rows(w, name), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(static_ones_are_kept_as_macs),
		cmocka_unit_test(secrets_belong_to_their_template),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(they_go_with_their_kind),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
