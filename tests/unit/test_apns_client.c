/*
 * The APNs client against the simulated APNs: every answer, every way a
 * connection can end, and that each push is answered exactly once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "apns/apns_client.h"
#include "core/clock.h"
#include "core/encode.h"
#include "sim/sim_apns.h"
#include "sim/sim_apns_cert.h"
#include "sim/sim_apns_device.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-4333-8444-555555555555"
enum { WAIT_MS = 20000, MOST = 5000 };

static struct sim_apns_certs *certs;

struct rig {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	int count[MOST];
	struct apns_answer answer[MOST];
	char id[MOST][37];
	size_t answered, pushed;

	struct sim_apns *sim;
	struct apns_client *client;
	struct sim_apns_options sim_options;
	struct apns_client_options options;
};

static void
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

static struct rig *
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

static void
rig_start_sim(struct rig *r)
{
	struct err e = { 0 };

	if (!sim_apns_new(&r->sim_options, &r->sim, &e))
		fail_msg("%s", e.text);
}

/* With the simulator as the only host, unless first is given before it. */
static void
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

static void
rig_free(struct rig **rig)
{
	struct rig *r = *rig;

	apns_client_free(&r->client);
	sim_apns_free(&r->sim);
	assert_int_equal(r->answered, r->pushed);
	for (size_t i = 0; i < r->pushed; i++)
		assert_int_equal(r->count[i], 1);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->wake);
	mem_free(&r);
	*rig = NULL;
}

/* One push to the token of four bytes n; its ref is the running number. */
static void
push_with(struct rig *r, uint32_t n, const char *topic, const char *magic)
{
	uint8_t token[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };
	struct apns_push p = { .token = slice_of(token, sizeof(token)),
		.magic = magic,
		.topic = topic,
		.expiration_s = 2000000000,
		.ref = r->pushed };

	uuid_new_lower(p.id);
	memcpy(r->id[r->pushed], p.id, sizeof(p.id));
	r->pushed++;
	apns_client_push(r->client, &p, 1);
}

static void
push_many(struct rig *r, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		push_with(r, first + i, TOPIC, "magic");
}

static void
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

static const struct apns_answer *
push_one(struct rig *r, uint32_t token)
{
	push_with(r, token, TOPIC, "magic");
	wait_answers(r, r->pushed);
	return &r->answer[r->pushed - 1];
}

static size_t
with_outcome(const struct rig *r, enum apns_outcome o)
{
	size_t n = 0;

	for (size_t i = 0; i < r->pushed; i++)
		n += r->answer[i].outcome == o;
	return n;
}

static void
accepted(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	const struct apns_answer *a;
	struct apns_client_stats st;

	(void)state;
	rig_start(r, NULL);
	a = push_one(r, 0xabcdef01);
	assert_int_equal(a->outcome, APNS_ACCEPTED);
	assert_int_equal(a->status, 200);
	assert_string_equal(a->reason, "");
	assert_string_equal(a->id, r->id[0]);
	push_many(r, 1, 500);
	wait_answers(r, 501);
	assert_int_equal(with_outcome(r, APNS_ACCEPTED), 501);
	apns_client_stats(r->client, &st);
	assert_int_equal(st.connects, 1);
	assert_int_equal(st.accepted, 501);
	assert_int_equal(apns_client_pending(r->client), 0);
}

