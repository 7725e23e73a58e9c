/*
 * Connect: a Mac reports on a command and gets the next one, in one write
 * transaction; an Idle with nothing to do costs one read.  Who was not accepted
 * lately is looked up by a read before it gets the writer's turn; only an Idle
 * of an enrolment that is expected goes there at once, and for each of those
 * that are expected a stranger gets one turn at most.  Any thread.
 */
#include "apns/apns_scheduler.h"
#include "mdm/mdm_connect_priv.h"

enum { SEEN_MS = 60 * 1000, ERASING_MS = 10 * 60 * 1000, MOST_BROKEN = 20 };

/* One row a Status. */
static const struct {
	const char *name;
	enum mdm_status status;
	enum mdm_counter counter;
} statuses[] = {
	{ "Idle", MDM_IDLE, MDM_COUNT_IDLE },
	{ "Acknowledged", MDM_ACKNOWLEDGED, MDM_COUNT_ACKNOWLEDGED },
	{ "Error", MDM_ERROR, MDM_COUNT_ERROR },
	{ "CommandFormatError", MDM_FORMAT_ERROR, MDM_COUNT_FORMAT_ERROR },
	{ "NotNow", MDM_NOT_NOW, MDM_COUNT_NOT_NOW },
};

static bool
read_status(struct mdm_visit *v, enum mdm_counter *counter_out, struct err *e)
{
	const char *name;

	if (!pl_need_str(v->m->doc, "Status", LIMIT_ID, &name, e))
		return false;
	for (size_t i = 0; i < COUNT(statuses); i++) {
		if (!str_eq(name, statuses[i].name))
			continue;
		v->status = statuses[i].status;
		*counter_out = statuses[i].counter;
		return v->status == MDM_IDLE ||
		       pl_need_str(v->m->doc, "CommandUUID", LIMIT_ID,
		           &v->command_id, e);
	}
	return err_set(e, ERR_INVALID, "Status: not known");
}

/* Why this visitor is turned away, if it is. */
static enum mdm_refusal
may_visit(const struct mdm_visit *v)
{
	enum mdm_refusal why = mdm_auth_bound(&v->brief.who, v->now);

	/* A user's channel without a TokenUpdate is no stolen identity. */
	if (why == MDM_OTHER_DEVICE && !v->brief.who.enrollment &&
	    v->m->user_id != NULL)
		return MDM_UNKNOWN_DEVICE;
	return why;
}

/* It acknowledged a wipe a moment ago: there is nothing to tell it. */
static bool
is_being_erased(const struct mdm_visit *v)
{
	return str_eq(v->brief.who.state, "left") &&
	       v->now - v->brief.who.device_changed_at < ERASING_MS;
}

static bool
is_worth_while(const struct mdm_visit *v)
{
	return v->status != MDM_IDLE || v->brief.who.open ||
	       str_eq(v->brief.who.state, "left");
}

/* It acknowledged a wipe, and yet here it is. */
static bool
come_back(struct mdm_visit *v, struct store_tx *tx, struct err *e)
{
	if (!str_eq(v->brief.who.state, "left"))
		return true;
	v->fresh = false;
	v->wide = true;
	log_event(LOG_WARN, "wiped_device_returned", "udid", v->m->udid, NULL);
	return mdm_life_resume(v->s, tx,
	    &(struct mdm_return){ .device_id = v->brief.who.device_id,
	        .device_channel = v->m->udid,
	        .channel = v->m->enrollment_id },
	    e);
}

/* After NotNow; never more than ten minutes while a lock or wipe waits in its
 * first day. */
static int64_t
not_now_gap(const struct mdm_visit *v, const struct mdm_patience *p)
{
	int64_t gap = 15 * MS_MIN, most = 6 * MS_H, age = v->now - p->urgent_at;

	if (v->silent)
		return MS_MIN;
	if (p->urgent_at != 0 && age < MS_DAY)
		return apns_next_gap_ms(p->not_now, true, age);
	for (int64_t i = 1; i < p->not_now && gap < most; i++)
		gap *= 2;
	return gap < most ? gap : most;
}

