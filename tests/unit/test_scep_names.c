/* Names of requests and certificates: all that were asked for, or none. */
#include "core/json.h"
#include "scep/scep_approval.h"
#include "scep/scep_names_priv.h"
#include "tests/unit/core_test.h"
#include "tests/unit/scep_template_fixture.h"

static STACK_OF(X509_EXTENSION) * asking_for(const char *names)
{
	STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
	X509_EXTENSION *x =
	    X509V3_EXT_nconf(NULL, NULL, "subjectAltName", names);

	assert_non_null(x);
	sk_X509_EXTENSION_push(all, x);
	return all;
}

static void
forget(STACK_OF(X509_EXTENSION) * all)
{
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
}

/* "DNS:a.example,DNS:b.example", in that order; the caller's. */
static char *
alternatives(const X509 *x)
{
	static const char *const prefixes[] = {
		[GEN_EMAIL] = "email", [GEN_DNS] = "DNS", [GEN_URI] = "URI"
	};
	AUTO(buf_free) struct buf *out = buf_new(8192);
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		buf_adds(out, i > 0 ? "," : "");
		if (g->type == GEN_IPADD)
			buf_addf(out, "IP/%d", ASN1_STRING_length(g->d.ip));
		else
			buf_addf(out, "%s:%.*s", prefixes[g->type],
			    ASN1_STRING_length(g->d.ia5),
			    (const char *)ASN1_STRING_get0_data(g->d.ia5));
	}
	GENERAL_NAMES_free(names);
	return str_dup(buf_str(out));
}

/* What whoever decides is shown. */
static void
shows(struct world *w, const char *id, const char *subject)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *o = NULL;
	AUTO(str_free) char *text = NULL;

	assert_ok(store_begin(w->store, STORE_READ, &tx, e));
	assert_ok(scep_approval_json(tx, id, &o, e));
	text = json_text(json_object_get(o, "subject"));
	store_rollback(&tx);
	assert_string_equal(text, subject);
}

#define ASKED                                                                  \
	"DNS:a.example,DNS:b.example,email:x@a.example,DNS:a.example,"         \
	"IP:192.0.2.1,IP:2001:db8::1,DNS:b.example,URI:urn:x,URI:urn:y"
#define GIVEN                                                                  \
	"email:x@a.example,DNS:a.example,IP/4,URI:urn:x,DNS:b.example,IP/16,"  \
	"URI:urn:y"

static void
all_are_shown_certified_and_renewed(void **state)
{
	struct world *w = *state;
	struct visit v = { .template = "by-hand",
		.cn = "gate",
		.extensions = asking_for(ASKED) };
	AUTO(str_free) char *first = NULL;
	AUTO(str_free) char *renewed = NULL;
	char id[UUID_SIZE];
	X509 *old, *new;

	visit_pending(w, v);
	id_of_pending(w, id);
	shows(w, id,
	    "{\"cn\":\"gate\",\"email\":\"x@a.example\",\"dns\":\"a.example\","
	    "\"ip\":\"192.0.2.1\",\"uri\":\"urn:x\",\"more\":["
	    "{\"dns\":\"b.example\"},{\"ip\":\"2001:db8::1\"},"
	    "{\"uri\":\"urn:y\"}]}");
	assert_ok(scep_approve(w->service, id, "test", e));
	old = visit_named(w, v, "gate");
	first = alternatives(old);
	assert_string_equal(first, GIVEN);
	clock_set_offset_ms(355 * MS_DAY);
	new = visit_named(w,
	    (struct visit){
	        .type = "17", .tid = "N-2", .signer = old, .key = w->key2 },
	    "gate");
	renewed = alternatives(new);
	assert_string_equal(renewed, GIVEN);
	clock_set_offset_ms(0);
	X509_free(old);
	X509_free(new);
	forget(v.extensions);
}

/* Puts into the ledger, in its place, one that an outside CA might have given
 * it; takes old. */
static X509 *
from_outside(struct world *w, X509 *old)
{
	static const char *const units[] = { "first", "second" };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char before[SHA256_HEX_SIZE], after[SHA256_HEX_SIZE];
	X509 *x = X509_dup(old);

	for (size_t i = 0; i < COUNT(units); i++)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "OU",
		    MBSTRING_UTF8, (const uint8_t *)units[i], -1, -1, 0);
	assert_true(X509_sign(x, w->key2, EVP_sha256()) > 0);
	cert_fingerprint(old, before);
	cert_fingerprint(x, after);
	assert_ok(store_begin(w->store, STORE_WRITE, &tx, e));
	assert_ok(store_exec(tx,
	    "UPDATE certificate SET fingerprint = $1 WHERE fingerprint = $2",
	    S_ARGS(S_TEXT(after), S_TEXT(before)), NULL, e));
	assert_ok(store_commit(&tx, e));
	X509_free(old);
	return x;
}

static void
renewing_loses_none(void **state)
{
	struct world *w = *state;
	struct visit v = { .tid = "N-5" };
	struct challenge c = world_grant(
	    w, (struct scep_grant){ .template = "scep", .purpose = "scep" });
	X509 *old;

	v.challenge = c.text;
	old = from_outside(w, visit_named(w, v, "device-1"));
	clock_set_offset_ms(355 * MS_DAY);
	visit_refused(w,
	    (struct visit){
	        .type = "17", .tid = "N-6", .signer = old, .key = w->key2 },
	    "cannot all be certified");
	clock_set_offset_ms(0);
	X509_free(old);
}

