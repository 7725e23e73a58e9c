/*
 * mutsu sim mac: N simulated Macs that enrol and go on until told to stop.
 * The main thread enrols and waits; the fleet has its own.
 */
#include <stdio.h>
#include <string.h>

#include "app/app_sim_priv.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "sim/sim_fleet.h"

enum { PEM_MAX = 64 << 10, MACS_MAX = 20000 };

struct run {
	const struct app_args *a;
	struct sim_mac **macs;
	size_t count;
	const char *prefix; /* of serial numbers */
	struct buf *ca;
	char host[256];
	int64_t apns_port, threads, seconds, not_now;
};

static void
run_clear(struct run *r)
{
	for (size_t i = 0; r->macs != NULL && i < r->count; i++)
		sim_mac_free(&r->macs[i]);
	mem_free(&r->macs);
	buf_free(&r->ca);
}

static const struct sim_model *
model_of(const char *name, size_t i)
{
	static const char *const mixed[] = { "intel", "t2", "apple-silicon" };

	if (name == NULL || str_eq(name, "mixed"))
		name = mixed[i % COUNT(mixed)];
	return sim_model_find(name);
}

static char *
state_path(const struct run *r, size_t i)
{
	return str_printf(
	    "%s/%s.json", app_arg(r->a, "state"), sim_mac_serial(r->macs[i]));
}

