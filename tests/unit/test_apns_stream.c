/*
 * Pushes as streams: every answer, and every way a stream can end.
 */
#include "apns_client_fixture.h"

#include "apns/apns_client_priv.h"

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
		{ 400, "InvalidPushType", APNS_OUR_FAULT },
		{ 400, "BadCertificate", APNS_OUR_FAULT },
		{ 400, "BadCertificateEnvironment", APNS_OUR_FAULT },
		{ 400, "BadCollapseId", APNS_BUG },
		{ 400, "BadExpirationDate", APNS_BUG },
		{ 400, "BadMessageId", APNS_BUG },
		{ 400, "BadPriority", APNS_BUG },
		{ 400, "DuplicateHeaders", APNS_BUG },
		{ 400, "MissingDeviceToken", APNS_BUG },
		{ 400, "PayloadEmpty", APNS_BUG },
		{ 400, "SomethingNew", APNS_BUG },
		{ 403, "BadCertificate", APNS_OUR_FAULT },
		{ 403, "BadCertificateEnvironment", APNS_OUR_FAULT },
		{ 403, "ExpiredProviderToken", APNS_OUR_FAULT },
		{ 403, "Forbidden", APNS_OUR_FAULT },
		{ 403, "InvalidProviderToken", APNS_OUR_FAULT },
		{ 403, "MissingProviderToken", APNS_OUR_FAULT },
		{ 403, "SomethingNew", APNS_OUR_FAULT },
		{ 404, "BadPath", APNS_BUG },
		{ 405, "MethodNotAllowed", APNS_BUG },
		{ 410, "Unregistered", APNS_DEAD },
		{ 410, "ExpiredToken", APNS_DEAD },
		{ 413, "PayloadTooLarge", APNS_BUG },
		{ 418, "SomethingNew", APNS_BUG },
		{ 429, "TooManyRequests", APNS_BACK_OFF },
		{ 429, "TooManyProviderTokenUpdates", APNS_BACK_OFF },
		{ 500, "InternalServerError", APNS_BACK_OFF },
		{ 502, "SomethingNew", APNS_BACK_OFF },
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

/* GOAWAY in the middle of 1,000 open streams: those it does not cover go to a
 * new connection, and nothing is pushed twice. */
static void
goaway_in_the_middle(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
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
	apns_client_stats(r->client, &st);
	assert_int_equal(st.goaways, 1);
	assert_int_equal(st.connects, 2);
}

/* A connection without a socket, to be fed by hand. */
static struct apns_connection *
by_hand(struct apns_client *c, struct rig *r)
{
	struct apns_connection *k = mem_zalloc(1, sizeof(*k));
	struct err e = { 0 };

	c->answer = take;
	c->arg = r;
	c->streams_max = 1000;
	k->client = c;
	k->set = apns_set_new(c, "", NULL);
	k->set->connections[0] = k;
	k->host = &c->hosts[0];
	k->fd = -1;
	k->state = APNS_SETTLING;
	if (!apns_stream_session(k, &e))
		fail_msg("%s", e.text);
	return k;
}

static void
feed(struct apns_connection *k, const void *frame, size_t len)
{
	const uint8_t *out;
	ssize_t n;

	assert_int_equal(nghttp2_session_mem_recv(k->session, frame, len), len);
	while ((n = nghttp2_session_mem_send(k->session, &out)) > 0) {
		k->gathered += n;
		k->written += n;
	}
	assert_int_equal(n, 0);
}

/* Ten are handed to nghttp2, four may leave, and GOAWAY covers two of those:
 * the other eight go to the next connection at once, unanswered. */
static void
queued_when_goaway_comes(void **state)
{
	static const uint8_t settings[] = { 0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0,
		0, 0, 4 };
	static const uint8_t goaway[] = { 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 3,
		0, 0, 0, 0 };
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_client *c = mem_zalloc(1, sizeof(*c));
	struct apns_connection *k = by_hand(c, r);
	struct apns_set *s = k->set;

	(void)state;
	feed(k, settings, sizeof(settings));
	assert_int_equal(k->state, APNS_OPEN);
	for (r->pushed = 0; r->pushed < 10; r->pushed++) {
		struct apns_push p = { .token = slice_str("token"),
			.magic = "magic",
			.topic = TOPIC,
			.ref = r->pushed };

		atomic_fetch_add(&c->pending, 1);
		apns_stream_submit(k, apns_job_new(&p, clock_mono_ms()));
	}
	feed(k, "", 0);
	feed(k, goaway, sizeof(goaway));
	assert_int_equal(k->state, APNS_DRAINING);
	assert_int_equal(k->jobs.count, 2);
	assert_int_equal(s->queue.count, 8);
	assert_int_equal(r->answered, 0);
	k->broken = true;
	apns_set_free(&s);
	mem_free(&c);
}

