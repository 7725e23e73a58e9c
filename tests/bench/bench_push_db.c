/*
 * Pushes per second with their database: enrolments become due all at once,
 * are claimed, pushed over TLS to the simulated APNs, and their answers
 * recorded.  Meanwhile some Macs that have nothing to do are given a lock, one
 * after the other: how long until its push is with the Mac?
 *
 *	bench_push_db [-n COUNT] [-j FILE] DIRECTORY [postgresql:// address]
 *
 * Without an address the database is a file of the directory, which is kept.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apns/apns_cert.h"
#include "apns/apns_scheduler.h"
#include "core/clock.h"
#include "core/encode.h"
#include "core/file.h"
#include "core/random.h"
#include "sim/sim_apns.h"
#include "sim/sim_apns_cert.h"
#include "sim/sim_apns_device.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-4333-8444-555555555555"
enum { SEED_BATCH = 5000, TOKEN_SIZE = 32, LOCKS = 10, LOCK_WAIT_MS = 60000 };

static void
must(bool ok, const struct err *e)
{
	if (ok)
		return;
	fprintf(stderr, "bench_push_db: %s\n", e->text);
	exit(1);
}

/* due_at 0: there is nothing for it. */
static void
seed_mac(
    struct store_tx *tx, const char *id, struct slice token, int64_t due_at)
{
	struct err e = { 0 };

	must(store_exec(tx,
	         "INSERT INTO device (id, udid, state, created_at, "
	         "updated_at) VALUES ($1, $1, 'enrolled', 1, 1)",
	         S_ARGS(S_TEXT(id)), NULL, &e),
	    &e);
	must(store_exec(tx,
	         "INSERT INTO enrollment (id, device_id, channel, state, "
	         "topic, push_token, push_magic, token_at, push_due_at) "
	         "VALUES ($1, $1, 'device', 'enrolled', $2, $3, "
	         "'8B3E6C9A-3B1A-4B7E-9D0E-3D0C6B0F3A11', 1, $4)",
	         S_ARGS(
	             S_TEXT(id), S_TEXT(TOPIC), S_BLOB(token), S_TIME(due_at)),
	         NULL, &e),
	    &e);
}

static void
command(struct store_tx *tx, const char *mac, int64_t now, bool urgent)
{
	char id[UUID_SIZE];
	struct err e = { 0 };

	uuid_new(id);
	must(store_exec(tx,
	         "INSERT INTO command (id, enrollment_id, request_type, "
	         "state, urgent, sort_key, origin, queued_at, queued_by) "
	         "VALUES ($1, $2, 'DeviceInformation', 'queued', $4, 1, 'api', "
	         "$3, 'bench')",
	         S_ARGS(S_TEXT(id), S_TEXT(mac), S_INT(now),
	             S_INT(urgent ? 1 : 0)),
	         NULL, &e),
	    &e);
}

static void
seed_one(struct store_tx *tx, int64_t now)
{
	uint8_t token[TOKEN_SIZE];
	char id[UUID_SIZE];

	uuid_new(id);
	random_bytes(token, sizeof(token));
	seed_mac(tx, id, slice_of(token, sizeof(token)), now);
	command(tx, id, now, false);
}

static void
seed(struct store *st, int64_t count)
{
	int64_t now = clock_now_ms();
	struct err e = { 0 };

	while (count > 0) {
		AUTO(store_rollback) struct store_tx *tx = NULL;

		must(store_begin(st, STORE_WRITE, &tx, &e), &e);
		for (int i = 0; i < SEED_BATCH && count > 0; i++, count--)
			seed_one(tx, now);
		must(store_commit(&tx, &e), &e);
	}
}

static void
save_cert(struct store *st, const struct seal *seal,
    const struct sim_apns_certs *certs)
{
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(apns_cert_parse(slice_str(certs->push_cert_pem),
	         slice_str(certs->push_key_pem), &c, &e),
	    &e);
	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	must(apns_cert_save(tx, seal, c,
	         &(struct apns_cert_import){ .owner = "it", .actor = "system" },
	         &e),
	    &e);
	must(store_commit(&tx, &e), &e);
}

static int64_t
recorded(struct store *st)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	struct err e = { 0 };
	bool more;

	must(store_begin(st, STORE_READ, &tx, &e), &e);
	must(store_query(tx,
	         "SELECT COUNT(*) FROM enrollment WHERE "
	         "push_last_status = 200 AND push_claim_by IS NULL",
	         S_ARGS(), &rows, &e),
	    &e);
	must(store_next(rows, &more, &e), &e);
	return store_int(rows, 0);
}

/* The whole process: scheduler, client, database and the simulated APNs. */
static double
cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* The Macs that will be locked; their pushes come to *out. */
static void
seed_locks(
    struct store *st, const struct sim_apns *sim, struct sim_apns_device **out)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(sim_apns_device_connect(
	         "127.0.0.1", sim_apns_device_port(sim), out, &e),
	    &e);
	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	for (int i = 0; i < LOCKS; i++) {
		uint8_t token[TOKEN_SIZE] = { 0xff, (uint8_t)i };
		char id[UUID_SIZE], hex[2 * TOKEN_SIZE + 1];

		(void)snprintf(id, sizeof(id), "lock-%d", i);
		hex_to(hex, token, sizeof(token));
		must(sim_apns_device_hello(*out, hex, &e), &e);
		seed_mac(tx, id, slice_of(token, sizeof(token)), 0);
	}
	must(store_commit(&tx, &e), &e);
}

