/*
 * mutsu doctor: is what the server needs of APNs there, and which firewall
 * rule is missing if not; and which certificate of its own ends soon.  It does
 * its own looking, with the settings and the database of the server, whether
 * that runs or not.  One thread.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "apns/apns_cert.h"
#include "apns/apns_doctor.h"
#include "app/app_cli.h"
#include "app/app_settings.h"
#include "certs/cert_authority_end.h"
#include "certs/cert_tls.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"

/* ACME clients renew 30 days before the end. */
enum { HOSTS_MAX = 16, WARN_DAYS = 30, TLS_WARN_DAYS = 14 };
enum { TLS_PEM_MAX = 64 << 10 };

static const struct app_option doctor_options[] = {
	{ "config", "FILE", "settings file (DATA/mutsu.conf)" },
	{ "timeout", "SECONDS", "for each step (10)" },
	{ NULL, NULL, NULL },
};

struct report {
	const struct app_args *a;
	json_t *checks;
	bool reached; /* a host that pushes can go to */
	bool faults;  /* that no other host makes up for */
	bool good;    /* of the host that is examined now */
};

/* ---- the report ---- */

static void
add(const struct apns_check *c, void *arg)
{
	static const char *const findings[] = { [APNS_GOOD] = "ok",
		[APNS_WARNING] = "warning",
		[APNS_FAULT] = "fault" };
	struct report *r = arg;
	json_t *o = json_object();

	json_put_str(o, "check", c->name);
	json_put_str(o, "subject", c->subject);
	json_put_str(o, "finding", findings[c->finding]);
	json_put_str(o, "text", c->text);
	json_put_str(o, "advice", c->advice);
	json_array_append_new(r->checks, o);
	r->good = r->good && c->finding != APNS_FAULT;
	if (r->a->json)
		return;
	printf("%-8s %-11s ", findings[c->finding], c->name);
	(void)app_print_safe(stdout, c->subject, 80);
	printf(": ");
	(void)app_print_safe(stdout, c->text, sizeof(c->text));
	printf("\n");
	if (c->advice != NULL)
		printf("%-20s %s\n", "", c->advice);
	fflush(stdout);
}

static void
add_own(struct report *r, const char *name, enum apns_finding finding,
    const char *subject, const char *text, const char *advice)
{
	struct apns_check c = { .name = name,
		.subject = subject,
		.finding = finding,
		.advice = advice };

	str_copy_cut(c.text, sizeof(c.text), text);
	add(&c, r);
}

/* ---- the push certificate ---- */

static bool
open_database(const struct settings *s, struct store **out, struct err *e)
{
	const char *address = settings_str(s, "database");
	AUTO(str_free)
	char *file = str_printf("%s/mutsu.db", settings_str(s, "data"));
	struct store_options o = { .path = str_empty(address) ? file : address,
		.readers = 1,
		.use = STORE_LOOK };

	return store_open(&o, out, e);
}

static bool
load_certificate(
    const struct settings *s, struct apns_cert **out, struct err *e)
{
	AUTO(str_free)
	char *master = str_printf("%s/master.key", settings_str(s, "data"));
	AUTO(seal_free) struct seal *seal = NULL;
	AUTO(store_close) struct store *st = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;

	/* seal_open() would make one. */
	if (!file_exists(master))
		return err_set(e, ERR_NOT_FOUND, "there is no %s", master);
	return seal_open(master, &seal, e) && open_database(s, &st, e) &&
	       store_begin(st, STORE_READ, &tx, e) &&
	       apns_cert_load(tx, seal, out, e);
}

static void
tell_dates(struct report *r, const struct apns_cert *c)
{
	int64_t days = (c->not_after - clock_now_ms()) / MS_DAY;
	AUTO(str_free)
	char *text =
	    str_printf("valid for %lld days, the key fits", (long long)days);

	if (days < WARN_DAYS)
		add_own(r, "certificate", APNS_WARNING, c->topic, text,
		    "renew it at identity.apple.com/pushcert with the same "
		    "Apple account, then mutsu push-cert import");
	else
		add_own(r, "certificate", APNS_GOOD, c->topic, text, NULL);
}