/* What TCP never took is as good as never sent when the connection breaks;
 * of what it took nobody knows. */
static void
unsent_when_it_breaks(void **state)
{
	static const uint8_t settings[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_client *c = mem_zalloc(1, sizeof(*c));
	struct apns_connection *k = by_hand(c, r);
	struct apns_set *s = k->set;
	struct apns_push p = {
		.token = slice_str("token"), .magic = "magic", .topic = TOPIC
	};
	struct err why = { .text = "cut" };
	int64_t written;

	(void)state;
	feed(k, settings, sizeof(settings));
	k->answers = 1;
	for (r->pushed = 0; r->pushed < 2; r->pushed++) {
		p.ref = r->pushed;
		atomic_fetch_add(&c->pending, 1);
		apns_stream_submit(k, apns_job_new(&p, clock_mono_ms()));
		written = k->written;
		feed(k, "", 0);
	}
	k->written = written;
	apns_connection_fail(k, &why);
	assert_int_equal(r->answered, 1);
	assert_int_equal(r->count[0], 1);
	assert_int_equal(s->queue.count, 1);
	apns_set_free(&s);
	mem_free(&c);
}

/*
 * GOAWAY blames the certificate and covers three of ten.  Then the peer resets
 * one of these, and the connection is cut: what it did with those three nobody
 * knows, while the others it certainly did not take.
 */
static void
cut_after_blame(void **state)
{
	static const uint8_t settings[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };
	static const uint8_t reset[] = { 0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0,
		8 };
	static const char goaway[] = "\0\0\x23\7\0\0\0\0\0\0\0\0\5\0\0\0\0"
	                             "{\"reason\":\"BadCertificate\"}";
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_client *c = mem_zalloc(1, sizeof(*c));
	struct apns_connection *k = by_hand(c, r);
	struct apns_set *s = k->set;
	struct err why = { .text = "cut" };

	(void)state;
	feed(k, settings, sizeof(settings));
	for (r->pushed = 0; r->pushed < 10; r->pushed++) {
		struct apns_push p = { .token = slice_str("token"),
			.magic = "magic",
			.topic = TOPIC,
			.ref = r->pushed };

		atomic_fetch_add(&c->pending, 1);
		apns_stream_submit(k, apns_job_new(&p, clock_mono_ms()));
	}
	feed(k, "", 0);
	feed(k, goaway, sizeof(goaway) - 1);
	assert_int_equal(r->answered, 7);
	assert_int_equal(with_outcome(r, APNS_OUR_FAULT), 7);
	feed(k, reset, sizeof(reset));
	assert_int_equal(r->answered, 8);
	apns_connection_fail(k, &why);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(r->answer[i].outcome,
		    i < 3 ? APNS_UNREACHABLE : APNS_OUR_FAULT);
	assert_string_equal(r->answer[1].reason, "cut");
	apns_set_free(&s);
	mem_free(&c);
}

/* One octet of window for each stream, and a second for each answer. */
static void
slow_peer(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct sim_apns_stats sim;

	(void)state;
	r->sim_options.latency_ms = 1000;
	r->sim_options.window = 1;
	rig_start(r, NULL);
	push_many(r, 0, 1000);
	wait_answers(r, 1000);
	assert_int_equal(with_outcome(r, APNS_ACCEPTED), 1000);
	sim_apns_stats(r->sim, &sim);
	assert_int_equal(sim.accepted, 1000);
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

/* The push before it was accepted, and its answer is waited for. */
static void
blame_spares_what_was_accepted(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	r->sim_options.latency_ms = 100;
	rig_start(r, NULL);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
	                          .action = SIM_APNS_GOAWAY,
	                          .reason = "BadCertificate",
	                          .skip = 1 });
	push_many(r, 0, 2);
	wait_answers(r, 2);
	assert_int_equal(r->answer[0].outcome, APNS_ACCEPTED);
	assert_int_equal(r->answer[1].outcome, APNS_OUR_FAULT);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason),
		cmocka_unit_test(simulator_checks),
		cmocka_unit_test(strange_bodies),
		cmocka_unit_test(goaway_in_the_middle),
		cmocka_unit_test(queued_when_goaway_comes),
		cmocka_unit_test(unsent_when_it_breaks),
		cmocka_unit_test(cut_after_blame),
		cmocka_unit_test(slow_peer),
		cmocka_unit_test(goaway_blames_certificate),
		cmocka_unit_test(blame_spares_what_was_accepted),
		cmocka_unit_test(refused_streams_go_again),
		cmocka_unit_test(idle_timeout_goes_again),
		cmocka_unit_test(one_stream_only),
		cmocka_unit_test(settings_fall_to_one),
		cmocka_unit_test(silence_times_out),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
