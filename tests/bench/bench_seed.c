/*
 * Makes a data directory for measuring: what "mutsu serve" makes at its first
 * start, enrolled devices whose certificates the real authority issued, a push
 * certificate of the simulated APNs, and load files.  One thread.
 *
 *	bench_seed --data DIR --keys FILE [--devices N] [--trips N] [--scep N]
 *	    [--issuing-key KIND] [--ra-key KIND] [--few-keys]
 *	bench_seed --keys FILE --scep N --foreign-ca PEM --challenge TEXT
 *	    --load FILE
 *
 * Writes idle.load, trip.load, scep.load and apns-ca.pem into DIR; or only
 * requests for another SCEP server, which has one certificate and takes one
 * challenge for all.
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
	const char *data, *keys, *foreign_ca, *challenge, *load;
	int64_t devices, trips, scep, scep_keys;
	enum cert_key_kind issuing, ra;
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
open_data(struct seed *s, const struct options *o, struct err *e)
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
	               .issuing_key = { o->issuing, NULL },
	               .ra_key = { o->ra, NULL } },
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
	       api_token_new(tx, s->seal,
	           &(struct api_token_wish){ "bench", "admin", "system" },
	           s->token, e) &&
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

static enum cert_key_kind
kind(const char *s)
{
	enum cert_key_kind k = CERT_RSA_DEFAULT;
	struct err e;

	seed_must(cert_key_kind_parse(s, &k, &e), &e);
	return k;
}

static void
take_option(struct options *o, int c, const char *arg)
{
	switch (c) {
	case 'd':
		o->data = arg;
		break;
	case 'k':
		o->keys = arg;
		break;
	case 'f':
		o->foreign_ca = arg;
		break;
	case 'c':
		o->challenge = arg;
		break;
	case 'l':
		o->load = arg;
		break;
	case 'n':
		o->devices = number(arg);
		break;
	case 't':
		o->trips = number(arg);
		break;
	case 's':
		o->scep = number(arg);
		break;
	case 'w':
		o->scep_keys = SEED_FEW_KEYS;
		break;
	case 'i':
		o->issuing = kind(arg);
		break;
	case 'r':
		o->ra = kind(arg);
		break;
	default:
		exit(2);
	}
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
		{ "few-keys", no_argument, NULL, 'w' },
		{ "issuing-key", required_argument, NULL, 'i' },
		{ "ra-key", required_argument, NULL, 'r' },
		{ "foreign-ca", required_argument, NULL, 'f' },
		{ "challenge", required_argument, NULL, 'c' },
		{ "load", required_argument, NULL, 'l' },
		{ 0 },
	};
	struct options o = {
		.devices = 100,
		.scep_keys = SEED_SCEP_KEYS,
		.issuing = CERT_RSA_2048,
		.ra = CERT_RSA_2048,
	};
	bool foreign;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
		take_option(&o, c, optarg);
	foreign = o.foreign_ca != NULL && o.challenge != NULL && o.load != NULL;
	if (o.keys == NULL || (o.data == NULL) != foreign) {
		fprintf(stderr, "bench_seed: --keys, and --data or all of "
		                "--foreign-ca, --challenge and --load\n");
		exit(2);
	}
	return o;
}

static void
seed_data(struct seed *s, const struct options *o)
{
	struct err e;

	seed_must(open_data(s, o, &e) && push_certificate(s, &e) &&
	              seed_devices(s, (size_t)o->devices, &e) &&
	              load_files(s, o, &e),
	    &e);
	for (size_t i = 0; i < s->device_count; i++) {
		cert_issued_clear(&s->devices[i].issued);
		cert_x509_free(&s->devices[i].certificate);
	}
	mem_free(&s->devices);
	cert_authority_free(&s->authority);
	store_close(&s->store);
	seal_free(&s->seal);
}

int
main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);
	struct seed s = { .dir = o.data, .scep_keys = (size_t)o.scep_keys };
	struct err e;

	seed_must(seed_keys(o.keys, &s, &e), &e);
	if (o.data != NULL)
		seed_data(&s, &o);
	else
		seed_must(seed_scep_foreign(&s,
		              &(struct seed_foreign){ o.foreign_ca, o.challenge,
		                  o.load, (size_t)o.scep },
		              &e),
		    &e);
	for (size_t i = 0; i < SEED_KEYS; i++)
		cert_key_free(&s.keys[i]);
	return 0;
}
