/*
 * Several push certificates at once, and a new one in the middle of work.
 */
#include "apns_client_fixture.h"

#define OTHER "com.apple.mgmt.External.66666666-7777-4888-8999-aaaaaaaaaaaa"

static struct sim_apns_certs *
certs_of(const struct sim_apns_cert_options *o)
{
	struct sim_apns_certs *c = NULL;
	struct err e = { 0 };

	if (!sim_apns_certs_new(o, &c, &e))
		fail_msg("%s", e.text);
	return c;
}

static char *
both(const struct sim_apns_certs *other)
{
	return str_printf("%s%s", certs->ca_pem, other->ca_pem);
}

static void
identity(struct rig *r, const char *topic, const struct sim_apns_certs *c)
{
	struct err e = { 0 };

	if (!apns_client_identity(
	        r->client, topic, c->push_cert_pem, c->push_key_pem, &e))
		fail_msg("%s", e.text);
}

/* The simulator takes a topic only from its own certificate. */
static void
two_topics(void **state)
{
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *other =
	    certs_of(&(struct sim_apns_cert_options){ .topic = OTHER });
	AUTO(str_free) char *anchors = both(other);
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_client_stats st;

	(void)state;
	r->sim_options.client_ca_pem = anchors;
	r->options.connections_max = 1;
	rig_start(r, NULL);
	identity(r, OTHER, other);
	for (uint32_t i = 0; i < 600; i++)
		push_with(r, i, i % 2 == 0 ? TOPIC : OTHER, "magic");
	wait_answers(r, 600);
	assert_int_equal(with_outcome(r, APNS_ACCEPTED), 600);
	apns_client_stats(r->client, &st);
	assert_int_equal(st.connects, 2);
}

static void
no_certificate_for_the_topic(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	r->options.cert_pem = r->options.key_pem = NULL;
	rig_start(r, NULL);
	assert_int_equal(push_one(r, 1)->outcome, APNS_OUR_FAULT);
	identity(r, TOPIC, certs);
	assert_int_equal(push_one(r, 2)->outcome, APNS_ACCEPTED);
}

/* Hundreds are under way and hundreds wait when the certificate is replaced:
 * none is lost, none is pushed twice. */
static void
replaced_under_way(void **state)
{
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *fresh =
	    certs_of(&(struct sim_apns_cert_options){ .topic = TOPIC });
	AUTO(str_free) char *anchors = both(fresh);
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_client_stats st;
	struct sim_apns_stats sim;

	(void)state;
	r->sim_options.client_ca_pem = anchors;
	r->sim_options.latency_ms = 100;
	r->sim_options.streams_max = 200;
	r->options.cert_pem = r->options.key_pem = NULL;
	r->options.connections_max = 1;
	rig_start(r, NULL);
	identity(r, TOPIC, certs);
	push_many(r, 0, 500);
	wait_answers(r, 1);
	identity(r, TOPIC, fresh);
	push_many(r, 500, 100);
	wait_answers(r, 600);
	assert_int_equal(with_outcome(r, APNS_ACCEPTED), 600);
	sim_apns_stats(r->sim, &sim);
	assert_int_equal(sim.accepted, 600);
	apns_client_stats(r->client, &st);
	assert_int_equal(st.connects, 2);
	assert_int_equal(st.connections, 1);
}

/* It expires in the middle: what was sent is refused, what follows too, until
 * there is a new one, which is used at once. */
static void
expired_then_replaced(void **state)
{
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *old =
	    certs_of(&(struct sim_apns_cert_options){ .topic = TOPIC,
	        .not_before_ms = clock_now_ms() - 2 * MS_DAY,
	        .not_after_ms = clock_now_ms() - MS_DAY });
	AUTO(str_free) char *anchors = both(old);
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	r->sim_options.client_ca_pem = anchors;
	rig_start(r, NULL);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
	                          .status = 403,
	                          .reason = "BadCertificate",
	                          .skip = 500 });
	push_many(r, 0, 1000);
	wait_answers(r, 1000);
	assert_int_equal(with_outcome(r, APNS_ACCEPTED), 500);
	assert_int_equal(with_outcome(r, APNS_OUR_FAULT), 500);
	sim_apns_clear_rules(r->sim);
	identity(r, TOPIC, old);
	assert_int_equal(push_one(r, 1000)->outcome, APNS_OUR_FAULT);
	identity(r, TOPIC, certs);
	assert_int_equal(push_one(r, 1001)->outcome, APNS_ACCEPTED);
}

static void
no_pair(void **state)
{
	AUTO(sim_apns_certs_free)
	struct sim_apns_certs *other =
	    certs_of(&(struct sim_apns_cert_options){ .topic = OTHER });
	AUTO(rig_free) struct rig *r = rig_new();
	struct err e = { 0 };

	(void)state;
	rig_start(r, NULL);
	assert_false(apns_client_identity(
	    r->client, TOPIC, certs->push_cert_pem, other->push_key_pem, &e));
	assert_int_equal(e.code, ERR_INVALID);
	assert_false(apns_client_identity(
	    r->client, "", certs->push_cert_pem, certs->push_key_pem, &e));
	assert_int_equal(push_one(r, 1)->outcome, APNS_ACCEPTED);
}

static void
rate_limit(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	int64_t start_ms;

	(void)state;
	r->options.per_s = 1000;
	rig_start(r, NULL);
	assert_int_equal(push_one(r, 0)->outcome, APNS_ACCEPTED);
	start_ms = clock_mono_ms();
	push_many(r, 1, 400);
	wait_answers(r, 401);
	/* 100 at once, the others in their time. */
	assert_true(clock_mono_ms() - start_ms >= 290);
	assert_int_equal(with_outcome(r, APNS_ACCEPTED), 401);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_topics),
		cmocka_unit_test(no_certificate_for_the_topic),
		cmocka_unit_test(replaced_under_way),
		cmocka_unit_test(expired_then_replaced),
		cmocka_unit_test(no_pair),
		cmocka_unit_test(rate_limit),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
