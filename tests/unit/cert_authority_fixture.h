/* An authority in a place of its own, and certificates from it. */
#pragma once

#include "cert_fixture.h"

#include "certs/cert_authority.h"

static inline struct cert_authority *
open_authority(struct place *p)
{
	struct cert_authority_options o = { .key_dir = p->keys,
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
		clock_now_ms() };
	bool good;

	assert_non_null(in.template);
	assert_int_equal(X509_PUBKEY_set(&in.pub, key), 1);
	good = cert_authority_issue(a, &in, out, e);
	X509_PUBKEY_free(in.pub);
	return good;
}
