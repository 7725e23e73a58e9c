/*
 * The keys of mutsu scep enroll and renew: read from files that nobody else may
 * read, or made there.  One thread.
 */
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "app/app_scep_priv.h"
#include "certs/cert_x509.h"
#include "core/file.h"
#include "core/limits.h"

static const struct kind {
	const char *name;
	int type, bits;
	enum cert_key_kind made_as;
} kinds[] = {
	{ "rsa2048", EVP_PKEY_RSA, 2048, CERT_RSA_2048 },
	{ "rsa3072", EVP_PKEY_RSA, 3072, CERT_RSA_3072 },
	{ "rsa4096", EVP_PKEY_RSA, 4096, CERT_RSA_4096 },
	{ "p256", EVP_PKEY_EC, 256, CERT_P256 },
	{ "p384", EVP_PKEY_EC, 384, CERT_RSA_DEFAULT },
};

static bool
is_of(const struct kind *k, EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) == k->type &&
	       EVP_PKEY_get_bits(key) == k->bits;
}

static bool
is_rsa(EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
}

static bool
read_key(const char *path, EVP_PKEY **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *pem = NULL;
	AUTO(cert_key_free) EVP_PKEY *k = NULL;

	if (!file_private(path, e) || !file_read(path, LIMIT_CERT, &pem, e))
		return false;
	if (!cert_key_parse(buf_slice(pem), &k, e) ||
	    !cert_key_acceptable(k, true, e))
		return err_wrap(e, "%s", path);
	*out = TAKE(k);
	return true;
}

static bool
make_key(const struct kind *k, const char *path, EVP_PKEY **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *pem = NULL;
	AUTO(cert_key_free) EVP_PKEY *key = NULL;

	if (k->made_as != CERT_RSA_DEFAULT) {
		if (!cert_key_new(k->made_as, &key, e))
			return false;
	} else {
		key = EVP_EC_gen("P-384");
		if (key == NULL)
			return err_openssl(e, ERR_INTERNAL, "making a key");
	}
	if (!cert_key_pem(key, &pem, e) ||
	    !file_create(path, buf_slice(pem), 0600, e))
		return false;
	*out = TAKE(key);
	return true;
}

/* *out stays NULL without the option. */
static bool
named_kind(const struct app_args *a, const struct kind **out, struct err *e)
{
	const char *name = app_arg(a, "new-key");

	for (size_t i = 0; name != NULL && i < COUNT(kinds); i++)
		if (str_eq(kinds[i].name, name))
			*out = &kinds[i];
	return name == NULL || *out != NULL ||
	       err_set(e, ERR_INVALID,
	           "--new-key takes rsa2048, rsa3072, rsa4096, p256 or p384");
}

/* As the old key: what is renewed stays what it was. */
static const struct kind *
kind_of_old(EVP_PKEY *old)
{
	size_t i = 0;

	while (old != NULL && kinds[i + 1].type == EVP_PKEY_RSA &&
	       kinds[i].bits < EVP_PKEY_get_bits(old))
		i++;
	return &kinds[i];
}

/* An EC key signs no request, and opens no answer to one that it signed. */
static bool
check_kind(const struct app_scep_job *j, const struct kind *named, bool rsa,
    struct err *e)
{
	const char *path = app_arg(j->args, "key");

	if (rsa || (j->old_key != NULL && named != NULL))
		return true;
	if (j->old_key == NULL)
		return err_set(e, ERR_INVALID,
		    "RFC 8894 3.1: the key of a first request has to be RSA, "
		    "since the answer is encrypted for it");
	return err_set(e, ERR_INVALID,
	    "%s is an EC key, and SCEP could never renew its certificate; "
	    "--new-key p256 or p384 says that it is meant",
	    path);
}

bool
app_scep_load_key(struct app_scep_job *j, struct err *e)
{
	const char *path = app_arg(j->args, "key");
	const struct kind *named = NULL, *made;

	if (!named_kind(j->args, &named, e))
		return false;
	made = named != NULL ? named : kind_of_old(j->old_key);
	if (!file_exists(path)) {
		if (!check_kind(j, named, made->type == EVP_PKEY_RSA, e) ||
		    !make_key(made, path, &j->key, e))
			return false;
	} else if (!read_key(path, &j->key, e) ||
	           !check_kind(j, named, is_rsa(j->key), e)) {
		return false;
	}
	if (named != NULL && !is_of(named, j->key))
		return err_set(e, ERR_INVALID,
		    "%s is there already, and no key of the kind %s", path,
		    named->name);
	j->o.key = j->key;
	j->o.subject = &j->subject;
	return true;
}

/* What the new certificate is called unless somebody says otherwise. */
static void
take_names(struct app_scep_job *j)
{
	static const int nids[] = { NID_commonName, NID_organizationName,
		NID_organizationalUnitName, NID_userId };
	const char **fields[] = { &j->subject.cn, &j->subject.o, &j->subject.ou,
		&j->subject.uid };

	for (size_t i = 0; i < COUNT(nids); i++) {
		cert_subject_value(
		    j->old, nids[i], j->names[i], sizeof(j->names[i]));
		*fields[i] = j->names[i][0] != '\0' ? j->names[i] : NULL;
	}
}

bool
app_scep_load_old(struct app_scep_job *j, struct err *e)
{
	AUTO(buf_free) struct buf *pem = NULL;
	const char *cert = app_arg(j->args, "old-cert");
	const char *key = app_arg(j->args, "old-key");

	if (!file_read(cert, 4 * LIMIT_CERT, &pem, e))
		return false;
	if (!cert_parse_pem(buf_slice(pem), &j->old, e))
		return err_wrap(e, "%s", cert);
	if (!read_key(
	        key != NULL ? key : app_arg(j->args, "key"), &j->old_key, e))
		return false;
	if (X509_check_private_key(j->old, j->old_key) != 1)
		return err_openssl(
		    e, ERR_INVALID, "%s is a certificate of another key", cert);
	if (!is_rsa(j->old_key))
		return err_set(e, ERR_INVALID,
		    "%s is a certificate of an EC key, and SCEP renews those "
		    "of RSA keys alone (RFC 8894 3.1)",
		    cert);
	j->o.signer = j->old;
	j->o.signer_key = j->old_key;
	take_names(j);
	return true;
}
