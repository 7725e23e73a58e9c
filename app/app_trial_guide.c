/*
 * The guide of trial mode: enrols three simulated Macs through the real
 * listeners, gives orders through the REST API as an administrator would,
 * waits for what becomes of them, and prints it.  One thread.
 */
#include <stdio.h>

#include "app/app_trial_priv.h"
#include "core/clock.h"
#include "core/fetch.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"

enum { STEP_MS = 30000, POLL_MS = 50 };

static const struct {
	const char *model, *serial, *udid, *name;
} cast[APP_TRIAL_MACS] = {
	{ "intel", "TRIALINTEL01", "5D1A7B0C-0001-5000-8000-0000000000A1",
	    "Trial-iMac" },
	{ "t2", "TRIALT200001", "5D1A7B0C-0002-5000-8000-0000000000A2",
	    "Trial-MBP-T2" },
	{ "apple-silicon", "TRIALARM0001",
	    "5D1A7B0C-0003-5000-8000-0000000000A3", "Trial-MBA-M2" },
};
enum { INTEL, T2, SILICON };

/* What the guide needs on its way. */
struct tour {
	struct app_trial *t;
	struct fetch *fetch;
	char *bearer;
};

char *
app_trial_mac_path(const struct app_trial *t, size_t i)
{
	return str_printf("%s/%s.json", t->dir, cast[i].serial);
}

struct question {
	const char *method, *path;
	const json_t *body; /* or NULL */
};

/* One call of the API.  Problems are answers too: *status tells. */
static bool
call(struct tour *u, const struct question *q, int *status, json_t **out,
    struct err *e)
{
	AUTO(str_free) char *url = str_printf("%s%s", u->t->admin_url, q->path);
	AUTO(str_free) char *text = q->body != NULL ? json_text(q->body) : NULL;
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	const char *headers[] = { u->bearer, "Content-Type: application/json",
		NULL };

	if (!fetch_do(u->fetch,
	        &(struct fetch_request){ .method = q->method,
	            .url = url,
	            .headers = headers,
	            .body = slice_str(text) },
	        &a, e))
		return false;
	*status = a.status;
	if (a.status == 401 || a.status == 403)
		return err_set(e, ERR_FORBIDDEN, "%s %s was answered %d",
		    q->method, q->path, a.status);
	return json_parse(buf_slice(a.body), out, e);
}

static bool
get(struct tour *u, const char *path, json_t **out, struct err *e)
{
	int status;

	return call(
	    u, &(struct question){ "GET", path, NULL }, &status, out, e);
}

/* The Mac's last order of this kind: an interrupted tour left it open, and the
 * Mac, which is back, carries it out or has just done so. */
static bool
last_order(struct tour *u, const char *kind, const char *serial, json_t **out,
    struct err *e)
{
	AUTO(str_free)
	char *path = str_printf("/api/v1/orders?limit=100&device=%s", serial);
	AUTO(json_free) json_t *page = NULL;
	size_t i;
	json_t *o;

	if (!get(u, path, &page, e))
		return false;
	json_array_foreach(json_object_get(page, "orders"), i, o)
	{
		if (!str_eq(
		        json_string_value(json_object_get(o, "kind")), kind))
			continue;
		*out = json_incref(o);
		return true;
	}
	return err_set(
	    e, ERR_CONFLICT, "%s: no %s, and none is accepted", serial, kind);
}

static bool
order(struct tour *u, const char *kind, const char *serial, int *status,
    json_t **out, struct err *e)
{
	AUTO(json_free) json_t *body = json_object();

	json_put_str(body, "kind", kind);
	json_put_str(body, "device", serial);
	json_put_str(body, "note", "trial");
	if (str_eq(kind, "lock"))
		json_put_str(body, "message", "This Mac is on trial");
	if (!call(u, &(struct question){ "POST", "/api/v1/orders", body },
	        status, out, e))
		return false;
	if (*status != 409)
		return true;
	json_free(out);
	*status = 201;
	return last_order(u, kind, serial, out, e);
}

