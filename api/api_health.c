/* Liveness, readiness, metrics: for machines that watch machines. */
#include "api/api_priv.h"
#include "certs/cert_authority_end.h"
#include "certs/cert_crl.h"
#include "certs/cert_live.h"
#include "enroll-profiles/enroll_identity.h"

static bool
healthz(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)rq, (void)service, (void)e;
	http_set(rp, 200, "text/plain; charset=utf-8");
	buf_adds(http_out(rp), "ok\n");
	return true;
}

static void
warn(json_t *list, char *text)
{
	json_array_append_new(list, json_string(text));
	str_free(&text);
}

/* Nothing that is issued lasts longer than its CA. */
static void
warn_of_authority(struct api_service *s, json_t *list)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);
	struct cert_authority_ends ends;

	cert_authority_ends(a, &ends);
	for (size_t i = 0; i < ends.count; i++) {
		AUTO(str_free)
		char *what = cert_authority_end_text(&ends.list[i]);

		warn(list, str_printf("%s; %s", what, ends.list[i].advice));
	}
}

/* Those that were not renewed in time.  The database answered just before:
 * what fails now is told by the next call. */
static void
warn_of_identities(struct api_service *s, json_t *list)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct enroll_identity_ends n;
	char end[CLOCK_TEXT_SIZE];
	struct err why;

	if (!store_begin(s->o.store, STORE_READ, &tx, &why) ||
	    !enroll_identity_count(tx, &n, &why))
		return;
	clock_format_s(end, n.first);
	if (n.within_30 > 0)
		warn(list,
		    str_printf("the identities of %lld Macs end within 30 "
		               "days, the first one %s",
		        (long long)n.within_30, end));
	if (n.ended > 0)
		warn(list,
		    str_printf("the identities of %lld Macs have ended: they "
		               "have to enrol anew",
		        (long long)n.ended));
}

/* What is revoked of these is refused here, and told to nobody else. */
static void
warn_of_keys(struct api_service *s, json_t *list)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);
	const struct cert_member *const *members = NULL;
	size_t n = cert_authority_members(a, &members);

	for (size_t i = 0; i < n; i++)
		if (cert_crl_lacks_key(members[i]))
			warn(list,
			    str_printf("the key of the CA %s cannot be opened: "
			               "its CRL is not made any more, and OCSP "
			               "has no answers of it",
			        members[i]->id));
}

static bool
readyz(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct api_service *s = service;
	AUTO(json_free) json_t *list = json_array();
	struct err why = { 0 };
	json_t *j;

	(void)rq;
	if (!store_ping(s->o.store, &why) ||
	    (s->o.ready != NULL && !s->o.ready(s->o.arg, &why)))
		return err_slug(e, ERR_UNAVAILABLE, "not_ready", "%s",
		    why.code == ERR_INTERNAL ? "internal error" : why.text);
	j = json_object();
	json_put_str(j, "status", "ready");
	json_put_str(j, "version", MUTSU_VERSION);
	if (s->o.warnings != NULL)
		s->o.warnings(list, s->o.arg);
	warn_of_authority(s, list);
	warn_of_identities(s, list);
	warn_of_keys(s, list);
	json_object_set_new(j, "warnings", TAKE(list));
	api_reply(rp, 200, &j);
	return true;
}

static bool
metrics(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)rq, (void)e;
	http_set(rp, 200, "text/plain; version=0.0.4; charset=utf-8");
	api_metrics_write(service, http_out(rp));
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/healthz", HTTP_ANYONE, LIMIT_BODY_NONE, healthz },
	{ "GET", "/readyz", HTTP_ANYONE, LIMIT_BODY_NONE, readyz },
	{ "GET", "/metrics", HTTP_ANYONE, LIMIT_BODY_NONE, metrics },
};

void
api_health_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
