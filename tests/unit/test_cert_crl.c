/*
 * CRLs over a real authority and database, read back by OpenSSL.
 */
#include "cert_authority_fixture.h"

#include "certs/cert_crl.h"
#include "certs/cert_ledger.h"

struct site {
	struct place place;
	struct cert_live *live;
	struct cert_authority *a;
	struct cert_crl *crl;
};

static int
make(void **state)
{
	struct site *s = mem_zalloc(1, sizeof(*s));
	struct err e = { 0 };

	place_make(&s->place);
	s->live = open_live(&s->place);
	s->a = cert_live_get(s->live);
	must(cert_crl_new(
	         &(struct cert_crl_options){ s->place.st, s->live, "node-1" },
	         &s->crl, &e),
	    &e);
	*state = s;
	return 0;
}

static int
drop(void **state)
{
	struct site *s = *state;

	cert_crl_free(&s->crl);
	cert_authority_free(&s->a);
	cert_live_free(&s->live);
	place_remove(&s->place);
	free(s);
	return 0;
}

static void
name_of(int n, char out[SHA256_HEX_SIZE])
{
	snprintf(out, SHA256_HEX_SIZE, "%064x", (unsigned)n);
}

/* A ledger entry that lives for life_ms. */
static void
add_serial(struct site *s, int n, const char *serial, int64_t life_ms)
{
	AUTO(cert_issued_clear)
	struct cert_issued i = { .der = buf_new(64),
		.subject = "CN=x",
		.not_before = clock_now_ms(),
		.not_after = clock_now_ms() + life_ms };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	buf_addf(i.der, "der %d", n);
	name_of(n, i.fingerprint);
	name_of(n, i.spki);
	str_copy_cut(i.serial, sizeof(i.serial), serial);
	must(store_begin(s->place.st, STORE_WRITE, &tx, &e), &e);
	must(cert_ledger_add(tx,
	         &(struct cert_record){ .issued = &i,
	             .authority_id = cert_authority_id(s->a),
	             .template = CERT_TEMPLATE_DEVICE,
	             .purpose = "enroll" },
	         &e),
	    &e);
	must(store_commit(&tx, &e), &e);
}

/* The same with serial number 41<n>. */
static void
add(struct site *s, int n, int64_t life_ms)
{
	char serial[16];

	snprintf(serial, sizeof(serial), "41%04x", (unsigned)n);
	add_serial(s, n, serial, life_ms);
}

/* reason -1: releases. */
static void
change(struct site *s, int n, int reason)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char name[SHA256_HEX_SIZE];
	struct err e = { 0 };

	name_of(n, name);
	must(store_begin(s->place.st, STORE_WRITE, &tx, &e), &e);
	must(reason < 0 ? cert_ledger_release(tx, name, "test", &e)
	                : cert_ledger_revoke(tx, name, reason, "test", &e),
	    &e);
	must(store_commit(&tx, &e), &e);
}

static struct cert_crl_head
head(struct site *s)
{
	struct cert_crl_head h = { 0 };
	struct err e = { 0 };

	must(cert_crl_head(s->crl, cert_authority_id(s->a), &h, &e), &e);
	return h;
}

/* The thread makes it; so many entries, a higher number. */
static struct cert_crl_head
wait_for(struct site *s, int64_t entries, int64_t after)
{
	int64_t end = clock_mono_ms() + 20000;
	struct cert_crl_head h;

	do {
		clock_sleep_ms(10);
		h = head(s);
	} while ((h.entries != entries || h.number <= after) &&
	         clock_mono_ms() < end);
	assert_int_equal(h.entries, entries);
	assert_true(h.number > after);
	return h;
}

/* Signed by the issuing CA, which it names; freed by the caller. */
static X509_CRL *
read_crl(struct site *s)
{
	AUTO(buf_free) struct buf *der = buf_new(1 << 20);
	X509 *issuer = cert_authority_issuing(s->a);
	const unsigned char *p;
	struct err e = { 0 };
	X509_CRL *crl;

	must(cert_crl_read(s->crl, cert_authority_id(s->a), der, &e), &e);
	p = der->p;
	crl = d2i_X509_CRL(NULL, &p, (long)der->len);
	assert_non_null(crl);
	assert_ptr_equal(p, der->p + der->len);
	assert_int_equal(X509_CRL_verify(crl, X509_get0_pubkey(issuer)), 1);
	assert_int_equal(X509_NAME_cmp(X509_CRL_get_issuer(crl),
	                     X509_get_subject_name(issuer)),
	    0);
	assert_int_equal(X509_CRL_get_version(crl), 1);
	assert_true(X509_CRL_get_ext_by_NID(
	                crl, NID_authority_key_identifier, -1) >= 0);
	return crl;
}