/* Polls path until the value at key (in the object at group, if set) is
 * want. */
struct wish {
	const char *path, *group, *key, *want;
};

static bool
await(struct tour *u, const struct wish *w, struct err *e)
{
	int64_t until = clock_mono_ms() + STEP_MS;
	char last[64] = "nothing";

	while (clock_mono_ms() < until && !app_trial_stopping(u->t)) {
		AUTO(json_free) json_t *o = NULL;
		const json_t *at;
		const char *v;
		int status;

		if (!call(u, &(struct question){ "GET", w->path, NULL },
		        &status, &o, e))
			return false;
		at = w->group != NULL ? json_object_get(o, w->group) : o;
		v = json_string_value(json_object_get(at, w->key));
		if (str_eq(v, w->want))
			return true;
		str_copy_cut(last, sizeof(last), v != NULL ? v : "nothing");
		clock_sleep_ms(POLL_MS);
	}
	return err_set(e, ERR_UNAVAILABLE, "%s: %s is still \"%s\", not \"%s\"",
	    w->path, w->key, last, w->want);
}

static bool
await_order(
    struct tour *u, const json_t *made, const char *state, struct err *e)
{
	const char *id = json_string_value(json_object_get(made, "id"));
	AUTO(str_free)
	char *path = str_printf("/api/v1/orders/%s", id != NULL ? id : "none");

	return await(u, &(struct wish){ path, NULL, "state", state }, e);
}

static bool
await_device(struct tour *u, size_t i, const char *group, const char *key,
    const char *want, struct err *e)
{
	AUTO(str_free)
	char *path = str_printf("/api/v1/devices/%s", cast[i].serial);

	return await(u, &(struct wish){ path, group, key, want }, e);
}

/* ---- steps, each printing what it saw ---- */

static bool
show_devices(struct tour *u, struct err *e)
{
	printf("\n  %-14s %-14s %-16s %-14s %-8s %s\n", "SERIAL", "NAME",
	    "MODEL", "CHIP", "macOS", "STATE");
	for (size_t i = 0; i < APP_TRIAL_MACS; i++) {
		AUTO(str_free)
		char *path = str_printf("/api/v1/devices/%s", cast[i].serial);
		AUTO(json_free) json_t *d = NULL;
		static const char *const keys[] = { "serial", "name",
			"model_id", "chip", "os_version", "state" };
		static const int widths[] = { 14, 14, 16, 14, 8, 0 };
		int status;

		if (!call(u, &(struct question){ "GET", path, NULL }, &status,
		        &d, e))
			return false;
		printf(" ");
		for (size_t k = 0; k < COUNT(keys); k++) {
			const char *v =
			    json_string_value(json_object_get(d, keys[k]));

			printf(" %-*s", widths[k], v != NULL ? v : "-");
		}
		printf("\n");
	}
	return true;
}

/* In the answer to the order's creation, else asked for. */
static bool
print_lock(struct tour *u, const json_t *o, struct err *e)
{
	AUTO(str_free)
	char *path = str_printf("/api/v1/orders/%s/pin",
	    json_string_value(json_object_get(o, "id")));
	AUTO(json_free) json_t *asked = NULL;
	const char *pin = json_string_value(json_object_get(o, "pin"));

	if (pin == NULL && !get(u, path, &asked, e))
		return false;
	if (pin == NULL)
		pin = json_string_value(json_object_get(asked, "pin"));
	if (pin == NULL)
		return err_set(e, ERR_INTERNAL, "the lock has no PIN");
	printf("\n  LOCK    %s  acknowledged by the Mac; PIN %s\n",
	    cast[INTEL].serial, pin);
	return true;
}

static bool
step_lock(struct tour *u, struct err *e)
{
	AUTO(json_free) json_t *o = NULL;
	int status;

	if (!order(u, "lock", cast[INTEL].serial, &status, &o, e))
		return false;
	if (status != 201)
		return err_set(
		    e, ERR_INTERNAL, "the lock was answered %d", status);
	return await_order(u, o, "acknowledged", e) && print_lock(u, o, e);
}