static char *
many(int count)
{
	AUTO(buf_free) struct buf *b = buf_new(4096);

	for (int i = 0; i < count; i++)
		buf_addf(b, "%sDNS:%d.example", i > 0 ? "," : "", i);
	return str_dup(buf_str(b));
}

static void
what_is_too_much_is_refused(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_rsa(2048);
	AUTO(str_free) char *most = many(1 + CERT_MORE_NAMES);
	AUTO(str_free) char *beyond = many(2 + CERT_MORE_NAMES);
	struct visit v = { .template = "by-hand",
		.cn = "gate",
		.key = key,
		.tid = "N-3",
		.extensions = asking_for(beyond) };
	char id[UUID_SIZE];
	AUTO(str_free) char *given = NULL;
	X509 *x;

	visit_refused(w, v, "16 alternative names");
	forget(v.extensions);
	v.extensions = asking_for(most);
	visit_pending(w, v);
	id_of_pending(w, id);
	assert_ok(scep_approve(w->service, id, "test", e));
	x = visit_named(w, v, "gate");
	given = alternatives(x);
	assert_string_equal(given, most);
	X509_free(x);
	forget(v.extensions);
	EVP_PKEY_free(key);
}

/* Every one is checked. */
static void
a_bad_one_spoils_it(void **state)
{
	struct visit v = { .template = "by-hand",
		.cn = "gate",
		.tid = "N-4",
		.extensions = asking_for("DNS:a.example,DNS:b example") };

	visit_refused(*state, v, "cannot be certified");
	forget(v.extensions);
}

static bool
lost(X509_REQ *req)
{
	AUTO(scep_names_clear) struct scep_names names = { 0 };
	AUTO(cert_key_free) EVP_PKEY *key = EVP_EC_gen("P-256");
	uint8_t *der = NULL;
	int len;

	X509_REQ_set_pubkey(req, key);
	assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(req, &der);
	assert_true(scep_names_of_request(slice_of(der, (size_t)len), &names));
	assert_string_equal(names.subject.cn, "a");
	OPENSSL_free(der);
	X509_REQ_free(req);
	return names.lost;
}

static X509_REQ *
request(const char *type, const char *value)
{
	X509_REQ *req = X509_REQ_new();
	X509_NAME *n = X509_REQ_get_subject_name(req);

	X509_NAME_add_entry_by_txt(
	    n, "CN", MBSTRING_UTF8, (const uint8_t *)"a", -1, -1, 0);
	X509_NAME_add_entry_by_txt(
	    n, type, MBSTRING_UTF8, (const uint8_t *)value, -1, -1, 0);
	return req;
}

static X509_REQ *
request_with(const char *one, const char *two)
{
	STACK_OF(X509_EXTENSION) *all = asking_for(one);
	X509_REQ *req = request("OU", "x");

	if (two != NULL)
		sk_X509_EXTENSION_push(
		    all, X509V3_EXT_nconf(NULL, NULL, "subjectAltName", two));
	assert_int_equal(X509_REQ_add_extensions(req, all), 1);
	forget(all);
	return req;
}

/* One list of each of the two kinds that there are. */
static X509_REQ *
request_with_lists(const char *one, const char *two)
{
	X509_REQ *req = request_with(one, NULL);
	STACK_OF(X509_EXTENSION) *all = asking_for(two);

	assert_int_equal(
	    X509_REQ_add_extensions_nid(req, all, NID_ms_ext_req), 1);
	forget(all);
	return req;
}

static void
what_is_not_kept_is_told(void **state)
{
	X509_REQ *twice = request("OU", "x");

	(void)state;
	assert_false(lost(request("OU", "x")));
	assert_false(lost(request("C", "DE"))); /* we issue none */
	assert_true(lost(request("CN", "b")));
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(twice), "OU",
	    MBSTRING_UTF8, (const uint8_t *)"y", -1, -1, 0);
	assert_true(lost(twice));
	assert_false(lost(request_with("DNS:a.example,DNS:b.example", NULL)));
	assert_false(lost(request_with("DNS:a.example,RID:1.2.3", NULL)));
	assert_true(lost(request_with("DNS:a.example", "DNS:b.example")));
	assert_true(lost(request_with_lists("DNS:a.example", "DNS:b.example")));
	assert_true(lost(request_with("DER:05:00", NULL)));
	assert_true(lost(request_with("DER:30:04:82:02:61:00", NULL)));
	assert_true(lost(request_with("DER:30:03:87:01:7f", NULL)));
}

static int
setup(void **state)
{
	world_setup(state);
	world_template(
	    *state, "by-hand", "{\"challenge\":\"none\",\"approval\":true}");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    renewing_loses_none, world_setup, world_teardown),
		cmocka_unit_test(all_are_shown_certified_and_renewed),
		cmocka_unit_test(what_is_too_much_is_refused),
		cmocka_unit_test(a_bad_one_spoils_it),
		cmocka_unit_test(what_is_not_kept_is_told),
	};

	return cmocka_run_group_tests(tests, setup, world_teardown);
}
