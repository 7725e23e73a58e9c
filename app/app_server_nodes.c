/*
 * What this node shares with others on the same database: its lease, and
 * copies that have to follow what another node changes.  The hooks run on the
 * watch's thread.
 */
#include "apns/apns_cert.h"
#include "app/app_server_priv.h"

/* What a node that is gone had claimed. */
static bool
free_claims(struct store_tx *tx, const char *node, void *arg, struct err *e)
{
	(void)arg;
	return apns_push_abandon(tx, node, e);
}

bool
app_server_join(struct app_server *s, struct err *e)
{
	return store_watch_new(s->store, &s->watch, e) &&
	       store_node_new(&(struct store_node_options){ .store = s->store,
	                          .alone = str_empty(
	                              settings_str(s->settings, "database")),
	                          .on_gone = free_claims,
	                          .on_freed = app_server_jobs_freed,
	                          .arg = s },
	           &s->node, e);
}

/* The push certificate that is active now. */
static bool
read_topic(struct app_server *s, char *out, size_t size, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(apns_cert_free) struct apns_cert *c = NULL;

	if (!store_begin(s->store, STORE_READ, &tx, e) ||
	    !apns_cert_load(tx, s->seal, &c, e))
		return false;
	str_copy_cut(out, size, c != NULL ? c->topic : "");
	return true;
}

void
app_server_push_certificate(const char *topic, void *arg)
{
	struct app_server *s = arg;

	enroll_service_set_topic(s->enroll, topic);
	mdm_service_set_topic(s->mdm, topic);
	apns_scheduler_reload(s->scheduler);
}

bool
app_server_push_canary(const struct apns_cert *cert,
    const struct apns_canary *c, struct apns_answer *out, void *arg,
    struct err *e)
{
	struct app_server *s = arg;

	return apns_scheduler_canary(s->scheduler, cert, c, out, e);
}

static bool
push_certificate_touched(void *arg, struct err *e)
{
	struct app_server *s = arg;
	char topic[sizeof(s->topic)];

	if (!read_topic(s, topic, sizeof(topic), e))
		return false;
	app_server_push_certificate(topic, s);
	return true;
}

static bool
token_touched(void *arg, struct err *e)
{
	struct app_server *s = arg;

	(void)e;
	api_service_forget(s->api);
	return true;
}

bool
app_server_watch(struct app_server *s, struct err *e)
{
	store_watch_add(s->watch, STORE_WATCH_PUSH_CERTIFICATE,
	    push_certificate_touched, s);
	store_watch_add(s->watch, STORE_WATCH_TOKEN, token_touched, s);
	store_watch_add(
	    s->watch, STORE_WATCH_AUTHORITY, app_server_authority_refresh, s);
	return store_watch_start(s->watch, e);
}
