/*
 * Requests for a certificate that depend on their challenge, for tests of who
 * gets one.
 */
#pragma once

#include "scep/scep_priv.h"
#include "tests/unit/scep_answer.h"

static UNUSED struct answer
enroll(struct world *w, EVP_PKEY *key, const char *challenge)
{
	return answer_challenge(w, key, challenge);
}

/* F2 with the one text that every challenge problem has. */
static UNUSED void
refused(struct world *w, EVP_PKEY *key, const char *challenge)
{
	AUTO(answer_clear) struct answer a = enroll(w, key, challenge);

	assert_false(a.http_400);
	assert_int_equal(a.status, SCEP_FAILURE);
	assert_int_equal(a.fail, SCEP_BAD_REQUEST);
	assert_string_equal(a.text, SCEP_TEXT_CHALLENGE);
}