/* From the order to the Mac. */
static double
lock_ms(struct store *st, struct sim_apns_device *d, int i)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t start_us = clock_mono_us(), now = clock_now_ms();
	struct sim_apns_device_push p;
	struct err e = { 0 };
	char id[UUID_SIZE];
	bool got;

	(void)snprintf(id, sizeof(id), "lock-%d", i);
	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	command(tx, id, now, true);
	must(apns_push_due(tx, id, now, &e), &e);
	must(store_commit(&tx, &e), &e);
	must(sim_apns_device_next(d, LOCK_WAIT_MS, &p, &got, &e) &&
	         (got || err_set(&e, ERR_UNAVAILABLE, "no push for a lock")),
	    &e);
	return (double)(clock_mono_us() - start_us) / 1000;
}

/* Until all is pushed; the slowest of the locks that came between. */
static double
lock_meanwhile(struct store *st, const struct sim_apns *sim,
    struct sim_apns_device *d, int64_t count)
{
	struct sim_apns_stats now = { 0 };
	double worst = 0;
	int locks = 0;

	for (; now.accepted < count + locks; sim_apns_stats(sim, &now)) {
		if (locks < LOCKS &&
		    now.accepted > count * (locks + 1) / (LOCKS + 2)) {
			double ms = lock_ms(st, d, locks++);

			worst = ms > worst ? ms : worst;
		}
		clock_sleep_ms(2);
	}
	return worst;
}

static void
measure(const struct apns_scheduler_options *o, const struct sim_apns *sim,
    int64_t count, const char *json)
{
	AUTO(sim_apns_device_free) struct sim_apns_device *macs = NULL;
	AUTO(apns_scheduler_free) struct apns_scheduler *s = NULL;
	struct err e = { 0 };
	double before, cpu, rate, worst;
	int64_t start_us;
	FILE *f;

	seed_locks(o->store, sim, &macs);
	before = cpu_s();
	start_us = clock_mono_us();
	must(apns_scheduler_new(o, &s, &e), &e);
	/* Counting in the database costs: not before the end is near. */
	worst = lock_meanwhile(o->store, sim, macs, count);
	while (recorded(o->store) < count)
		clock_sleep_ms(5);
	rate = (double)count * 1e6 / (double)(clock_mono_us() - start_us);
	cpu = (cpu_s() - before) * 1e6 / (double)count;
	printf("push_db    %9.0f pushes/s  %6.2f ms CPU of all per 1000  "
	       "slowest lock %.0f ms\n",
	    rate, cpu, worst);
	if (json == NULL || (f = fopen(json, "a")) == NULL)
		return;
	fprintf(f,
	    "{\"name\":\"push_db\",\"value\":%.0f,\"unit\":\"1/s\","
	    "\"cpu_ms\":%.4f,\"lock_ms\":%.0f}\n",
	    rate, cpu / 1000, worst);
	fclose(f);
}

int
main(int argc, char **argv)
{
	AUTO(sim_apns_certs_free) struct sim_apns_certs *certs = NULL;
	AUTO(sim_apns_free) struct sim_apns *sim = NULL;
	AUTO(store_close) struct store *st = NULL;
	AUTO(seal_free) struct seal *seal = NULL;
	AUTO(str_free) char *path = NULL, *master = NULL;
	int64_t count = 100000;
	const char *json = NULL;
	char host[32];
	const char *hosts[] = { host, NULL };
	struct err e = { 0 };
	int c;

	while ((c = getopt(argc, argv, "n:j:")) != -1) {
		if (c == 'n')
			count = strtoll(optarg, NULL, 10);
		else if (c == 'j')
			json = optarg;
		else
			return 2;
	}
	if (optind >= argc || count <= 0)
		return 2;
	must(file_mkdir(argv[optind], &e), &e);
	master = str_printf("%s/push-master.key", argv[optind]);
	path = optind + 1 < argc ? str_dup(argv[optind + 1])
	                         : str_printf("%s/push.db", argv[optind]);
	must(sim_apns_certs_new(
	         &(struct sim_apns_cert_options){ .topic = TOPIC }, &certs, &e),
	    &e);
	must(sim_apns_new(
	         &(struct sim_apns_options){ .cert_pem = certs->server_cert_pem,
	             .key_pem = certs->server_key_pem,
	             .client_ca_pem = certs->ca_pem },
	         &sim, &e),
	    &e);
	(void)snprintf(
	    host, sizeof(host), "127.0.0.1:%d", (int)sim_apns_port(sim));
	must(store_open(&(struct store_options){ .path = path }, &st, &e), &e);
	must(seal_open(master, &seal, &e), &e);
	save_cert(st, seal, certs);
	seed(st, count);
	measure(&(struct apns_scheduler_options){ .store = st,
	            .seal = seal,
	            .hosts = hosts,
	            .ca_pem = certs->ca_pem },
	    sim, count, json);
	return 0;
}
