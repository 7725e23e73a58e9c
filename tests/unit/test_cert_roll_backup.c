/* Backup and restore of the authority. */
#include "cert_authority_fixture.h"

#include "certs/cert_roll.h"
#include "core/json.h"

static struct cert_authority_options
options(const struct place *p)
{
	return (struct cert_authority_options){ .vault = place_vault(p),
		.organization = "Example" };
}

#define PHRASE "a long phrase"

static bool
restore(struct place *p, const struct cert_vault *v, const char *phrase,
    struct slice text, struct err *e)
{
	return cert_roll_restore(p->st, v,
	    &(struct cert_roll_restore){
	        .text = text, .passphrase = slice_str(phrase) },
	    e);
}

/* Of an older program's format, in which nothing is checked as a whole. */
static bool
restore_unchecked(struct place *p, const struct cert_vault *v,
    struct slice text, struct err *e)
{
	return cert_roll_restore(p->st, v,
	    &(struct cert_roll_restore){ .text = text,
	        .passphrase = slice_str(PHRASE),
	        .unchecked = true },
	    e);
}

static struct buf *
text_of(const json_t *o)
{
	AUTO(str_free) char *text = json_text(o);
	struct buf *b = buf_new(1 << 20);

	buf_adds(b, text);
	return b;
}

static json_t *
parsed(const struct buf *text)
{
	json_t *o = NULL;
	struct err e = { 0 };

	must(json_parse(buf_slice(text), &o, &e), &e);
	return o;
}

/* The same as an older program wrote it. */
static struct buf *
old_form_of(const struct buf *text)
{
	AUTO(json_free) json_t *o = parsed(text);

	json_put_str(o, "format", "mutsu-authority-1");
	json_object_del(o, "salt");
	json_object_del(o, "mac");
	return text_of(o);
}

static void
backup_comes_back(void **state)
{
	struct place *p = *state, q;
	struct cert_authority_options o = options(p);
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(cert_authority_free) struct cert_authority *b = NULL;
	AUTO(buf_free) struct buf *text = NULL;
	struct slice phrase = slice_str("a long phrase");
	struct cert_vault v;
	struct err e = { 0 };

	struct cert_roll_held held = { 0 };
	must_fail(cert_roll_backup(p->st, &o.vault, slice_str("11 charact."),
	              &text, &held, &failure),
	    ERR_INVALID);
	must(cert_roll_backup(p->st, &o.vault, phrase, &text, &held, &e), &e);
	assert_int_equal(held.certificates, 3);
	assert_int_equal(held.keys, 3);
	assert_int_equal(held.tokens + held.away, 0);
	assert_null(strstr(buf_str(text), "BEGIN PRIVATE"));
	must_fail(restore(p, &o.vault, PHRASE, buf_slice(text), &failure),
	    ERR_CONFLICT);
	place_make(&q);
	v = place_vault(&q);
	must_fail(restore(&q, &v, "a long phrasf", buf_slice(text), &failure),
	    ERR_INVALID);
	must_fail(
	    restore(&q, &v, PHRASE, slice_str("{}"), &failure), ERR_INVALID);
	must(restore(&q, &v, PHRASE, buf_slice(text), &e), &e);
	b = open_authority(&q);
	assert_true(
	    slice_eq(cert_authority_ra_chain(a), cert_authority_ra_chain(b)));
	cert_authority_free(&b);
	place_remove(&q);
}

