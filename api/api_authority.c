/* The certificate authority, to be looked at: changing it is for the command
 * line, on the machine that has its keys. */
#include "api/api_priv.h"
#include "certs/cert_authority_json.h"
#include "certs/cert_live.h"

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct api_service *s = service;
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);
	AUTO(json_free)
	json_t *rows = cert_authority_json(a, cert_authority_requested(a));
	AUTO(str_free) char *next = NULL; /* they fit one page */

	(void)rq, (void)e;
	api_reply_list(rp, "authority", &rows, &next);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/authority", HTTP_VIEW, LIMIT_BODY_NONE, list },
};

void
api_authority_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
