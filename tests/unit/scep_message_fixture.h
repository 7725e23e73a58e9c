/* A key, its certificate, and messages that are parsed by scep_parse() alone.
 */
#pragma once

#include <openssl/err.h>

#include "scep/scep_message.h"
#include "tests/unit/scep_forge_signed.h"

static struct {
	EVP_PKEY *key;
	X509 *signer;
	struct scep_reader *reader;
} the;

static inline int
setup(void **state)
{
	struct err e;

	(void)state;
	assert_true(scep_reader_new(&the.reader, &e));
	the.key = forge_rsa(2048);
	the.signer = forge_certificate((struct forge_cert){ .key = the.key });
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(the.key);
	X509_free(the.signer);
	scep_reader_free(&the.reader);
	return 0;
}

static inline struct forge_message
good(void)
{
	return forge_message(the.key, the.signer, TEXT("inner"));
}

/* -1: accepted; a scep_fail; 400: cannot be answered. */
static inline int
parse_bytes(struct slice der)
{
	AUTO(scep_message_free) struct scep_message *m = NULL;
	AUTO(scep_message_free) struct scep_message *quick = NULL;
	struct scep_verdict v, w;
	struct err e = { 0 };
	bool good = scep_parse(NULL, der, &m, &v, &e);

	/* With a reader and without: the same. */
	assert_int_equal(scep_parse(the.reader, der, &quick, &w, &e), good);
	assert_int_equal(ERR_peek_error(), 0);
	if (!good) {
		assert_null(m);
		assert_int_equal(e.code, ERR_INVALID);
		return 400;
	}
	assert_non_null(m);
	assert_int_equal(v.fail < 0, v.text == NULL);
	assert_int_equal(v.fail, w.fail);
	assert_ptr_equal(v.text, w.text);
	return v.fail;
}

static inline int
parse(const struct forge_message *m)
{
	AUTO(buf_free) struct buf *der = forge_signed(m);

	return parse_bytes(buf_slice(der));
}

/* Parses a good message after setting one attribute. */
static inline int
with(int which, int tag, struct slice value)
{
	struct forge_message m = good();

	m.attrs[which].tag = tag;
	m.attrs[which].value = value;
	return parse(&m);
}
