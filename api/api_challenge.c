/*
 * Challenges for SCEP clients that are not enrolled Macs: printers, Linux
 * machines, network equipment.  Who holds one gets a certificate with the
 * names that the caller chose, so making them is a right of administrators.
 * The text of a challenge is shown once, when it is made.
 */
#include <string.h>

#include "api/api_priv.h"
#include "scep/scep_challenge.h"
#include "store/store_event.h"

enum { MINUTES = 60, MINUTES_MAX = 7 * 24 * 60 };

static bool
decode(const json_t *body, struct cert_subject *subject, int64_t *minutes,
    struct err *e)
{
	if (!json_need_str(body, "cn", LIMIT_NAME, &subject->cn, e) ||
	    !json_get_str(body, "o", LIMIT_NAME, &subject->o, e) ||
	    !json_get_str(body, "email", LIMIT_NAME, &subject->email, e) ||
	    !json_get_str(body, "dns", LIMIT_NAME, &subject->dns, e) ||
	    !json_get_int(body, "minutes", MINUTES, minutes, e))
		return false;
	if (*minutes < 1 || *minutes > MINUTES_MAX)
		return err_set(e, ERR_INVALID, "minutes lies between 1 and %d",
		    MINUTES_MAX);
	return cert_subject_check(subject, e);
}

/* Where the clients go; an administrator may have put a slash at its end. */
static char *
scep_url(const char *public_url)
{
	size_t len = strlen(public_url);

	while (len > 0 && public_url[len - 1] == '/')
		len--;
	return str_printf("%.*s/scep", (int)len, public_url);
}

static bool
tell(struct store_tx *tx, const char *id, const struct scep_grant *g,
    const char *by, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;

	json_put_str(data, "template", g->template);
	json_put_str(data, "cn", g->subject->cn);
	text = json_text(data);
	return store_event_add(tx,
	    &(struct store_event){ "challenge.created", NULL, id, by, text },
	    e);
}

struct making {
	const struct seal *seal;
	const struct scep_grant *grant;
	const char *by;
	char text[SCEP_CHALLENGE_SIZE], id[UUID_SIZE];
};

/* May be run again. */
static bool
create_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct making *m = arg;

	return scep_challenge_new(tx, m->seal, m->grant, m->text, m->id, e) &&
	       tell(tx, m->id, m->grant, m->by, e);
}

static bool
create(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "cn", "o", "email", "dns",
		"minutes", "template", NULL };
	AUTO(json_free) json_t *body = NULL, *j = NULL;
	struct api_service *s = service;
	struct cert_subject subject = { 0 };
	struct scep_grant g = { .template = CERT_TEMPLATE_SCEP,
		.purpose = "scep",
		.subject = &subject };
	AUTO(str_free) char *url = scep_url(s->o.public_url);
	struct making m = { .seal = s->o.seal, .grant = &g, .by = api_by(rq) };
	const char *template;
	int64_t minutes, expires_at;
	bool ok;

	if (!api_body(rq, keys, &body, e) ||
	    !decode(body, &subject, &minutes, e) ||
	    !json_get_str(body, "template", LIMIT_NAME, &template, e))
		return false;
	if (template != NULL)
		g.template = template;
	g.ttl_ms = minutes * MS_MIN;
	expires_at = clock_now_ms() + g.ttl_ms;
	ok = store_write(s->o.store, create_once, &m, e);
	if (ok) {
		j = json_object();
		json_put_str(j, "id", m.id);
		json_put_str(j, "challenge", m.text);
		json_put_time(j, "expires_at", expires_at);
		json_put_str(j, "template", g.template);
		json_put_str(j, "url", url);
		api_reply(rp, 201, &j);
	}
	mem_wipe(m.text, sizeof(m.text));
	return ok;
}

static const struct http_route routes[] = {
	{ "POST", "/api/v1/scep-challenges", HTTP_ADMIN, LIMIT_BODY_API,
	    create },
};

void
api_challenge_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