/* What is left waiting decides when to push next; 0: never. */
static bool
next_push(
    struct mdm_visit *v, struct store_tx *tx, int64_t *at_out, struct err *e)
{
	struct mdm_patience p;

	if (v->offered.id[0] != '\0') {
		*at_out = v->now + apns_next_gap_ms(1, v->offered.urgent,
		                       v->now - v->offered.queued_at);
		return true;
	}
	*at_out = 0;
	if (v->alone)
		return true;
	if (!mdm_db_command_patience(tx, v->m->enrollment_id, &p, e))
		return false;
	if (p.not_now < 0)
		return true;
	*at_out = v->now + not_now_gap(v, &p);
	store_notify(tx, STORE_CHANNEL_PUSH);
	return true;
}

static bool
refuse(struct mdm_visit *v, enum mdm_refusal why, struct err *e)
{
	(void)mdm_unmark(&v->s->admitted, v->m->fingerprint);
	return mdm_auth_refuse(v->s, v->m, &v->brief.who, why, e);
}

static void
prepare_brief(struct mdm_visit *v)
{
	v->ask = (struct mdm_db_brief_ask){ .fingerprint = v->m->fingerprint,
		.enrollment_id = v->m->enrollment_id,
		.reported = v->command_id != NULL ? v->command_id : "",
		.not_now = v->status == MDM_IDLE,
		.known = mdm_findings_any(&v->findings) };
	mdm_db_brief_question(&v->ask, &v->question);
}

static bool
read_brief(struct mdm_visit *v, struct store_tx *tx, struct err *e)
{
	v->fresh = true;
	v->wide = false;
	return mdm_db_brief(tx, &v->ask, &v->question, &v->brief, e);
}

/* Of those that were not looked up before. */
static bool
note_outgoing(const struct mdm_visit *v, struct store_tx *tx, struct err *e)
{
	return !mdm_auth_outgoing_due(&v->brief.who, v->now) ||
	       mdm_db_outgoing_seen(tx, v->brief.who.device_id, v->now, e);
}

/* There is nothing for it, though it was expected, or reports. */
static bool
came_for_nothing(const struct mdm_visit *v, struct store_tx *tx, struct err *e)
{
	if (!note_outgoing(v, tx, e))
		return false;
	store_confine(tx);
	return true;
}

/* May be run again: begins by forgetting. */
static bool
visit_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct mdm_visit *v = arg;
	int64_t push_at;

	mdm_db_command_clear(&v->offered);
	v->offered = (struct mdm_db_command){ 0 };
	v->refusal = MDM_ACCEPTED;
	v->broken_now = false;
	buf_reset(v->out);
	if (!read_brief(v, tx, e))
		return false;
	v->refusal = may_visit(v);
	if (v->refusal != MDM_ACCEPTED)
		return err_set(e, ERR_FORBIDDEN, "refused");
	if (is_being_erased(v) || !is_worth_while(v))
		return came_for_nothing(v, tx, e);
	if (!come_back(v, tx, e) || !note_outgoing(v, tx, e) ||
	    !mdm_connect_record(v, tx, e))
		return false;
	/* After a wipe there is no enrolment to give anything to. */
	if (v->gone)
		return true;
	if (!mdm_connect_offer(v, tx, v->out, e) ||
	    !next_push(v, tx, &push_at, e) ||
	    !mdm_db_enrollment_came(tx, v->m->enrollment_id,
	        &(struct mdm_came){ .push_due_at = push_at,
	            .now = v->now,
	            .idle = v->status == MDM_IDLE },
	        e))
		return false;
	if (!v->wide && !v->brief.known.renamed)
		store_confine(tx);
	return true;
}

