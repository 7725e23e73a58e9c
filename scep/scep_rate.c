/*
 * Counts failed challenges by address, and by what else scep_guess.c names, so
 * that nobody tries them out at speed.
 * A table of fixed size in memory: an address that is pushed out by others
 * merely starts a new minute.  Owned by the service; any thread.
 */
#include <arpa/inet.h>
#include <pthread.h>

#include "core/clock.h"
#include "core/random.h"
#include "scep/scep_service_priv.h"

enum { SETS = 1024, WAYS = 4, DEFAULT_PER_MIN = 10 };

struct entry {
	uint64_t peer; /* keyed hash of the address */
	int64_t since; /* start of its minute; 0: free */
	int failures;
};

struct scep_rate {
	pthread_mutex_t lock; /* guards table */
	struct entry table[SETS][WAYS];
	int per_min;  /* const */
	uint64_t key; /* const; so that nobody can aim at an entry */
};

struct scep_rate *
scep_rate_new(int failures_per_min)
{
	struct scep_rate *r = mem_zalloc(1, sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	r->per_min = failures_per_min > 0 ? failures_per_min : DEFAULT_PER_MIN;
	random_bytes(&r->key, sizeof(r->key));
	return r;
}

void
scep_rate_free(struct scep_rate **r)
{
	if (*r == NULL)
		return;
	pthread_mutex_destroy(&(*r)->lock);
	mem_free(r);
}

/* Whoever has an address of IPv6 has its whole network of 64 bits. */
static struct slice
who_is(const char *peer, struct in6_addr *address)
{
	return inet_pton(AF_INET6, peer, address) == 1
	           ? slice_of((const uint8_t *)address, sizeof(*address) / 2)
	           : slice_str(peer);
}

bool
scep_rate_same(const char *peer, const char *other)
{
	struct in6_addr address[2];

	return slice_eq(who_is(peer, &address[0]), who_is(other, &address[1]));
}

/* FNV-1a from a secret start. */
static uint64_t
hash(const struct scep_rate *r, const char *peer)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ r->key;
	struct in6_addr address;
	struct slice s = who_is(peer, &address);

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static bool
live(const struct entry *at, int64_t now)
{
	return at->since != 0 && now >= at->since && now - at->since < MS_MIN;
}

static struct entry *
find(struct scep_rate *r, uint64_t peer, int64_t now)
{
	struct entry *set = r->table[peer % SETS];

	for (int i = 0; i < WAYS; i++)
		if (set[i].peer == peer && live(&set[i], now))
			return &set[i];
	return NULL;
}

bool
scep_rate_exceeded(struct scep_rate *r, const char *peer)
{
	uint64_t who = hash(r, peer);
	const struct entry *at;
	bool exceeded;

	pthread_mutex_lock(&r->lock);
	at = find(r, who, clock_now_ms());
	exceeded = at != NULL && at->failures >= r->per_min;
	pthread_mutex_unlock(&r->lock);
	return exceeded;
}

void
scep_rate_failed(struct scep_rate *r, const char *peer)
{
	uint64_t who = hash(r, peer);
	int64_t now = clock_now_ms();
	struct entry *set = r->table[who % SETS], *at;

	pthread_mutex_lock(&r->lock);
	at = find(r, who, now);
	if (at == NULL) {
		at = &set[0];
		for (int i = 1; i < WAYS; i++)
			if (set[i].since < at->since)
				at = &set[i];
		*at = (struct entry){ .peer = who, .since = now };
	}
	at->failures++;
	pthread_mutex_unlock(&r->lock);
}