/* Each status and reason as Apple writes them, over the wire. */
static void
every_reason(void **state)
{
	static const struct {
		int status;
		const char *reason;
		enum apns_outcome outcome;
	} rows[] = {
		{ 400, "BadDeviceToken", APNS_REFUSED },
		{ 400, "DeviceTokenNotForTopic", APNS_REFUSED },
		{ 400, "BadTopic", APNS_OUR_FAULT },
		{ 400, "MissingTopic", APNS_OUR_FAULT },
		{ 400, "TopicDisallowed", APNS_OUR_FAULT },
		{ 400, "BadMessageId", APNS_BUG },
		{ 400, "PayloadEmpty", APNS_BUG },
		{ 403, "BadCertificate", APNS_OUR_FAULT },
		{ 403, "Forbidden", APNS_OUR_FAULT },
		{ 404, "BadPath", APNS_BUG },
		{ 405, "MethodNotAllowed", APNS_BUG },
		{ 410, "Unregistered", APNS_DEAD },
		{ 410, "ExpiredToken", APNS_DEAD },
		{ 413, "PayloadTooLarge", APNS_BUG },
		{ 429, "TooManyRequests", APNS_BACK_OFF },
		{ 500, "InternalServerError", APNS_BACK_OFF },
		{ 503, "ServiceUnavailable", APNS_BACK_OFF },
		{ 503, "Shutdown", APNS_BACK_OFF },
	};
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	rig_start(r, NULL);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sim_apns_rule rule = { .token = "",
			.action =
			    i % 2 == 0 ? SIM_APNS_ANSWER : SIM_APNS_BYTEWISE,
			.status = rows[i].status,
			.reason = rows[i].reason,
			.retry_after_s = 17,
			.timestamp_ms =
			    rows[i].status == 410 ? 1700000000123 : 0,
			.count = 1 };
		const struct apns_answer *a;

		sim_apns_rule(r->sim, &rule);
		a = push_one(r, (uint32_t)i);
		assert_int_equal(a->status, rows[i].status);
		assert_string_equal(a->reason, rows[i].reason);
		assert_int_equal(a->outcome, rows[i].outcome);
		assert_int_equal(a->retry_after_s, 17);
		assert_int_equal(a->timestamp_ms, rule.timestamp_ms);
	}
}

/* What our client cannot send right is refused by the simulator's checks. */
static void
simulator_checks(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	rig_start(r, NULL);
	push_with(r, 1, "com.apple.mgmt.External.other", "magic");
	push_with(r, 2, TOPIC, "");
	push_with(r, 3, TOPIC, "a\"b\\c\n\x7f\xc3\xa9");
	wait_answers(r, 3);
	assert_int_equal(r->answer[0].outcome, APNS_OUR_FAULT);
	assert_string_equal(r->answer[0].reason, "TopicDisallowed");
	assert_string_equal(r->answer[1].reason, "BadPayload");
	assert_int_equal(r->answer[2].outcome, APNS_ACCEPTED);
	assert_int_equal(sim_apns_refused(r->sim, "TopicDisallowed"), 1);
}

static void
strange_bodies(void **state)
{
	static const char *const bodies[] = { "not json", "[]",
		"{\"reason\":3}", "{\"reason\":\"Bad",
		"{\"reason\":\"\",\"timestamp\":\"x\"}" };
	AUTO(rig_free) struct rig *r = rig_new();
	const struct apns_answer *a;

	(void)state;
	rig_start(r, NULL);
	for (size_t i = 0; i < COUNT(bodies); i++) {
		sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
		                          .status = 400,
		                          .body = bodies[i],
		                          .count = 1 });
		a = push_one(r, (uint32_t)i);
		assert_int_equal(a->outcome, APNS_BUG);
		assert_string_equal(a->reason, "status 400");
	}
	/* 10 MB: read no further than the cap, and the connection lives. */
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
	                          .action = SIM_APNS_BIG_BODY,
	                          .status = 503,
	                          .count = 1 });
	a = push_one(r, 100);
	assert_int_equal(a->outcome, APNS_BACK_OFF);
	assert_int_equal(a->status, 503);
	assert_int_equal(push_one(r, 101)->outcome, APNS_ACCEPTED);
}

struct ids {
	struct rig *rig;
	int seen[MOST];
};

