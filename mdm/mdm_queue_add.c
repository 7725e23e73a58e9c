/*
 * Adding to the command queue.  What needs no database is done before the
 * transaction begins, and what is shown of the command is known from what was
 * read in it.  No state of its own; struct mdm_queued belongs to one thread.
 */
#include <string.h>

#include "mdm/mdm_priv.h"

enum { DOCUMENT_MAX = 2 << 20 };

struct mdm_queued {
	const struct mdm_command *c; /* borrowed */
	char id[UUID_SIZE];
	struct buf *body; /* sealed; NULL: a renderer writes it */
	int64_t now;
	struct mdm_target target; /* since it was put into the queue */
	/* mdm_queue_put() */
	const char *any;
	struct mdm_db_target_ask ask;
	struct store_question question;
};

bool
mdm_queue_check_xml(
    const char *request_type, const char *dict_xml, struct err *e)
{
	AUTO(buf_wipe) struct buf *document = buf_new(DOCUMENT_MAX);
	AUTO(pl_free) struct pl *p = NULL;
	const char *told;

	pl_begin(document);
	buf_adds(document, dict_xml);
	buf_adds(document, "</plist>\n");
	if (!buf_ok(document, e) || !pl_parse(buf_slice(document), &p, e) ||
	    !pl_need_str(p, "RequestType", LIMIT_ID, &told, e))
		return err_wrap(e, "command %s", request_type);
	if (!str_eq(told, request_type))
		return err_set(e, ERR_INVALID,
		    "command %s: its RequestType is another one", request_type);
	return true;
}

/* The id the caller chose, or a new one. */
static bool
choose_id(const struct mdm_command *c, char out[UUID_SIZE], struct err *e)
{
	if (c->id == NULL) {
		uuid_new(out);
		return true;
	}
	if (!uuid_valid(c->id) || strpbrk(c->id, "abcdef") != NULL)
		return err_set(e, ERR_INVALID, "id: not an upper-case UUID");
	return str_copy(out, UUID_SIZE, c->id);
}

static bool
seal_body(const struct seal *seal, struct mdm_queued *q, struct err *e)
{
	const struct mdm_command *c = q->c;

	if (c->renderer != NULL)
		return true;
	q->body = buf_new(DOCUMENT_MAX);
	return mdm_queue_check_xml(c->request_type, c->dict_xml, e) &&
	       seal_put(seal, mdm_context("command.body", q->id).text,
	           slice_str(c->dict_xml), q->body, e) &&
	       buf_ok(q->body, e);
}

bool
mdm_queued_new(const struct seal *seal, const struct mdm_command *c,
    struct mdm_queued **out, struct err *e)
{
	AUTO(mdm_queued_free)
	struct mdm_queued *q = mem_zalloc(1, sizeof(*q));

	q->c = c;
	if (!choose_id(c, q->id, e) || !seal_body(seal, q, e))
		return false;
	*out = TAKE(q);
	return true;
}

void
mdm_queued_free(struct mdm_queued **qp)
{
	struct mdm_queued *q = TAKE(*qp);

	if (q == NULL)
		return;
	buf_free(&q->body);
	mem_free(&q);
}

const char *
mdm_queued_id(const struct mdm_queued *q)
{
	return q->id;
}

const char *
mdm_queued_enrollment(const struct mdm_queued *q)
{
	return q->target.enrollment_id;
}

static bool
queued_event(struct store_tx *tx, const char *id, const char *device_id,
    const struct mdm_command *c, struct err *e)
{
	json_t *data = json_object();

	json_put_str(data, "request_type", c->request_type);
	json_put_str(data, "origin", c->origin);
	return mdm_event(tx,
	    &(struct store_event){ .kind = "command.queued",
	        .device_id = device_id,
	        .subject_id = id,
	        .actor = c->by },
	    data, e);
}

static bool
may_queue(
    const struct mdm_command *c, const struct mdm_target *t, struct err *e)
{
	if (!t->found || !str_eq(t->state, "enrolled"))
		return err_slug(e, ERR_CONFLICT, "not_enrolled",
		    "the Mac is not enrolled: it can be sent nothing");
	if (mdm_chip_erases(c->request_type) &&
	    !mdm_chip_may_wipe(t->chip, NULL, e))
		return false;
	return !t->taken || err_slug(e, ERR_CONFLICT, "command_exists",
	                        "there is a command of this id already");
}

