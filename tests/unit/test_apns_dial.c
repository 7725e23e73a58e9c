/*
 * Which host is dialled, and which of its addresses.
 */
#include "apns_client_fixture.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apns/apns_client_priv.h"

enum { SILENT = 0x7f000002 };

/* Instead of the system's look-up, which would depend on the machine. */
static void
fake_add(struct addrinfo **list, uint32_t address, const char *port)
{
	struct addrinfo *a = mem_zalloc(1, sizeof(*a));
	struct sockaddr_in *in = mem_zalloc(1, sizeof(*in));

	*in = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtol(port, NULL, 10)),
		.sin_addr.s_addr = htonl(address) };
	*a = (struct addrinfo){ .ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM,
		.ai_addr = (struct sockaddr *)in,
		.ai_addrlen = sizeof(*in),
		.ai_next = *list };
	*list = a;
}

int
getaddrinfo(const char *name, const char *port, const struct addrinfo *hints,
    struct addrinfo **out)
{
	struct in_addr literal;

	(void)hints;
	*out = NULL;
	if (str_eq(name, "localhost") || str_eq(name, "two.test"))
		fake_add(out, INADDR_LOOPBACK, port);
	if (str_eq(name, "two.test"))
		fake_add(out, SILENT, port);
	if (inet_pton(AF_INET, name, &literal) == 1)
		fake_add(out, ntohl(literal.s_addr), port);
	return *out != NULL ? 0 : EAI_NONAME;
}

void
freeaddrinfo(struct addrinfo *list)
{
	while (list != NULL) {
		struct addrinfo *next = list->ai_next;

		mem_free(&list->ai_addr);
		mem_free(&list);
		list = next;
	}
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
	assert_non_null(strstr(r->answer[0].reason, "no-such-name.invalid"));
}

/* An address of loopback that answers no SYN: its queue is full. */
struct hole {
	int listener, filler[4];
};

static void
hole_open(struct hole *h, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(SILENT) };

	h->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(
	    bind(h->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(h->listener, 0), 0);
	for (size_t i = 0; i < COUNT(h->filler); i++) {
		h->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(h->filler[i], (struct sockaddr *)&a, sizeof(a));
	}
}

static void
hole_close(struct hole *h)
{
	for (size_t i = 0; i < COUNT(h->filler); i++)
		close(h->filler[i]);
	close(h->listener);
}

/* RFC 8305: an address that says nothing holds the next one up for a quarter
 * of a second, not for the time of a dial. */
static void
silent_address(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(sim_apns_certs_free) struct sim_apns_certs *named = NULL;
	struct sim_apns_cert_options o = { .topic = TOPIC, .host = "two.test" };
	struct hole hole = { 0 };
	char host[32];
	const char *hosts[] = { host, NULL };
	struct err e = { 0 };
	int64_t start_ms;

	(void)state;
	if (!sim_apns_certs_new(&o, &named, &e))
		fail_msg("%s", e.text);
	r->sim_options.cert_pem = named->server_cert_pem;
	r->sim_options.key_pem = named->server_key_pem;
	r->options.ca_pem = named->ca_pem;
	rig_start_sim(r);
	hole_open(&hole, sim_apns_port(r->sim));
	(void)snprintf(
	    host, sizeof(host), "two.test:%d", (int)sim_apns_port(r->sim));
	r->options.hosts = hosts;
	r->options.connect_ms = 2 * WAIT_MS;
	start_ms = clock_mono_ms();
	if (!apns_client_new(&r->options, take, r, &r->client, &e))
		fail_msg("%s", e.text);
	assert_int_equal(push_one(r, 1)->outcome, APNS_ACCEPTED);
	assert_true(clock_mono_ms() - start_ms >= 250);
	hole_close(&hole);
}

/* RFC 8305, section 4. */
static void
families_take_turns(void **state)
{
	static const int families[] = { AF_INET6, AF_INET6, AF_INET6, AF_INET,
		AF_INET };
	static const size_t order[] = { 0, 3, 1, 4, 2 };
	struct addrinfo list[COUNT(families)] = { 0 };
	struct apns_connection *k = mem_zalloc(1, sizeof(*k));

	(void)state;
	for (size_t i = 0; i < COUNT(list); i++) {
		list[i].ai_family = families[i];
		if (i + 1 < COUNT(list))
			list[i].ai_next = &list[i + 1];
	}
	k->addresses = list;
	apns_dial_sort(k);
	assert_int_equal(k->attempts_count, COUNT(list));
	for (size_t i = 0; i < COUNT(order); i++)
		assert_ptr_equal(k->attempts[i].address, &list[order[i]]);
	mem_free(&k);
}

/* The whole round fails: the reason is in the answer, and it is tried again
 * by the next push. */
static void
all_hosts_fail(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	const char *hosts[] = { "127.0.0.1:1", "localhost:1", "127.0.0.1:2",
		NULL };
	struct err e = { 0 };

	(void)state;
	r->options.hosts = hosts;
	if (!apns_client_new(&r->options, take, r, &r->client, &e))
		fail_msg("%s", e.text);
	assert_int_equal(push_one(r, 1)->outcome, APNS_UNREACHABLE);
	assert_non_null(strstr(r->answer[0].reason, "127.0.0.1:2"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_host),
		cmocka_unit_test(unknown_name),
		cmocka_unit_test(silent_address),
		cmocka_unit_test(families_take_turns),
		cmocka_unit_test(all_hosts_fail),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
