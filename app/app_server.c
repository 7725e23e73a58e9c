/*
 * Making, wiring and ending the server.  The main thread makes and ends it;
 * in between the services have threads of their own.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apns/apns_cert.h"
#include "app/app_server_priv.h"
#include "app/app_settings.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "enroll-profiles/enroll_identity.h"
#include "scep/scep_http.h"
#include "scep/scep_secret.h"

static bool
open_store(struct app_server *s, struct err *e)
{
	const char *address = settings_str(s->settings, "database");
	AUTO(str_free) char *file = str_printf("%s/mutsu.db", s->data);
	struct store_options o = { .path = file };

	if (!str_empty(address)) {
		if (!store_is_address(address))
			return err_set(e, ERR_INVALID,
			    "database: this is not a postgresql:// address");
		o.path = address;
		/* No worker waits for a connection. */
		o.readers = (int)settings_int(s->settings, "workers");
	}
	return store_open(&o, &s->store, e);
}

static bool
open_data(struct app_server *s, struct err *e)
{
	return file_mkdir(s->data, e) && file_private(s->data, e) &&
	       open_store(s, e);
}

/* Topic of the push certificate in use; the trial's counts in a trial only. */
static bool
load_topic(struct app_server *s, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(apns_cert_free) struct apns_cert *c = NULL;

	if (!store_begin(s->store, STORE_READ, &tx, e) ||
	    !apns_cert_load(tx, s->seal, &c, e))
		return false;
	str_copy_cut(s->topic, sizeof(s->topic), c != NULL ? c->topic : "");
	return true;
}

static bool
open_trial(struct app_server *s, struct err *e)
{
	AUTO(str_free) char *dir = str_printf("%s/trial", s->data);

	if (!load_topic(s, e))
		return false;
	if (settings_bool(s->settings, "trial") &&
	    (s->topic[0] == '\0' || str_eq(s->topic, APP_TRIAL_TOPIC)))
		return app_trial_open(s->store, s->seal, dir, &s->trial, e) &&
		       load_topic(s, e);
	if (str_eq(s->topic, APP_TRIAL_TOPIC)) {
		s->topic[0] = '\0';
		log_event(LOG_WARN, "trial_certificate_idle", "what",
		    "the push certificate is the trial's: Macs cannot enrol "
		    "until Apple's is imported",
		    NULL);
	}
	return true;
}

/* Hooks of mdm/: what ends or begins with an enrolment above it. */
static bool
device_left(struct store_tx *tx, const char *device_id, const char *why,
    void *arg, struct err *e)
{
	struct app_server *s = arg;

	return enroll_identity_left(tx, device_id, e) &&
	       enroll_rollout_left(tx, device_id, why, s->enroll, e);
}

static bool
certificate_issued(
    struct store_tx *tx, const struct cert_record *r, void *arg, struct err *e)
{
	struct app_server *s = arg;

	return enroll_identity_issued(tx, r, s->enroll, e) &&
	       enroll_rollout_issued(tx, r, s->enroll, e);
}

static bool
device_enrolled(
    struct store_tx *tx, const char *device_id, void *arg, struct err *e)
{
	struct app_server *s = arg;

	return enroll_rollout_enrolled(tx, device_id, s->enroll, e);
}

static struct scep_options
scep_options(struct app_server *s)
{
	const struct settings *set = s->settings;
	bool approval = settings_bool(set, "scep-approval");

	return (struct scep_options){ .store = s->store,
		.seal = s->seal,
		.live = s->live,
		.crl = s->revocation.crl,
		.failures_per_min =
		    (int)settings_int(set, "scep-failures-per-minute"),
		.approval_ms =
		    approval ? settings_int(set, "scep-approval-days") * MS_DAY
		             : 0,
		.waiting_ms = settings_int(set, "scep-approval-days") * MS_DAY,
		.approval_of_peer =
		    (int)settings_int(set, "scep-approval-per-address"),
		.webhook_ca = settings_str(set, "scep-webhook-ca"),
		.legacy_des = settings_bool(set, "scep-legacy-des"),
		.upstream_threads = 4,
		.upstream_wait_ms = 5 * MS_S,
		/* The other workers are for Macs. */
		.upstream_waiters = (int)settings_int(set, "workers") / 4,
		.on_issued = certificate_issued,
		.on_issued_arg = s };
}

static bool
device_returned(
    struct store_tx *tx, const char *device_id, void *arg, struct err *e)
{
	struct app_server *s = arg;

	return enroll_rollout_returned(tx, device_id, s->enroll, e);
}

static bool
wipe_unconfirmed(
    struct store_tx *tx, const char *device_id, void *arg, struct err *e)
{
	struct app_server *s = arg;

	return enroll_rollout_wipe_unconfirmed(tx, device_id, s->enroll, e);
}

