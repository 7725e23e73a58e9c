/*
 * A set-associative table: the first bytes of a certificate's digest choose a
 * set of WAYS entries, under the lock of the set's shard.  Nothing is
 * allocated after creation, and a look-up touches one set.
 */
#include <pthread.h>
#include <string.h>

#include "certs/cert_signers_priv.h"

enum { WAYS = 8, SHARDS = 16 };

struct entry {
	struct cert_known known; /* certificate NULL: free */
	uint64_t used;           /* the shard's count when last found */
};

/* A cache line each, so that locks do not disturb one another. */
struct shard {
	pthread_mutex_t lock; /* guards used, and the sets of this shard */
	uint64_t used;
} __attribute__((aligned(64)));

struct cert_signers {
	struct shard shards[SHARDS];
	size_t sets; /* a power of two, or 0 */
	struct entry *entries;
};

void
cert_known_clear(struct cert_known *k)
{
	cert_x509_free(&k->certificate);
}

struct cert_signers *
cert_signers_new(size_t remembered)
{
	/* calloc() would not align it. */
	struct cert_signers *s = NULL;
	size_t sets = remembered > 0 ? 1 : 0;

	if (posix_memalign((void **)&s, 64, sizeof(*s)) != 0)
		abort();
	memset(s, 0, sizeof(*s));
	while (sets * WAYS < remembered)
		sets *= 2;
	s->sets = sets;
	s->entries = mem_zalloc(sets * WAYS + 1, sizeof(*s->entries));
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_init(&s->shards[i].lock, NULL);
	return s;
}

void
cert_signers_free(struct cert_signers **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < (*s)->sets * WAYS; i++)
		cert_known_clear(&(*s)->entries[i].known);
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&(*s)->shards[i].lock);
	mem_free(&(*s)->entries);
	mem_free(s);
}

/* The set of a digest and, locked, its shard. */
static struct entry *
lock_set(struct cert_signers *s, const uint8_t digest[SHA256_SIZE],
    struct shard **shard_out)
{
	size_t hash, set;

	memcpy(&hash, digest, sizeof(hash));
	set = hash & (s->sets - 1);
	*shard_out = &s->shards[set % SHARDS];
	pthread_mutex_lock(&(*shard_out)->lock);
	return &s->entries[set * WAYS];
}

static struct entry *
find_in(struct entry *set, const uint8_t digest[SHA256_SIZE])
{
	for (struct entry *at = set; at < set + WAYS; at++)
		if (at->known.certificate != NULL &&
		    memcmp(at->known.digest, digest, SHA256_SIZE) == 0)
			return at;
	return NULL;
}

bool
cert_signers_find(struct cert_signers *s, const uint8_t digest[SHA256_SIZE],
    struct cert_known *out)
{
	struct shard *shard;
	struct entry *at;

	if (s->sets == 0)
		return false;
	at = find_in(lock_set(s, digest, &shard), digest);
	if (at != NULL) {
		at->used = ++shard->used;
		*out = at->known;
		X509_up_ref(out->certificate);
	}
	pthread_mutex_unlock(&shard->lock);
	return at != NULL;
}

void
cert_signers_add(struct cert_signers *s, const struct cert_known *k)
{
	X509 *old = NULL;
	struct shard *shard;
	struct entry *set;

	if (s->sets == 0)
		return;
	set = lock_set(s, k->digest, &shard);
	if (find_in(set, k->digest) == NULL) {
		struct entry *oldest = set;

		/* A free entry was never used: 0. */
		for (struct entry *at = set; at < set + WAYS; at++)
			if (at->used < oldest->used)
				oldest = at;
		old = oldest->known.certificate;
		*oldest = (struct entry){ *k, ++shard->used };
		X509_up_ref(k->certificate);
	}
	pthread_mutex_unlock(&shard->lock);
	X509_free(old);
}