static bool
step_t2(struct tour *u, struct err *e)
{
	AUTO(json_free) json_t *o = NULL;
	const char *code, *detail;
	int status;

	if (!order(u, "wipe", cast[T2].serial, &status, &o, e))
		return false;
	code = json_string_value(json_object_get(o, "code"));
	detail = json_string_value(json_object_get(o, "detail"));
	if (status != 422 || !str_eq(code, "wipe_refused_t2"))
		return err_set(e, ERR_INTERNAL,
		    "the wipe of a Mac with T2 was answered %d", status);
	printf("  WIPE    %s  refused (%s)\n          %s\n", cast[T2].serial,
	    code, detail != NULL ? detail : "");
	return true;
}

static bool
step_wipe(struct tour *u, struct err *e)
{
	AUTO(json_free) json_t *o = NULL;
	int status;

	if (!order(u, "wipe", cast[SILICON].serial, &status, &o, e))
		return false;
	if (status != 201)
		return err_set(
		    e, ERR_INTERNAL, "the wipe was answered %d", status);
	if (!await_order(u, o, "acknowledged", e))
		return false;
	printf("  WIPE    %s  acknowledged; the Mac erases itself\n",
	    cast[SILICON].serial);
	return true;
}

static bool
step_assign(struct tour *u, struct err *e)
{
	AUTO(str_free)
	char *path = str_printf("/api/v1/devices/%s/user", cast[T2].serial);
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *o = NULL;
	int status;

	json_put_str(body, "user", "hanako");
	json_put_str(body, "full_name", "Hanako Trial");
	json_put_str(body, "email", "hanako@example.com");
	if (!call(u, &(struct question){ "PUT", path, body }, &status, &o, e))
		return false;
	if (status != 200)
		return err_set(
		    e, ERR_INTERNAL, "assigning was answered %d", status);
	if (!await_device(u, T2, "rollout", "state", "installed", e))
		return false;
	printf("  ASSIGN  %s  to hanako; her certificate is installed\n",
	    cast[T2].serial);
	return true;
}

static void
go_on(const struct app_trial *t)
{
	printf("\nGo on by hand (--data data is the default in this folder):\n"
	       "  ./mutsu device list --data %s\n"
	       "  ./mutsu device show %s --data %s\n"
	       "  ./mutsu lock %s --data %s\n"
	       "  ./mutsu wipe %s --data %s\n"
	       "  ./mutsu event list --data %s\n"
	       "  curl --cacert %s/ca.pem %s/enroll\n"
	       "  curl -H \"Authorization: Bearer $(cat %s/admin.token)\" "
	       "%s/api/v1/devices\n"
	       "Ctrl-C stops; the next ./run keeps everything.\n\n",
	    t->data_dir, cast[T2].serial, t->data_dir, cast[T2].serial,
	    t->data_dir, cast[T2].serial, t->data_dir, t->data_dir, t->data_dir,
	    t->url, t->data_dir, t->admin_url);
}

/* ---- the Macs ---- */

/* There once the whole result was printed. */
static char *
mark_path(const struct app_trial *t)
{
	return str_printf("%s/shown", t->dir);
}

/* *known: the result was printed, and all Macs are those of that time.  They
 * follow the server to another port, which real ones could not. */
static bool
make_macs(struct app_trial *t, bool *known, struct err *e)
{
	AUTO(str_free) char *mark = mark_path(t);

	*known = file_exists(mark);
	for (size_t i = 0; i < APP_TRIAL_MACS; i++) {
		AUTO(str_free) char *path = app_trial_mac_path(t, i);

		t->macs[i] = sim_mac_new(&(struct sim_mac_options){
		    .model = sim_model_find(cast[i].model),
		    .serial = cast[i].serial,
		    .udid = cast[i].udid,
		    .name = cast[i].name,
		    .ca_pem = t->ca_pem });
		if (!file_exists(path))
			*known = false;
		else if (!sim_mac_load(t->macs[i], path, e))
			return false;
		sim_mac_move(t->macs[i], t->url);
	}
	return true;
}

