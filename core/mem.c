/*
 * Memory: allocation that ends the process when there is none, wiping, and
 * comparison in constant time.  No state; any thread may call.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "core/str.h"

/*
 * A server that cannot get memory can neither answer nor log in the usual
 * way.  It stops here, with what was committed safe on disk.
 */
static void *
present(void *p)
{
	static const char text[] = "mutsu: out of memory\n";

	if (p != NULL)
		return p;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		abort();
	abort();
}

void *
mem_alloc(size_t size)
{
	return present(malloc(size > 0 ? size : 1));
}

void *
mem_zalloc(size_t count, size_t size)
{
	return present(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *
mem_realloc(void *p, size_t size)
{
	return present(realloc(p, size > 0 ? size : 1));
}

void
mem_free(void *pp)
{
	void *p;

	/* pp is the address of a pointer of any type: copied, not cast. */
	memcpy(&p, pp, sizeof(p));
	free(p);
	p = NULL;
	memcpy(pp, &p, sizeof(p));
}

bool
mem_eq_const_time(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void
mem_wipe(void *p, size_t len)
{
	if (len > 0)
		OPENSSL_cleanse(p, len);
}

bool
mem_keep_private(struct err *e)
{
	static const struct rlimit none = { 0, 0 };

	/* A limit of 0 does not stop a core_pattern that is a pipe; not being
	 * dumpable does. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    setrlimit(RLIMIT_CORE, &none) != 0)
		return err_errno(e, ERR_INTERNAL, "core dumps");
	return true;
}