/* With the target read. */
static bool
put(struct store_tx *tx, struct mdm_queued *q, struct err *e)
{
	struct mdm_command c = *q->c;

	if (!may_queue(&c, &q->target, e))
		return false;
	q->now = clock_now_ms();
	c.enrollment_id = q->target.enrollment_id;
	q->target.due.urgent = q->target.due.urgent || c.urgent;
	if (!mdm_db_command_add(tx, q->id, &c,
	        q->body != NULL ? buf_slice(q->body) : (struct slice){ 0 },
	        q->now, e) ||
	    !apns_push_due_known(
	        tx, c.enrollment_id, &q->target.due, q->now, e) ||
	    !queued_event(tx, q->id, q->target.device_id, &c, e))
		return err_wrap(e, "queue %s", c.request_type);
	return true;
}

static bool
put_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct mdm_queued *q = arg;
	struct mdm_db_target_ask again;
	struct store_question question;
	struct mdm_device d;

	if (!mdm_db_target_of(tx, &q->ask, &q->question, &q->target, e))
		return false;
	/* None, or several: that says which. */
	if (!q->target.device) {
		if (!mdm_device_find(tx, q->any, &d, e))
			return false;
		mdm_db_target_question(&again, d.id, q->c->id, &question);
		if (!mdm_db_target_of(tx, &again, &question, &q->target, e))
			return false;
	}
	if (!put(tx, q, e))
		return false;
	store_confine(tx); /* all is this Mac's, or of this id */
	return true;
}

bool
mdm_queue_put(
    struct store *st, struct mdm_queued *q, const char *any, struct err *e)
{
	if (str_empty(any) || strlen(any) > LIMIT_NAME)
		return err_set(e, ERR_NOT_FOUND, "there is no such device");
	q->any = any;
	mdm_db_target_question(&q->ask, any, q->c->id, &q->question);
	return store_write_about(st, &q->question, put_once, q, e);
}

bool
mdm_queue_add(struct store_tx *tx, const struct seal *seal,
    const struct mdm_command *c, char id_out[37], struct err *e)
{
	AUTO(mdm_queued_free) struct mdm_queued *q = NULL;

	return mdm_queued_new(seal, c, &q, e) &&
	       mdm_db_target(tx, c->enrollment_id, c->id, &q->target, e) &&
	       put(tx, q, e) && str_copy(id_out, UUID_SIZE, q->id);
}

bool
mdm_queue_add_once(struct store_tx *tx, const struct seal *seal,
    const struct mdm_command *c, struct err *e)
{
	char id[UUID_SIZE];
	bool waits;

	if (!mdm_db_command_waits(
	        tx, c->enrollment_id, c->request_type, &waits, e))
		return false;
	return waits || mdm_queue_add(tx, seal, c, id, e);
}

/* ---- what the API shows of it ---- */

static const char *
text(const char *s)
{
	return str_empty(s) ? NULL : s;
}

static struct mdm_why
why(const struct mdm_queued *q)
{
	const struct mdm_target *t = &q->target;

	return (struct mdm_why){
		.state = q->now <= t->push_accepted_at ? "pushed" : "queued",
		.queued_at = q->now,
		.enrollment_state = t->state,
		.push_state = t->push_state,
		.has_token = t->has_token,
		.seen_at = t->seen_at,
		.push_due_at = t->due.at,
		.push_claim_until = t->push_claim_until,
		.push_last_at = t->due.last_at,
		.push_last_status = t->push_last_status,
		.push_last_reason = text(t->push_last_reason),
		.push_last_id = text(t->push_last_id),
		.push_cert_not_after = t->push_cert_not_after,
		.identity = t->identity,
	};
}

json_t *
mdm_queued_json(const struct mdm_queued *q)
{
	json_t *o = mdm_shown_json(&(struct mdm_shown){
	    .id = q->id,
	    .device_id = q->target.device_id,
	    .serial = text(q->target.serial),
	    .enrollment_id = q->target.enrollment_id,
	    .request_type = q->c->request_type,
	    .origin = q->c->origin,
	    .order_id = text(q->c->order_id),
	    .queued_by = q->c->by,
	    .expires_at = q->c->expires_at,
	    .why = why(q),
	});

	json_put_str(o, "result", NULL);
	return o;
}
