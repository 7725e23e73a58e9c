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
	must_fail(cert_roll_restore(
	              p->st, &o.vault, phrase, buf_slice(text), &failure),
	    ERR_CONFLICT);
	place_make(&q);
	v = place_vault(&q);
	must_fail(cert_roll_restore(q.st, &v, slice_str("a long phrasf"),
	              buf_slice(text), &failure),
	    ERR_INVALID);
	must_fail(
	    cert_roll_restore(q.st, &v, phrase, slice_str("{}"), &failure),
	    ERR_INVALID);
	must(cert_roll_restore(q.st, &v, phrase, buf_slice(text), &e), &e);
	b = open_authority(&q);
	assert_true(
	    slice_eq(cert_authority_ra_chain(a), cert_authority_ra_chain(b)));
	cert_authority_free(&b);
	place_remove(&q);
}

/* A backup of three rows, with only those whose bit is set. */
static struct buf *
part_of(const struct buf *text, unsigned rows)
{
	AUTO(json_free) json_t *o = NULL;
	AUTO(str_free) char *part = NULL;
	struct buf *b = buf_new(1 << 20);
	struct err e = { 0 };

	must(json_parse(buf_slice(text), &o, &e), &e);
	for (size_t i = 3; i-- > 0;)
		if ((rows & 1u << i) == 0)
			json_array_remove(json_object_get(o, "members"), i);
	part = json_text(o);
	buf_adds(b, part);
	return b;
}

/* What lacks rows, or names a token that does not open, changes nothing. */
static void
half_a_backup_is_refused(void **state)
{
	struct place *p = *state, q;
	struct cert_authority_options o = options(p);
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(buf_free) struct buf *text = NULL;
	AUTO(buf_free) struct buf *token = buf_new(1 << 20);
	AUTO(cert_authority_free) struct cert_authority *b = NULL;
	struct slice phrase = slice_str("a long phrase");
	struct cert_roll_held held;
	struct cert_vault v;
	struct err e = { 0 };

	must(cert_roll_backup(p->st, &o.vault, phrase, &text, &held, &e), &e);
	place_make(&q);
	v = place_vault(&q);
	v.files = true;
	v.passphrase = "env:PATH";
	for (unsigned rows = 1; rows < 7; rows++) {
		AUTO(buf_free) struct buf *part = part_of(text, rows);

		must_fail(cert_roll_restore(
		              q.st, &v, phrase, buf_slice(part), &failure),
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
	    cert_roll_restore(q.st, &v, phrase, buf_slice(token), &failure),
	    ERR_INVALID);
	assert_non_null(strstr(failure.text, "pkcs11-module"));
	assert_int_equal(each_file(v.dir, NULL), 0);
	must(cert_roll_restore(q.st, &v, phrase, buf_slice(text), &e), &e);
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
		PLACE_TEST(half_a_backup_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
