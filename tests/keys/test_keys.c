/*
 * Stands in for cert_key_new() in the unit tests (ld --wrap): RSA keys come
 * from the files that make.sh made, in turn, so that no two of a test are the
 * same.  Other kinds are made as ever.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stdatomic.h>

#include "certs/cert_key.h"
#include "core/file.h"

bool __real_cert_key_new(
    enum cert_key_kind kind, EVP_PKEY **out, struct err *e);
bool __wrap_cert_key_new(
    enum cert_key_kind kind, EVP_PKEY **out, struct err *e);

bool
__wrap_cert_key_new(enum cert_key_kind kind, EVP_PKEY **out, struct err *e)
{
	static const struct {
		int bits, count;
	} pools[] = {
		[CERT_RSA_2048] = { 2048, 32 }, [CERT_RSA_3072] = { 3072, 8 }
	};
	static _Atomic int used[COUNT(pools)];
	char path[sizeof(TEST_KEYS) + 32];
	AUTO(buf_wipe) struct buf *pem = NULL;
	int n;

	if ((size_t)kind >= COUNT(pools) || pools[kind].count == 0)
		return __real_cert_key_new(kind, out, e);
	n = atomic_fetch_add(&used[kind], 1) % pools[kind].count;
	snprintf(
	    path, sizeof(path), "%s/%d-%d.pem", TEST_KEYS, pools[kind].bits, n);
	return file_read(path, 16 << 10, &pem, e) &&
	       cert_key_parse(buf_slice(pem), out, e);
}
