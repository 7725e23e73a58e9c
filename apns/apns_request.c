/* Key and CSR of a push certificate; see apns_request.h. */
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "apns/apns_request_priv.h"
#include "core/limits.h"

void
apns_request_free(struct apns_request **request)
{
	struct apns_request *r = TAKE(*request);

	if (r == NULL)
		return;
	str_free(&r->csr_pem);
	str_wipe(&r->key_pem);
	mem_free(&r);
}

bool
apns_request_csr(struct slice pem, X509_REQ **out, struct err *e)
{
	AUTO(cert_bio_free) BIO *bio = NULL;
	AUTO(cert_req_free) X509_REQ *req = NULL;
	EVP_PKEY *key;

	if (pem.len == 0 || pem.len > APNS_REQUEST_MAX)
		return err_set(
		    e, ERR_INVALID, "a request (CSR) of %zu bytes", pem.len);
	bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	if (req == NULL)
		return err_openssl(
		    e, ERR_INVALID, "not a certificate request in PEM");
	key = X509_REQ_get0_pubkey(req);
	if (key == NULL || X509_REQ_verify(req, key) != 1)
		return err_openssl(e, ERR_INVALID,
		    "the request's own signature does not verify");
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
	    EVP_PKEY_get_bits(key) < 2048)
		return err_set(e, ERR_INVALID,
		    "Apple wants an RSA key of 2048 bits or more");
	*out = TAKE(req);
	return true;
}

static bool
check_subject(const struct apns_request_subject *s, struct err *e)
{
	if (str_empty(s->organization) || strlen(s->organization) > 64)
		return err_set(
		    e, ERR_INVALID, "organization: 1 to 64 characters");
	if (s->country == NULL || strlen(s->country) != 2 ||
	    strspn(s->country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 2)
		return err_set(e, ERR_INVALID,
		    "country: two capital letters, as in \"JP\"");
	if (str_empty(s->email) || strlen(s->email) > 128 ||
	    strchr(s->email, '@') == NULL)
		return err_set(e, ERR_INVALID, "email: an address is needed");
	return true;
}

static bool
build(const struct apns_request_subject *s, EVP_PKEY *key, X509_REQ **out,
    struct err *e)
{
	const struct {
		int nid;
		const char *value;
	} names[] = { { NID_countryName, s->country },
		{ NID_commonName, s->organization },
		{ NID_pkcs9_emailAddress, s->email } };
	AUTO(cert_req_free) X509_REQ *req = X509_REQ_new();
	X509_NAME *name;

	if (req == NULL || !X509_REQ_set_version(req, 0))
		return err_openssl(e, ERR_INTERNAL, "making a request");
	name = X509_REQ_get_subject_name(req);
	for (size_t i = 0; i < COUNT(names); i++)
		if (!X509_NAME_add_entry_by_NID(name, names[i].nid,
		        MBSTRING_UTF8, (const unsigned char *)names[i].value,
		        -1, -1, 0))
			return err_openssl(
			    e, ERR_INVALID, "subject of the request");
	if (!X509_REQ_set_pubkey(req, key) ||
	    X509_REQ_sign(req, key, EVP_sha256()) <= 0)
		return err_openssl(e, ERR_INTERNAL, "signing a request");
	*out = TAKE(req);
	return true;
}

static bool
write_csr(X509_REQ *req, char **out, struct err *e)
{
	AUTO(cert_bio_free) BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	if (bio == NULL || !PEM_write_bio_X509_REQ(bio, req))
		return err_openssl(e, ERR_INTERNAL, "writing a request");
	len = BIO_get_mem_data(bio, &text);
	*out = str_printf("%.*s", (int)len, text);
	return true;
}

bool
apns_request_make(const struct apns_request_subject *s,
    struct apns_request **out, struct err *e)
{
	AUTO(apns_request_free)
	struct apns_request *r = mem_zalloc(1, sizeof(*r));
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(cert_req_free) X509_REQ *req = NULL;
	AUTO(buf_wipe) struct buf *pem = NULL;

	if (!check_subject(s, e) || !cert_key_new(CERT_RSA_2048, &key, e) ||
	    !build(s, key, &req, e) || !write_csr(req, &r->csr_pem, e) ||
	    !cert_key_pem(key, &pem, e) || !cert_spki(key, r->spki, e))
		return false;
	r->key_pem = str_dup(buf_str(pem));
	uuid_new_lower(r->id);
	*out = TAKE(r);
	return true;
}
