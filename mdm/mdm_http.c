/*
 * The MDM protocol on the device side: one URL for check-in and connect,
 * told apart by the content type, and one for check-in alone.  Runs on the
 * HTTP workers.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "mdm/mdm_priv.h"

#define TYPE_CHECKIN "application/x-apple-aspen-mdm-checkin"
#define TYPE_CONNECT "application/x-apple-aspen-mdm"
#define TYPE_ANSWER "application/xml; charset=UTF-8"

/* ':' joins the two ids of a user's channel, so neither may hold one. */
static bool
is_plain_id(const char *s)
{
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && *s != '-' && *s != '_' &&
		    *s != '.')
			return false;
	return true;
}

static bool
read_ids(struct mdm_message *m, struct err *e)
{
	if (pl_has(m->doc, "EnrollmentID"))
		return err_set(e, ERR_INVALID,
		    "user enrolment is not offered by this server");
	if (!pl_need_str(m->doc, "UDID", LIMIT_ID, &m->udid, e) ||
	    !pl_get_str(m->doc, "UserID", LIMIT_ID, &m->user_id, e))
		return false;
	if (str_empty(m->user_id))
		m->user_id = NULL;
	if (!is_plain_id(m->udid) ||
	    (m->user_id != NULL && !is_plain_id(m->user_id)))
		return err_set(
		    e, ERR_INVALID, "UDID, UserID: not of their form");
	snprintf(m->enrollment_id, sizeof(m->enrollment_id), "%s%s%s", m->udid,
	    m->user_id != NULL ? ":" : "",
	    m->user_id != NULL ? m->user_id : "");
	return true;
}

/* Nobody vouches for this message; its UDID is read for the log alone. */
static bool
refuse_unproven(struct mdm_service *s, struct mdm_message *m,
    enum mdm_refusal why, struct err *e)
{
	struct err unread;

	if (m->body.len <= LIMIT_BODY_CHECKIN &&
	    pl_parse(m->body, &m->doc, &unread) && !read_ids(m, &unread))
		m->user_id = NULL;
	return mdm_auth_refuse(s, m, NULL, why, e);
}

/* Who sent it, and what it is. */
static bool
decode(struct mdm_service *s, const struct http_request *rq,
    struct mdm_message *m, struct err *e)
{
	struct mdm_proof proof = { .body = m->body,
		.tls_certificate = http_client_cert(rq),
		.signature = http_header(rq, "Mdm-Signature") };
	struct err why_text = { 0 };
	enum mdm_refusal why = mdm_auth_prove(s, &proof, &why_text);
	bool known = true;

	if (why != MDM_ACCEPTED)
		return refuse_unproven(s, m, why, e);
	memcpy(m->fingerprint, proof.fingerprint, sizeof(m->fingerprint));
	if (m->body.len > LIMIT_BODY_CHECKIN &&
	    !mdm_auth_known(s, m->fingerprint, &known, e))
		return false;
	if (!known)
		return mdm_auth_refuse(s, m, NULL, MDM_UNKNOWN_CERTIFICATE, e);
	return pl_parse(m->body, &m->doc, e) && read_ids(m, e);
}

static bool
do_checkin(const struct http_request *rq, struct http_reply *rp,
    struct mdm_service *s, struct err *e)
{
	AUTO(mdm_message_clear)
	struct mdm_message m = { .body = http_body(rq) };
	int status;

	if (m.body.len > LIMIT_BODY_CHECKIN)
		return err_set(e, ERR_TOO_LARGE,
		    "a check-in message has at most %d bytes",
		    LIMIT_BODY_CHECKIN);
	if (!decode(s, rq, &m, e) || !mdm_checkin(s, &m, &status, e))
		return false;
	http_set(rp, status, NULL);
	return true;
}

static bool
do_connect(const struct http_request *rq, struct http_reply *rp,
    struct mdm_service *s, struct err *e)
{
	AUTO(mdm_message_clear)
	struct mdm_message m = { .body = http_body(rq) };
	struct buf *out = http_out(rp);

	if (!decode(s, rq, &m, e) || !mdm_connect(s, &m, out, e))
		return false;
	http_set(rp, 200, out->len > 0 ? TYPE_ANSWER : NULL);
	return true;
}

static bool
put_mdm(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	if (http_type_is(rq, TYPE_CHECKIN))
		return do_checkin(rq, rp, service, e);
	if (http_type_is(rq, TYPE_CONNECT))
		return do_connect(rq, rp, service, e);
	return err_set(e, ERR_INVALID,
	    "Content-Type: " TYPE_CONNECT " or " TYPE_CHECKIN " is expected");
}

static bool
put_checkin(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	if (http_type_is(rq, TYPE_CHECKIN))
		return do_checkin(rq, rp, service, e);
	return err_set(
	    e, ERR_INVALID, "Content-Type: " TYPE_CHECKIN " is expected");
}

void
mdm_http_add(struct http_server *h, struct mdm_service *s)
{
	static const struct http_route routes[] = {
		{ "PUT", "/mdm", HTTP_ANYONE, LIMIT_BODY_CONNECT, put_mdm },
		{ "PUT", "/checkin", HTTP_ANYONE, LIMIT_BODY_CHECKIN,
		    put_checkin },
	};

	http_add(h, HTTP_DEVICE_SIDE, routes, COUNT(routes), s);
}