/* Dates, topic and key; NULL: there is none that could be shown. */
static struct apns_cert *
check_certificate(struct report *r, const struct settings *s)
{
	static const char renew[] =
	    "renew it at identity.apple.com/pushcert with the same Apple "
	    "account, then mutsu push-cert import";
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	AUTO(apns_cert_free) struct apns_cert *parsed = NULL;
	struct err e = { 0 };

	if (!load_certificate(s, &c, &e)) {
		add_own(r, "certificate", APNS_FAULT, "database", e.text,
		    "start the server once, and run this as its user with its "
		    "--data or --config");
		return NULL;
	}
	if (c == NULL) {
		add_own(r, "certificate", APNS_FAULT, "database",
		    "there is no push certificate",
		    "mutsu push-cert import CERT.PEM KEY.PEM");
		return NULL;
	}
	if (!apns_cert_parse(
	        slice_str(c->cert_pem), slice_str(c->key_pem), &parsed, &e)) {
		add_own(r, "certificate", APNS_FAULT, c->topic, e.text, renew);
		return NULL;
	}
	tell_dates(r, c);
	return TAKE(c);
}

/* ---- the TLS certificate ---- */

static void
check_tls(struct report *r, const struct settings *s)
{
	const char *cert = settings_str(s, "tls-cert");
	const char *advice =
	    cert != NULL ? "put a new one in its place; the server takes it "
	                   "within seconds"
	                 : "a server that runs makes a new one by itself, "
	                   "unless its issuing CA ends with it";
	const char *key = settings_str(s, "tls-key");
	const char *data = settings_str(s, "data");
	AUTO(str_free)
	char *cert_path = cert ? str_dup(cert) : str_printf("%s/tls.pem", data);
	AUTO(str_free)
	char *key_path = key ? str_dup(key) : str_printf("%s/tls.key", data);
	const char *url = settings_str(s, "public-url");
	AUTO(str_free)
	char *host = app_settings_host(url != NULL ? url : "localhost");
	AUTO(str_free) char *text = NULL;
	AUTO(buf_free) struct buf *c = NULL;
	AUTO(buf_wipe) struct buf *k = NULL;
	struct err e = { 0 };
	int64_t days;

	if (!file_read(cert_path, TLS_PEM_MAX, &c, &e) ||
	    !file_read(key_path, TLS_PEM_MAX, &k, &e) ||
	    !cert_tls_check(
	        &(struct cert_tls){ buf_slice(c), buf_slice(k), host }, &e)) {
		add_own(r, "listener", APNS_WARNING, host, e.text, advice);
		return;
	}
	days = (cert_tls_not_after(buf_slice(c)) - clock_now_ms()) / MS_DAY;
	text = str_printf("valid for %lld days, the key fits", (long long)days);
	add_own(r, "listener", days < TLS_WARN_DAYS ? APNS_WARNING : APNS_GOOD,
	    host, text, days < TLS_WARN_DAYS ? advice : NULL);
}

/* ---- the authority ---- */

static void
tell_authority(struct report *r, const struct cert_authority *a)
{
	int64_t end = cert_not_after(cert_authority_issuing(a));
	AUTO(str_free)
	char *text = str_printf("valid for %lld days",
	    (long long)((end - clock_now_ms()) / MS_DAY));
	struct cert_authority_ends ends;

	cert_authority_ends(a, &ends);
	if (ends.count == 0)
		add_own(r, "authority", APNS_GOOD, cert_authority_id(a), text,
		    NULL);
	for (size_t i = 0; i < ends.count; i++) {
		const struct cert_authority_end *one = &ends.list[i];
		AUTO(str_free) char *what = cert_authority_end_text(one);

		add_own(r, "authority",
		    one->step > 0 ? APNS_WARNING : APNS_FAULT, one->member->id,
		    what, one->advice);
	}
}

