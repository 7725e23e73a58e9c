/*
 * Keeping and opening private keys.  No state; the tokens' engine is OpenSSL's
 * own.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "certs/cert_pkcs11_priv.h"
#include "certs/cert_vault.h"
#include "core/file.h"

enum { SECRET_MAX = 1024, PEM_MAX = 16 << 10 };

void
cert_vault_place_clear(struct cert_vault_place *p)
{
	buf_free(&p->sealed);
}

static bool
read_secret_file(const char *path, struct buf **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *whole = NULL;
	struct buf *line;

	if (!file_private(path, e) || !file_read(path, SECRET_MAX, &whole, e))
		return false;
	line = buf_new(SECRET_MAX);
	buf_add(line, buf_str(whole), strcspn(buf_str(whole), "\r\n"));
	*out = line;
	return true;
}

bool
cert_vault_secret(
    const char *name, const char *what, struct buf **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *b = NULL;
	const char *value = NULL;

	if (str_empty(name))
		return err_set(e, ERR_INVALID, "no %s is set", what);
	if (str_starts(name, "env:")) {
		value = getenv(name + strlen("env:"));
		b = buf_new(SECRET_MAX);
		buf_adds(b, value != NULL ? value : "");
		if (!buf_ok(b, e))
			return err_wrap(e, "%s", what);
	} else if (!str_starts(name, "file:")) {
		return err_set(
		    e, ERR_INVALID, "%s: give file:PATH or env:NAME", what);
	} else if (!read_secret_file(name + strlen("file:"), &b, e)) {
		e->code = ERR_INVALID; /* also one that is not there */
		return err_wrap(e, "%s", what);
	}
	if (buf_slice(b).len == 0)
		return err_set(e, ERR_INVALID, "%s: %s is empty", what, name);
	*out = TAKE(b);
	return true;
}

bool
cert_vault_passphrase_long(struct slice passphrase, struct err *e)
{
	size_t characters = 0;

	for (size_t i = 0; i < passphrase.len; i++)
		characters += (passphrase.p[i] & 0xc0) != 0x80;
	return characters >= CERT_PASSPHRASE_MIN ||
	       err_set(e, ERR_INVALID,
	           "the passphrase has %zu characters; for a file like this "
	           "it needs at least %d",
	           characters, CERT_PASSPHRASE_MIN);
}

static char *
seal_context(const char *id)
{
	return str_printf("authority.key:%s", id);
}

static bool
put_sealed(const struct cert_vault *v, const char *id, EVP_PKEY *k,
    struct cert_vault_place *out, struct err *e)
{
	AUTO(str_free) char *context = seal_context(id);
	AUTO(buf_wipe) struct buf *pem = NULL;
	AUTO(buf_free) struct buf *sealed = buf_new(PEM_MAX + 64);

	if (!cert_key_pem(k, &pem, e) ||
	    !seal_put(v->seal, context, buf_slice(pem), sealed, e))
		return false;
	out->sealed = TAKE(sealed);
	return true;
}

static bool
put_file(const struct cert_vault *v, const char *id, EVP_PKEY *k,
    struct cert_vault_place *out, struct err *e)
{
	AUTO(buf_wipe) struct buf *phrase = NULL;
	AUTO(buf_wipe) struct buf *pem = NULL;
	AUTO(str_free) char *name = str_printf("%s.key", id);
	AUTO(str_free) char *path = str_printf("%s/%s", v->dir, name);

	if (!cert_vault_secret(
	        v->passphrase, "passphrase of the key files", &phrase, e) ||
	    !file_mkdir(v->dir, e) || !file_private(v->dir, e) ||
	    !cert_key_encrypt(k, buf_slice(phrase), &pem, e) ||
	    !file_write(path, buf_slice(pem), 0600, e))
		return false;
	if (!str_copy(out->ref, sizeof(out->ref), name))
		return err_set(e, ERR_INVALID, "key file: the name is long");
	return true;
}

bool
cert_vault_put(const struct cert_vault *v, const char *id, EVP_PKEY *k,
    struct cert_vault_place *out, struct err *e)
{
	struct cert_vault_place p = { 0 };

	str_copy_cut(p.kind, sizeof(p.kind),
	    v->files ? CERT_VAULT_FILE : CERT_VAULT_SEALED);
	if (!(v->files ? put_file : put_sealed)(v, id, k, &p, e))
		return err_wrap(e, "keeping key %s", id);
	*out = p;
	return true;
}

