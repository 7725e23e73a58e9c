/* The canary push; see apns_canary.h. */
#include <pthread.h>

#include "apns/apns_canary.h"
#include "core/clock.h"
#include "core/encode.h"

/* The lock guards answer and there. */
struct wait {
	pthread_mutex_t lock;
	pthread_cond_t came;
	struct apns_answer answer;
	bool there;
};

void
apns_canary_free(struct apns_canary **canary)
{
	struct apns_canary *c = TAKE(*canary);

	if (c == NULL)
		return;
	buf_wipe(&c->token);
	str_wipe(&c->magic);
	mem_free(&c);
}

bool
apns_canary_find(struct store_tx *tx, const char *topic, const char *device_id,
    struct apns_canary **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct apns_canary *c;
	struct slice token;
	bool there;

	*out = NULL;
	if (!store_query(tx,
	        "SELECT d.id, d.serial, e.push_token, e.push_magic "
	        "FROM enrollment e JOIN device d ON d.id = e.device_id "
	        "WHERE e.state = 'enrolled' AND e.push_state = 'ok' "
	        "AND e.push_token IS NOT NULL AND e.channel = 'device' "
	        "AND e.topic = $1 AND (CAST($2 AS TEXT) IS NULL OR d.id = $2) "
	        "ORDER BY COALESCE(e.last_seen_at, 0) DESC LIMIT 1",
	        S_ARGS(S_TEXT(topic), S_TEXT(device_id)), &r, e) ||
	    !store_next(r, &there, e))
		return err_wrap(e, "canary");
	if (!there)
		return true;
	c = mem_zalloc(1, sizeof(*c));
	store_text_copy(r, 0, c->device_id, sizeof(c->device_id));
	store_text_copy(r, 1, c->serial, sizeof(c->serial));
	token = store_blob(r, 2);
	c->token = buf_new(token.len + 1);
	buf_add(c->token, token.p, token.len);
	c->magic = str_dup(store_null(r, 3) ? "" : store_text(r, 3));
	*out = c;
	return true;
}

/* On the client's thread; every push is answered, also when the client ends. */
static void
take_answer(const struct apns_answer *a, void *arg)
{
	struct wait *w = arg;

	pthread_mutex_lock(&w->lock);
	w->answer = *a;
	w->there = true;
	pthread_cond_signal(&w->came);
	pthread_mutex_unlock(&w->lock);
}

bool
apns_canary_push(const struct apns_client_options *options,
    const struct apns_cert *cert, const struct apns_canary *c,
    struct apns_answer *out, struct err *e)
{
	struct apns_client_options o = *options;
	struct wait w = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.came = PTHREAD_COND_INITIALIZER };
	struct apns_client *client = NULL;
	struct apns_push push = { .token = buf_slice(c->token),
		.magic = c->magic,
		.topic = cert->topic,
		.expiration_s = clock_now_ms() / MS_S + 60 };

	o.cert_pem = cert->cert_pem;
	o.key_pem = cert->key_pem;
	o.per_s = 0;
	o.answer_ms = 15 * MS_S;
	if (!apns_client_new(&o, take_answer, &w, &client, e))
		return err_wrap(e, "canary");
	uuid_new_lower(push.id);
	apns_client_push(client, &push, 1);
	/* The client itself gives up in time. */
	pthread_mutex_lock(&w.lock);
	while (!w.there)
		pthread_cond_wait(&w.came, &w.lock);
	*out = w.answer;
	pthread_mutex_unlock(&w.lock);
	apns_client_free(&client);
	pthread_cond_destroy(&w.came);
	pthread_mutex_destroy(&w.lock);
	return true;
}