static void
count_id(const char *id, void *arg)
{
	struct ids *ids = arg;

	for (size_t i = 0; i < ids->rig->pushed; i++) {
		if (str_eq(ids->rig->id[i], id)) {
			ids->seen[i]++;
			return;
		}
	}
	fail_msg("unknown apns-id %s", id);
}

/* GOAWAY in the middle of 1,000 open streams: those it does not cover go to a
 * new connection, and nothing is pushed twice. */
static void
goaway_in_the_middle(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct ids *ids = mem_zalloc(1, sizeof(*ids));
	struct apns_client_stats st;

	(void)state;
	r->sim_options.latency_ms = 50;
	r->options.connections_max = 1;
	rig_start(r, NULL);
	/* On the push of stream 1999 only 500 of 1,000 are processed. */
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
	                          .action = SIM_APNS_GOAWAY,
	                          .last_stream = 2 * 500 - 1,
	                          .skip = 999,
	                          .count = 1 });
	push_many(r, 0, 1000);
	wait_answers(r, 1000);
	assert_int_equal(with_outcome(r, APNS_ACCEPTED), 1000);
	ids->rig = r;
	sim_apns_each_id(r->sim, count_id, ids);
	for (size_t i = 0; i < r->pushed; i++)
		assert_int_equal(ids->seen[i], 1);
	apns_client_stats(r->client, &st);
	assert_int_equal(st.goaways, 1);
	assert_int_equal(st.connects, 2);
	mem_free(&ids);
}

static void
goaway_blames_certificate(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	rig_start(r, NULL);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
	                          .action = SIM_APNS_GOAWAY,
	                          .reason = "BadCertificate" });
	assert_int_equal(push_one(r, 1)->outcome, APNS_OUR_FAULT);
	assert_string_equal(r->answer[0].reason, "BadCertificate");
}

static void
refused_streams_go_again(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	rig_start(r, NULL);
	sim_apns_rule(
	    r->sim, &(struct sim_apns_rule){
	                .token = "", .action = SIM_APNS_REFUSE, .count = 3 });
	assert_int_equal(push_one(r, 1)->outcome, APNS_ACCEPTED);
	sim_apns_rule(r->sim,
	    &(struct sim_apns_rule){ .token = "", .action = SIM_APNS_REFUSE });
	assert_int_equal(push_one(r, 2)->outcome, APNS_BACK_OFF);
}

static void
idle_timeout_goes_again(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_client_stats st;

	(void)state;
	rig_start(r, NULL);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
	                          .status = 400,
	                          .reason = "IdleTimeout",
	                          .count = 1 });
	assert_int_equal(push_one(r, 1)->outcome, APNS_ACCEPTED);
	apns_client_stats(r->client, &st);
	assert_int_equal(st.connects, 2);
}

/* Wherever the connection is cut, each push is answered once, and the next
 * connection works. */
static void
cut_anywhere(void **state)
{
	static const struct {
		enum sim_apns_cut where;
		size_t bytes;
	} cuts[] = {
		{ SIM_APNS_CUT_ACCEPT, 0 },
		{ SIM_APNS_CUT_HANDSHAKE, 0 },
		{ SIM_APNS_CUT_SETTINGS, 0 },
		{ SIM_APNS_CUT_BYTES, 1 },
		{ SIM_APNS_CUT_BYTES, 9 },
		{ SIM_APNS_CUT_BYTES, 21 },
		{ SIM_APNS_CUT_BYTES, 60 },
		{ SIM_APNS_CUT_BYTES, 100 },
		{ SIM_APNS_CUT_BYTES, 333 },
		{ SIM_APNS_CUT_BYTES, 1000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cuts); i++) {
		AUTO(rig_free) struct rig *r = rig_new();

		rig_start_sim(r);
		sim_apns_cut(r->sim, cuts[i].where, cuts[i].bytes, 1);
		rig_start(r, NULL);
		push_many(r, 0, 100);
		wait_answers(r, 100);
		assert_true(with_outcome(r, APNS_UNREACHABLE) > 0);
		assert_int_equal(with_outcome(r, APNS_UNREACHABLE) +
		                     with_outcome(r, APNS_ACCEPTED),
		    100);
		assert_int_equal(push_one(r, 1000)->outcome, APNS_ACCEPTED);
	}
}

