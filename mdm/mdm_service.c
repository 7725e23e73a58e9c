/*
 * The MDM service: what its requests share, and the periodic work.  Created
 * once; its functions may be called from any thread.
 */
#include <stdatomic.h>
#include <string.h>

#include "mdm/mdm_priv.h"

enum {
	REMEMBERED_SIGNERS = 4096, /* of about 1.4 kB */
	STALE_A_TURN = 100,
	STALE_TURNS = 100
};

static void
free_topics(char **topics)
{
	for (char **t = topics; t != NULL && *t != NULL; t++)
		str_free(t);
	mem_free(&topics);
}

bool
mdm_service_new(
    const struct mdm_options *o, struct mdm_service **out, struct err *e)
{
	struct mdm_service *s = mem_zalloc(1, sizeof(*s));

	(void)e;
	pthread_mutex_init(&s->mutex, NULL);
	s->o = *o;
	s->verifier = cert_verifier_new(REMEMBERED_SIGNERS);
	if (o->issuers != NULL)
		cert_verifier_prefer(s->verifier, o->issuers);
	*out = s;
	return true;
}

void
mdm_service_free(struct mdm_service **s)
{
	if (*s == NULL)
		return;
	cert_verifier_free(&(*s)->verifier);
	pthread_mutex_destroy(&(*s)->mutex);
	free_topics((*s)->topics);
	mem_free(s);
}

void
mdm_service_set_topics(struct mdm_service *s, const char *const *topics)
{
	char **fresh, **old;
	size_t n = 0;

	while (topics[n] != NULL)
		n++;
	fresh = mem_zalloc(n + 1, sizeof(*fresh));
	for (size_t i = 0; i < n; i++)
		fresh[i] = str_dup(topics[i]);
	pthread_mutex_lock(&s->mutex);
	old = s->topics;
	s->topics = fresh;
	pthread_mutex_unlock(&s->mutex);
	free_topics(old);
}

bool
mdm_topic_fits(struct mdm_service *s, const char *topic)
{
	bool fits;

	pthread_mutex_lock(&s->mutex);
	fits = s->topics == NULL || s->topics[0] == NULL;
	for (char **t = s->topics; !fits && *t != NULL; t++)
		fits = str_eq(*t, topic);
	pthread_mutex_unlock(&s->mutex);
	return fits;
}

void
mdm_service_expect(struct mdm_service *s, const char *enrollment_id)
{
	mdm_mark(&s->expected, enrollment_id);
}

void
mdm_count(struct mdm_service *s, enum mdm_counter c)
{
	atomic_fetch_add_explicit(&s->counters[c], 1, memory_order_relaxed);
}

void
mdm_service_stats(const struct mdm_service *s, struct mdm_stats *out)
{
	int64_t n[MDM_COUNTERS];

	for (size_t i = 0; i < MDM_COUNTERS; i++)
		n[i] = s->counters[i];
	*out = (struct mdm_stats){
		.idle = n[MDM_COUNT_IDLE],
		.acknowledged = n[MDM_COUNT_ACKNOWLEDGED],
		.error = n[MDM_COUNT_ERROR],
		.format_error = n[MDM_COUNT_FORMAT_ERROR],
		.not_now = n[MDM_COUNT_NOT_NOW],
		.authenticate = n[MDM_COUNT_AUTHENTICATE],
		.token_update = n[MDM_COUNT_TOKEN_UPDATE],
		.check_out = n[MDM_COUNT_CHECK_OUT],
		.rejected = n[MDM_COUNT_REJECTED],
	};
}

const struct mdm_renderer *
mdm_renderer_find(const struct mdm_service *s, const char *name)
{
	for (const struct mdm_renderer *r = s->o.renderers;
	     r != NULL && r->name != NULL && !str_empty(name); r++)
		if (str_eq(r->name, name))
			return r;
	return NULL;
}

bool
mdm_event(struct store_tx *tx, const struct store_event *ev, json_t *data,
    struct err *e)
{
	AUTO(json_free) json_t *facts = data;
	AUTO(str_free) char *text = facts != NULL ? json_text(facts) : NULL;
	struct store_event told = *ev;

	told.data = text;
	return store_event_add(tx, &told, e);
}

void
mdm_message_clear(struct mdm_message *m)
{
	pl_free(&m->doc);
}

/* ---- periodic ---- */

static bool
anything_stale(struct mdm_service *s, int64_t now, bool *out, struct err *e)
{
	AUTO(mdm_db_command_clear) struct mdm_db_command c = { 0 };
	AUTO(store_rollback) struct store_tx *tx = NULL;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !mdm_db_command_stale(tx, now, &c, e))
		return false;
	*out = c.id[0] != '\0';
	return true;
}

struct expiry {
	struct mdm_service *s;
	const struct store_lease *lease;
	int64_t now;
};

static bool
expire_some(struct store_tx *tx, void *arg, struct err *e)
{
	const struct expiry *x = arg;

	if (!store_lease_keep(tx, x->lease, e))
		return false;
	for (int i = 0; i < STALE_A_TURN; i++) {
		AUTO(mdm_db_command_clear) struct mdm_db_command c = { 0 };

		if (!mdm_db_command_stale(tx, x->now, &c, e))
			return false;
		if (c.id[0] == '\0')
			break;
		if (!mdm_queue_expire(x->s, tx, &c, e))
			return false;
	}
	return true;
}

bool
mdm_service_tick(
    struct mdm_service *s, const struct store_lease *lease, struct err *e)
{
	struct expiry x = { s, lease, clock_now_ms() };
	bool stale = true;

	/* Short turns: devices wait for the writer too. */
	for (int i = 0; i < STALE_TURNS && stale; i++) {
		if (!anything_stale(s, x.now, &stale, e))
			return false;
		if (stale && !store_write(s->o.store, expire_some, &x, e))
			return err_wrap(e, "expire commands");
	}
	return true;
}
