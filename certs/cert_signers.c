/*
 * Shards, each with a lock, a hash table and a list by time of use; the
 * digest of a certificate chooses the shard and the place in its table.
 * Nothing but references is allocated after creation.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "certs/cert_signers_priv.h"

enum { SHARDS = 16, ONE_SHARD_MAX = 256, LINE = 64 };
/* Entries are known by their index in the shard. */
#define NONE UINT32_MAX

struct entry {
	struct cert_known known;
	uint32_t next;         /* in its bucket */
	uint32_t newer, older; /* by time of use */
};

/* On lines of their own, so that locks do not disturb one another. */
struct shard {
	pthread_mutex_t lock; /* guards everything below */
	uint32_t *buckets;    /* first entry of each */
	struct entry *entries;
	uint32_t used; /* how many entries */
	uint32_t newest, oldest;
} __attribute__((aligned(LINE)));

struct cert_signers {
	size_t shards;     /* 0: remembers nobody */
	uint32_t capacity; /* of each shard */
	uint32_t buckets;  /* of each shard: a power of two */
	struct shard shard[];
};

void
cert_known_clear(struct cert_known *k)
{
	cert_key_free(&k->key);
}

static void
shard_init(struct shard *shard, const struct cert_signers *s)
{
	pthread_mutex_init(&shard->lock, NULL);
	shard->entries = mem_zalloc(s->capacity, sizeof(*shard->entries));
	shard->buckets = mem_alloc(s->buckets * sizeof(*shard->buckets));
	for (uint32_t i = 0; i < s->buckets; i++)
		shard->buckets[i] = NONE;
	shard->newest = shard->oldest = NONE;
}

struct cert_signers *
cert_signers_new(size_t remembered)
{
	size_t shards = remembered > ONE_SHARD_MAX ? SHARDS : remembered > 0;
	size_t size =
	    sizeof(struct cert_signers) + shards * sizeof(struct shard);
	struct cert_signers *s = NULL;

	if (posix_memalign((void **)&s, LINE, size) != 0)
		abort();
	memset(s, 0, size);
	s->shards = shards;
	s->buckets = 1;
	if (shards > 0)
		s->capacity = (uint32_t)((remembered + shards - 1) / shards);
	while (s->buckets < s->capacity)
		s->buckets *= 2;
	for (size_t i = 0; i < shards; i++)
		shard_init(&s->shard[i], s);
	return s;
}

static void
shard_clear(struct shard *shard)
{
	for (uint32_t i = 0; i < shard->used; i++)
		cert_known_clear(&shard->entries[i].known);
	mem_free(&shard->entries);
	mem_free(&shard->buckets);
	pthread_mutex_destroy(&shard->lock);
}

void
cert_signers_free(struct cert_signers **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < (*s)->shards; i++)
		shard_clear(&(*s)->shard[i]);
	mem_free(s);
}

static struct shard *
lock_shard(struct cert_signers *s, const uint8_t digest[SHA256_SIZE])
{
	struct shard *shard = &s->shard[digest[0] % s->shards];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

static uint32_t *
bucket_of(const struct cert_signers *s, struct shard *shard,
    const uint8_t digest[SHA256_SIZE])
{
	uint32_t hash;

	memcpy(&hash, digest + 1, sizeof(hash));
	return &shard->buckets[hash & (s->buckets - 1)];
}

static uint32_t
find_in(const struct cert_signers *s, struct shard *shard,
    const uint8_t digest[SHA256_SIZE])
{
	uint32_t i = *bucket_of(s, shard, digest);

	while (i != NONE &&
	       memcmp(shard->entries[i].known.digest, digest, SHA256_SIZE) != 0)
		i = shard->entries[i].next;
	return i;
}

static void
list_remove(struct shard *shard, uint32_t i)
{
	struct entry *at = &shard->entries[i];

	*(at->newer == NONE ? &shard->newest
	                    : &shard->entries[at->newer].older) = at->older;
	*(at->older == NONE ? &shard->oldest
	                    : &shard->entries[at->older].newer) = at->newer;
}

static void
list_push(struct shard *shard, uint32_t i)
{
	struct entry *at = &shard->entries[i];

	at->newer = NONE;
	at->older = shard->newest;
	*(at->older == NONE ? &shard->oldest
	                    : &shard->entries[at->older].newer) = i;
	shard->newest = i;
}

bool
cert_signers_find(struct cert_signers *s, const uint8_t digest[SHA256_SIZE],
    struct cert_known *out)
{
	struct shard *shard;
	uint32_t i;

	if (s->shards == 0)
		return false;
	shard = lock_shard(s, digest);
	i = find_in(s, shard, digest);
	if (i != NONE) {
		list_remove(shard, i);
		list_push(shard, i);
		*out = shard->entries[i].known;
		EVP_PKEY_up_ref(out->key);
	}
	pthread_mutex_unlock(&shard->lock);
	return i != NONE;
}

/* An entry for somebody new; *old_out is who had to leave it, or NULL. */
static uint32_t
make_room(struct cert_signers *s, struct shard *shard, EVP_PKEY **old_out)
{
	uint32_t i = shard->oldest;
	uint32_t *link;

	*old_out = NULL;
	if (shard->used < s->capacity)
		return shard->used++;
	link = bucket_of(s, shard, shard->entries[i].known.digest);
	while (*link != i)
		link = &shard->entries[*link].next;
	*link = shard->entries[i].next;
	list_remove(shard, i);
	*old_out = shard->entries[i].known.key;
	return i;
}

void
cert_signers_add(struct cert_signers *s, const struct cert_known *k)
{
	struct shard *shard;
	EVP_PKEY *old = NULL;

	if (s->shards == 0)
		return;
	shard = lock_shard(s, k->digest);
	if (find_in(s, shard, k->digest) == NONE) {
		uint32_t *bucket = bucket_of(s, shard, k->digest);
		uint32_t i = make_room(s, shard, &old);

		EVP_PKEY_up_ref(k->key);
		shard->entries[i].known = *k;
		shard->entries[i].next = *bucket;
		*bucket = i;
		list_push(shard, i);
	}
	pthread_mutex_unlock(&shard->lock);
	EVP_PKEY_free(old);
}
