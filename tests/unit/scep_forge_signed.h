/*
 * The outer half of the forge of SCEP requests: SignedData with any signed
 * attributes, written by hand.  See scep_forge.h.
 */
#pragma once

#include "tests/unit/scep_forge.h"

enum {
	FORGE_CONTENT_TYPE,
	FORGE_MESSAGE_DIGEST,
	FORGE_MESSAGE_TYPE,
	FORGE_SENDER_NONCE,
	FORGE_TRANSACTION,
	FORGE_EXTRA
};

struct forge_attr {
	const char *oid; /* NULL: not there */
	int tag;
	struct slice value; /* p NULL: the right messageDigest */
	int copies, values; /* 0: 1 */
};

struct forge_message {
	struct forge_attr attrs[FORGE_ATTRS];
	bool no_attrs, unsorted;
	struct slice content; /* eContent; p NULL: absent */
	const char *content_type;
	const char *outer_type;
	EVP_PKEY *key;
	X509 *signer;    /* named in sid */
	X509 *certs[40]; /* included */
	const EVP_MD *md;
	const char *md_name, *signature;
	int signers; /* how many SignerInfos */
	bool by_ski, ber, bad_signature;
};

#define SCEP_OID "2.16.840.1.113733.1.9."

static UNUSED struct forge_message
forge_message(EVP_PKEY *key, X509 *signer, struct slice content)
{
	static const uint8_t nonce[16] = "0123456789abcde";

	return (struct forge_message){
		.attrs = {
		    [FORGE_CONTENT_TYPE] = { "contentType", V_ASN1_OBJECT,
			TEXT("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"), 0, 0 },
		    [FORGE_MESSAGE_DIGEST] = { "messageDigest",
			V_ASN1_OCTET_STRING, { 0 }, 0, 0 },
		    [FORGE_MESSAGE_TYPE] = { SCEP_OID "2",
			V_ASN1_PRINTABLESTRING, TEXT("19"), 0, 0 },
		    [FORGE_SENDER_NONCE] = { SCEP_OID "5",
			V_ASN1_OCTET_STRING, slice_of(nonce, 16), 0, 0 },
		    [FORGE_TRANSACTION] = { SCEP_OID "7",
			V_ASN1_PRINTABLESTRING, TEXT("T-1"), 0, 0 },
		},
		.content = content,
		.key = key,
		.signer = signer,
		.certs = { signer },
		.md = EVP_sha256(),
		.md_name = "sha256",
		.signers = 1,
	};
}

static UNUSED void
forge_attribute(struct buf *b, const struct forge_attr *a, struct slice digest)
{
	struct slice value = a->value.p != NULL ? a->value : digest;
	AUTO(buf_free) struct buf *s = forge_buf();
	AUTO(buf_free) struct buf *set = forge_buf();

	for (int i = 0; i < (a->values ? a->values : 1); i++) {
		/* Two equal values are no SET: make them differ. */
		AUTO(buf_free) struct buf *copy = forge_buf();
		buf_add(copy, value.p, value.len);
		if (i > 0)
			copy->p[copy->len - 1] ^= 1;
		forge_der(set, (uint8_t)a->tag, buf_slice(copy));
	}
	forge_oid(s, a->oid);
	forge_der(s, 0x31, buf_slice(set));
	forge_der(b, 0x30, buf_slice(s));
}

static UNUSED int
forge_compare(const void *a, const void *b)
{
	const struct buf *x = *(struct buf *const *)a;
	const struct buf *y = *(struct buf *const *)b;
	int r = memcmp(x->p, y->p, x->len < y->len ? x->len : y->len);

	return r != 0 ? r : (int)x->len - (int)y->len;
}

/* The contents of the SET OF Attribute. */
static UNUSED struct buf *
forge_attributes(const struct forge_message *m)
{
	struct buf *all[2 * FORGE_ATTRS], *out = forge_buf();
	uint8_t md[EVP_MAX_MD_SIZE];
	unsigned md_len;
	size_t n = 0;

	EVP_Digest(m->content.p, m->content.len, md, &md_len, m->md, NULL);
	for (int i = 0; i < FORGE_ATTRS; i++) {
		const struct forge_attr *a = &m->attrs[i];

		for (int c = 0; a->oid != NULL && c < (a->copies ?: 1); c++) {
			all[n] = forge_buf();
			forge_attribute(all[n++], a, slice_of(md, md_len));
		}
	}
	qsort(all, n, sizeof(all[0]), forge_compare);
	for (size_t i = 0; i < n; i++) {
		struct buf **one = &all[m->unsorted ? n - 1 - i : i];

		buf_add(out, (*one)->p, (*one)->len);
	}
	for (size_t i = 0; i < n; i++)
		buf_free(&all[i]);
	return out;
}