static bool
start_services(struct app_server *s, struct err *e)
{
	const struct settings *set = s->settings;
	struct scep_options scep;

	if (!enroll_service_new(
	        &(struct enroll_options){ .store = s->store,
	            .seal = s->seal,
	            .live = s->live,
	            .organization = settings_str(set, "organization"),
	            .public_url = s->url,
	            .signer_cert_pem = buf_str(s->tls_cert),
	            .signer_key_pem = buf_str(s->tls_key),
	            .topic = s->topic,
	            .challenge_ttl_ms =
	                settings_int(set, "challenge-minutes") * MS_MIN,
	            .ship_anchors = true,
	            .downloads_per_min =
	                (int)settings_int(set, "enroll-per-minute") },
	        &s->enroll, e))
		return false;
	s->renderers[0] = enroll_rollout_renderer(s->enroll);
	s->renderers[1] = enroll_identity_renderer(s->enroll);
	scep = scep_options(s);
	return mdm_service_new(&(struct mdm_options){ .store = s->store,
	                           .seal = s->seal,
	                           .renderers = s->renderers,
	                           .issuers = s->live,
	                           .on_left = device_left,
	                           .on_enrolled = device_enrolled,
	                           .on_returned = device_returned,
	                           .on_wipe_unconfirmed = wipe_unconfirmed,
	                           .hook_arg = s },
	           &s->mdm, e) &&
	       app_server_topics(s, e) && scep_secret_warn(s->store, e) &&
	       scep_service_new(&scep, &s->scep, e) &&
	       api_service_new(
	           &(struct api_options){ .store = s->store,
	               .seal = s->seal,
	               .live = s->live,
	               .scep = s->scep,
	               .mdm = s->mdm,
	               .public_url = s->url,
	               .http = s->http,
	               .on_push_certificate = app_server_push_certificate,
	               .warnings = app_server_push_warnings,
	               .push_canary = app_server_push_canary,
	               .on_template = app_server_authority_refresh,
	               .metrics = app_server_metrics,
	               .arg = s },
	           &s->api, e);
}

static bool
listen_device(struct app_server *s, struct err *e)
{
	const struct settings *set = s->settings;
	bool tls = settings_bool(set, "tls");
	struct http_listen l = { .side = HTTP_DEVICE_SIDE,
		.address = settings_str(set, "device-address"),
		.socket = s->device_socket,
		.cert_pem = tls ? buf_str(s->tls_cert) : NULL,
		.key_pem = tls ? buf_str(s->tls_key) : NULL,
		.proxy_header = settings_str(set, "proxy-header"),
		.proxy_addresses = settings_str(set, "proxy-addresses") };
	uint16_t port;

	s->device_socket = 0; /* the listener's from here on */
	return http_listen(s->http, &l, &port, e) || err_wrap(e, "device side");
}

static bool
listen_admin(struct app_server *s, struct err *e)
{
	const char *address = settings_str(s->settings, "admin-address");
	bool tls = !app_settings_loopback(address);
	struct http_listen l = { .side = HTTP_ADMIN_SIDE,
		.address = address,
		.port = (uint16_t)settings_int(s->settings, "admin-port"),
		.cert_pem = tls ? buf_str(s->tls_cert) : NULL,
		.key_pem = tls ? buf_str(s->tls_key) : NULL,
		.authorizer = api_authorize,
		.authorizer_arg = s->api };
	uint16_t port;

	if (!http_listen(s->http, &l, &port, e))
		return err_wrap(e, "admin side on port %d", (int)l.port);
	s->admin_url =
	    app_settings_url(tls ? "https" : "http", address, (int)port);
	return true;
}

static bool
listen_plain(struct app_server *s, struct err *e)
{
	struct http_listen l = { .side = HTTP_PLAIN_SIDE,
		.address = settings_str(s->settings, "http-address"),
		.socket = s->plain_socket,
		.proxy_addresses =
		    settings_str(s->settings, "proxy-addresses") };
	uint16_t port;

	if (s->plain_port == 0)
		return true;
	s->plain_socket = 0; /* the listener's from here on */
	if (!http_listen(s->http, &l, &port, e))
		return err_wrap(e, "plain listener");
	log_event(LOG_INFO, "plain_listener", "port", LOG_NUM(port), NULL);
	return true;
}

/* Its port may be in certificates. */
static bool
bind_plain(struct app_server *s, struct err *e)
{
	int64_t port = settings_int(s->settings, "http-port");

	if (port < 0)
		return true;
	return http_bind(settings_str(s->settings, "http-address"),
	           (uint16_t)port, &s->plain_socket, &s->plain_port, e) ||
	       err_wrap(e, "plain listener on port %d", (int)port);
}

