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
shows(struct world *w, const char *id, const char *key, const char *value)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *o = NULL;
	AUTO(buf_free) struct buf *text = buf_new(8192);
	char *dump;

	assert_ok(store_begin(w->store, STORE_READ, &tx, e));
	assert_ok(scep_approval_json(tx, w->seal, id, &o, e));
	store_rollback(&tx);
	dump =
	    json_dumps(json_object_get(o, key), JSON_COMPACT | JSON_ENCODE_ANY);
	buf_adds(text, dump);
	free(dump);
	assert_string_equal(buf_str(text), value);
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
	shows(w, id, "subject",
	    "{\"cn\":\"gate\",\"email\":\"x@a.example\",\"dns\":\"a.example\","
	    "\"ip\":\"192.0.2.1\",\"uri\":\"urn:x\",\"more\":["
	    "{\"dns\":\"b.example\"},{\"ip\":\"2001:db8::1\"},"
	    "{\"uri\":\"urn:y\"}]}");
	shows(w, id, "san",
	    "[\"email:x@a.example\",\"dns:a.example\",\"ip:192.0.2.1\","
	    "\"uri:urn:x\",\"dns:b.example\",\"ip:2001:db8::1\","
	    "\"uri:urn:y\"]");
	shows(w, id, "ignored", "[]");
	shows(w, id, "key_type", "\"RSA\"");
	shows(w, id, "key_bits", "2048");
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
from_outside(struct world *w, X509 *old, const char *const *also)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char before[SHA256_HEX_SIZE], after[SHA256_HEX_SIZE];
	X509 *x = X509_dup(old);

	for (; *also != NULL; also += 2)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(x), also[0],
		    MBSTRING_UTF8, (const uint8_t *)also[1], -1, -1, 0);
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
	static const char *const units[] = { "OU", "first", "OU", "second",
		NULL };
	struct world *w = *state;
	struct visit v = { .tid = "N-5" };
	struct challenge c = world_grant(
	    w, (struct scep_grant){ .template = "scep", .purpose = "scep" });
	X509 *old;

	v.challenge = c.text;
	old = from_outside(w, visit_named(w, v, "device-1"), units);
	clock_set_offset_ms(355 * MS_DAY);
	visit_refused(w,
	    (struct visit){
	        .type = "17", .tid = "N-6", .signer = old, .key = w->key2 },
	    "cannot all be certified");
	clock_set_offset_ms(0);
	X509_free(old);
}

/* An outside CA put its country there: it is ours to leave out. */
static void
an_outside_certificate_is_renewed(void **state)
{
	static const char *const place[] = { "C", "DE", "ST", "Berlin", NULL };
	struct world *w = *state;
	struct visit v = { .tid = "N-10" };
	struct challenge c = world_grant(
	    w, (struct scep_grant){ .template = "scep", .purpose = "scep" });
	X509 *old;

	v.challenge = c.text;
	old = from_outside(w, visit_named(w, v, "device-1"), place);
	clock_set_offset_ms(355 * MS_DAY);
	X509_free(visit_named(w,
	    (struct visit){
	        .type = "17", .tid = "N-11", .signer = old, .key = w->key2 },
	    "device-1"));
	clock_set_offset_ms(0);
	X509_free(old);
}

static bool
remove_template(struct store_tx *tx, void *name, struct err *e)
{
	return cert_template_remove(tx, name, "test", e);
}

