/*
 * mutsu sim apns, mutsu sim mac: the simulators as programs, for acceptance
 * tests after an upgrade and for load.  The main thread waits for a signal.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app/app_cli.h"
#include "app/app_sim_priv.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "sim/sim_apns.h"
#include "sim/sim_apns_cert.h"
#include "sim/sim_fleet.h"

enum { PEM_MAX = 64 << 10 };

static const struct app_option apns_options[] = {
	{ "dir", "DIR",
	    "where certificates are kept and \"ports\" is written" },
	{ "port", "N", "of HTTP/2; 0: any free one" },
	{ "device-port", "N", "of the simulated Macs' channel; 0: any" },
	{ "topic", "TOPIC", "of the push certificate that is made" },
	{ "answer", "STATUS[:REASON]",
	    "to pushes that are all right, such as 410:Unregistered (200)" },
	{ "answers", "N", "how many get it; 0: all (0)" },
	{ NULL, NULL, NULL },
};

static const struct app_option mac_options[] = {
	{ "enroll-url", "URL", "https://HOST:PORT/enroll" },
	{ "ca", "FILE", "PEM file with the anchor of that server" },
	{ "apns", "HOST:PORT", "device channel of the simulated APNs" },
	{ "model", "NAME", "intel, t2, apple-silicon or mixed (mixed)" },
	{ "count", "N", "so many Macs (1)" },
	{ "prefix", "TEXT", "begin of their serial numbers (SIM)" },
	{ "state", "DIR", "their state; kept, they go on after a restart" },
	{ "threads", "N", "that work for them (4)" },
	{ "seconds", "N", "stop after that; else at Ctrl-C" },
	{ "not-now", "N", "each says NotNow to its first N commands" },
	{ "tls-identity", NULL, "prove by client certificate in TLS" },
	{ "scep-get", NULL, "SCEP by GET" },
	{ "silent", NULL, "ignore pushes" },
	{ "asleep", NULL, "connect when pushed, not at the start" },
	{ "serial", "TEXT", "of a single Mac, instead of --prefix" },
	{ "udid", "TEXT", "of a single Mac" },
	{ "clone-of", "FILE", "a single Mac with the identity of that state" },
	{ "journal", "FILE",
	    "write the UUIDs of commands whose report was taken" },
	{ NULL, NULL, NULL },
};

bool
app_sim_number(const struct app_args *a, const char *name, int64_t absent,
    int64_t max, int64_t *out)
{
	const char *text = app_arg(a, name);

	*out = absent;
	if (text == NULL || str_to_i64(text, 0, max, out))
		return true;
	fprintf(stderr, "mutsu: --%s takes a number up to %lld\n", name,
	    (long long)max);
	return false;
}

void
app_sim_block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

void
app_sim_wait(const sigset_t *set, int64_t seconds)
{
	struct timespec t = { .tv_sec = seconds };
	int sig;

	if (seconds == 0)
		(void)sigwait(set, &sig);
	else
		(void)sigtimedwait(set, NULL, &t);
}

/* Makes what is missing of the simulated APNs' certificates in dir. */
static bool
prepare_apns(const char *dir, const char *topic, struct err *e)
{
	AUTO(str_free) char *server = str_printf("%s/server.pem", dir);
	AUTO(str_free) char *server_key = str_printf("%s/server.key", dir);
	AUTO(str_free) char *push = str_printf("%s/push.pem", dir);
	AUTO(str_free) char *push_key = str_printf("%s/push.key", dir);
	AUTO(str_free) char *push_ca = str_printf("%s/push-ca.pem", dir);
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(buf_free) struct buf *pcert = NULL;
	AUTO(buf_wipe) struct buf *pkey = NULL;
	AUTO(buf_free) struct buf *pca = NULL;

	if (!file_mkdir(dir, e))
		return false;
	if (!file_exists(server) &&
	    (!sim_apns_server_cert("127.0.0.1", &cert, &key, e) ||
	        !file_write(server_key, buf_slice(key), 0600, e) ||
	        !file_write(server, buf_slice(cert), 0644, e)))
		return false;
	return file_exists(push) ||
	       (sim_apns_push_cert(topic, &pcert, &pkey, &pca, e) &&
	           file_write(push_ca, buf_slice(pca), 0644, e) &&
	           file_write(push_key, buf_slice(pkey), 0600, e) &&
	           file_write(push, buf_slice(pcert), 0644, e));
}

