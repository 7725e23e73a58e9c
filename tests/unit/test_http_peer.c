/* Whom a request is said to come from, and in which form. */
#include "http/http_priv.h"
#include "http_test.h"

static bool
answer_peer(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)service;
	(void)e;
	buf_adds(http_out(rp), http_peer(rq));
	return true;
}

static void
expect_peer(const char *addresses, const char *headers, const char *peer)
{
	static const struct http_route peer_routes[] = {
		{ "GET", "/peer", HTTP_ANYONE, 0, answer_peer },
	};
	struct http_listen l = { .address = "127.0.0.1",
		.proxy_addresses = addresses };
	struct http_server *s = NULL;
	uint16_t port;
	char request[512];
	struct answer a;
	struct err e = { 0 };

	assert_true(http_new(&(struct http_options){ .workers = 1 }, &s, &e));
	http_add(s, HTTP_DEVICE_SIDE, peer_routes, COUNT(peer_routes), NULL);
	assert_true(http_listen(s, &l, &port, &e));
	snprintf(
	    request, sizeof(request), "GET /peer HTTP/1.1\r\n%s\r\n", headers);
	ask(port, request, &a);
	assert_string_equal(buf_str(a.body), peer);
	answer_clear(&a);
	http_free(&s);
}

/* A proxy that listens for both writes IPv4 within IPv6. */
static void
forwarded_address_has_one_form(void **state)
{
	static const struct {
		const char *header, *peer;
	} rows[] = {
		{ "X-Forwarded-For: ::ffff:192.0.2.7\r\n", "192.0.2.7" },
		{ "X-Forwarded-For: ::FFFF:c000:0207\r\n", "192.0.2.7" },
		{ "X-Forwarded-For: 0:0:0:0:0:ffff:192.0.2.7\r\n",
		    "192.0.2.7" },
		{ "X-Forwarded-For: 2001:DB8:0:0::7\r\n", "2001:db8::7" },
		{ "X-Forwarded-For: ::ffff:0:c000:207\r\n",
		    "::ffff:0:c000:207" },
		{ "X-Forwarded-For: ::192.0.2.7\r\n", "::192.0.2.7" },
		{ "X-Forwarded-For: ::ffff:192.0.2\r\n", "127.0.0.1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_peer("127.0.0.1", rows[i].header, rows[i].peer);
}

/* Per-address limits behind a proxy are for those it speaks for. */
static void
forwarded_address_counts_only_from_proxy(void **state)
{
	(void)state;
	expect_peer("127.0.0.1", "X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7");
	expect_peer("127.0.0.1", "X-Forwarded-For: 10.1.1.1, 2001:db8::7\r\n",
	    "2001:db8::7");
	expect_peer("127.0.0.1",
	    "X-Forwarded-For: 10.1.1.1\r\nX-Forwarded-For: 192.0.2.8\r\n",
	    "192.0.2.8");
	expect_peer("127.0.0.1", "X-Forwarded-For: unknown\r\n", "127.0.0.1");
	expect_peer("127.0.0.1", "", "127.0.0.1");
	expect_peer("10.0.0.1", "X-Forwarded-For: 192.0.2.7\r\n", "127.0.0.1");
	expect_peer(NULL, "X-Forwarded-For: 192.0.2.7\r\n", "127.0.0.1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwarded_address_counts_only_from_proxy),
		cmocka_unit_test(forwarded_address_has_one_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
