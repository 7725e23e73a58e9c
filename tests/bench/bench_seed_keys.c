/*
 * RSA keys, kept between runs: making them takes longer than everything else
 * here.  Worth nothing to anybody.  One thread, but for the making.
 */
#include <string.h>

#include "bench_seed.h"
#include "core/file.h"

enum { KEYS_MAX = 4 << 20 };

static const char begin_mark[] = "-----BEGIN";

/* Bytes of the first key of several PEM texts in a row. */
static size_t
first_length(const char *pem)
{
	const char *next = strstr(pem + 1, begin_mark);

	return next != NULL ? (size_t)(next - pem) : strlen(pem);
}

static bool
read_keys(const char *path, EVP_PKEY *keys[SEED_KEYS], struct err *e)
{
	AUTO(buf_wipe) struct buf *text = NULL;
	const char *p;
	size_t len, n = 0;

	if (!file_exists(path))
		return true;
	if (!file_read(path, KEYS_MAX, &text, e))
		return false;
	for (p = strstr(buf_str(text), begin_mark);
	     p != NULL && *p != '\0' && n < SEED_KEYS; p += len, n++) {
		len = first_length(p);
		if (!cert_key_parse(slice_of(p, len), &keys[n], e))
			return err_wrap(e, "%s", path);
	}
	return true;
}

static void
make_key(size_t i, void *arg)
{
	EVP_PKEY **keys = arg;
	struct err e;

	if (keys[i] == NULL)
		seed_must(cert_key_new(CERT_RSA_2048, &keys[i], &e), &e);
}

bool
seed_keys(const char *path, struct seed *s, struct err *e)
{
	size_t count = SEED_DEVICE_KEYS + s->scep_keys;
	EVP_PKEY **keys = s->keys;
	AUTO(buf_wipe) struct buf *all = buf_new(KEYS_MAX);

	if (!read_keys(path, keys, e))
		return false;
	if (keys[count - 1] != NULL)
		return true;
	seed_parallel(count, make_key, keys);
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_wipe) struct buf *pem = NULL;

		if (!cert_key_pem(keys[i], &pem, e))
			return false;
		buf_add(all, pem->p, pem->len);
	}
	return buf_ok(all, e) && file_write(path, buf_slice(all), 0600, e);
}
