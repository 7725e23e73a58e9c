/*
 * The shape check of CertReps (T0 of the conformance list) with OpenSSL's own
 * functions, and the answers tests expect: S, F0 to F4, H400.
 */
#pragma once

#include "tests/unit/scep_fixture.h"

static UNUSED struct slice
answer_attr(CMS_SignerInfo *si, const char *oid, int tag)
{
	ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	ASN1_STRING *s = CMS_signed_get0_data_by_OBJ(si, o, -3, tag);

	ASN1_OBJECT_free(o);
	return s != NULL ? slice_of(ASN1_STRING_get0_data(s),
	                       (size_t)ASN1_STRING_length(s))
	                 : slice_of(NULL, 0);
}

static UNUSED int
answer_number(CMS_SignerInfo *si, const char *oid)
{
	struct slice s = answer_attr(si, oid, V_ASN1_PRINTABLESTRING);

	if (s.p == NULL)
		return -1;
	assert_int_equal(s.len, 1);
	return s.p[0] - '0';
}

/* The certificate or CRL in the envelope; certificates above it may follow. */
static UNUSED void
answer_open(struct slice der, X509 *to, EVP_PKEY *key, struct answer *out)
{
	const uint8_t *p = der.p;
	CMS_ContentInfo *env = d2i_CMS_ContentInfo(NULL, &p, (long)der.len);
	CMS_ContentInfo *inner;
	BIO *plain = BIO_new(BIO_s_mem());
	STACK_OF(X509) * certs;
	STACK_OF(X509_CRL) * crls;

	assert_non_null(env);
	assert_ptr_equal(p, der.p + der.len);
	assert_int_equal(OBJ_obj2nid(CMS_get0_type(env)), NID_pkcs7_enveloped);
	assert_int_equal(
	    sk_CMS_RecipientInfo_num(CMS_get0_RecipientInfos(env)), 1);
	assert_int_equal(CMS_decrypt(env, key, to, NULL, plain, CMS_BINARY), 1);
	inner = d2i_CMS_bio(plain, NULL);
	assert_non_null(inner);
	assert_int_equal(sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(inner)), 0);
	assert_null(*CMS_get0_content(inner));
	certs = CMS_get1_certs(inner);
	crls = CMS_get1_crls(inner);
	if (crls != NULL) {
		assert_null(certs);
		assert_int_equal(sk_X509_CRL_num(crls), 1);
		out->crl = sk_X509_CRL_shift(crls);
		sk_X509_CRL_free(crls);
	} else {
		out->certs = sk_X509_num(certs);
		out->cert = sk_X509_shift(certs);
		cert_stack_free(&certs);
	}
	CMS_ContentInfo_free(inner);
	CMS_ContentInfo_free(env);
	BIO_free(plain);
}

static UNUSED void
answer_attributes(
    CMS_SignerInfo *si, const struct forge_message *m, struct answer *out)
{
	const struct forge_attr *tid = &m->attrs[FORGE_TRANSACTION];
	struct slice nonce = answer_attr(si, SCEP_OID "5", V_ASN1_OCTET_STRING);
	struct slice text;

	assert_true(
	    slice_eq(answer_attr(si, SCEP_OID "7", tid->tag), tid->value));
	assert_true(slice_eq(answer_attr(si, SCEP_OID "6", V_ASN1_OCTET_STRING),
	    m->attrs[FORGE_SENDER_NONCE].value));
	assert_int_equal(nonce.len, 16);
	assert_false(slice_eq(nonce, m->attrs[FORGE_SENDER_NONCE].value));
	assert_int_equal(answer_number(si, SCEP_OID "2"), 3);
	out->status = answer_number(si, SCEP_OID "3");
	out->fail = answer_number(si, SCEP_OID "4");
	assert_int_equal(out->status == 2, out->fail >= 0);
	text = answer_attr(si, "1.3.6.1.5.5.7.24.1", V_ASN1_UTF8STRING);
	assert_int_equal(out->status == 2, text.p != NULL);
	snprintf(out->text, sizeof(out->text), "%.*s", (int)text.len,
	    text.p != NULL ? (const char *)text.p : "");
}