/* FNV-1a of the prefix, so that Macs of two prefixes have other UDIDs. */
static unsigned
prefix_number(const char *s)
{
	unsigned h = 2166136261u;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

/* Given, or made of the prefix and the number. */
static char *
serial_of(const struct run *r, size_t i)
{
	const char *given = app_arg(r->a, "serial");

	return given != NULL ? str_dup(given)
	                     : str_printf("%s%06zu", r->prefix, i + 1);
}

static char *
udid_of(const struct run *r, size_t i)
{
	const char *given = app_arg(r->a, "udid");

	return given != NULL ? str_dup(given)
	                     : str_printf("%08X-0000-5000-8000-%012zX",
	                           prefix_number(r->prefix), i + 1);
}

static bool
load_mac(const struct run *r, size_t i, struct err *e)
{
	const char *original = app_arg(r->a, "clone-of");
	AUTO(str_free) char *path = NULL;

	if (original != NULL)
		return sim_mac_clone(r->macs[i], original, e);
	if (app_arg(r->a, "state") == NULL)
		return true;
	path = state_path(r, i);
	return !file_exists(path) || sim_mac_load(r->macs[i], path, e);
}

static bool
make_macs(struct run *r, struct err *e)
{
	for (size_t i = 0; i < r->count; i++) {
		AUTO(str_free) char *serial = serial_of(r, i);
		AUTO(str_free) char *udid = udid_of(r, i);
		AUTO(str_free) char *name = str_printf("sim-%zu", i + 1);
		const struct sim_model *model =
		    model_of(app_arg(r->a, "model"), i);

		r->macs[i] =
		    sim_mac_new(&(struct sim_mac_options){ .model = model,
		        .serial = serial,
		        .udid = udid,
		        .name = name,
		        .ca_pem = buf_str(r->ca),
		        .tls_identity = app_arg(r->a, "tls-identity") != NULL,
		        .scep_get = app_arg(r->a, "scep-get") != NULL,
		        .not_now = (int)r->not_now });
		if (!load_mac(r, i, e))
			return false;
	}
	return true;
}

static bool
save_macs(const struct run *r, struct err *e)
{
	if (app_arg(r->a, "state") == NULL)
		return true;
	if (!file_mkdir(app_arg(r->a, "state"), e))
		return false;
	for (size_t i = 0; i < r->count; i++) {
		AUTO(str_free) char *path = state_path(r, i);

		if (!sim_mac_save(r->macs[i], path, e))
			return false;
	}
	return true;
}

static bool
save_journal(const struct run *r, struct err *e)
{
	AUTO(buf_free) struct buf *b = buf_new(256 << 20);

	if (app_arg(r->a, "journal") == NULL)
		return true;
	for (size_t i = 0; i < r->count; i++)
		buf_adds(b, sim_mac_journal(r->macs[i]));
	return buf_ok(b, e) &&
	       file_write(app_arg(r->a, "journal"), buf_slice(b), 0644, e);
}

static bool
enroll_all(struct run *r, struct err *e)
{
	const char *url = app_arg(r->a, "enroll-url");

	for (size_t i = 0; i < r->count; i++) {
		if (sim_mac_enrolled(r->macs[i]))
			continue;
		if (url == NULL)
			return err_set(e, ERR_INVALID,
			    "--enroll-url is missing, and %s is not enrolled",
			    sim_mac_serial(r->macs[i]));
		if (!sim_mac_enroll(r->macs[i], url, e))
			return err_wrap(e, "%s", sim_mac_serial(r->macs[i]));
		printf("enrolled %s %s\n", sim_mac_serial(r->macs[i]),
		    sim_mac_udid(r->macs[i]));
		fflush(stdout);
	}
	return save_macs(r, e);
}

static bool
options(struct run *r)
{
	const char *apns = app_arg(r->a, "apns");
	const char *colon = apns != NULL ? strrchr(apns, ':') : NULL;
	int64_t count;

	if (!app_sim_number(r->a, "count", 1, MACS_MAX, &count) ||
	    !app_sim_number(r->a, "threads", 4, 64, &r->threads) ||
	    !app_sim_number(r->a, "seconds", 0, 1000000, &r->seconds) ||
	    !app_sim_number(r->a, "not-now", 0, 1000, &r->not_now))
		return false;
	if (count < 1) {
		fprintf(stderr, "mutsu: --count is at least 1\n");
		return false;
	}
	if (model_of(app_arg(r->a, "model"), 0) == NULL) {
		fprintf(stderr,
		    "mutsu: --model is intel, t2, apple-silicon or mixed\n");
		return false;
	}
	if (count != 1 &&
	    (app_arg(r->a, "serial") != NULL || app_arg(r->a, "udid") != NULL ||
	        app_arg(r->a, "clone-of") != NULL)) {
		fprintf(stderr,
		    "mutsu: --serial, --udid and --clone-of are for "
		    "a single Mac\n");
		return false;
	}
	r->prefix = app_arg(r->a, "prefix");
	if (r->prefix == NULL)
		r->prefix = "SIM";
	r->count = (size_t)count;
	r->macs = mem_zalloc(r->count, sizeof(*r->macs));
	if (colon == NULL || !str_to_i64(colon + 1, 1, 65535, &r->apns_port) ||
	    (size_t)(colon - apns) >= sizeof(r->host)) {
		fprintf(stderr, "mutsu: --apns HOST:PORT is needed\n");
		return false;
	}
	memcpy(r->host, apns, (size_t)(colon - apns));
	if (app_arg(r->a, "ca") == NULL) {
		fprintf(stderr, "mutsu: --ca FILE is needed\n");
		return false;
	}
	return true;
}

static void
print_stats(struct sim_fleet *fleet, int64_t *wrong)
{
	struct sim_fleet_stats s;

	sim_fleet_stats(fleet, &s);
	*wrong = s.wrong_erases;
	printf("pushes %lld sessions %lld failed %lld commands %lld "
	       "bad_pushes %lld t2_erases %lld\n",
	    (long long)s.pushes, (long long)s.sessions,
	    (long long)s.failed_sessions, (long long)s.commands,
	    (long long)s.bad_pushes, (long long)s.wrong_erases);
}

/* Known Macs come back by themselves, as after a restart. */
static bool
go(struct run *r, const sigset_t *signals, int64_t *wrong, struct err *e)
{
	AUTO(sim_fleet_free) struct sim_fleet *fleet = NULL;
	bool silent = app_arg(r->a, "silent") != NULL;
	bool asleep = app_arg(r->a, "asleep") != NULL;

	if (!enroll_all(r, e) ||
	    !sim_fleet_start(
	        &(struct sim_fleet_options){ .apns_address = r->host,
	            .apns_port = (uint16_t)r->apns_port,
	            .threads = (int)r->threads },
	        r->macs, r->count, &fleet, e))
		return false;
	for (size_t i = 0; i < r->count; i++) {
		sim_fleet_silence(fleet, i, silent);
		if (!silent && !asleep)
			sim_fleet_wake(fleet, i);
	}
	printf("ready\n");
	fflush(stdout);
	app_sim_wait(signals, r->seconds);
	print_stats(fleet, wrong);
	sim_fleet_free(&fleet);
	return save_macs(r, e) && save_journal(r, e);
}

int
app_sim_mac(const struct app_args *a)
{
	AUTO(run_clear) struct run r = { .a = a };
	struct err e = { 0 };
	int64_t wrong = 0;
	sigset_t signals;

	if (!options(&r))
		return APP_USAGE;
	app_sim_block_signals(&signals);
	if (!file_read(app_arg(a, "ca"), PEM_MAX, &r.ca, &e) ||
	    !make_macs(&r, &e) || !go(&r, &signals, &wrong, &e)) {
		fprintf(stderr, "mutsu: %s\n", e.text);
		return APP_FAILED;
	}
	if (wrong != 0)
		fprintf(stderr,
		    "mutsu: a Mac with the T2 chip was sent EraseDevice\n");
	return wrong != 0 ? APP_FAILED : APP_OK;
}
