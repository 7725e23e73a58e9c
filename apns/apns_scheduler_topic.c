/*
 * The push topics: each has its certificate, and a fault of that stops its
 * own pushes only.  Belongs to the scheduler's thread, which writes with the
 * lock held what others read.
 */
#include "apns/apns_scheduler_priv.h"
#include "core/clock.h"
#include "core/log.h"

struct apns_topic *
apns_topic_find(struct apns_scheduler *s, const char *topic)
{
	for (size_t i = 0; i < s->topics_count; i++)
		if (str_eq(s->topics[i].cert->topic, topic))
			return &s->topics[i];
	return NULL;
}

/* Topics hold no spaces. */
static void
list_stopped(struct apns_scheduler *s)
{
	buf_reset(s->except);
	for (size_t i = 0; i < s->topics_count; i++)
		if (s->topics[i].stopped)
			buf_addf(s->except, " %s ", s->topics[i].cert->topic);
}

void
apns_topic_stop(
    struct apns_scheduler *s, struct apns_topic *t, const char *reason)
{
	if (!t->stopped)
		log_event(LOG_ERROR, "push_stopped", "topic", t->cert->topic,
		    "reason", reason, NULL);
	pthread_mutex_lock(&s->lock);
	t->stopped = true;
	str_copy_cut(t->reason, sizeof(t->reason), reason);
	pthread_mutex_unlock(&s->lock);
	t->probe_ms = clock_mono_ms() + s->stop_ms;
	list_stopped(s);
}

void
apns_topic_resume(struct apns_scheduler *s, struct apns_topic *t)
{
	log_event(LOG_INFO, "push_resumed", "topic", t->cert->topic, NULL);
	pthread_mutex_lock(&s->lock);
	t->stopped = false;
	t->reason[0] = '\0';
	pthread_mutex_unlock(&s->lock);
	list_stopped(s);
}

static const char expired[] = "certificate expired";

static bool
tell_expired(struct store_tx *tx, void *arg, struct err *e)
{
	const struct apns_topic *t = arg;

	return apns_db_event(tx, "push.stopped", t->cert->topic, expired, e);
}

bool
apns_topic_expire(struct apns_scheduler *s, struct apns_topic *t, struct err *e)
{
	if (t->stopped || t->overdue || t->cert->not_after > clock_now_ms())
		return true;
	if (!store_write(s->store, tell_expired, t, e))
		return false;
	t->overdue = true;
	apns_topic_stop(s, t, expired);
	return true;
}

/*
 * The state of a topic whose certificate is this one: the same as before,
 * or a new one.  A stopped one is tried at once, over new connections.
 */
static bool
take_one(struct apns_scheduler *s, struct apns_cert *c, struct apns_topic *out)
{
	struct apns_topic *old = apns_topic_find(s, c->topic);
	bool same = old != NULL && str_eq(old->cert->id, c->id);
	struct err e = { 0 };

	if ((!same || old->stopped) &&
	    !apns_client_identity(
	        s->client, c->topic, c->cert_pem, c->key_pem, &e)) {
		log_event(LOG_ERROR, "push_certificate_unusable", "topic",
		    c->topic, "why", e.text, NULL);
		return false;
	}
	*out = (struct apns_topic){ 0 };
	if (same)
		*out = *old;
	else
		out->generation = ++s->generation;
	out->probe_ms = 0;
	out->cert = c;
	if (!same && old != NULL && old->stopped)
		log_event(LOG_INFO, "push_resumed", "topic", c->topic, NULL);
	return true;
}

void
apns_topics_take(struct apns_scheduler *s, struct apns_cert *list)
{
	struct apns_topic fresh[APNS_TOPICS_MAX];
	size_t count = 0;

	while (list != NULL) {
		struct apns_cert *c = list;

		list = c->next;
		c->next = NULL;
		if (count < APNS_TOPICS_MAX && take_one(s, c, &fresh[count]))
			count++;
		else
			apns_cert_free(&c);
	}
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->topics_count; i++)
		apns_cert_free(&s->topics[i].cert);
	for (size_t i = 0; i < count; i++)
		s->topics[i] = fresh[i];
	s->topics_count = count;
	pthread_mutex_unlock(&s->lock);
	list_stopped(s);
}

size_t
apns_scheduler_topics(
    struct apns_scheduler *s, struct apns_topic_stats *out, size_t max)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	for (n = 0; n < s->topics_count && n < max; n++) {
		const struct apns_topic *t = &s->topics[n];

		out[n].not_after = t->cert->not_after;
		out[n].stopped = t->stopped;
		str_copy_cut(
		    out[n].topic, sizeof(out[n].topic), t->cert->topic);
		str_copy_cut(out[n].reason, sizeof(out[n].reason), t->reason);
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}
