/*
 * Stands in for cert_key_new() in the tests (ld --wrap): RSA keys come from the
 * files that make.sh made, in turn, so that no two of a test are the same.
 * Other kinds are made as ever.
 *
 * A scenario is many processes: MUTSU_TEST_KEYS_TAKEN names a file for each
 * size (NAME.2048) that is as many bytes long as keys were taken (rsa_key() in
 * scenario/lib.sh does so too), and when there are no more, one is made.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/cert_key.h"
#include "core/file.h"

bool __real_cert_key_new(
    enum cert_key_kind kind, EVP_PKEY **out, struct err *e);
bool __wrap_cert_key_new(
    enum cert_key_kind kind, EVP_PKEY **out, struct err *e);

static int
taken_before(const char *name, int bits)
{
	char path[4096];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s.%d", name, bits);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) != 0 || fstat(fd, &st) != 0 ||
	    write(fd, ".", 1) != 1) {
		perror(path);
		abort();
	}
	close(fd);
	return (int)st.st_size;
}

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
	const char *taken = getenv("MUTSU_TEST_KEYS_TAKEN");
	int n;

	if ((size_t)kind >= COUNT(pools) || pools[kind].count == 0)
		return __real_cert_key_new(kind, out, e);
	n = taken != NULL ? taken_before(taken, pools[kind].bits)
	                  : atomic_fetch_add(&used[kind], 1);
	if (taken != NULL && n >= pools[kind].count)
		return __real_cert_key_new(kind, out, e);
	n %= pools[kind].count;
	snprintf(
	    path, sizeof(path), "%s/%d-%d.pem", TEST_KEYS, pools[kind].bits, n);
	return file_read(path, 16 << 10, &pem, e) &&
	       cert_key_parse(buf_slice(pem), out, e);
}