static bool
start_fleet(struct app_trial *t, struct err *e)
{
	if (!sim_fleet_start(
	        &(struct sim_fleet_options){ .apns_address = "127.0.0.1",
	            .apns_port = sim_apns_device_port(t->apns),
	            .threads = APP_TRIAL_MACS },
	        t->macs, APP_TRIAL_MACS, &t->fleet, e))
		return false;
	/* What the server asked while they were away waits for them. */
	for (size_t i = 0; i < APP_TRIAL_MACS; i++)
		if (sim_mac_enrolled(t->macs[i]))
			sim_fleet_wake(t->fleet, i);
	return true;
}

static bool
enroll_macs(struct tour *u, struct err *e)
{
	AUTO(str_free) char *url = str_printf("%s/enroll", u->t->url);

	for (size_t i = 0; i < APP_TRIAL_MACS; i++)
		if (!sim_mac_enrolled(u->t->macs[i]) &&
		    !sim_mac_enroll(u->t->macs[i], url, e))
			return err_wrap(e, "%s", cast[i].serial);
	return start_fleet(u->t, e);
}

/* Inventory has come in when SecurityInfo has. */
static bool
await_inventory(struct tour *u, struct err *e)
{
	int64_t until = clock_mono_ms() + STEP_MS;

	for (size_t i = 0; i < APP_TRIAL_MACS;) {
		AUTO(str_free)
		char *path = str_printf("/api/v1/devices/%s", cast[i].serial);
		AUTO(json_free) json_t *d = NULL;
		int status;

		if (!call(u, &(struct question){ "GET", path, NULL }, &status,
		        &d, e))
			return false;
		if (json_is_string(json_object_get(d, "security_at"))) {
			i++;
			continue;
		}
		if (clock_mono_ms() > until || app_trial_stopping(u->t))
			return err_set(e, ERR_UNAVAILABLE,
			    "%s told nothing about itself", cast[i].serial);
		clock_sleep_ms(POLL_MS);
	}
	return true;
}

/* Each step may be taken again: a tour that was interrupted, wherever that
 * was, is made from the beginning at the next start. */
static bool
first_tour(struct tour *u, struct err *e)
{
	static bool (*const steps[])(struct tour *, struct err *) = {
		enroll_macs,
		await_inventory,
		show_devices,
		step_lock,
		step_t2,
		step_wipe,
		step_assign,
	};
	AUTO(str_free) char *mark = mark_path(u->t);

	printf("\nTrial: no Apple push certificate yet, so APNs and three "
	       "Macs are simulated.\nThe Macs enrol by %s/enroll ...\n",
	    u->t->url);
	for (size_t i = 0; i < COUNT(steps); i++) {
		fflush(stdout);
		if (app_trial_stopping(u->t))
			return err_set(e, ERR_UNAVAILABLE, "interrupted");
		if (!steps[i](u, e))
			return false;
	}
	go_on(u->t);
	fflush(stdout);
	return file_write(mark, slice_str("The result was shown.\n"), 0600, e);
}

static bool
later_tour(struct tour *u, struct err *e)
{
	printf("\nTrial, continued: the simulated Macs are back.\n");
	if (!start_fleet(u->t, e) || !show_devices(u, e))
		return false;
	go_on(u->t);
	return true;
}

void *
app_trial_guide(void *arg)
{
	struct app_trial *t = arg;
	struct tour u = { .t = t };
	struct err e = { 0 };
	bool known = false, ok;

	u.bearer = str_printf("Authorization: Bearer %s", t->token);
	ok = fetch_new(&(struct fetch_options){ .timeout_ms = STEP_MS },
	         &u.fetch, &e) &&
	     make_macs(t, &known, &e) &&
	     (known ? later_tour(&u, &e) : first_tour(&u, &e));
	if (!ok && !app_trial_stopping(t))
		printf("\nTrial failed: %s\n", e.text);
	fflush(stdout);
	fetch_free(&u.fetch);
	str_wipe(&u.bearer);
	return NULL;
}