static void
cut_by_a_push(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	r->sim_options.latency_ms = 20;
	rig_start(r, NULL);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
	                          .action = SIM_APNS_CLOSE,
	                          .skip = 50,
	                          .count = 1 });
	push_many(r, 0, 200);
	wait_answers(r, 200);
	assert_int_equal(
	    with_outcome(r, APNS_UNREACHABLE) + with_outcome(r, APNS_ACCEPTED),
	    200);
	assert_true(with_outcome(r, APNS_UNREACHABLE) > 0);
}

static void
one_stream_only(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_client_stats st;

	(void)state;
	r->sim_options.streams_max = 1;
	rig_start(r, NULL);
	push_many(r, 0, 300);
	wait_answers(r, 300);
	assert_int_equal(with_outcome(r, APNS_ACCEPTED), 300);
	apns_client_stats(r->client, &st);
	assert_true(st.connects <= 2);
}

static void
settings_fall_to_one(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	r->sim_options.latency_ms = 2;
	r->options.connections_max = 1;
	rig_start(r, NULL);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
	                          .action = SIM_APNS_SETTINGS,
	                          .streams = 1,
	                          .skip = 10,
	                          .count = 1 });
	push_many(r, 0, 1500);
	/* Goes on one by one; and at full width after the limit rose. */
	wait_answers(r, 1010);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
	                          .action = SIM_APNS_SETTINGS,
	                          .streams = 1000,
	                          .count = 1 });
	wait_answers(r, 1500);
	assert_int_equal(with_outcome(r, APNS_ACCEPTED), 1500);
}

static void
silence_times_out(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	const struct apns_answer *a;
	struct apns_client_stats st;

	(void)state;
	r->options.answer_ms = 300;
	rig_start(r, NULL);
	assert_int_equal(push_one(r, 1)->outcome, APNS_ACCEPTED);
	sim_apns_rule(r->sim,
	    &(struct sim_apns_rule){
	        .token = "000000", .action = SIM_APNS_SILENCE, .count = 1 });
	a = push_one(r, 2);
	assert_int_equal(a->outcome, APNS_UNREACHABLE);
	assert_string_equal(a->reason, "timeout");
	/* The connection was alive: the PING was answered. */
	assert_int_equal(push_one(r, 3)->outcome, APNS_ACCEPTED);
	apns_client_stats(r->client, &st);
	assert_int_equal(st.connects, 1);
}

static void
dead_connection(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	const struct apns_answer *a;
	struct apns_client_stats st;

	(void)state;
	r->options.answer_ms = 600;
	r->options.ping_ms = 100;
	rig_start(r, NULL);
	assert_int_equal(push_one(r, 0)->outcome, APNS_ACCEPTED);
	sim_apns_rule(
	    r->sim, &(struct sim_apns_rule){
	                .token = "", .action = SIM_APNS_DEAF, .count = 1 });
	a = push_one(r, 1);
	assert_int_equal(a->outcome, APNS_UNREACHABLE);
	assert_non_null(strstr(a->reason, "dead connection"));
	assert_int_equal(push_one(r, 2)->outcome, APNS_ACCEPTED);
	apns_client_stats(r->client, &st);
	assert_int_equal(st.connects, 2);
}

