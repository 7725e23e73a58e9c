/*
 * The API service: what its handlers share, and the list of resources.  Each
 * resource is a file with its own table of routes.
 */
#include "api/api_priv.h"

/* The feed grew.  Runs on the committing thread. */
static void
wake(void *arg)
{
	struct api_service *s = arg;

	http_wake(s->o.http);
}

bool
api_service_new(
    const struct api_options *o, struct api_service **out, struct err *e)
{
	struct api_service *s = mem_zalloc(1, sizeof(*s));

	(void)e;
	s->o = *o;
	s->cache = api_auth_cache_new();
	pthread_mutex_init(&s->metrics_lock, NULL);
	if (o->http != NULL)
		store_listen(o->store, STORE_CHANNEL_EVENT, wake, s);
	*out = s;
	return true;
}

void
api_service_stop(struct api_service *s)
{
	store_unlisten(s->o.store, wake, s);
}

void
api_service_forget(struct api_service *s)
{
	api_auth_cache_clear(s->cache);
}

void
api_service_free(struct api_service **sp)
{
	if (*sp == NULL)
		return;
	api_service_stop(*sp);
	api_auth_cache_free(&(*sp)->cache);
	buf_free(&(*sp)->counts);
	pthread_mutex_destroy(&(*sp)->metrics_lock);
	mem_free(sp);
}

void
api_http_add(struct http_server *h, struct api_service *s)
{
	api_device_add(h, s);
	api_order_add(h, s);
	api_command_add(h, s);
	api_user_add(h, s);
	api_event_add(h, s);
	api_certificate_add(h, s);
	api_push_add(h, s);
	api_challenge_add(h, s);
	api_scep_request_add(h, s);
	api_template_add(h, s);
	api_authority_add(h, s);
	api_upstream_add(h, s);
	api_token_add(h, s);
	api_health_add(h, s);
}
