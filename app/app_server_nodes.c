/*
 * What this node shares with others on the same database: its lease, and
 * copies that have to follow what another node changes.  The hooks run on the
 * watch's thread.
 */
#include "apns/apns_cert.h"
#include "app/app_server_priv.h"
#include "app/app_trial.h"
#include "core/clock.h"
#include "core/log.h"

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

/* The trial's certificate counts in a trial only. */
static bool
counts(const struct app_server *s, const struct apns_cert *c)
{
	return settings_bool(s->settings, "trial") ||
	       !str_eq(c->topic, APP_TRIAL_TOPIC);
}

bool
app_server_topics(struct app_server *s, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(apns_cert_free) struct apns_cert *list = NULL;
	const char *topics[APP_TOPICS_MAX + 1] = { NULL };
	size_t n = 0;

	if (!store_begin(s->store, STORE_READ, &tx, e) ||
	    !apns_cert_load_all(tx, s->seal, &list, e))
		return false;
	for (const struct apns_cert *c = list; c != NULL; c = c->next)
		if (n < APP_TOPICS_MAX && counts(s, c))
			topics[n++] = c->topic;
	enroll_service_set_topic(s->enroll, n > 0 ? topics[0] : "");
	mdm_service_set_topics(s->mdm, topics);
	return true;
}

static bool
push_certificate_touched(void *arg, struct err *e)
{
	struct app_server *s = arg;

	if (!app_server_topics(s, e))
		return false;
	apns_scheduler_reload(s->scheduler);
	return true;
}

void
app_server_push_certificate(const char *topic, void *arg)
{
	struct err e = { 0 };

	/* The watch will tell of it again. */
	if (!push_certificate_touched(arg, &e))
		log_event(LOG_WARN, "push_topics_unreadable", "topic", topic,
		    "why", e.text, NULL);
}

/* Macs can check in all the same: a node that pushes nothing stays ready. */
static void
warn_of(json_t *list, const struct apns_topic_stats *t)
{
	AUTO(str_free) char *text = NULL;
	char end[CLOCK_TEXT_SIZE];

	clock_format_s(end, t->not_after);
	if (t->not_after <= clock_now_ms())
		text = str_printf(
		    "the push certificate of %s expired %s", t->topic, end);
	else if (t->stopped)
		text = str_printf(
		    "pushing to %s is stopped: %s", t->topic, t->reason);
	if (text != NULL)
		json_array_append_new(list, json_string(text));
}

void
app_server_push_warnings(json_t *list, void *arg)
{
	struct app_server *s = arg;
	struct apns_topic_stats *topics =
	    mem_zalloc(APP_TOPICS_MAX, sizeof(*topics));
	size_t n = apns_scheduler_topics(s->scheduler, topics, APP_TOPICS_MAX);

	for (size_t i = 0; i < n; i++)
		warn_of(list, &topics[i]);
	mem_free(&topics);
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