/* The URL that Macs get may hold the port, so that is bound first. */
static bool
bind_device(struct app_server *s, struct err *e)
{
	AUTO(str_free) char *url = app_settings_public_url(s->settings);
	bool tls = settings_bool(s->settings, "tls");
	const char *address = settings_str(s->settings, "device-address");
	uint16_t port;

	if (!http_bind(address,
	        (uint16_t)settings_int(s->settings, "device-port"),
	        &s->device_socket, &port, e))
		return err_wrap(e, "device side on port %d",
		    (int)settings_int(s->settings, "device-port"));
	s->url = url != NULL ? TAKE(url)
	                     : str_printf("%s://localhost:%d",
	                           tls ? "https" : "http", port);
	s->host = app_settings_host(s->url);
	return true;
}

static bool
start_listeners(struct app_server *s, struct err *e)
{
	scep_http_add(s->http, s->scep);
	mdm_http_add(s->http, s->mdm);
	enroll_http_add(s->http, s->enroll);
	api_http_add(s->http, s->api);
	cert_crl_http_add(s->http, &s->revocation);
	return listen_device(s, e) && listen_admin(s, e) && listen_plain(s, e);
}

/* The trial drives the listeners from outside, as an administrator and as
 * Macs would. */
static bool
run_trial(struct app_server *s, struct err *e)
{
	AUTO(str_free) char *token_path = str_printf("%s/admin.token", s->data);
	AUTO(buf_wipe) struct buf *token = NULL;
	AUTO(buf_free) struct buf *ca = buf_new(16 << 10);
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->live);

	if (s->trial == NULL)
		return true;
	if (!file_read(token_path, 256, &token, e) ||
	    !cert_pem(cert_authority_root(a), ca, e))
		return err_wrap(e, "trial");
	app_trial_run(s->trial, &(struct app_trial_server){ .url = s->url,
	                            .admin_url = s->admin_url,
	                            .ca_pem = buf_str(ca),
	                            .token = buf_str(token),
	                            .data_dir = s->data });
	return true;
}

bool
app_server_start(
    const struct settings *set, struct app_server **out, struct err *e)
{
	AUTO(app_server_stop) struct app_server *s = mem_zalloc(1, sizeof(*s));
	struct http_options http = { .workers =
		                         (int)settings_int(set, "workers"),
		.request_ms = settings_int(set, "request-seconds") * MS_S };
	pthread_condattr_t monotonic;

	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->tls_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	s->settings = set;
	s->data = str_dup(settings_str(set, "data"));
	s->metrics = app_server_metrics_new();
	if (!open_data(s, e) || !app_server_join(s, e) || !bind_device(s, e) ||
	    !bind_plain(s, e) || !app_server_authority(s, e) ||
	    !app_server_tls(s, e) || !open_trial(s, e) ||
	    !http_new(&http, &s->http, e) || !app_server_revocation(s, e) ||
	    !start_services(s, e) || !app_server_start_push(s, e) ||
	    !app_server_watch(s, e) || !start_listeners(s, e) ||
	    !app_server_token(s, e) || !run_trial(s, e))
		return false;
	s->ticking = pthread_create(&s->ticker, NULL, app_server_tick, s) == 0;
	if (!s->ticking)
		return err_set(e, ERR_INTERNAL, "no thread for periodic work");
	log_event(LOG_INFO, "started", "version", MUTSU_VERSION, "url", s->url,
	    "admin", s->admin_url, NULL);
	app_server_authority_ends(s);
	*out = TAKE(s);
	return true;
}

void
app_server_stop(struct app_server **sp)
{
	struct app_server *s = *sp;

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (s->ticking)
		pthread_join(s->ticker, NULL);
	store_watch_free(&s->watch);
	app_trial_halt(s->trial); /* its Macs still need the listeners */
	if (s->api != NULL)
		api_service_stop(s->api);
	http_free(&s->http);
	if (s->device_socket > 0)
		close(s->device_socket);
	if (s->plain_socket > 0)
		close(s->plain_socket);
	apns_scheduler_free(&s->scheduler);
	app_trial_close(&s->trial);
	api_service_free(&s->api);
	scep_service_free(&s->scep);
	mdm_service_free(&s->mdm);
	enroll_service_free(&s->enroll);
	http_metrics_free(&s->metrics);
	app_server_revocation_end(s);
	cert_live_free(&s->live);
	store_node_free(&s->node);
	store_close(&s->store);
	seal_free(&s->seal);
	buf_free(&s->tls_cert);
	buf_wipe(&s->tls_key);
	str_free(&s->data);
	str_free(&s->keys);
	str_free(&s->host_text);
	str_free(&s->url);
	str_free(&s->host);
	str_free(&s->status_url);
	str_free(&s->admin_url);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->tls_lock);
	pthread_cond_destroy(&s->wake);
	mem_free(sp);
}

const char *
app_server_url(const struct app_server *s)
{
	return s->url;
}

const char *
app_server_admin_url(const struct app_server *s)
{
	return s->admin_url;
}

void
app_server_reload(struct app_server *s)
{
	app_server_tls_look(s, true);
}
