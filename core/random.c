/*
 * Random numbers from the kernel.  No state; any thread may call.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/random.h"
#include "core/str.h"

void
random_bytes(void *out, size_t len)
{
	uint8_t *p = out;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		/* Without randomness no key, PIN or challenge is safe. */
		if (n <= 0)
			abort();
		p += n;
		len -= (size_t)n;
	}
}

uint32_t
random_below(uint32_t bound)
{
	uint32_t n, reject;

	assert(bound > 0);
	/* 2^32 mod bound: as many values at the low end are one too many. */
	reject = -bound % bound;
	do
		random_bytes(&n, sizeof(n));
	while (n < reject);
	return n % bound;
}

/* len characters of the alphabet, which has count <= 256 of them. */
static void
pick(char *out, size_t len, const char *alphabet, unsigned count)
{
	unsigned usable = 256 - 256 % count;
	uint8_t pool[64];
	size_t left = 0;

	for (size_t i = 0; i < len;) {
		if (left == 0) {
			random_bytes(pool, sizeof(pool));
			left = sizeof(pool);
		}
		left--;
		if (pool[left] < usable)
			out[i++] = alphabet[pool[left] % count];
	}
	out[len] = '\0';
	mem_wipe(pool, sizeof(pool));
}

void
random_alnum(char *out, size_t len)
{
	pick(out, len,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	    62);
}

void
random_digits(char *out, size_t len)
{
	pick(out, len, "0123456789", 10);
}