/* What keeps the database from being read was said before. */
static void
check_authority(struct report *r, const struct settings *s)
{
	AUTO(store_close) struct store *st = NULL;
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	struct err e = { 0 };

	if (!open_database(s, &st, &e))
		return;
	if (!cert_authority_look(st, &a, &e))
		add_own(r, "authority", APNS_FAULT, "database", e.text,
		    "restore the database, or mutsu ca restore");
	else if (a != NULL)
		tell_authority(r, a);
}

/* ---- hosts ---- */

typedef void (*examine_fn)(const struct apns_doctor_options *o,
    const char *host, apns_check_fn fn, void *arg);

/* How many of the hosts have no fault. */
static int
each_host(struct report *r, const struct apns_doctor_options *o,
    const char *hosts, examine_fn examine)
{
	AUTO(str_free) char *list = str_dup(hosts);
	char *rest = list, *host;
	int good = 0;

	for (int n = 0; n < HOSTS_MAX && (host = strsep(&rest, ", ")) != NULL;
	     n++) {
		if (*host == '\0')
			continue;
		r->good = true;
		examine(o, host, add, r);
		good += r->good;
	}
	return good;
}

/* Pushes need one host; the others are there for when it is away. */
static void
examine(struct report *r, const struct settings *s, int64_t timeout_s)
{
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	AUTO(str_wipe) char *credentials = NULL;
	struct apns_doctor_options o = { .ca_file = settings_str(s, "apns-ca"),
		.proxy = settings_str(s, "apns-proxy"),
		.timeout_ms = timeout_s * MS_S };
	struct err e = { 0 };

	r->good = true;
	c = check_certificate(r, s);
	r->faults = !r->good;
	check_tls(r, s);
	check_authority(r, s);
	if (!app_settings_proxy_credentials(s, &credentials, &e)) {
		add_own(r, "certificate", APNS_FAULT, "proxy", e.text,
		    "correct apns-proxy-credentials");
		r->faults = true;
	}
	o.proxy_credentials = credentials;
	if (c != NULL) {
		o.cert_pem = c->cert_pem;
		o.key_pem = c->key_pem;
		o.topic = c->topic;
	}
	r->reached = each_host(r, &o, settings_str(s, "apns-hosts"),
	                 apns_doctor_host) > 0;
	if (!str_empty(settings_str(s, "apns-device-hosts")))
		(void)each_host(r, &o, settings_str(s, "apns-device-hosts"),
		    apns_doctor_device_host);
}

static int
doctor(const struct app_args *a)
{
	AUTO(settings_free)
	struct settings *s = settings_new(app_settings, app_settings_count);
	AUTO(json_free) json_t *o = json_object();
	struct report r = { .a = a, .checks = json_array() };
	const char *timeout = app_arg(a, "timeout");
	int64_t timeout_s = 0;
	struct err e = { 0 };
	bool well;

	json_object_set_new(o, "checks", r.checks);
	if (!app_settings_load(s, a, &e) || !app_settings_check(s, &e)) {
		fprintf(stderr, "mutsu: %s\n", e.text);
		return APP_USAGE;
	}
	if (timeout != NULL && !str_to_i64(timeout, 1, 600, &timeout_s)) {
		fprintf(stderr, "mutsu: --timeout takes 1 to 600 seconds\n");
		return APP_USAGE;
	}
	log_set_level(LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	examine(&r, s, timeout_s);
	well = r.reached && !r.faults;
	json_put_bool(o, "ok", well);
	if (a->json)
		app_print_one(a, o, NULL);
	app_say(a, well ? "Pushes can be sent."
	                : "Pushes cannot be sent: see the faults above.");
	return well ? APP_OK : APP_FAILED;
}

const struct app_subcommand app_doctor_commands[] = {
	{ NULL, "doctor", "", 0, 0, doctor_options,
	    "tell what keeps pushes from APNs", doctor, true },
	{ 0 },
};
