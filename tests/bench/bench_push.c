/*
 * Pushes per second of the bare client, and its CPU per 1,000 pushes.
 *
 *	bench_push [options]
 *	  -n COUNT      pushes (100000)
 *	  -m STREAMS    most streams on one connection (1000)
 *	  -c COUNT      connections (1)
 *	  -l MS         latency of the simulated APNs' answers
 *	  -h HOST:PORT  another server instead of the simulated APNs
 *	  -a FILE       its trust anchors
 *	  -s SECONDS    only serve: prints the port, for h2load (any client)
 *	  -r DIR        only writes certificates for another server there
 *	  -z            every token is 0, for a server with one file
 *	  -j FILE       one JSON object per row
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "apns/apns_client.h"
#include "core/clock.h"
#include "core/encode.h"
#include "core/file.h"
#include "core/random.h"
#include "sim/sim_apns.h"
#include "sim/sim_apns_cert.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-4333-8444-555555555555"
enum { BATCH = 500, TOKEN_SIZE = 32 };

struct bench {
	int64_t count, latency_ms, serve_s;
	int streams, connections;
	const char *host, *ca_file, *json, *write_to;
	bool one_token;
	atomic_int_fast64_t answered, accepted;
	_Atomic int64_t client_cpu_us;
};

static int64_t
thread_cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The client's thread: its last answer carries its CPU time. */
static void
take(const struct apns_answer *a, void *arg)
{
	struct bench *b = arg;

	if (a->outcome == APNS_ACCEPTED)
		atomic_fetch_add(&b->accepted, 1);
	if (atomic_fetch_add(&b->answered, 1) + 1 == b->count)
		atomic_store(&b->client_cpu_us, thread_cpu_us());
}

static void
push_all(struct bench *b, struct apns_client *c)
{
	static struct apns_push pushes[BATCH];
	static uint8_t tokens[BATCH][TOKEN_SIZE];
	int64_t left = b->count;

	while (left > 0) {
		size_t n = left < BATCH ? (size_t)left : BATCH;

		if (!b->one_token)
			random_bytes(tokens, sizeof(tokens));
		for (size_t i = 0; i < n; i++) {
			struct apns_push *p = &pushes[i];

			p->token = slice_of(tokens[i], TOKEN_SIZE);
			p->magic = "8B3E6C9A-3B1A-4B7E-9D0E-3D0C6B0F3A11";
			p->topic = TOPIC;
			p->expiration_s = 2000000000;
			uuid_new_lower(p->id);
		}
		/* As the scheduler does: a bounded number under way. */
		while (apns_client_pending(c) > 8 * BATCH)
			clock_sleep_ms(1);
		apns_client_push(c, pushes, n);
		left -= (int64_t)n;
	}
	while (atomic_load(&b->answered) < b->count)
		clock_sleep_ms(1);
}

static void
report(const struct bench *b, int64_t wall_us, int64_t caller_us)
{
	double rate = (double)b->count * 1e6 / (double)wall_us;
	double cpu = (double)b->client_cpu_us * 1000 / (double)b->count / 1000;
	double all = cpu + (double)caller_us * 1000 / (double)b->count / 1000;
	const char *name = b->host != NULL ? "push_other" : "push";
	struct rusage u;
	FILE *f;

	getrusage(RUSAGE_SELF, &u);
	printf("%-10s %9.0f pushes/s  %6.2f ms client CPU per 1000 "
	       "(%.2f with the caller)  accepted %" PRId64 " of %" PRId64
	       "  at most %ld KiB\n",
	    name, rate, cpu, all, atomic_load(&b->accepted), b->count,
	    u.ru_maxrss);
	if (b->json == NULL || (f = fopen(b->json, "a")) == NULL)
		return;
	fprintf(f,
	    "{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"1/s\","
	    "\"cpu_ms\":%.4f}\n",
	    name, rate, cpu / 1000);
	fclose(f);
}

static int
failed(const struct err *e)
{
	fprintf(stderr, "bench_push: %s\n", e->text);
	return 1;
}