/* A connection that died while idle costs no push. */
static void
ping_before_use(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct sim_apns_stats sim;
	struct apns_client_stats st;

	(void)state;
	r->options.idle_ms = 1;
	r->options.ping_ms = 200;
	r->sim_options.latency_ms = 1;
	rig_start(r, NULL);
	assert_int_equal(push_one(r, 1)->outcome, APNS_ACCEPTED);
	clock_sleep_ms(5);
	assert_int_equal(push_one(r, 2)->outcome, APNS_ACCEPTED);
	sim_apns_stats(r->sim, &sim);
	assert_true(sim.pings >= 1);
	/* Deaf after its answer: the PING finds out, the push goes elsewhere.
	 */
	sim_apns_rule(
	    r->sim, &(struct sim_apns_rule){
	                .token = "", .action = SIM_APNS_DEAF, .count = 1 });
	push_with(r, 3, TOPIC, "magic");
	wait_answers(r, 3);
	assert_int_equal(r->answer[2].outcome, APNS_UNREACHABLE);
	assert_int_equal(push_one(r, 4)->outcome, APNS_ACCEPTED);
	apns_client_stats(r->client, &st);
	assert_int_equal(st.connects, 2);
}

static void
certificate_of_another_ca(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(sim_apns_certs_free) struct sim_apns_certs *other = NULL;
	struct err e = { 0 };

	(void)state;
	if (!sim_apns_certs_new(
	        &(struct sim_apns_cert_options){ .topic = TOPIC }, &other, &e))
		fail_msg("%s", e.text);
	r->options.cert_pem = other->push_cert_pem;
	r->options.key_pem = other->push_key_pem;
	rig_start(r, NULL);
	assert_int_equal(push_one(r, 1)->outcome, APNS_OUR_FAULT);
}

static void
expired_certificate(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(sim_apns_certs_free) struct sim_apns_certs *old = NULL;
	struct sim_apns_cert_options o = { .topic = TOPIC,
		.not_before_ms = clock_now_ms() - 2 * MS_DAY,
		.not_after_ms = clock_now_ms() - MS_DAY };
	struct err e = { 0 };

	(void)state;
	if (!sim_apns_certs_new(&o, &old, &e))
		fail_msg("%s", e.text);
	r->sim_options.client_ca_pem = old->ca_pem;
	r->options.cert_pem = old->push_cert_pem;
	r->options.key_pem = old->push_key_pem;
	rig_start(r, NULL);
	assert_int_equal(push_one(r, 1)->outcome, APNS_OUR_FAULT);
}

static void
server_of_another_ca(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(sim_apns_certs_free) struct sim_apns_certs *other = NULL;
	struct err e = { 0 };

	(void)state;
	if (!sim_apns_certs_new(
	        &(struct sim_apns_cert_options){ .topic = TOPIC }, &other, &e))
		fail_msg("%s", e.text);
	r->options.ca_pem = other->ca_pem;
	rig_start(r, NULL);
	assert_int_equal(push_one(r, 1)->outcome, APNS_UNREACHABLE);
}

static void
server_of_another_name(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(sim_apns_certs_free) struct sim_apns_certs *other = NULL;
	struct sim_apns_cert_options o = { .topic = TOPIC,
		.host = "api.push.apple.com" };
	struct err e = { 0 };

	(void)state;
	if (!sim_apns_certs_new(&o, &other, &e))
		fail_msg("%s", e.text);
	r->sim_options.cert_pem = other->server_cert_pem;
	r->sim_options.key_pem = other->server_key_pem;
	r->options.ca_pem = other->ca_pem;
	rig_start(r, NULL);
	assert_int_equal(push_one(r, 1)->outcome, APNS_UNREACHABLE);
}

/* The first host refuses connections; its name needs the look-up thread. */
static void
next_host(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	rig_start(r, "localhost:1");
	assert_int_equal(push_one(r, 1)->outcome, APNS_ACCEPTED);
}

static void
unknown_name(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	const char *hosts[] = { "no-such-name.invalid:443", NULL };
	struct err e = { 0 };

	(void)state;
	r->options.hosts = hosts;
	if (!apns_client_new(&r->options, take, r, &r->client, &e))
		fail_msg("%s", e.text);
	assert_int_equal(push_one(r, 1)->outcome, APNS_UNREACHABLE);
}

