/*
 * Answers the SCEP requests of a data directory that bench_seed made, without
 * HTTP and one after the other: what one costs, to be looked at with a
 * profiler.
 *
 *	bench_scep --data DIR [--count N]
 *
 * Prints one JSON object.  The requests are used up: each has one challenge.
 * One thread.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_load.h"
#include "core/log.h"
#include "scep/scep_service.h"

enum { COUNT_MAX = 1 << 20 };

struct site {
	struct store *store;
	struct seal *seal;
	struct cert_live *live;
	struct scep_service *scep;
	struct load load;
};

static void
must(bool ok, const struct err *e)
{
	if (ok)
		return;
	fprintf(stderr, "bench_scep: %s\n", e->text);
	exit(1);
}

static bool
site_open(struct site *s, const char *dir, struct err *e)
{
	AUTO(str_free) char *db = str_printf("%s/mutsu.db", dir);
	AUTO(str_free) char *master = str_printf("%s/master.key", dir);
	AUTO(str_free) char *load = str_printf("%s/scep.load", dir);
	struct cert_authority_options ao = { .organization = "Mutsu" };

	log_set_level(LOG_WARN);
	if (!load_read(load, &s->load, e) || !seal_open(master, &s->seal, e) ||
	    !store_open(&(struct store_options){ .path = db }, &s->store, e))
		return false;
	ao.vault.seal = s->seal;
	return cert_live_open(s->store, &ao, &s->live, e) &&
	       scep_service_new(
	           &(struct scep_options){
	               .store = s->store, .seal = s->seal, .live = s->live },
	           &s->scep, e);
}

static void
site_close(struct site *s)
{
	scep_service_free(&s->scep);
	cert_live_free(&s->live);
	store_close(&s->store);
	seal_free(&s->seal);
	load_clear(&s->load);
}

static void
answer(struct site *s, const struct load_step *step)
{
	AUTO(buf_free) struct buf *reply = NULL;
	const uint8_t *body =
	    memmem(step->request.p, step->request.len, "\r\n\r\n", 4);
	struct err e = { .text = "not an answer to be expected" };

	body += 4;
	must(scep_operation(s->scep,
	         slice_of(body,
	             step->request.len - (size_t)(body - step->request.p)),
	         "192.0.2.1", &reply, &e),
	    &e);
	must(memmem(reply->p, reply->len, step->has.p, step->has.len) != NULL,
	    &e);
}

static double
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int
main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'n' },
		{ 0 },
	};
	struct site s = { 0 };
	const char *dir = NULL;
	int64_t count = COUNT_MAX;
	double began;
	struct err e;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
		if (c == 'd')
			dir = optarg;
		else if (c != 'n' || !str_to_i64(optarg, 1, COUNT_MAX, &count))
			return 2;
	if (dir == NULL)
		return 2;
	must(site_open(&s, dir, &e), &e);
	if (count > (int64_t)s.load.count)
		count = (int64_t)s.load.count;
	began = cpu_ms();
	for (int64_t i = 0; i < count; i++)
		answer(&s, &s.load.lanes[i].steps[0]);
	printf("{\"issued\":%lld,\"cpu_ms\":%.4f}\n", (long long)count,
	    (cpu_ms() - began) / (double)count);
	site_close(&s);
	return 0;
}
