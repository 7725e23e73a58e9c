/*
 * Whom the client trusts, and what it makes of not being trusted.
 */
#include "apns_client_fixture.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificate_of_another_ca),
		cmocka_unit_test(expired_certificate),
		cmocka_unit_test(server_of_another_ca),
		cmocka_unit_test(server_of_another_name),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