static void
bad_options(void **state)
{
	static const char *const bad[] = { "host", "host:", ":443",
		"host:99999", "host:http", "" };
	struct apns_client *c = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		const char *hosts[] = { bad[i], NULL };
		struct apns_client_options o = { .hosts = hosts,
			.cert_pem = certs->push_cert_pem,
			.key_pem = certs->push_key_pem };
		struct err e = { 0 };

		assert_false(apns_client_new(&o, take, NULL, &c, &e));
		assert_int_equal(e.code, ERR_INVALID);
		assert_null(c);
	}
}

/* Freed in the middle of work: what is open is answered all the same. */
static void
freed_while_busy(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	r->sim_options.latency_ms = 5000;
	rig_start(r, NULL);
	push_many(r, 0, 2500);
	apns_client_free(&r->client);
	assert_int_equal(r->answered, 2500);
	assert_int_equal(with_outcome(r, APNS_UNREACHABLE), 2500);
}

static void
devices_hear(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(sim_apns_device_free) struct sim_apns_device *d = NULL;
	struct sim_apns_device_push p;
	struct err e = { 0 };
	bool got = false;

	(void)state;
	rig_start(r, NULL);
	/* Two while it is away: the last one is kept. */
	push_with(r, 0xaabbccdd, TOPIC, "first");
	wait_answers(r, 1);
	push_with(r, 0xaabbccdd, TOPIC, "second");
	wait_answers(r, 2);
	assert_true(sim_apns_device_connect(
	    "127.0.0.1", sim_apns_device_port(r->sim), &d, &e));
	assert_true(sim_apns_device_hello(d, "aabbccdd", &e));
	assert_true(sim_apns_device_hello(d, "00000005", &e));
	assert_true(sim_apns_device_next(d, WAIT_MS, &p, &got, &e));
	assert_true(got);
	assert_string_equal(p.token, "aabbccdd");
	assert_string_equal(p.payload, "{\"mdm\":\"second\"}");
	assert_true(sim_apns_device_next(d, 0, &p, &got, &e));
	assert_false(got);
	push_with(r, 5, TOPIC, "third");
	assert_true(sim_apns_device_next(d, WAIT_MS, &p, &got, &e));
	assert_string_equal(p.token, "00000005");
	assert_string_equal(p.payload, "{\"mdm\":\"third\"}");
	wait_answers(r, 3);
	sim_apns_free(&r->sim);
	assert_false(sim_apns_device_next(d, WAIT_MS, &p, &got, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
}

static int
set_up(void **state)
{
	struct err e = { 0 };

	(void)state;
	return sim_apns_certs_new(
	           &(struct sim_apns_cert_options){ .topic = TOPIC }, &certs,
	           &e)
	           ? 0
	           : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	sim_apns_certs_free(&certs);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(every_reason),
		cmocka_unit_test(simulator_checks),
		cmocka_unit_test(strange_bodies),
		cmocka_unit_test(goaway_in_the_middle),
		cmocka_unit_test(goaway_blames_certificate),
		cmocka_unit_test(refused_streams_go_again),
		cmocka_unit_test(idle_timeout_goes_again),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(cut_by_a_push),
		cmocka_unit_test(one_stream_only),
		cmocka_unit_test(settings_fall_to_one),
		cmocka_unit_test(silence_times_out),
		cmocka_unit_test(dead_connection),
		cmocka_unit_test(ping_before_use),
		cmocka_unit_test(certificate_of_another_ca),
		cmocka_unit_test(expired_certificate),
		cmocka_unit_test(server_of_another_ca),
		cmocka_unit_test(server_of_another_name),
		cmocka_unit_test(next_host),
		cmocka_unit_test(unknown_name),
		cmocka_unit_test(bad_options),
		cmocka_unit_test(freed_while_busy),
		cmocka_unit_test(devices_hear),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