/*
 * A command that cannot be prepared must not block the others, nor what the
 * Mac reports: it is ended in a transaction of its own, and the visit begun
 * again.  When there are too many, or one cannot be ended, the visit gets
 * through without a command.
 */
static bool
visit(struct mdm_visit *v, struct err *e)
{
	struct err why = { 0 };

	prepare_brief(v);
	for (int i = 0; i <= MOST_BROKEN; i++) {
		v->silent = v->silent || i == MOST_BROKEN;
		if (store_write_about(
		        v->s->o.store, &v->question, visit_once, v, e))
			return true;
		buf_reset(v->out);
		if (v->refusal != MDM_ACCEPTED)
			return refuse(v, v->refusal, e);
		if (!v->broken_now)
			break;
		if (store_write(v->s->o.store, mdm_connect_end_broken, v, &why))
			continue;
		log_event(LOG_ERROR, "command_not_ended", "command",
		    v->broken_id, "error", why.text, NULL);
		v->silent = true;
	}
	return err_wrap(e, "connect");
}

static bool
seal_result(struct mdm_visit *v, struct err *e)
{
	if (v->status == MDM_IDLE || v->status == MDM_NOT_NOW)
		return true;
	v->result = buf_new(v->m->body.len + 1024);
	mdm_findings_read(v->m->doc, &v->findings);
	return seal_put(v->s->o.seal,
	           mdm_context("command.result", v->command_id).text,
	           v->m->body, v->result, e) &&
	       buf_ok(v->result, e);
}

static void
visit_clear(struct mdm_visit *v)
{
	mdm_db_command_clear(&v->offered);
	mdm_db_brief_clear(&v->brief);
	mdm_findings_clear(&v->findings);
	buf_free(&v->result);
}

/* When it was here is told now and then only. */
static void
note_seen(const struct mdm_visit *v)
{
	if (v->now - v->brief.who.seen_at > SEEN_MS ||
	    (v->brief.who.push_due && !v->brief.who.open))
		mdm_db_seen(v->s->o.store, v->m->enrollment_id,
		    v->brief.who.device_id, v->now);
}

/* The look before a visit; *work_out: there is something to visit for. */
static bool
look(struct mdm_visit *v, bool *work_out, struct err *e)
{
	enum mdm_refusal why;

	if (!mdm_auth_who(
	        v->s, v->m->fingerprint, v->m->enrollment_id, &v->brief.who, e))
		return false;
	why = may_visit(v);
	if (why != MDM_ACCEPTED)
		return refuse(v, why, e);
	mdm_mark(&v->s->admitted, v->m->fingerprint);
	*work_out = !is_being_erased(v) && is_worth_while(v);
	return true;
}

/* A report does anyway, and the look is repeated there; but not a stranger's.
 */
static bool
needs_writer(const struct mdm_visit *v)
{
	return v->status == MDM_IDLE
	           ? mdm_unmark(&v->s->expected, v->m->enrollment_id)
	           : mdm_marked(&v->s->admitted, v->m->fingerprint);
}

/* What the look would have done. */
static void
note_accepted(const struct mdm_visit *v)
{
	mdm_mark(&v->s->admitted, v->m->fingerprint);
	if (!v->brief.who.used)
		mdm_db_first_seen(v->s->o.store, v->m->fingerprint, v->now);
}

bool
mdm_connect(struct mdm_service *s, struct mdm_message *m, struct buf *out,
    struct err *e)
{
	AUTO(visit_clear)
	struct mdm_visit v = {
		.s = s, .m = m, .now = clock_now_ms(), .out = out
	};
	enum mdm_counter counter = MDM_COUNT_IDLE;
	bool work = true, straight;

	if (!read_status(&v, &counter, e))
		return false;
	straight = needs_writer(&v);
	if (!straight && !look(&v, &work, e))
		return false;
	if (work && (!seal_result(&v, e) || !visit(&v, e)))
		return false;
	if (straight)
		note_accepted(&v);
	mdm_count(s, counter);
	note_seen(&v);
	return true;
}