static void
nothing_of_a_removed_template_is_renewed(void **state)
{
	struct world *w = *state;
	struct visit v = { .tid = "N-12" };
	char name[] = "gone";
	struct challenge c;
	bool changed;
	X509 *old;

	world_template(w, name, "{\"renew_days\":0}");
	c = world_grant(
	    w, (struct scep_grant){ .template = name, .purpose = "scep" });
	v.challenge = c.text;
	old = visit_named(w, v, "device-1");
	assert_ok(store_write(w->store, remove_template, name, e));
	assert_ok(cert_live_refresh(w->live, &changed, e));
	visit_refused(w,
	    (struct visit){
	        .type = "17", .tid = "N-13", .signer = old, .key = w->key2 },
	    "renewal: the template of the old certificate was removed");
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

/* Where nobody else says the names. */
static void
names_of_other_kinds_are_refused(void **state)
{
	static const char *const subject[] = { "C", "JP", "ST", "Tokyo", NULL };
	static const char *const windows[] = { "serialNumber", "1", NULL };
	struct world *w = *state;
	struct visit v = { .template = "by-hand", .cn = "gate", .tid = "N-7" };
	char id[UUID_SIZE];

	v.also = subject;
	visit_refused(w, v, "names that are not certified here: C, ST");
	v.also = windows;
	v.extensions =
	    asking_for("DNS:a.example,otherName:msUPN;UTF8:x@a.example,"
	               "otherName:1.2.3;UTF8:y,RID:1.2.3");
	visit_refused(w, v,
	    "names that are not certified here: serialNumber, upn, otherName, "
	    "rid");
	forget(v.extensions);
	/* Extensions that are no names are what clients send by habit. */
	v.also = NULL;
	v.extensions = sk_X509_EXTENSION_new_null();
	sk_X509_EXTENSION_push(v.extensions,
	    X509V3_EXT_nconf(NULL, NULL, "keyUsage", "keyCertSign"));
	sk_X509_EXTENSION_push(v.extensions,
	    X509V3_EXT_nconf(NULL, NULL, "basicConstraints", "CA:FALSE"));
	visit_pending(w, v);
	id_of_pending(w, id);
	assert_ok(scep_reject(w->service, id, NULL, "test", e));
	forget(v.extensions);
}

/* The template takes none of those that it asks for. */
static void
alternative_names_need_a_template_with_them(void **state)
{
	EVP_PKEY *key = forge_rsa(2048);
	struct visit v = { .template = "no-san",
		.cn = "gate",
		.key = key,
		.tid = "N-8",
		.extensions = asking_for("DNS:a.example") };

	world_template(*state, "no-san",
	    "{\"challenge\":\"none\",\"approval\":true,\"san\":false}");
	visit_refused(*state, v, "not certified here: dns");
	forget(v.extensions);
	EVP_PKEY_free(key);
}

/* Somebody else says the names: what the client asks for besides is shown to
 * who decides. */
static void
what_is_ignored_is_shown(void **state)
{
	static const char *const also[] = { "C", "JP", "O", "Acme", "2.5.4.97",
		"x", NULL };
	struct world *w = *state;
	EVP_PKEY *key = EVP_EC_gen("P-384");
	struct challenge c;
	struct visit v = { .template = "checked",
		.cn = "gate",
		.also = also,
		.key = key,
		.tid = "N-9",
		.extensions =
		    asking_for("DNS:a.example,DNS:b.example,IP:192.0.2.1") };
	char id[UUID_SIZE];

	world_template(w, "checked", "{\"approval\":true}");
	c = world_grant(w, (struct scep_grant){ .template = "checked",
	                       .purpose = "scep",
	                       .subject = &(struct cert_subject){
	                           .cn = "gate", .dns = "b.example" } });
	v.challenge = c.text;
	visit_pending(w, v);
	id_of_pending(w, id);
	shows(w, id, "subject", "{\"cn\":\"gate\",\"dns\":\"b.example\"}");
	shows(w, id, "san", "[\"dns:b.example\"]");
	shows(w, id, "ignored",
	    "[\"C=JP\",\"O=Acme\",\"organizationIdentifier=x\","
	    "\"dns:a.example\",\"ip:192.0.2.1\"]");
	shows(w, id, "key_type", "\"EC\"");
	shows(w, id, "key_bits", "384");
	world_template(w, "checked", "{\"approval\":true,\"san\":false}");
	shows(w, id, "san", "[]");
	assert_ok(scep_reject(w->service, id, NULL, "test", e));
	forget(v.extensions);
	EVP_PKEY_free(key);
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
	/* Of a kind that we do not issue: told by scep_ignored(), and no
	 * reason against renewing a certificate of an outside CA. */
	assert_false(lost(request("C", "DE")));
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
		cmocka_unit_test_setup_teardown(
		    nothing_of_a_removed_template_is_renewed, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    an_outside_certificate_is_renewed, world_setup,
		    world_teardown),
		cmocka_unit_test(all_are_shown_certified_and_renewed),
		cmocka_unit_test(what_is_too_much_is_refused),
		cmocka_unit_test(a_bad_one_spoils_it),
		cmocka_unit_test(names_of_other_kinds_are_refused),
		cmocka_unit_test(alternative_names_need_a_template_with_them),
		cmocka_unit_test(what_is_ignored_is_shown),
		cmocka_unit_test(what_is_not_kept_is_told),
	};

	return cmocka_run_group_tests(tests, setup, world_teardown);
}
