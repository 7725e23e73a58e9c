/*
 * Makes a data directory for measuring: what "mutsu serve" makes at its first
 * start, enrolled devices whose certificates the real authority issued, a push
 * certificate of the simulated APNs, and load files.  One thread.
 *
 *	bench_seed --data DIR --keys FILE [--devices N] [--trips N] [--scep N]
 *
 * Writes idle.load, trip.load, scep.load and apns-ca.pem into DIR.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apns/apns_cert.h"
#include "bench_seed.h"
#include "core/file.h"
#include "sim/sim_apns_cert.h"

enum { THREADS_MAX = 16, COUNT_MAX = 1000000 };

struct options {
	const char *data, *keys;
	int64_t devices, trips, scep;
};

void
seed_must(bool ok, const struct err *e)
{
	if (ok)
		return;
	fprintf(stderr, "bench_seed: %s\n", e->text);
	exit(1);
}

struct parallel {
	size_t count;
	void (*fn)(size_t i, void *arg);
	void *arg;
	atomic_size_t next;
};

static void *
parallel_thread(void *arg)
{
	struct parallel *p = arg;
	size_t i;

	while ((i = atomic_fetch_add(&p->next, 1)) < p->count)
		p->fn(i, p->arg);
	return NULL;
}

void
seed_parallel(size_t count, void (*fn)(size_t i, void *arg), void *arg)
{
	struct parallel p = { .count = count, .fn = fn, .arg = arg };
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t threads[THREADS_MAX];

	if (n > THREADS_MAX)
		n = THREADS_MAX;
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, parallel_thread, &p) != 0)
			seed_must(false, &(struct err){ .text = "no thread" });
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

/* As app/app_server.c opens it, with the settings' defaults. */
static bool
open_data(struct seed *s, struct err *e)
{
	AUTO(str_free) char *db = str_printf("%s/mutsu.db", s->dir);
	AUTO(str_free) char *master = str_printf("%s/master.key", s->dir);

	return file_mkdir(s->dir, e) && file_private(s->dir, e) &&
	       seal_open(master, &s->seal, e) &&
	       store_open(
	           &(struct store_options){ .path = db }, &s->store, e) &&
	       cert_authority_open(s->store,
	           &(struct cert_authority_options){
	               .vault = { .seal = s->seal },
	               .organization = "Mutsu",
	               .issuing_key = { CERT_RSA_2048, NULL } },
	           &s->authority, e);
}

static bool
push_certificate(struct seed *s, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(buf_free) struct buf *ca = NULL;
	AUTO(str_free) char *path = str_printf("%s/push-ca.pem", s->dir);

	return sim_apns_push_cert(SEED_TOPIC, &cert, &key, &ca, e) &&
	       file_write(path, buf_slice(ca), 0600, e) &&
	       apns_cert_parse(buf_slice(cert), buf_slice(key), &c, e) &&
	       store_begin(s->store, STORE_WRITE, &tx, e) &&
	       apns_cert_save(tx, s->seal, c,
	           &(struct apns_cert_import){
	               .owner = "bench", .actor = "system" },
	           e) &&
	       api_token_new(
	           tx, s->seal, "bench", "admin", "system", s->token, e) &&
	       store_commit(&tx, e);
}

static bool
load_files(struct seed *s, const struct options *o, struct err *e)
{
	AUTO(str_free) char *idle = str_printf("%s/idle.load", s->dir);
	AUTO(str_free) char *trip = str_printf("%s/trip.load", s->dir);
	AUTO(str_free) char *scep = str_printf("%s/scep.load", s->dir);

	return (o->devices == 0 || seed_idle(s, idle, e)) &&
	       (o->trips == 0 || seed_trips(s, trip, (size_t)o->trips, e)) &&
	       (o->scep == 0 || seed_scep(s, scep, (size_t)o->scep, e));
}

static int64_t
number(const char *s)
{
	int64_t n;

	if (str_to_i64(s, 0, COUNT_MAX, &n))
		return n;
	fprintf(stderr, "bench_seed: %s is not a number\n", s);
	exit(2);
}

static struct options
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "keys", required_argument, NULL, 'k' },
		{ "devices", required_argument, NULL, 'n' },
		{ "trips", required_argument, NULL, 't' },
		{ "scep", required_argument, NULL, 's' },
		{ 0 },
	};
	struct options o = { .devices = 100 };
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'd')
			o.data = optarg;
		else if (c == 'k')
			o.keys = optarg;
		else if (c == 'n')
			o.devices = number(optarg);
		else if (c == 't')
			o.trips = number(optarg);
		else if (c == 's')
			o.scep = number(optarg);
		else
			exit(2);
	}
	if (o.data == NULL || o.keys == NULL) {
		fprintf(stderr, "bench_seed: --data and --keys are needed\n");
		exit(2);
	}
	return o;
}

int
main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);
	struct seed s = { .dir = o.data };
	struct err e;

	seed_must(seed_keys(o.keys, s.keys, &e), &e);
	seed_must(open_data(&s, &e) && push_certificate(&s, &e) &&
	              seed_devices(&s, (size_t)o.devices, &e) &&
	              load_files(&s, &o, &e),
	    &e);
	for (size_t i = 0; i < s.device_count; i++) {
		cert_issued_clear(&s.devices[i].issued);
		cert_x509_free(&s.devices[i].certificate);
	}
	for (size_t i = 0; i < SEED_KEYS; i++)
		cert_key_free(&s.keys[i]);
	mem_free(&s.devices);
	cert_authority_free(&s.authority);
	store_close(&s.store);
	seal_free(&s.seal);
	return 0;
}
