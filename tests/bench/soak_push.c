/*
 * Soaks the APNs client: pushes for a while through every fault that the
 * simulated APNs knows, certificates swapped in between, and accounts for each
 * apns-id at the end.
 *
 *	soak_push [SECONDS [FAULTS [SWAP_MS]]]
 *
 * FAULTS a second (1), a new certificate every SWAP_MS (20000).  Fails if a
 * push is answered other than once, if one was accepted twice, if one is called
 * accepted that was not, or the other way round; it says which and why.  What
 * nobody can know, since the connection ended after the push was sent, has to
 * be called unreachable, and is counted apart.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apns/apns_client.h"
#include "core/clock.h"
#include "core/encode.h"
#include "core/random.h"
#include "sim/sim_apns.h"
#include "sim/sim_apns_cert.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-4333-8444-555555555555"
enum { BATCH = 50, PER_S = 1000, PENDING_MAX = 4000, WORDS = 255, TOLD = 50 };

struct soak {
	size_t most, pushed;
	int64_t faults_per_s, swap_ms;
	/* Of each push; written by the client's thread. */
	uint8_t *answers, *outcome, *word;
	char words[WORDS][64]; /* the reasons, each once; "": there were more */
	_Atomic int64_t outcomes[7];
	uint8_t *taken; /* how often the simulator accepted it */
	bool bad;
};

static void
must(bool ok, const struct err *e)
{
	if (ok)
		return;
	fprintf(stderr, "soak_push: %s\n", e->text);
	exit(1);
}

static uint8_t
word_of(struct soak *s, const char *reason)
{
	uint8_t i = 0;

	while (i < WORDS - 1 && s->words[i][0] != '\0' &&
	       !str_eq(s->words[i], reason))
		i++;
	if (i < WORDS - 1)
		str_copy_cut(s->words[i], sizeof(s->words[i]), reason);
	return i;
}

static void
take(const struct apns_answer *a, void *arg)
{
	struct soak *s = arg;

	s->word[a->ref] = word_of(s, a->reason);
	s->answers[a->ref]++;
	s->outcome[a->ref] = (uint8_t)a->outcome;
	atomic_fetch_add(&s->outcomes[a->outcome], 1);
}

static void
push_batch(struct soak *s, struct apns_client *c)
{
	struct apns_push pushes[BATCH] = { 0 };
	uint8_t tokens[BATCH];

	/* Few devices: the simulator keeps the last push of each. */
	random_bytes(tokens, sizeof(tokens));
	for (size_t i = 0; i < BATCH; i++) {
		struct apns_push *p = &pushes[i];

		p->token = slice_of(&tokens[i], 1);
		p->magic = "8B3E6C9A-3B1A-4B7E-9D0E-3D0C6B0F3A11";
		p->topic = TOPIC;
		p->expiration_s = 2000000000;
		p->ref = s->pushed++;
		(void)snprintf(p->id, sizeof(p->id),
		    "00000000-0000-4000-8000-%012" PRIx64, p->ref);
	}
	apns_client_push(c, pushes, BATCH);
}

