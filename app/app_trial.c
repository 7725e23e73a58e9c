/*
 * Trial mode: simulated APNs and three simulated Macs beside the server.  The
 * guide that drives them is app_trial_guide.c.  Made and ended by the main
 * thread; the guide has one thread of its own.
 */
#include <stdio.h>

#include "apns/apns_cert.h"
#include "app/app_trial_priv.h"
#include "core/file.h"
#include "core/log.h"
#include "sim/sim_apns_cert.h"

enum { PEM_MAX = 64 << 10 };

struct push_cert {
	const struct seal *seal;
	const struct apns_cert *cert;
};

static bool
save_push_cert(struct store_tx *tx, void *arg, struct err *e)
{
	const struct push_cert *p = arg;

	return apns_cert_save(tx, p->seal, p->cert,
	    &(struct apns_cert_import){ .owner = "trial", .actor = "system" },
	    e);
}

/* Key pair of the trial: a push certificate that its own CA issued. */
static bool
make_push_cert(struct store *st, const struct seal *seal, const char *ca_path,
    struct err *e)
{
	AUTO(apns_cert_free) struct apns_cert *c = NULL;
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(buf_free) struct buf *ca = NULL;

	return sim_apns_push_cert(APP_TRIAL_TOPIC, &cert, &key, &ca, e) &&
	       file_write(ca_path, buf_slice(ca), 0600, e) &&
	       apns_cert_parse(buf_slice(cert), buf_slice(key), &c, e) &&
	       store_write(
	           st, save_push_cert, &(struct push_cert){ seal, c }, e);
}

static bool
has_push_cert(
    struct store *st, const struct seal *seal, bool *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(apns_cert_free) struct apns_cert *c = NULL;

	if (!store_begin(st, STORE_READ, &tx, e) ||
	    !apns_cert_load(tx, seal, &c, e))
		return false;
	*out = c != NULL;
	return true;
}

/* The simulated APNs: its TLS certificate is made anew at each start. */
static bool
start_apns(struct app_trial *t, const char *push_ca_path, struct err *e)
{
	AUTO(buf_free) struct buf *push_ca = NULL;
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;

	if (!file_read(push_ca_path, PEM_MAX, &push_ca, e) ||
	    !sim_apns_server_cert("127.0.0.1", &cert, &key, e) ||
	    !file_write(t->apns_ca, buf_slice(cert), 0644, e) ||
	    !sim_apns_new(&(struct sim_apns_options){ .address = "127.0.0.1",
	                      .cert_pem = buf_str(cert),
	                      .key_pem = buf_str(key),
	                      .client_ca_pem = buf_str(push_ca) },
	        &t->apns, e))
		return false;
	t->apns_host = str_printf("127.0.0.1:%d", (int)sim_apns_port(t->apns));
	return true;
}

bool
app_trial_open(struct store *st, const struct seal *seal, const char *dir,
    struct app_trial **out, struct err *e)
{
	AUTO(app_trial_close) struct app_trial *t = mem_zalloc(1, sizeof(*t));
	AUTO(str_free) char *push_ca = str_printf("%s/push-ca.pem", dir);
	bool have = false;

	pthread_mutex_init(&t->lock, NULL);
	t->dir = str_dup(dir);
	t->apns_ca = str_printf("%s/apns.pem", dir);
	if (!file_mkdir(dir, e) || !has_push_cert(st, seal, &have, e) ||
	    (!have && !make_push_cert(st, seal, push_ca, e)) ||
	    !start_apns(t, push_ca, e))
		return err_wrap(e, "trial");
	*out = TAKE(t);
	return true;
}

const char *
app_trial_apns(const struct app_trial *t)
{
	return t->apns_host;
}

const char *
app_trial_apns_ca(const struct app_trial *t)
{
	return t->apns_ca;
}

bool
app_trial_stopping(struct app_trial *t)
{
	bool stop;

	pthread_mutex_lock(&t->lock);
	stop = t->stopping;
	pthread_mutex_unlock(&t->lock);
	return stop;
}

void
app_trial_run(struct app_trial *t, const struct app_trial_server *s)
{
	t->url = str_dup(s->url);
	t->admin_url = str_dup(s->admin_url);
	t->ca_pem = str_dup(s->ca_pem);
	t->token = str_dup(s->token);
	t->data_dir = str_dup(s->data_dir);
	t->running = pthread_create(&t->guide, NULL, app_trial_guide, t) == 0;
	if (!t->running)
		log_event(LOG_ERROR, "trial_no_thread", NULL);
}

static void
save_macs(struct app_trial *t)
{
	for (size_t i = 0; i < APP_TRIAL_MACS; i++) {
		AUTO(str_free) char *path = NULL;
		struct err e = { 0 };

		if (t->macs[i] == NULL)
			continue;
		path = app_trial_mac_path(t, i);
		if (!sim_mac_save(t->macs[i], path, &e))
			log_event(LOG_ERROR, "trial_save", "why", e.text, NULL);
	}
}

void
app_trial_halt(struct app_trial *t)
{
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_mutex_unlock(&t->lock);
	if (t->running)
		pthread_join(t->guide, NULL);
	t->running = false;
	sim_fleet_free(&t->fleet);
	save_macs(t);
}

void
app_trial_close(struct app_trial **tp)
{
	struct app_trial *t = *tp;

	if (t == NULL)
		return;
	for (size_t i = 0; i < APP_TRIAL_MACS; i++)
		sim_mac_free(&t->macs[i]);
	sim_apns_free(&t->apns);
	pthread_mutex_destroy(&t->lock);
	str_free(&t->dir);
	str_free(&t->apns_ca);
	str_free(&t->apns_host);
	str_free(&t->url);
	str_free(&t->admin_url);
	str_free(&t->ca_pem);
	str_wipe(&t->token);
	str_free(&t->data_dir);
	mem_free(tp);
}
