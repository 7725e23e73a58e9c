/*
 * Enrolment on HTTP: the page, the profile, its style sheet and the root
 * certificate, on the device side.  Called by the workers of http/.
 */
#include "core/log.h"
#include "enroll-profiles/enroll_priv.h"

static void
set_page_headers(struct http_reply *rp)
{
	http_set_header(rp, "Content-Security-Policy",
	    "default-src 'none'; style-src 'self'; base-uri 'none'; "
	    "form-action 'none'; frame-ancestors 'none'");
	http_set_header(rp, "X-Content-Type-Options", "nosniff");
	http_set_header(rp, "Referrer-Policy", "no-referrer");
	http_set_header(rp, "Vary", "Accept-Language");
	http_set_header(rp, "Cache-Control", "no-store");
}

static void
write_page(struct enroll_service *s, const struct http_request *rq,
    struct http_reply *rp, bool ready)
{
	const struct enroll_page page = {
		.lang = enroll_page_lang(
		    http_query(rq, "lang"), http_header(rq, "Accept-Language")),
		.organization = s->organization,
		.minutes = s->challenge_ttl_ms / MS_MIN,
		.ready = ready,
	};

	http_set(rp, ready ? 200 : 503, "text/html; charset=utf-8");
	set_page_headers(rp);
	enroll_page_write(&page, http_out(rp));
}

static bool
get_page(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct enroll_service *s = service;
	char topic[LIMIT_TOPIC + 1];

	(void)e;
	enroll_service_topic(s, topic);
	write_page(s, rq, rp, topic[0] != '\0');
	return true;
}

static bool
get_profile(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(buf_free) struct buf *profile = NULL;
	struct enroll_service *s = service;
	char topic[LIMIT_TOPIC + 1];

	enroll_service_topic(s, topic);
	if (topic[0] == '\0') {
		write_page(s, rq, rp, false);
		return true;
	}
	http_set(rp, 200, "application/x-apple-aspen-config");
	http_set_header(rp, "Content-Disposition",
	    "attachment; filename=\"enroll.mobileconfig\"");
	http_set_header(rp, "Cache-Control", "no-store");
	/* HEAD looks only: no challenge is spent on it. */
	if (str_eq(http_method(rq), "HEAD"))
		return true;

	if (s->limiter != NULL &&
	    !enroll_limit_take(s->limiter, http_peer(rq), clock_mono_ms(), e))
		return false;
	if (!enroll_service_profile(s, topic, &profile, e))
		return false;
	buf_add(http_out(rp), profile->p, profile->len);
	log_event(LOG_INFO, "enroll-profile", "peer", http_peer(rq), NULL);
	return true;
}

static bool
get_root(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;
	struct enroll_service *s = service;
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->live);

	(void)rq;
	if (!cert_der(cert_authority_root(a), &der, e))
		return false;
	http_set(rp, 200, "application/x-x509-ca-cert");
	http_set_header(
	    rp, "Content-Disposition", "attachment; filename=\"ca.crt\"");
	buf_add(http_out(rp), der->p, der->len);
	return true;
}

static bool
get_css(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)rq, (void)service, (void)e;
	http_set(rp, 200, "text/css; charset=utf-8");
	http_set_header(rp, "Cache-Control", "max-age=3600");
	http_set_header(rp, "X-Content-Type-Options", "nosniff");
	http_set_static(rp, enroll_page_css());
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/enroll", HTTP_ANYONE, LIMIT_BODY_NONE, get_page },
	{ "GET", "/enroll/profile", HTTP_ANYONE, LIMIT_BODY_NONE, get_profile },
	{ "GET", "/enroll/ca.crt", HTTP_ANYONE, LIMIT_BODY_NONE, get_root },
	{ "GET", "/enroll/style.css", HTTP_ANYONE, LIMIT_BODY_NONE, get_css },
};

void
enroll_http_add(struct http_server *h, struct enroll_service *s)
{
	http_add(h, HTTP_DEVICE_SIDE, routes, COUNT(routes), s);
}