static bool
start_apns(const char *dir, int64_t port, int64_t device_port,
    struct sim_apns **out, struct err *e)
{
	AUTO(str_free) char *server = str_printf("%s/server.pem", dir);
	AUTO(str_free) char *server_key = str_printf("%s/server.key", dir);
	AUTO(str_free) char *push_ca = str_printf("%s/push-ca.pem", dir);
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(buf_free) struct buf *ca = NULL;

	return file_read(server, PEM_MAX, &cert, e) &&
	       file_read(server_key, PEM_MAX, &key, e) &&
	       file_read(push_ca, PEM_MAX, &ca, e) &&
	       sim_apns_new(&(struct sim_apns_options){ .port = (uint16_t)port,
	                        .device_port = (uint16_t)device_port,
	                        .cert_pem = buf_str(cert),
	                        .key_pem = buf_str(key),
	                        .client_ca_pem = buf_str(ca) },
	           out, e);
}

/* What --answer and --answers say; false with a line on standard error. */
static bool
read_answer(const struct app_args *a, struct sim_apns_rule *out)
{
	const char *text = app_arg(a, "answer");
	const char *reason = text != NULL ? strchr(text, ':') : NULL;
	AUTO(str_free) char *status = NULL;
	int64_t n;

	*out = (struct sim_apns_rule){ .token = "", .action = SIM_APNS_ANSWER };
	if (!app_sim_number(a, "answers", 0, INT32_MAX, &out->count))
		return false;
	if (text == NULL)
		return true;
	status = reason != NULL ? str_printf("%.*s", (int)(reason - text), text)
	                        : str_dup(text);
	if (!str_to_i64(status, 200, 599, &n)) {
		fprintf(stderr, "mutsu: answer: must be a status from 200 to "
		                "599, and a reason behind a colon\n");
		return false;
	}
	out->status = (int)n;
	out->reason = reason != NULL ? reason + 1 : NULL;
	return true;
}

static int
sim_apns(const struct app_args *a)
{
	const char *dir = app_arg(a, "dir");
	const char *topic = app_arg(a, "topic");
	AUTO(sim_apns_free) struct sim_apns *s = NULL;
	AUTO(str_free) char *ports = NULL;
	AUTO(str_free) char *line = NULL;
	struct sim_apns_stats stats;
	struct sim_apns_rule answer;
	struct err e = { 0 };
	int64_t port, device_port;
	sigset_t signals;

	if (!read_answer(a, &answer) ||
	    !app_sim_number(a, "port", 0, 65535, &port) ||
	    !app_sim_number(a, "device-port", 0, 65535, &device_port))
		return APP_USAGE;
	if (dir == NULL)
		dir = "sim-apns";
	if (topic == NULL)
		topic = "com.apple.mgmt.External."
		        "11111111-2222-4333-8444-555555555555";
	app_sim_block_signals(&signals);
	ports = str_printf("%s/ports", dir);
	if (!prepare_apns(dir, topic, &e) ||
	    !start_apns(dir, port, device_port, &s, &e)) {
		fprintf(stderr, "mutsu: %s\n", e.text);
		return APP_FAILED;
	}
	if (answer.status != 0)
		sim_apns_rule(s, &answer);
	line = str_printf(
	    "%d %d\n", (int)sim_apns_port(s), (int)sim_apns_device_port(s));
	if (!file_write(ports, slice_str(line), 0644, &e)) {
		fprintf(stderr, "mutsu: %s\n", e.text);
		return APP_FAILED;
	}
	printf("APNs 127.0.0.1:%d, device channel 127.0.0.1:%d\n",
	    (int)sim_apns_port(s), (int)sim_apns_device_port(s));
	fflush(stdout);
	app_sim_wait(&signals, 0);
	sim_apns_stats(s, &stats);
	printf("accepted %lld refused %lld\n", (long long)stats.accepted,
	    (long long)stats.refused);
	return APP_OK;
}

const struct app_subcommand app_sim_commands[] = {
	{ "sim", "apns", "", 0, 0, apns_options, "a simulated APNs, for tests",
	    sim_apns, false },
	{ "sim", "mac", "", 0, 0, mac_options,
	    "simulated Macs that enrol and answer", app_sim_mac, false },
	{ 0 },
};