static UNUSED struct buf *
forge_signature(const struct forge_message *m, struct slice attrs)
{
	AUTO(buf_free) struct buf *set = forge_buf();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct buf *out = forge_buf();
	uint8_t sig[1024];
	size_t len = sizeof(sig);

	if (m->no_attrs)
		buf_add(set, m->content.p, m->content.len);
	else
		forge_der(set, 0x31, attrs);
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, m->md, NULL, m->key), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &len, set->p, set->len), 1);
	EVP_MD_CTX_free(ctx);
	if (m->bad_signature)
		sig[10] ^= 1;
	buf_add(out, sig, len);
	return out;
}

static UNUSED void
forge_signer_info(struct buf *b, const struct forge_message *m)
{
	AUTO(buf_free) struct buf *s = forge_buf();
	AUTO(buf_free) struct buf *attrs = forge_attributes(m);
	AUTO(buf_free)
	struct buf *signature = forge_signature(m, buf_slice(attrs));
	bool ec = EVP_PKEY_get_base_id(m->key) == EVP_PKEY_EC;
	const char *alg = ec ? "ecdsa-with-SHA256" : "rsaEncryption";

	buf_add(s, m->by_ski ? "\x02\x01\x03" : "\x02\x01\x01", 3);
	forge_sid(s, m->signer, m->by_ski);
	forge_algorithm(s, m->md_name, slice_of(NULL, 0));
	if (!m->no_attrs)
		forge_der(s, 0xa0, buf_slice(attrs));
	forge_algorithm(
	    s, m->signature ? m->signature : alg, slice_of(NULL, 0));
	forge_der(s, 0x04, buf_slice(signature));
	forge_der(b, 0x30, buf_slice(s));
}

static UNUSED void
forge_encap(struct buf *b, const struct forge_message *m)
{
	AUTO(buf_free) struct buf *s = forge_buf();
	AUTO(buf_free) struct buf *octets = forge_buf();

	forge_oid(s, m->content_type ? m->content_type : "pkcs7-data");
	if (m->content.p != NULL) {
		forge_octets(octets, m->ber, 0x04, m->content);
		forge_wrap(s, m->ber, 0xa0, buf_slice(octets));
	}
	forge_wrap(b, m->ber, 0x30, buf_slice(s));
}

static UNUSED struct buf *
forge_signed(const struct forge_message *m)
{
	AUTO(buf_free) struct buf *data = forge_buf();
	AUTO(buf_free) struct buf *part = forge_buf();
	AUTO(buf_free) struct buf *tagged = forge_buf();
	AUTO(buf_free) struct buf *info = forge_buf();
	struct buf *out = forge_buf();

	buf_add(data, m->by_ski ? "\x02\x01\x03" : "\x02\x01\x01", 3);
	forge_algorithm(part, m->md_name, slice_of(NULL, 0));
	forge_der(data, 0x31, buf_slice(part));
	forge_encap(data, m);
	buf_reset(part);
	for (int i = 0; i < 40 && m->certs[i] != NULL; i++)
		forge_add_certificate(part, m->certs[i]);
	if (part->len > 0)
		forge_wrap(data, m->ber, 0xa0, buf_slice(part));
	buf_reset(part);
	for (int i = 0; i < m->signers; i++)
		forge_signer_info(part, m);
	forge_der(data, 0x31, buf_slice(part));
	forge_wrap(tagged, m->ber, 0x30, buf_slice(data));
	forge_oid(info, m->outer_type ? m->outer_type : "pkcs7-signedData");
	forge_wrap(info, m->ber, 0xa0, buf_slice(tagged));
	forge_wrap(out, m->ber, 0x30, buf_slice(info));
	return out;
}