/* T0.  key opens the envelope of a success. */
static UNUSED void
answer_read(struct world *w, const struct forge_message *m, struct slice der,
    struct answer *out)
{
	const uint8_t *p = der.p;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.len);
	BIO *content = BIO_new(BIO_s_mem());
	STACK_OF(X509) * certs;
	CMS_SignerInfo *si;
	X509_ALGOR *digest;
	uint8_t *again = NULL;
	char *inner;
	long len;

	assert_non_null(cms);
	assert_int_equal(i2d_CMS_ContentInfo(cms, &again), der.len);
	assert_memory_equal(again, der.p, der.len);
	OPENSSL_free(again);
	assert_int_equal(sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(cms)), 1);
	si = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
	certs = CMS_get1_certs(cms);
	assert_int_equal(sk_X509_num(certs), 1);
	assert_int_equal(X509_cmp(sk_X509_value(certs, 0), w->ra), 0);
	sk_X509_pop_free(certs, X509_free);
	assert_int_equal(CMS_SignerInfo_cert_cmp(si, w->ra), 0);
	assert_int_equal(CMS_verify(cms, NULL, NULL, NULL, content,
	                     CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY),
	    1);
	CMS_SignerInfo_get0_algs(si, NULL, NULL, &digest, NULL);
	assert_int_equal(
	    OBJ_obj2nid(digest->algorithm), EVP_MD_get_type(m->md));
	answer_attributes(si, m, out);
	assert_non_null(*CMS_get0_content(cms));
	len = BIO_get_mem_data(content, &inner);
	if (out->status == 0)
		answer_open(
		    slice_of(inner, (size_t)len), m->signer, m->key, out);
	else
		assert_int_equal(len, 0);
	assert_true(out->certs <= 1 || w->outside);
	BIO_free(content);
	CMS_ContentInfo_free(cms);
}

/* Sends bytes from an address; m tells what the reply has to echo. */
static UNUSED struct answer
answer_to(struct world *w, const struct forge_message *m, struct slice bytes,
    const char *peer)
{
	AUTO(buf_free) struct buf *reply = NULL;
	struct answer a = { .status = -1, .fail = -1 };
	struct err e = { 0 };

	if (!scep_operation(w->service, bytes, peer, &reply, &e)) {
		assert_true(e.code == ERR_INVALID || e.code == ERR_TOO_LARGE);
		a.http_400 = true;
		return a;
	}
	answer_read(w, m, buf_slice(reply), &a);
	return a;
}

static UNUSED struct answer
answer_message(struct world *w, const struct forge_message *m)
{
	AUTO(buf_free) struct buf *bytes = forge_signed(m);

	return answer_to(w, m, buf_slice(bytes), "192.0.2.1");
}

/* A request with this CSR, otherwise good; signed by w->key. */
static UNUSED struct answer
answer_csr(struct world *w, struct slice csr)
{
	AUTO(buf_free)
	struct buf *env =
	    forge_envelope((struct forge_env){ .to = { w->ra } }, csr);
	struct forge_message m =
	    forge_message(w->key, w->signer, buf_slice(env));

	return answer_message(w, &m);
}

/* A request with this challenge for this key, otherwise good. */
static UNUSED struct answer
answer_challenge(struct world *w, EVP_PKEY *key, const char *challenge)
{
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){
	    .key = key, .challenge = slice_str(challenge) });

	return answer_csr(w, buf_slice(csr));
}

#define EXPECT_S(call)                                                         \
	do {                                                                   \
		AUTO(answer_clear) struct answer a_ = (call);                  \
		if (a_.http_400 || a_.status != 0)                             \
			fail_msg("status %d, fail %d: %s", a_.status, a_.fail, \
			    a_.text);                                          \
		assert_non_null(a_.cert);                                      \
	} while (0)
#define EXPECT_F(n, call)                                                      \
	do {                                                                   \
		AUTO(answer_clear) struct answer a_ = (call);                  \
		if (a_.http_400 || a_.status != 2 || a_.fail != (n))           \
			fail_msg("H400 %d, status %d, fail %d: %s",            \
			    a_.http_400, a_.status, a_.fail, a_.text);         \
	} while (0)
#define EXPECT_400(call)                                                       \
	do {                                                                   \
		AUTO(answer_clear) struct answer a_ = (call);                  \
		if (!a_.http_400)                                              \
			fail_msg("status %d, fail %d: %s", a_.status, a_.fail, \
			    a_.text);                                          \
	} while (0)
