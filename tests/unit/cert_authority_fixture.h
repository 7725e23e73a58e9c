/* An authority in a place of its own, and certificates from it. */
#pragma once

#include "cert_fixture.h"

#include "certs/cert_live.h"

static inline struct cert_live *
open_live(struct place *p)
{
	struct cert_authority_options o = { .vault = place_vault(p),
		.organization = "Example" };
	struct cert_live *l = NULL;
	struct err e = { 0 };

	must(cert_live_open(p->st, &o, &l, &e), &e);
	return l;
}

static inline struct cert_authority *
open_authority(struct place *p)
{
	struct cert_authority_options o = { .vault = place_vault(p),
		.organization = "Example" };
	struct cert_authority *a = NULL;
	struct err e = { 0 };

	must(cert_authority_open(p->st, &o, &a, &e), &e);
	return a;
}

static inline bool
issue_for(const struct cert_authority *a, const char *template,
    const struct cert_subject *subject, EVP_PKEY *key, struct cert_issued *out,
    struct err *e)
{
	struct cert_issue in = { cert_template_find(template), subject, NULL,
		clock_now_ms(), NULL };
	bool good;

	assert_non_null(in.template);
	assert_int_equal(X509_PUBKEY_set(&in.pub, key), 1);
	good = cert_authority_issue(a, &in, out, e);
	X509_PUBKEY_free(in.pub);
	return good;
}

/* Made once, for the tests that only look: making keys takes a second. */
static struct place shared __attribute__((unused));

static inline int
make_shared(void **state)
{
	(void)state;
	place_make(&shared);
	return 0;
}

static inline int
drop_shared(void **state)
{
	(void)state;
	place_remove(&shared);
	return 0;
}

static inline int
share(void **state)
{
	*state = &shared;
	return 0;
}

static inline int
reset_clock(void **state)
{
	(void)state;
	clock_set_offset_ms(0);
	return 0;
}

/* X509_V_OK, or why x does not stand below the root, strictly. */
static inline int
chain_error(const struct cert_authority *a, X509 *x, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *between = sk_X509_new_null();
	X509_VERIFY_PARAM *param;
	int error;

	sk_X509_push(between, cert_authority_issuing(a));
	X509_STORE_add_cert(store, cert_authority_root(a));
	assert_int_equal(X509_STORE_CTX_init(ctx, store, x, between), 1);
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_flags(
	    param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
	X509_VERIFY_PARAM_set_time(param, (time_t)(clock_now_ms() / MS_S));
	if (purpose != 0)
		X509_VERIFY_PARAM_set_purpose(param, purpose);
	X509_verify_cert(ctx);
	error = X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_free(between);
	return error;
}

static inline void
check_life(X509 *x, int64_t days)
{
	int64_t now = clock_now_ms();

	assert_in_range(now - cert_not_before(x), MS_H, 2 * MS_DAY);
	assert_in_range(cert_not_after(x) - now, days * MS_DAY - MS_MIN,
	    days * MS_DAY + MS_S);
}
