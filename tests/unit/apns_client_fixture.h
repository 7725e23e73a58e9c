/*
 * The APNs client against the simulated APNs; rig_free() checks that each push
 * was answered exactly once, and by apns-id that APNs accepted it once if it
 * was answered so, and else not, unless nobody can know.  Answers come on the
 * client's thread.
 */
#pragma once

#include <pthread.h>

#include "apns/apns_client.h"
#include "apns_fixture.h"
#include "sim/sim_apns_device.h"

enum { MOST = 5000 };

struct rig {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	int count[MOST];
	struct apns_answer answer[MOST];
	char id[MOST][37]; /* ends in its ref, in hex */
	int taken[MOST];   /* by APNs */
	size_t answered, pushed;

	struct sim_apns *sim;
	struct apns_client *client;
	struct sim_apns_options sim_options;
	struct apns_client_options options;
};

static inline void
take(const struct apns_answer *a, void *arg)
{
	struct rig *r = arg;

	pthread_mutex_lock(&r->lock);
	assert_true(a->ref < MOST);
	r->count[a->ref]++;
	r->answer[a->ref] = *a;
	r->answered++;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

static inline struct rig *
rig_new(void)
{
	struct rig *r = mem_zalloc(1, sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
	r->sim_options =
	    (struct sim_apns_options){ .cert_pem = certs->server_cert_pem,
		    .key_pem = certs->server_key_pem,
		    .client_ca_pem = certs->ca_pem,
		    .ids_max = MOST };
	r->options = (struct apns_client_options){ .ca_pem = certs->ca_pem,
		.cert_pem = certs->push_cert_pem,
		.key_pem = certs->push_key_pem,
		.connect_ms = 5000 };
	return r;
}

static inline void
rig_start_sim(struct rig *r)
{
	struct err e = { 0 };

	if (!sim_apns_new(&r->sim_options, &r->sim, &e))
		fail_msg("%s", e.text);
}

/* With the simulator as the only host, unless first is given before it. */
static inline void
rig_start(struct rig *r, const char *first)
{
	char host[64];
	const char *hosts[3] = { 0 };
	struct err e = { 0 };
	size_t n = 0;

	if (r->sim == NULL)
		rig_start_sim(r);
	(void)snprintf(
	    host, sizeof(host), "127.0.0.1:%d", (int)sim_apns_port(r->sim));
	if (first != NULL)
		hosts[n++] = first;
	hosts[n] = host;
	r->options.hosts = hosts;
	if (!apns_client_new(&r->options, take, r, &r->client, &e))
		fail_msg("%s", e.text);
}

static inline void
count_taken(const char *id, void *arg)
{
	struct rig *r = arg;
	uint64_t ref = strtoull(id + 24, NULL, 16);

	assert_true(ref < r->pushed);
	assert_string_equal(id, r->id[ref]);
	r->taken[ref]++;
}

static inline void
account(struct rig *r)
{
	assert_int_equal(r->answered, r->pushed);
	if (r->sim != NULL)
		sim_apns_each_id(r->sim, count_taken, r);
	for (size_t i = 0; i < r->pushed; i++) {
		enum apns_outcome o = r->answer[i].outcome;

		assert_int_equal(r->count[i], 1);
		if (r->sim == NULL || r->sim_options.ids_max == 0)
			continue;
		assert_in_range(r->taken[i], 0, 1);
		if (o != APNS_UNREACHABLE)
			assert_int_equal(r->taken[i], o == APNS_ACCEPTED);
	}
}

static inline void
rig_free(struct rig **rig)
{
	struct rig *r = *rig;

	apns_client_free(&r->client);
	account(r);
	sim_apns_free(&r->sim);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->wake);
	mem_free(&r);
	*rig = NULL;
}

/* The apns-id of the next push, which counts from here on. */
static inline void
new_id(struct rig *r, char id[UUID_SIZE])
{
	uuid_new_lower(id);
	(void)snprintf(id + 24, UUID_SIZE - 24, "%012zx", r->pushed);
	memcpy(r->id[r->pushed++], id, UUID_SIZE);
}

/* One push to the token of four bytes n; its ref is the running number. */
static inline void
push_with(struct rig *r, uint32_t n, const char *topic, const char *magic)
{
	uint8_t token[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };
	struct apns_push p = { .token = slice_of(token, sizeof(token)),
		.magic = magic,
		.topic = topic,
		.expiration_s = 2000000000,
		.ref = r->pushed };

	new_id(r, p.id);
	apns_client_push(r->client, &p, 1);
}

static inline void
push_many(struct rig *r, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		push_with(r, first + i, TOPIC, "magic");
}

static inline void
wait_answers(struct rig *r, size_t count)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&r->lock);
	while (r->answered < count) {
		if (pthread_cond_timedwait(&r->wake, &r->lock, &until) != 0)
			fail_msg("%zu answers of %zu", r->answered, count);
	}
	pthread_mutex_unlock(&r->lock);
}

static inline const struct apns_answer *
push_one(struct rig *r, uint32_t token)
{
	push_with(r, token, TOPIC, "magic");
	wait_answers(r, r->pushed);
	return &r->answer[r->pushed - 1];
}

static inline size_t
with_outcome(const struct rig *r, enum apns_outcome o)
{
	size_t n = 0;

	for (size_t i = 0; i < r->pushed; i++)
		n += r->answer[i].outcome == o;
	return n;
}