/* Reason of entry 41<n>; -1: no entry, 0: one without a reason. */
static long
reason_in(X509_CRL *crl, int n)
{
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	X509_REVOKED *r = NULL;
	ASN1_ENUMERATED *reason;
	long code = -1;

	assert_int_equal(ASN1_INTEGER_set_int64(serial, 0x410000 + n), 1);
	if (X509_CRL_get0_by_serial(crl, &r, serial) == 1) {
		reason =
		    X509_REVOKED_get_ext_d2i(r, NID_crl_reason, NULL, NULL);
		code = reason != NULL ? ASN1_ENUMERATED_get(reason) : 0;
		ASN1_ENUMERATED_free(reason);
	}
	ASN1_INTEGER_free(serial);
	return code;
}

static int64_t
number_in(X509_CRL *crl)
{
	ASN1_INTEGER *n = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	int64_t number = 0;

	assert_int_equal(ASN1_INTEGER_get_int64(&number, n), 1);
	ASN1_INTEGER_free(n);
	return number;
}

static void
the_first_is_empty(void **state)
{
	struct site *s = *state;
	X509_CRL *crl = read_crl(s);
	struct cert_crl_head h = head(s);
	struct err e = { 0 };

	/* RFC 5280 5.1.2.6: then there is no list at all. */
	assert_null(X509_CRL_get_REVOKED(crl));
	assert_int_equal(number_in(crl), h.number);
	assert_int_equal(h.next_update - h.this_update, 24 * MS_H);
	X509_CRL_free(crl);

	must_fail(cert_crl_head(s->crl, "none", &h, &failure), ERR_NOT_FOUND);
	/* Nothing is made while nothing has changed. */
	h = head(s);
	must(cert_crl_make(s->crl, &e), &e);
	assert_int_equal(head(s).number, h.number);
}

static void
a_revocation_makes_the_next(void **state)
{
	struct site *s = *state;
	struct cert_crl_head first = head(s), second, third;
	X509_CRL *crl;

	for (int n = 1; n <= 4; n++)
		add(s, n, MS_DAY);
	change(s, 3, CERT_REASON_KEY_COMPROMISE);
	change(s, 1, CERT_REASON_UNSPECIFIED);
	change(s, 2, CERT_REASON_HOLD);
	second = wait_for(s, 3, first.number);
	crl = read_crl(s);
	assert_int_equal(number_in(crl), head(s).number);
	assert_int_equal(reason_in(crl, 1), 0);
	assert_int_equal(reason_in(crl, 2), 6);
	assert_int_equal(reason_in(crl, 3), 1);
	assert_int_equal(reason_in(crl, 4), -1);
	X509_CRL_free(crl);

	change(s, 2, -1);
	third = wait_for(s, 2, second.number);
	crl = read_crl(s);
	assert_int_equal(number_in(crl), third.number);
	assert_int_equal(reason_in(crl, 2), -1);
	X509_CRL_free(crl);
}

static void
many_at_once_come_together(void **state)
{
	struct site *s = *state;
	struct cert_crl_head first = head(s), last;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	for (int n = 1; n <= 40; n++)
		add(s, n, MS_DAY);
	must(store_begin(s->place.st, STORE_WRITE, &tx, &e), &e);
	for (int n = 1; n <= 40; n++) {
		char name[SHA256_HEX_SIZE];

		name_of(n, name);
		must(cert_ledger_revoke(tx, name, 4, "test", &e), &e);
	}
	must(store_commit(&tx, &e), &e);
	last = wait_for(s, 40, first.number);
	assert_true(last.number > first.number);
}

/* RFC 5280 3.3: it is told for one more list, then forgotten. */
static void
time_makes_and_drops(void **state)
{
	struct site *s = *state;
	struct cert_crl_head before;
	struct err e = { 0 };

	add(s, 1, MS_H);
	change(s, 1, CERT_REASON_SUPERSEDED);
	before = wait_for(s, 1, head(s).number - 1);
	clock_set_offset_ms(5 * MS_H);
	must(cert_crl_make(s->crl, &e), &e);
	assert_int_equal(head(s).number, before.number);
	clock_set_offset_ms(7 * MS_H);
	must(cert_crl_make(s->crl, &e), &e);
	assert_int_equal(head(s).entries, 1);
	assert_true(head(s).number > before.number);
	clock_set_offset_ms(32 * MS_H);
	must(cert_crl_make(s->crl, &e), &e);
	assert_int_equal(head(s).entries, 0);
}

/* Hours that are to come are no time for a list. */
static void
a_clock_set_back_makes_the_next(void **state)
{
	struct site *s = *state;
	struct cert_crl_head ahead, now;
	struct err e = { 0 };

	clock_set_offset_ms(7 * MS_H);
	must(cert_crl_make(s->crl, &e), &e);
	ahead = head(s);
	clock_set_offset_ms(2 * MS_H);
	must(cert_crl_make(s->crl, &e), &e);
	now = head(s);
	assert_true(now.number > ahead.number);
	assert_true(now.this_update <= clock_now_ms());
	must(cert_crl_make(s->crl, &e), &e);
	assert_int_equal(head(s).number, now.number);
}

