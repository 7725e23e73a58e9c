/*
 * How often one address may download the enrolment profile: each download
 * makes a challenge row and a signature.  A table of fixed size with a window
 * of one minute for each address; an address that finds its set full takes
 * the place of the one that was counted longest ago.  An IPv6 network of 64
 * bits counts as one address.
 *
 * Behind a proxy all peers share the proxy's address and its count.
 *
 * The limiter is shared by all threads; its mutex guards the whole table.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>

#include "enroll-profiles/enroll_priv.h"

enum { SETS = 256, WAYS = 4, PEER_SIZE = 64 };

struct entry {
	char peer[PEER_SIZE];
	int64_t since_ms; /* start of its window */
	int count;
};

struct enroll_limiter {
	pthread_mutex_t lock; /* guards sets */
	int per_minute;
	struct entry sets[SETS][WAYS];
};

struct enroll_limiter *
enroll_limit_new(int per_minute)
{
	struct enroll_limiter *l = mem_zalloc(1, sizeof(*l));

	pthread_mutex_init(&l->lock, NULL);
	l->per_minute = per_minute;
	return l;
}

void
enroll_limit_free(struct enroll_limiter **l)
{
	if (*l == NULL)
		return;
	pthread_mutex_destroy(&(*l)->lock);
	mem_free(l);
}

/* FNV-1a. */
static uint32_t
hash(const char *s)
{
	uint32_t h = 2166136261U;

	for (; *s != '\0'; s++)
		h = (h ^ (uint8_t)*s) * 16777619U;
	return h;
}

/* The address, or for IPv6 its network: one machine may take any address in
 * there. */
static void
origin_of(const char *peer, char out[PEER_SIZE])
{
	struct in6_addr a;

	if (inet_pton(AF_INET6, peer, &a) != 1) {
		str_copy_cut(out, PEER_SIZE, peer);
		return;
	}
	memset(a.s6_addr + 8, 0, 8);
	inet_ntop(AF_INET6, &a, out, PEER_SIZE);
}

/* The entry of the peer in its set, or the one to reuse for it. */
static struct entry *
entry_of(struct entry set[WAYS], const char *peer)
{
	struct entry *oldest = &set[0];

	for (int i = 0; i < WAYS; i++) {
		if (str_eq(set[i].peer, peer))
			return &set[i];
		if (set[i].since_ms < oldest->since_ms)
			oldest = &set[i];
	}
	memset(oldest, 0, sizeof(*oldest));
	str_copy_cut(oldest->peer, sizeof(oldest->peer), peer);
	return oldest;
}

bool
enroll_limit_take(struct enroll_limiter *l, const char *peer,
    int64_t now_mono_ms, struct err *e)
{
	char origin[PEER_SIZE];
	struct entry *n;
	bool good;

	origin_of(peer, origin);
	pthread_mutex_lock(&l->lock);
	n = entry_of(l->sets[hash(origin) % SETS], origin);
	if (n->count == 0 || now_mono_ms - n->since_ms >= MS_MIN) {
		n->since_ms = now_mono_ms;
		n->count = 0;
	}
	good = n->count < l->per_minute;
	if (good)
		n->count++;
	pthread_mutex_unlock(&l->lock);

	if (!good)
		return err_set(e, ERR_RATE,
		    "more than %d enrolment profiles in a minute from "
		    "one address; try again in a minute",
		    l->per_minute);
	return true;
}
