/*
 * Challenges for SCEP clients that are not enrolled Macs: printers, Linux
 * machines, network equipment.  Who holds one gets a certificate with the
 * names that the caller chose, so making them is a right of administrators.
 * The text of a challenge is shown once, when it is made.
 */
#include <string.h>

#include "api/api_priv.h"
#include "certs/cert_template_set.h"
#include "enroll-profiles/enroll_whom.h"
#include "scep/scep_challenge.h"
#include "store/store_event.h"

enum { MINUTES = 60, MINUTES_MAX = 7 * 24 * 60 };

/* What is asked for. */
struct asked {
	struct cert_subject subject; /* cn NULL: the template says it */
	struct enroll_whom_wish whom;
	const json_t *variables; /* NULL: none given */
	const char *template;
	int64_t minutes;
};

static bool
decode(const json_t *body, struct asked *q, struct err *e)
{
	struct cert_subject *s = &q->subject;
	const struct cert_subject none = { 0 };
	struct cert_variables trial = { 0 };
	const char *template = NULL;

	q->variables = json_object_get(body, "variables");
	if (!json_get_str(body, "cn", LIMIT_NAME, &s->cn, e) ||
	    !json_get_str(body, "o", LIMIT_NAME, &s->o, e) ||
	    !json_get_str(body, "email", LIMIT_NAME, &s->email, e) ||
	    !json_get_str(body, "dns", LIMIT_NAME, &s->dns, e) ||
	    !json_get_str(body, "device", LIMIT_NAME, &q->whom.device, e) ||
	    !json_get_str(body, "user", LIMIT_NAME, &q->whom.user, e) ||
	    !json_get_str(body, "template", LIMIT_NAME, &template, e) ||
	    !json_get_int(body, "minutes", MINUTES, &q->minutes, e))
		return false;
	q->template = template != NULL ? template : CERT_TEMPLATE_SCEP;
	if (q->minutes < 1 || q->minutes > MINUTES_MAX)
		return err_set(e, ERR_INVALID, "minutes lies between 1 and %d",
		    MINUTES_MAX);
	if (q->variables != NULL &&
	    (!json_is_object(q->variables) ||
	        !cert_variables_read(q->variables, &trial, e)))
		return err_set(e, ERR_INVALID,
		    "variables is an object of texts: NAME, SERIAL, UDID, "
		    "MODEL, USER, FULLNAME, EMAIL");
	return memcmp(s, &none, sizeof(none)) == 0 || cert_subject_check(s, e);
}

/* Where the clients go; an administrator may have put a slash at its end.  The
 * CA of an upstream is in GetCACert of its template's address only. */
static char *
scep_url(const char *public_url, const char *template, bool outside)
{
	size_t len = strlen(public_url);

	while (len > 0 && public_url[len - 1] == '/')
		len--;
	return str_printf("%.*s/scep%s%s", (int)len, public_url,
	    outside ? "/" : "", outside ? template : "");
}

static bool
tell(struct store_tx *tx, const char *id, const struct scep_grant *g,
    const char *by, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;

	json_put_str(data, "template", g->template);
	if (g->subject->cn != NULL)
		json_put_str(data, "cn", g->subject->cn);
	text = json_text(data);
	return store_event_add(tx,
	    &(struct store_event){
	        "challenge.created", g->device_id, id, by, text },
	    e);
}

struct making {
	const struct seal *seal;
	const struct asked *asked;
	const char *by;
	char text[SCEP_CHALLENGE_SIZE], id[UUID_SIZE];
	bool outside; /* an upstream issues */
	/* It ends when the user leaves, since it is in her name: the template's
	 * subject says so, or the caller does. */
	bool hers;
};

/* Either the template says what the certificate will say, or the caller. */
static bool
one_says_it(struct store_tx *tx, struct making *m, struct err *e)
{
	AUTO(cert_template_free) struct cert_template *t = NULL;
	const struct asked *q = m->asked;
	const struct cert_subject *s = &q->subject;
	bool given = s->cn || s->o || s->email || s->dns;
	struct err why;

	if (!cert_template_for_challenges(tx, q->template, &t, e))
		return false;
	m->outside = t != NULL && t->upstream != NULL;
	m->hers =
	    q->whom.user != NULL || t == NULL || t->subject.cn == NULL ||
	    !cert_pattern_check(&t->subject,
	        CERT_VARIABLES_ALL & ~(unsigned)CERT_VARIABLES_USER, &why);
	if (t != NULL && t->subject.cn != NULL && given)
		return err_set(e, ERR_INVALID,
		    "template %s says the names: give device, user or "
		    "variables instead",
		    t->name);
	return (t != NULL && t->subject.cn != NULL) || s->cn != NULL ||
	       err_set(e, ERR_INVALID, "cn is missing");
}

/* May be run again. */
static bool
create_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct making *m = arg;
	const struct asked *q = m->asked;
	struct enroll_whom whom;
	struct cert_variables v;
	struct scep_grant g = { .template = q->template,
		.purpose = "scep",
		.subject = &q->subject,
		.variables = &v,
		.ttl_ms = q->minutes * MS_MIN };

	if (!one_says_it(tx, m, e) || !enroll_whom_find(tx, &q->whom, &whom, e))
		return false;
	if (str_eq(whom.device.state, "deleted"))
		return err_slug(e, ERR_CONFLICT, "device_deleted",
		    "the device was deleted: nothing is issued for it");
	v = enroll_whom_variables(&whom);
	if (q->variables != NULL && !cert_variables_read(q->variables, &v, e))
		return false;
	if (whom.device.id[0] != '\0')
		g.device_id = whom.device.id;
	if (m->hers && whom.user_id[0] != '\0')
		g.user_id = whom.user_id;
	return scep_challenge_new(tx, m->seal, &g, m->text, m->id, e) &&
	       tell(tx, m->id, &g, m->by, e);
}

static bool
create(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "cn", "o", "email", "dns",
		"minutes", "template", "device", "user", "variables", NULL };
	AUTO(json_free) json_t *body = NULL, *j = NULL;
	struct api_service *s = service;
	struct asked q = { 0 };
	AUTO(str_free) char *url = NULL;
	struct making m = { .seal = s->o.seal, .asked = &q, .by = api_by(rq) };
	int64_t expires_at;
	bool ok;

	if (!api_body(rq, keys, &body, e) || !decode(body, &q, e))
		return false;
	expires_at = clock_now_ms() + q.minutes * MS_MIN;
	ok = store_write(s->o.store, create_once, &m, e);
	if (ok) {
		url = scep_url(s->o.public_url, q.template, m.outside);
		j = json_object();
		json_put_str(j, "id", m.id);
		json_put_str(j, "challenge", m.text);
		json_put_time(j, "expires_at", expires_at);
		json_put_str(j, "template", q.template);
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
