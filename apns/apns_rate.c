/*
 * How many pushes may leave a second, all topics together: a bucket that
 * holds a tenth of a second.  Belongs to the client's thread.
 */
#include "apns/apns_client_priv.h"
#include "core/clock.h"

enum { PUSH = 1000 }; /* what one costs; a millisecond brings per_s */

static int64_t
bucket(const struct apns_client *c)
{
	int64_t most = c->per_s * (MS_S / 10);

	return most > PUSH ? most : PUSH;
}

size_t
apns_rate_room(struct apns_client *c, int64_t now_ms)
{
	int64_t elapsed_ms = now_ms - c->rate_at_ms;

	if (c->per_s == 0)
		return SIZE_MAX;
	c->rate_at_ms = now_ms;
	if (elapsed_ms > MS_S)
		elapsed_ms = MS_S;
	c->rate_left += elapsed_ms * c->per_s;
	if (c->rate_left > bucket(c))
		c->rate_left = bucket(c);
	return (size_t)(c->rate_left / PUSH);
}

void
apns_rate_take(struct apns_client *c, size_t count)
{
	if (c->per_s != 0)
		c->rate_left -= (int64_t)count * PUSH;
}

int64_t
apns_rate_next_ms(const struct apns_client *c)
{
	if (c->per_s == 0 || c->rate_left >= PUSH)
		return 0;
	return c->rate_at_ms + (PUSH - c->rate_left + c->per_s - 1) / c->per_s;
}