static int
run(struct bench *b, const struct sim_apns_certs *certs, struct sim_apns *sim)
{
	AUTO(apns_client_free) struct apns_client *c = NULL;
	char host[64];
	const char *hosts[] = { b->host != NULL ? b->host : host, NULL };
	struct apns_client_options o = { .hosts = hosts,
		.ca_file = b->ca_file,
		.ca_pem = certs->ca_pem,
		.cert_pem = certs->push_cert_pem,
		.key_pem = certs->push_key_pem,
		.connections_max = b->connections,
		.streams_max = b->streams };
	struct err e = { 0 };
	int64_t start_us, caller_us;

	if (sim != NULL)
		(void)snprintf(host, sizeof(host), "127.0.0.1:%d",
		    (int)sim_apns_port(sim));
	if (!apns_client_new(&o, take, b, &c, &e))
		return failed(&e);
	start_us = clock_mono_us();
	caller_us = thread_cpu_us();
	push_all(b, c);
	report(b, clock_mono_us() - start_us, thread_cpu_us() - caller_us);
	return atomic_load(&b->accepted) == b->count ? 0 : 1;
}

/* For nghttpd: its certificate, and the anchors of its clients. */
static bool
write_files(const char *dir, const struct sim_apns_certs *c, struct err *e)
{
	AUTO(str_free) char *ca = str_printf("%s/ca.pem", dir);
	AUTO(str_free) char *cert = str_printf("%s/server.pem", dir);
	AUTO(str_free) char *key = str_printf("%s/server.key", dir);
	AUTO(str_free) char *push = str_printf("%s/push.pem", dir);
	AUTO(str_free) char *push_key = str_printf("%s/push.key", dir);

	return file_mkdir(dir, e) &&
	       file_write(ca, slice_str(c->ca_pem), 0644, e) &&
	       file_write(cert, slice_str(c->server_cert_pem), 0644, e) &&
	       file_write(key, slice_str(c->server_key_pem), 0600, e) &&
	       file_write(push, slice_str(c->push_cert_pem), 0644, e) &&
	       file_write(push_key, slice_str(c->push_key_pem), 0600, e);
}

static bool
options(struct bench *b, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "n:m:c:l:h:a:s:r:j:z")) != -1) {
		int64_t n = optarg != NULL ? strtoll(optarg, NULL, 10) : 0;

		switch (c) {
		case 'n':
			b->count = n;
			break;
		case 'm':
			b->streams = (int)n;
			break;
		case 'c':
			b->connections = (int)n;
			break;
		case 'l':
			b->latency_ms = n;
			break;
		case 's':
			b->serve_s = n;
			break;
		case 'h':
			b->host = optarg;
			break;
		case 'a':
			b->ca_file = optarg;
			break;
		case 'r':
			b->write_to = optarg;
			break;
		case 'z':
			b->one_token = true;
			break;
		case 'j':
			b->json = optarg;
			break;
		default:
			return false;
		}
	}
	return b->count > 0;
}

int
main(int argc, char **argv)
{
	AUTO(sim_apns_certs_free) struct sim_apns_certs *certs = NULL;
	AUTO(sim_apns_free) struct sim_apns *sim = NULL;
	struct bench b = { .count = 100000, .connections = 1 };
	struct sim_apns_options o = { .streams_max = 1000 };
	struct err e = { 0 };

	if (!options(&b, argc, argv))
		return 2;
	if (!sim_apns_certs_new(
	        &(struct sim_apns_cert_options){ .topic = TOPIC }, &certs, &e))
		return failed(&e);
	if (b.write_to != NULL)
		return write_files(b.write_to, certs, &e) ? 0 : failed(&e);
	o.cert_pem = certs->server_cert_pem;
	o.key_pem = certs->server_key_pem;
	o.client_ca_pem = certs->ca_pem;
	o.latency_ms = b.latency_ms;
	o.any_client = b.serve_s > 0;
	if (b.host == NULL && !sim_apns_new(&o, &sim, &e))
		return failed(&e);
	if (b.serve_s > 0) {
		printf("%d\n", (int)sim_apns_port(sim));
		fflush(stdout);
		clock_sleep_ms(b.serve_s * MS_S);
		return 0;
	}
	return run(&b, certs, sim);
}