/* One of everything that may happen, for a few pushes. */
static void
fault(struct sim_apns *sim, int64_t per_s)
{
	static const struct sim_apns_rule faults[] = {
		{ .status = 200 },
		{ .status = 410,
		    .reason = "Unregistered",
		    .timestamp_ms = 1700000000123 },
		{ .status = 400, .reason = "BadDeviceToken" },
		{ .status = 403, .reason = "BadCertificate" },
		{ .status = 429, .reason = "TooManyRequests" },
		{ .status = 503, .reason = "Shutdown", .retry_after_s = 3 },
		{ .status = 400, .reason = "IdleTimeout" },
		{ .action = SIM_APNS_BYTEWISE,
		    .status = 500,
		    .reason = "InternalServerError" },
		{ .action = SIM_APNS_BIG_BODY, .status = 500 },
		{ .action = SIM_APNS_SILENCE },
		{ .action = SIM_APNS_DEAF },
		{ .action = SIM_APNS_GOAWAY },
		{ .action = SIM_APNS_GOAWAY, .reason = "Shutdown" },
		{ .action = SIM_APNS_GOAWAY, .reason = "BadCertificate" },
		{ .action = SIM_APNS_REFUSE },
		{ .action = SIM_APNS_CLOSE },
		{ .action = SIM_APNS_SETTINGS, .streams = 1 },
		{ .action = SIM_APNS_SETTINGS, .streams = 1000 },
	};
	struct sim_apns_rule rule = faults[random_below(COUNT(faults))];

	rule.token = "";
	rule.count = 1 + random_below(5);
	rule.skip = random_below((uint32_t)(PER_S / 5 / per_s) + 1);
	if (random_below(8) == 0) {
		sim_apns_cut(sim,
		    (enum sim_apns_cut)(1 + random_below(SIM_APNS_CUT_BYTES)),
		    random_below(2000), 1);
		/* Both on one connection. */
		rule.skip = random_below(BATCH);
	}
	sim_apns_clear_rules(sim);
	sim_apns_rule(sim, &rule);
}

static int64_t
memory_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	int64_t kib = -1;
	char line[256];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		(void)sscanf(line, "VmRSS: %" SCNd64, &kib);
	if (f != NULL)
		fclose(f);
	return kib;
}

static void
report(const struct soak *s, const struct apns_client *c, int64_t since_ms)
{
	struct apns_client_stats st;

	apns_client_stats(c, &st);
	printf("%5" PRId64 " s  %zu pushes  %" PRId64 " connects  %" PRId64
	       " goaways  RSS %" PRId64 " KiB  outcomes",
	    (clock_mono_ms() - since_ms) / MS_S, s->pushed, st.connects,
	    st.goaways, memory_kib());
	for (size_t i = 0; i < COUNT(s->outcomes); i++)
		printf(" %" PRId64, atomic_load(&s->outcomes[i]));
	printf("\n");
	fflush(stdout);
}

static void
count_id(const char *id, void *arg)
{
	struct soak *s = arg;
	uint64_t ref = strtoull(id + 24, NULL, 16);

	if (ref < s->pushed)
		s->taken[ref]++;
	else
		s->bad = true;
}

enum fate { TRUE_TO_IT, LOST, TWICE, UNTRUE, NOBODY_KNOWS, FATES };

static enum fate
fate_of(const struct soak *s, size_t i)
{
	if (s->answers[i] != 1)
		return LOST;
	if (s->taken[i] > 1)
		return TWICE;
	if (s->outcome[i] == APNS_UNREACHABLE)
		return s->taken[i] == 1 ? NOBODY_KNOWS : TRUE_TO_IT;
	return (s->outcome[i] == APNS_ACCEPTED) == (s->taken[i] == 1)
	           ? TRUE_TO_IT
	           : UNTRUE;
}

/* true: each push was answered once, and as what it was. */
static bool
settle(struct soak *s, struct sim_apns *sim)
{
	static const char *const outcomes[] = { "accepted", "dead", "refused",
		"back off", "our fault", "bug", "unreachable" };
	size_t fates[FATES] = { 0 }, told = 0;

	sim_apns_each_id(sim, count_id, s);
	for (size_t i = 0; i < s->pushed; i++) {
		enum fate f = fate_of(s, i);

		fates[f]++;
		if (f == TRUE_TO_IT || f == NOBODY_KNOWS || told++ >= TOLD)
			continue;
		printf("apns-id ...%012zx: answered %d times, as %s (%s); "
		       "APNs accepted it %d times\n",
		    i, s->answers[i], outcomes[s->outcome[i]],
		    s->words[s->word[i]], s->taken[i]);
	}
	printf("%zu pushes: %zu not answered once, %zu accepted twice, %zu "
	       "answered untruly, %zu accepted though nobody could know\n",
	    s->pushed, fates[LOST], fates[TWICE], fates[UNTRUE],
	    fates[NOBODY_KNOWS]);
	return fates[LOST] + fates[TWICE] + fates[UNTRUE] == 0 && !s->bad;
}

