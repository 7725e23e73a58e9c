/*
 * The client as a whole: connections that are cut or dead, options, and the
 * end.
 */
#include "apns_client_fixture.h"

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

/* Nothing to do for long: it is kept alive, and used again. */
static void
kept_alive(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	int64_t end_ms = clock_mono_ms() + WAIT_MS;
	struct sim_apns_stats sim = { 0 };
	struct apns_client_stats st;

	(void)state;
	r->options.keep_alive_ms = 10;
	rig_start(r, NULL);
	assert_int_equal(push_one(r, 1)->outcome, APNS_ACCEPTED);
	for (; sim.pings < 3; sim_apns_stats(r->sim, &sim)) {
		assert_true(clock_mono_ms() < end_ms);
		clock_sleep_ms(1);
	}
	assert_int_equal(push_one(r, 2)->outcome, APNS_ACCEPTED);
	apns_client_stats(r->client, &st);
	assert_int_equal(st.connects, 1);
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

static void
keep_first(const char *id, void *arg)
{
	char *first = arg;

	if (first[0] == '\0')
		memcpy(first, id, UUID_SIZE);
}

/* Pushes that wait let later urgent ones pass: by the order of what APNs
 * accepted. */
static void
urgent_overtakes(void **state)
{
	enum { COUNT_OF = 40 };
	struct apns_push pushes[COUNT_OF] = { 0 };
	AUTO(rig_free) struct rig *r = rig_new();
	char first[UUID_SIZE] = "";

	(void)state;
	r->options.connections_max = r->options.streams_max = 1;
	rig_start(r, NULL);
	for (size_t i = 0; i < COUNT_OF; i++) {
		struct apns_push *p = &pushes[i];

		*p = (struct apns_push){ .token = slice_of("abcd", 4),
			.magic = "magic",
			.topic = TOPIC,
			.expiration_s = 2000000000,
			.urgent = i >= COUNT_OF - 2,
			.ref = r->pushed };
		new_id(r, p->id);
	}
	/* All at once: the connection is not there yet. */
	apns_client_push(r->client, pushes, COUNT_OF);
	wait_answers(r, COUNT_OF);
	sim_apns_each_id(r->sim, keep_first, first);
	assert_string_equal(first, pushes[COUNT_OF - 2].id);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urgent_overtakes),
		cmocka_unit_test(accepted),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(cut_by_a_push),
		cmocka_unit_test(dead_connection),
		cmocka_unit_test(ping_before_use),
		cmocka_unit_test(kept_alive),
		cmocka_unit_test(bad_options),
		cmocka_unit_test(freed_while_busy),
		cmocka_unit_test(devices_hear),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