bool
cert_vault_token(const char *uri, struct cert_vault_place *out, struct err *e)
{
	struct cert_vault_place p = { .kind = CERT_VAULT_PKCS11 };

	if (!str_starts(uri, "pkcs11:") || strstr(uri, "pin-") != NULL ||
	    !str_copy(p.ref, sizeof(p.ref), uri))
		return err_set(e, ERR_INVALID,
		    "not a pkcs11: URI without a PIN of at most %zu characters",
		    sizeof(p.ref) - 1);
	*out = p;
	return true;
}

static bool
get_sealed(const struct cert_vault *v, const char *id,
    const struct cert_vault_place *p, EVP_PKEY **out, struct err *e)
{
	AUTO(str_free) char *context = seal_context(id);
	AUTO(buf_wipe) struct buf *pem = buf_new(PEM_MAX);

	if (p->sealed == NULL || v->seal == NULL)
		return err_set(e, ERR_NOT_FOUND, "no key in the row");
	if (!seal_get(v->seal, context, buf_slice(p->sealed), pem, e))
		return err_wrap(e,
		    "not sealed under this master.key; every node needs the "
		    "same");
	return cert_key_parse(buf_slice(pem), out, e);
}

static bool
get_file(const struct cert_vault *v, const char *id,
    const struct cert_vault_place *p, EVP_PKEY **out, struct err *e)
{
	AUTO(str_free) char *path = str_printf("%s/%s", v->dir, p->ref);
	AUTO(buf_wipe) struct buf *phrase = NULL;
	AUTO(buf_wipe) struct buf *pem = NULL;

	(void)id;
	if (!file_exists(path))
		return err_set(
		    e, ERR_NOT_FOUND, "key file %s is missing", path);
	if (!file_private(v->dir, e) || !file_private(path, e) ||
	    !file_read(path, PEM_MAX, &pem, e) ||
	    !cert_vault_secret(
	        v->passphrase, "passphrase of the key files", &phrase, e))
		return false;
	return cert_key_decrypt(buf_slice(pem), buf_slice(phrase), out, e) ||
	       err_wrap(e, "key file %s", path);
}

static bool
get_token(const struct cert_vault *v, const char *id,
    const struct cert_vault_place *p, EVP_PKEY **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *pin = NULL;
	struct cert_pkcs11 t = { v->pkcs11_module, NULL, p->ref };

	(void)id;
	if (str_empty(t.module))
		return err_set(
		    e, ERR_INVALID, "PKCS #11: no module is set for the key");
	if (!cert_vault_secret(v->pkcs11_pin, "PIN of the token", &pin, e))
		return false;
	t.pin = buf_str(pin);
	return cert_pkcs11_key(&t, out, e);
}

static bool
get_away(const struct cert_vault *v, const char *id,
    const struct cert_vault_place *p, EVP_PKEY **out, struct err *e)
{
	(void)v, (void)p, (void)out;
	return err_set(e, ERR_NOT_FOUND, "the key of %s is not kept here", id);
}

bool
cert_vault_get(const struct cert_vault *v, const char *id,
    const struct cert_vault_place *p, EVP_PKEY **out, struct err *e)
{
	static const struct {
		const char *kind;
		bool (*get)(const struct cert_vault *v, const char *id,
		    const struct cert_vault_place *p, EVP_PKEY **out,
		    struct err *e);
	} kinds[] = {
		{ CERT_VAULT_SEALED, get_sealed },
		{ CERT_VAULT_FILE, get_file },
		{ CERT_VAULT_PKCS11, get_token },
		{ CERT_VAULT_AWAY, get_away },
	};

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_eq(kinds[i].kind, p->kind))
			return kinds[i].get(v, id, p, out, e) ||
			       err_wrap(e, "key %s", id);
	return err_set(
	    e, ERR_INTERNAL, "key %s: no such kind, %s", id, p->kind);
}

void
cert_vault_abandon(const struct cert_vault *v, const struct cert_vault_place *p)
{
	AUTO(str_free) char *path = NULL;

	if (!str_eq(p->kind, CERT_VAULT_FILE) || p->ref[0] == '\0')
		return;
	path = str_printf("%s/%s", v->dir, p->ref);
	unlink(path);
}