static void
run(struct soak *s, struct apns_client *c, struct sim_apns *sim,
    const struct sim_apns_certs *certs, int64_t seconds)
{
	int64_t start_ms = clock_mono_ms(), next_ms = start_ms;
	int64_t faults = -1, swaps = -1;
	struct err e = { 0 };

	for (int64_t n = 0; clock_mono_ms() < start_ms + seconds * MS_S; n++) {
		if (n * BATCH * s->faults_per_s / PER_S != faults) {
			faults = n * BATCH * s->faults_per_s / PER_S;
			fault(sim, s->faults_per_s);
		}
		if (n * BATCH * MS_S / PER_S / s->swap_ms != swaps) {
			swaps = n * BATCH * MS_S / PER_S / s->swap_ms;
			must(apns_client_identity(c, TOPIC,
			         certs->push_cert_pem, certs->push_key_pem, &e),
			    &e);
		}
		if (n % (60 * PER_S / BATCH) == 0)
			report(s, c, start_ms);
		if (apns_client_pending(c) < PENDING_MAX &&
		    s->pushed + BATCH <= s->most)
			push_batch(s, c);
		next_ms += MS_S * BATCH / PER_S;
		if (next_ms > clock_mono_ms())
			clock_sleep_ms(next_ms - clock_mono_ms());
	}
	sim_apns_clear_rules(sim);
	while (apns_client_pending(c) > 0)
		clock_sleep_ms(10);
	report(s, c, start_ms);
}

int
main(int argc, char **argv)
{
	AUTO(sim_apns_certs_free) struct sim_apns_certs *certs = NULL;
	AUTO(sim_apns_free) struct sim_apns *sim = NULL;
	AUTO(apns_client_free) struct apns_client *c = NULL;
	int64_t seconds = argc > 1 ? strtoll(argv[1], NULL, 10) : 60;
	struct soak s = { .most = (size_t)(seconds + 1) * PER_S,
		.faults_per_s = argc > 2 ? strtoll(argv[2], NULL, 10) : 1,
		.swap_ms = argc > 3 ? strtoll(argv[3], NULL, 10) : 20 * MS_S };
	char host[32];
	const char *hosts[] = { host, NULL };
	struct err e = { 0 };

	s.answers = mem_zalloc(s.most, 1);
	s.outcome = mem_zalloc(s.most, 1);
	s.word = mem_zalloc(s.most, 1);
	s.taken = mem_zalloc(s.most, 1);
	must(sim_apns_certs_new(
	         &(struct sim_apns_cert_options){ .topic = TOPIC }, &certs, &e),
	    &e);
	must(sim_apns_new(
	         &(struct sim_apns_options){ .cert_pem = certs->server_cert_pem,
	             .key_pem = certs->server_key_pem,
	             .client_ca_pem = certs->ca_pem,
	             .latency_ms = 20,
	             .ids_max = 2 * s.most },
	         &sim, &e),
	    &e);
	(void)snprintf(
	    host, sizeof(host), "127.0.0.1:%d", (int)sim_apns_port(sim));
	must(apns_client_new(&(struct apns_client_options){ .hosts = hosts,
	                         .ca_pem = certs->ca_pem,
	                         .answer_ms = 2000,
	                         .ping_ms = 500,
	                         .connect_ms = 2000 },
	         take, &s, &c, &e),
	    &e);
	run(&s, c, sim, certs, seconds);
	s.bad = !settle(&s, sim);
	/* What is left is the client's: deaf connections of the simulator keep
	 * what was sent to them. */
	sim_apns_free(&sim);
	(void)malloc_trim(0);
	printf("without the simulator: RSS %" PRId64 " KiB\n", memory_kib());
	mem_free(&s.answers);
	mem_free(&s.outcome);
	mem_free(&s.word);
	mem_free(&s.taken);
	return s.bad ? 1 : 0;
}