/* Two nodes: one makes, both serve. */
static void
one_node_makes(void **state)
{
	struct site *s = *state;
	struct cert_crl *other = NULL;
	struct cert_crl_head first = head(s), h;
	AUTO(buf_free) struct buf *a = buf_new(1 << 20);
	AUTO(buf_free) struct buf *b = buf_new(1 << 20);
	struct err e = { 0 };

	must(cert_crl_new(
	         &(struct cert_crl_options){ s->place.st, s->live, "node-2" },
	         &other, &e),
	    &e);
	assert_int_equal(head(s).number, first.number);
	add(s, 1, MS_DAY);
	change(s, 1, CERT_REASON_SUPERSEDED);
	must(cert_crl_make(other, &e), &e); /* not its turn */
	h = wait_for(s, 1, first.number);
	must(cert_crl_make(other, &e), &e);
	assert_int_equal(head(s).number, h.number);
	must(cert_crl_read(other, cert_authority_id(s->a), a, &e), &e);
	must(cert_crl_read(s->crl, cert_authority_id(s->a), b, &e), &e);
	assert_true(slice_eq(buf_slice(a), buf_slice(b)));
	cert_crl_free(&other);
}

/* ---- entries are written by hand ---- */

static EVP_PKEY *
issuing_key(struct site *s)
{
	const struct cert_member *const *m = NULL;
	size_t n = cert_authority_members(s->a, &m);

	for (size_t i = 0; i < n; i++)
		if (str_eq(m[i]->id, cert_authority_id(s->a)))
			return m[i]->key;
	fail_msg("no issuing CA");
	return NULL;
}

static void
copy_entry(X509_CRL *to, X509_REVOKED *from)
{
	X509_REVOKED *r = X509_REVOKED_new();
	ASN1_ENUMERATED *reason =
	    X509_REVOKED_get_ext_d2i(from, NID_crl_reason, NULL, NULL);

	X509_REVOKED_set_serialNumber(
	    r, (ASN1_INTEGER *)X509_REVOKED_get0_serialNumber(from));
	X509_REVOKED_set_revocationDate(
	    r, (ASN1_TIME *)X509_REVOKED_get0_revocationDate(from));
	if (reason != NULL)
		assert_int_equal(X509_REVOKED_add1_ext_i2d(r, NID_crl_reason,
		                     reason, 0, X509V3_ADD_APPEND),
		    1);
	assert_int_equal(X509_CRL_add0_revoked(to, r), 1);
	ASN1_ENUMERATED_free(reason);
}

/* The same list made by OpenSSL from its parts, and signed. */
static X509_CRL *
remade(struct site *s, X509_CRL *crl)
{
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(crl);
	X509_CRL *n = X509_CRL_new();

	X509_CRL_set_version(n, 1);
	X509_CRL_set_issuer_name(n, X509_CRL_get_issuer(crl));
	X509_CRL_set1_lastUpdate(n, X509_CRL_get0_lastUpdate(crl));
	X509_CRL_set1_nextUpdate(n, X509_CRL_get0_nextUpdate(crl));
	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
		X509_CRL_add_ext(n, X509_CRL_get_ext(crl, i), -1);
	for (int i = sk_X509_REVOKED_num(all) - 1; i >= 0; i--)
		copy_entry(n, sk_X509_REVOKED_value(all, i));
	X509_CRL_sort(n);
	assert_true(X509_CRL_sign(n, issuing_key(s), EVP_sha256()) > 0);
	return n;
}

static void
entries_are_as_openssl_writes_them(void **state)
{
	static const char *const serials[] = { "01", "7f", "80", "ff", "0100",
		"00fe", "8000", "7fffffffffffffffffffffffffffffff",
		"80000000000000000000000000000000", "00" };
	struct site *s = *state;
	AUTO(buf_free) struct buf *served = buf_new(1 << 20);
	int64_t before = head(s).number;
	struct err e = { 0 };
	unsigned char *der = NULL;
	X509_CRL *crl, *n;
	int len;

	for (int i = 0; i < (int)COUNT(serials); i++) {
		add_serial(s, i, serials[i], MS_DAY);
		change(s, i, i == 6 ? 9 : i % 6);
	}
	wait_for(s, COUNT(serials), before);
	crl = read_crl(s);
	n = remade(s, crl);
	len = i2d_X509_CRL(n, &der);
	assert_int_equal(
	    sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), COUNT(serials));
	must(cert_crl_read(s->crl, cert_authority_id(s->a), served, &e), &e);
	/* RSA with PKCS #1 v1.5 is deterministic: the signatures, too. */
	assert_true(slice_eq(buf_slice(served), slice_of(der, (size_t)len)));
	OPENSSL_free(der);
	X509_CRL_free(n);
	X509_CRL_free(crl);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_is_empty),
		T(a_revocation_makes_the_next),
		T(many_at_once_come_together),
		T(time_makes_and_drops),
		T(a_clock_set_back_makes_the_next),
		T(one_node_makes),
		T(entries_are_as_openssl_writes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
