/*
 * Certificates for the simulated APNs and its clients.  No state; safe from
 * any thread.
 */
#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include "certs/cert_x509.h"
#include "core/clock.h"
#include "core/random.h"
#include "sim/sim_apns_cert.h"

struct issue {
	const char *cn, *uid;
	const char *alt_name; /* subjectAltName, or NULL */
	bool ca;
	int64_t not_before_ms, not_after_ms;
	X509 *issuer; /* NULL: itself */
	EVP_PKEY *issuer_key;
};

void
sim_apns_certs_free(struct sim_apns_certs **certs)
{
	struct sim_apns_certs *c = TAKE(*certs);

	if (c == NULL)
		return;
	str_free(&c->ca_pem);
	str_free(&c->server_cert_pem);
	str_wipe(&c->server_key_pem);
	str_free(&c->push_cert_pem);
	str_wipe(&c->push_key_pem);
	mem_free(&c);
}

static bool
add_name(X509_NAME *name, const char *field, const char *value)
{
	return value == NULL ||
	       X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
	           (const unsigned char *)value, -1, -1, 0) == 1;
}

static bool
add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool ok;

	if (value == NULL)
		return true;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool
fill(X509 *x, const struct issue *i, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(x);
	X509 *issuer = i->issuer != NULL ? i->issuer : x;
	uint64_t serial;

	random_bytes(&serial, sizeof(serial));
	return X509_set_version(x, X509_VERSION_3) == 1 &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1) ==
	           1 &&
	       ASN1_TIME_set(X509_getm_notBefore(x),
	           (time_t)(i->not_before_ms / MS_S)) != NULL &&
	       ASN1_TIME_set(X509_getm_notAfter(x),
	           (time_t)(i->not_after_ms / MS_S)) != NULL &&
	       add_name(name, "UID", i->uid) && add_name(name, "CN", i->cn) &&
	       add_name(name, "C", "JP") &&
	       X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1 &&
	       X509_set_pubkey(x, key) == 1 &&
	       add_extension(x, issuer, NID_basic_constraints,
	           i->ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
	       add_extension(x, issuer, NID_key_usage,
	           i->ca ? "critical,keyCertSign"
	                 : "critical,digitalSignature") &&
	       add_extension(x, issuer, NID_subject_key_identifier, "hash") &&
	       /* Authorities of one name are told apart by it. */
	       add_extension(x, issuer, NID_authority_key_identifier,
	           i->issuer != NULL ? "keyid:always" : NULL) &&
	       add_extension(x, issuer, NID_subject_alt_name, i->alt_name) &&
	       X509_sign(x, i->issuer_key != NULL ? i->issuer_key : key,
	           EVP_sha256()) > 0;
}

static bool
issue(const struct issue *i, EVP_PKEY *key, X509 **out, struct err *e)
{
	AUTO(cert_x509_free) X509 *x = X509_new();

	if (x == NULL || !fill(x, i, key))
		return err_openssl(e, ERR_INTERNAL, "certificate %s", i->cn);
	*out = TAKE(x);
	return true;
}

static bool
to_text(X509 *x, EVP_PKEY *key, char **cert_out, char **key_out, struct err *e)
{
	AUTO(buf_free) struct buf *cert = buf_new(16 << 10);
	AUTO(buf_wipe) struct buf *secret = NULL;

	if (!cert_pem(x, cert, e) || !buf_ok(cert, e))
		return false;
	if (key_out != NULL && !cert_key_pem(key, &secret, e))
		return false;
	*cert_out = str_dup(buf_str(cert));
	if (key_out != NULL)
		*key_out = str_dup(buf_str(secret));
	return true;
}

/* One end certificate with its key, as text. */
static bool
end_entity(const struct issue *i, enum cert_key_kind kind, char **cert_out,
    char **key_out, struct err *e)
{
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(cert_x509_free) X509 *x = NULL;

	return cert_key_new(kind, &key, e) && issue(i, key, &x, e) &&
	       to_text(x, key, cert_out, key_out, e);
}

bool
sim_apns_certs_new(const struct sim_apns_cert_options *o,
    struct sim_apns_certs **out, struct err *e)
{
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *c = mem_zalloc(1, sizeof(*c));
	AUTO(cert_key_free) EVP_PKEY *ca_key = NULL;
	AUTO(cert_x509_free) X509 *ca = NULL;
	const char *host = o->host != NULL ? o->host : "127.0.0.1";
	struct in6_addr address;
	bool literal = inet_pton(AF_INET, host, &address) == 1 ||
	               inet_pton(AF_INET6, host, &address) == 1;
	AUTO(str_free)
	char *alt_name = str_printf("%s:%s", literal ? "IP" : "DNS", host);
	int64_t now_ms = clock_now_ms();
	struct issue i = { .cn = "Simulated APNs CA",
		.ca = true,
		.not_before_ms = now_ms - MS_H,
		.not_after_ms = now_ms + 10 * 365 * MS_DAY };

	if (!cert_key_new(CERT_P256, &ca_key, e) ||
	    !issue(&i, ca_key, &ca, e) ||
	    !to_text(ca, NULL, &c->ca_pem, NULL, e))
		return false;
	i.issuer = ca;
	i.issuer_key = ca_key;
	i.ca = false;
	i.cn = host;
	i.alt_name = alt_name;
	if (!end_entity(
	        &i, CERT_P256, &c->server_cert_pem, &c->server_key_pem, e))
		return false;
	i.cn = "APSP:simulated";
	i.uid = o->topic;
	i.alt_name = NULL;
	i.not_before_ms =
	    o->not_before_ms != 0 ? o->not_before_ms : now_ms - MS_H;
	i.not_after_ms =
	    o->not_after_ms != 0 ? o->not_after_ms : now_ms + 365 * MS_DAY;
	if (!end_entity(
	        &i, CERT_RSA_2048, &c->push_cert_pem, &c->push_key_pem, e))
		return false;
	*out = TAKE(c);
	return true;
}

static struct buf *
text_buf(const char *first, const char *second)
{
	struct buf *b = buf_new(32 << 10);

	buf_adds(b, first);
	buf_adds(b, second);
	return b;
}

bool
sim_apns_server_cert(const char *host, struct buf **cert_out,
    struct buf **key_out, struct err *e)
{
	const struct sim_apns_cert_options o = { .host = host };
	AUTO(sim_apns_certs_free) struct sim_apns_certs *c = NULL;

	if (!sim_apns_certs_new(&o, &c, e))
		return false;
	*cert_out = text_buf(c->server_cert_pem, c->ca_pem);
	*key_out = text_buf(c->server_key_pem, "");
	return true;
}

bool
sim_apns_push_cert(const char *topic, struct buf **cert_out,
    struct buf **key_out, struct buf **ca_out, struct err *e)
{
	const struct sim_apns_cert_options o = { .topic = topic };
	AUTO(sim_apns_certs_free) struct sim_apns_certs *c = NULL;

	if (!sim_apns_certs_new(&o, &c, e))
		return false;
	*cert_out = text_buf(c->push_cert_pem, "");
	*key_out = text_buf(c->push_key_pem, "");
	*ca_out = text_buf(c->ca_pem, "");
	return true;
}