/* Certificates in it become what Macs trust, so nobody may add one. */
static void
a_changed_backup_is_refused(void **state)
{
	struct place *p = *state, q;
	struct cert_authority_options o = options(p);
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(buf_free) struct buf *text = NULL;
	AUTO(buf_free) struct buf *old = NULL;
	struct cert_roll_held held;
	struct cert_vault v;
	struct err e = { 0 };

	must(cert_roll_backup(
	         p->st, &o.vault, slice_str(PHRASE), &text, &held, &e),
	    &e);
	place_make(&q);
	v = place_vault(&q);
	for (int way = 0; way < 4; way++) {
		AUTO(json_free) json_t *b = parsed(text);
		AUTO(buf_free) struct buf *changed = NULL;
		json_t *rows = json_object_get(b, "members");

		if (way == 0)
			json_array_append_new(
			    rows, json_deep_copy(json_array_get(rows, 0)));
		else if (way == 1)
			json_put_str(json_array_get(rows, 1), "state", "old");
		else if (way == 2)
			json_object_del(b, "mac");
		else
			json_put_str(b, "salt", "00");
		changed = text_of(b);
		must_fail(restore(&q, &v, PHRASE, buf_slice(changed), &failure),
		    ERR_INVALID);
	}
	/* Nor is it taken for an old one, which has no code. */
	AUTO(json_free) json_t *called_old = parsed(text);
	json_put_str(called_old, "format", "mutsu-authority-1");
	old = text_of(called_old);
	must_fail(
	    restore_unchecked(&q, &v, buf_slice(old), &failure), ERR_INVALID);
	buf_free(&old);
	old = old_form_of(text);
	must_fail(
	    restore(&q, &v, PHRASE, buf_slice(old), &failure), ERR_INVALID);
	assert_non_null(strstr(failure.text, "--unchecked"));
	must(restore_unchecked(&q, &v, buf_slice(old), &e), &e);
	place_remove(&q);
}

/* A backup of three rows, with only those whose bit is set. */
static struct buf *
part_of(const struct buf *text, unsigned rows)
{
	AUTO(json_free) json_t *o = parsed(text);

	for (size_t i = 3; i-- > 0;)
		if ((rows & 1u << i) == 0)
			json_array_remove(json_object_get(o, "members"), i);
	return text_of(o);
}

/* What lacks rows, or names a token that does not open, changes nothing. */
static void
half_a_backup_is_refused(void **state)
{
	struct place *p = *state, q;
	struct cert_authority_options o = options(p);
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(buf_free) struct buf *checked = NULL;
	AUTO(buf_free) struct buf *text = NULL;
	AUTO(buf_free) struct buf *token = buf_new(1 << 20);
	AUTO(cert_authority_free) struct cert_authority *b = NULL;
	struct slice phrase = slice_str("a long phrase");
	struct cert_roll_held held;
	struct cert_vault v;
	struct err e = { 0 };

	must(
	    cert_roll_backup(p->st, &o.vault, phrase, &checked, &held, &e), &e);
	text = old_form_of(checked);
	place_make(&q);
	v = place_vault(&q);
	v.files = true;
	v.passphrase = "env:PATH";
	for (unsigned rows = 1; rows < 7; rows++) {
		AUTO(buf_free) struct buf *part = part_of(text, rows);

		must_fail(restore_unchecked(&q, &v, buf_slice(part), &failure),
		    ERR_INVALID);
	}
	/* The RA's key as one in a token, and no module is set. */
	const char *ra =
	    strstr(buf_str(text), cert_authority_recipient(a, 0)->id);
	const char *key = strstr(ra, "\"key\":");
	assert_non_null(key);
	buf_add(token, buf_str(text), (size_t)(key - buf_str(text)));
	buf_adds(token, "\"uri\":\"pkcs11:token=t;object=ra\"");
	buf_adds(token, strchr(key + strlen("\"key\":\""), '"') + 1);
	must_fail(
	    restore_unchecked(&q, &v, buf_slice(token), &failure), ERR_INVALID);
	assert_non_null(strstr(failure.text, "pkcs11-module"));
	assert_int_equal(each_file(v.dir, NULL), 0);
	must(restore(&q, &v, PHRASE, buf_slice(checked), &e), &e);
	assert_int_equal(each_file(v.dir, NULL), 3);
	o.vault = v;
	must(cert_authority_open(q.st, &o, &b, &e), &e);
	cert_authority_free(&b);
	place_remove(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(backup_comes_back),
		PLACE_TEST(a_changed_backup_is_refused),
		PLACE_TEST(half_a_backup_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
