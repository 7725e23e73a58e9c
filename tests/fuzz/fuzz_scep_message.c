/*
 * pkiMessages and envelopes from outside: the same bytes go through
 * scep_parse() as a message and through scep_open() as an envelope.  The
 * recipient's name and serial number are fixed, so that a corpus can address
 * it; its key is made anew, which no parser notices.
 */
#include <assert.h>
#include <stdlib.h>

#include "scep/scep_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SERIAL = 7777 };

static X509 *
recipient(EVP_PKEY *key)
{
	X509 *x = X509_new();

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), SERIAL);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN",
	    MBSTRING_UTF8, (const uint8_t *)"RA", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	return x;
}

static void
open_envelope(struct slice der)
{
	static EVP_PKEY *key;
	static X509 *ra;
	AUTO(scep_message_free) struct scep_message *m = NULL;
	AUTO(buf_wipe) struct buf *plain = NULL;
	struct scep_verdict v;

	if (key == NULL) {
		key = EVP_RSA_gen(2048);
		ra = recipient(key);
	}
	m = mem_zalloc(1, sizeof(*m));
	m->envelope = buf_new(der.len);
	buf_add(m->envelope, der.p, der.len);
	scep_open(m, ra, key, &plain, &v);
	assert((v.fail < 0) == (plain != NULL));
}

/* With a reader and without: the same. */
static void
parse(struct slice der)
{
	static struct scep_reader *reader;
	AUTO(scep_message_free) struct scep_message *m = NULL;
	AUTO(scep_message_free) struct scep_message *quick = NULL;
	struct scep_verdict v, w;
	struct err e;
	bool good = scep_parse(NULL, der, &m, &v, &e);

	if (reader == NULL && !scep_reader_new(&reader, &e))
		abort();
	if (scep_parse(reader, der, &quick, &w, &e) != good)
		abort();
	assert((m != NULL) == good && (quick != NULL) == good);
	if (!good)
		return;
	assert(m->transaction_id[0] != '\0');
	assert(m->sender_nonce_len > 0);
	assert(v.fail >= 0 || m->signer_key != NULL);
	assert(v.fail == w.fail && v.text == w.text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse(slice_of(data, size));
	open_envelope(slice_of(data, size));
	return 0;
}
