/*
 * Pushes through an HTTP proxy, and proxies that do not want to.
 */
#include "apns_client_fixture.h"
#include "apns_proxy.h"

#include "apns/apns_client_priv.h"

/* The answer to one push through the proxy. */
static const struct apns_answer *
push_through(struct rig *r, struct proxy *p)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "127.0.0.1:%d", p->port);
	r->options.proxy = name;
	assert_int_equal(pthread_create(&p->thread, NULL, run, p), 0);
	rig_start(r, NULL);
	return push_one(r, 1);
}

/* RFC 7617: the example of section 2. */
static void
with_credentials(void **state)
{
	AUTO(proxy_free) struct proxy *p = proxy_new();
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	p->authorization =
	    "\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
	r->options.proxy_credentials = "Aladdin:open sesame";
	assert_int_equal(push_through(r, p)->outcome, APNS_ACCEPTED);
	push_many(r, 10, 500);
	wait_answers(r, 501);
	assert_int_equal(with_outcome(r, APNS_ACCEPTED), 501);
}

static void
without_credentials(void **state)
{
	AUTO(proxy_free) struct proxy *p = proxy_new();
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	assert_int_equal(push_through(r, p)->outcome, APNS_ACCEPTED);
	assert_null(strstr(p->head, "Authorization"));
}

/* The reason says what is wrong, and holds no credentials. */
static void
wrong_credentials(void **state)
{
	AUTO(proxy_free) struct proxy *p = proxy_new();
	AUTO(rig_free) struct rig *r = rig_new();
	const struct apns_answer *a;

	(void)state;
	p->authorization = "something else";
	r->options.proxy_credentials = "user:hunter2";
	a = push_through(r, p);
	assert_int_equal(a->outcome, APNS_UNREACHABLE);
	assert_non_null(strstr(a->reason, "407"));
	assert_null(strstr(a->reason, "hunter2"));
	assert_null(strstr(a->reason, "dXNlcjpodW50ZXIy"));
}

static void
hangs_up(void **state)
{
	AUTO(proxy_free) struct proxy *p = proxy_new();
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	p->reply = "";
	assert_int_equal(push_through(r, p)->outcome, APNS_UNREACHABLE);
}

static void
proxy_refused(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	const struct apns_answer *a;

	(void)state;
	r->options.proxy = "127.0.0.1:1";
	rig_start(r, NULL);
	a = push_one(r, 1);
	assert_int_equal(a->outcome, APNS_UNREACHABLE);
	assert_non_null(strstr(a->reason, "127.0.0.1:1"));
}

static void
replies(void **state)
{
	static const struct {
		const char *text;
		bool ok, done;
	} rows[] = {
		{ "", true, false },
		{ "HTTP/1.1 200 OK\r\n", true, false },
		{ "HTTP/1.0 200 OK\r\n\r\n", true, true },
		{ "HTTP/1.1 299\r\n\r\n", true, true },
		{ "HTTP/1.1 200 OK\r\n\r\nx", false, false },
		{ "HTTP/1.1 100 Continue\r\n\r\n", false, false },
		{ "HTTP/1.1 403 Forbidden\r\n\r\n", false, false },
		{ "HTTP/1.1 2x0 OK\r\n\r\n", false, false },
		{ "HTTP/2 200\r\n\r\n", false, false },
		{ "\r\n\r\n", false, false },
		{ "SSH-2.0-OpenSSH_9.2\r\n\r\n", false, false },
	};
	char much[APNS_REPLY_MAX];
	struct err e = { 0 };
	bool done;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(
		    apns_tunnel_reply(slice_str(rows[i].text), &done, &e),
		    rows[i].ok);
		assert_int_equal(done, rows[i].done);
	}
	memset(much, 'x', sizeof(much));
	assert_false(
	    apns_tunnel_reply(slice_of(much, sizeof(much)), &done, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
}

static void
bad_options(void **state)
{
	static const struct {
		const char *proxy, *credentials;
	} rows[] = {
		{ "proxy", NULL },
		{ "proxy:0", NULL },
		{ "proxy:3128", "user" },
		{ "proxy:3128", "user:pass\r\nX: y" },
	};
	const char *hosts[] = { "127.0.0.1:1", NULL };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct apns_client_options o = { .hosts = hosts,
			.proxy = rows[i].proxy,
			.proxy_credentials = rows[i].credentials };
		struct apns_client *c = NULL;
		struct err e = { 0 };

		assert_false(apns_client_new(&o, take, NULL, &c, &e));
		assert_int_equal(e.code, ERR_INVALID);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_credentials),
		cmocka_unit_test(without_credentials),
		cmocka_unit_test(wrong_credentials),
		cmocka_unit_test(hangs_up),
		cmocka_unit_test(proxy_refused),
		cmocka_unit_test(replies),
		cmocka_unit_test(bad_options),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
