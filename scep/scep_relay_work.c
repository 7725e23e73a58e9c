/*
 * One request to an upstream: claimed in a transaction, asked for outside any,
 * and recorded in another.  Whoever dies in between leaves a claim that ends by
 * itself; the request is then asked for again, and SCEP finds by its
 * transaction what has been issued.  No state of its own; any thread.
 */
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/random.h"
#include "scep/scep_relay_priv.h"
#include "scep/scep_waiting_priv.h"
#include "store/store_event.h"

/* An upstream that fails so often in a row is told of. */
enum { FAULTS_TOLD = 3 };
/* It is tried again after this at the latest, by one request.  Who is sent a
 * wrong password too often may lock the account. */
#define REST_MOST_MS MS_MIN
#define REST_MOST_OURS_MS (10 * MS_MIN)

struct work {
	struct scep_service *s;
	struct scep_errand x;
	struct scep_upstream_conf conf;
	int64_t next_at; /* when it is due */
	bool mine;
	char problem[256]; /* it cannot be asked at all; "": it can */
	struct scep_upstream_answer answer;
};

static void
work_clear(struct work *w)
{
	scep_errand_clear(&w->x);
	scep_upstream_conf_clear(&w->conf);
	scep_upstream_answer_clear(&w->answer);
}

/* ---- claiming ---- */

static bool
open_upstream(struct store_tx *tx, struct work *w, struct err *e)
{
	struct err why;
	bool found;

	if (!scep_upstream_conf_open(
	        tx, w->s->o.seal, w->x.upstream, &w->conf, &found, &why)) {
		if (why.code == ERR_UNAVAILABLE) {
			*e = why;
			return false;
		}
		str_copy_cut(w->problem, sizeof(w->problem), why.text);
	} else if (!found)
		str_copy_cut(w->problem, sizeof(w->problem),
		    "the upstream is not there any more");
	else if (w->x.w.expires_at <= clock_now_ms())
		str_copy_cut(w->problem, sizeof(w->problem),
		    "the upstream did not decide in time");
	return true;
}

/* Revoked while it waited: that is looked at again when the answer is there. */
static bool
look_at_old(struct store_tx *tx, struct work *w, struct err *e)
{
	const char *problem;

	if (!scep_relay_follow_problem(tx, &w->x, &problem, e))
		return false;
	if (problem != NULL && w->problem[0] == '\0')
		str_copy_cut(w->problem, sizeof(w->problem), problem);
	return true;
}

/* What is due, and all that is needed to ask for it. */
static bool
peek(struct work *w, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char id[UUID_SIZE];
	bool found;

	w->mine = false;
	if (!store_begin(w->s->o.store, STORE_READ, &tx, e) ||
	    !scep_db_errand_next(tx, id, &w->next_at, e))
		return false;
	if (w->next_at > clock_now_ms())
		return true;
	if (!scep_db_errand_get(tx, id, &w->x, &found, e))
		return false;
	w->mine = found;
	return !found || (open_upstream(tx, w, e) && look_at_old(tx, w, e));
}

/* Longer than an ask can take: who it is, what it can, a poll, a request. */
static int64_t
claim_ms(const struct work *w)
{
	return 4 * w->conf.timeout_s * MS_S + MS_MIN;
}

/* The rate, with gaps that differ, so that queues behind several servers do
 * not come together. */
static int64_t
gap_ms(const struct work *w)
{
	int64_t gap =
	    MS_MIN / (w->conf.rate_per_min ? w->conf.rate_per_min : 1);

	return gap / 2 + random_below((uint32_t)gap + 1);
}

/* Only what is still the first that is due: another thread or node may have
 * been quicker.  May be run again. */
static bool
claim(struct store_tx *tx, void *arg, struct err *e)
{
	struct work *w = arg;
	int64_t now = clock_now_ms(), at;
	char id[UUID_SIZE];

	w->mine = false;
	if (!scep_db_errand_next(tx, id, &at, e))
		return false;
	if (at > now || !str_eq(id, w->x.w.id))
		return true;
	w->mine = true;
	uuid_new_lower(w->x.claim);
	if (!scep_db_errand_claim(tx, &w->x, now + claim_ms(w), e))
		return false;
	return w->problem[0] != '\0' ||
	       scep_db_upstream_slot(tx, w->x.upstream, now + gap_ms(w), e);
}

/* ---- asking ---- */

static void
ask(struct work *w, const atomic_bool *stop)
{
	AUTO(fetch_free) struct fetch *f = NULL;
	AUTO(buf_wipe) struct buf *csr = NULL;
	struct scep_upstream_request rq = { .waiting = w->x.seen == 2,
		.perhaps = w->x.seen == 1,
		.renewal = w->x.old_fingerprint[0] != '\0' };
	struct scep_upstream_options o;
	struct err e = { 0 };

	if (scep_waiting_open(&w->x.w, w->s->o.seal, &csr, &e) &&
	    scep_upstream_signer(w->s, &w->conf, &e) &&
	    scep_upstream_conf_options(&w->conf, stop, &o, &f, &e) &&
	    (!w->conf.allow_des || scep_relay_legacy(w->s->relay, &e))) {
		rq.csr = buf_slice(csr);
		scep_upstream_ask(&o, &rq, &w->answer);
		return;
	}
	w->answer.state = SCEP_UPSTREAM_LATER;
	str_copy_cut(w->answer.reason, sizeof(w->answer.reason), e.text);
}

/* ---- recording what is no certificate ---- */

static bool
tell_upstream(struct store_tx *tx, struct work *w, const char *kind,
    const char *why, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;

	if (why != NULL)
		json_put_str(data, "why", why);
	text = json_text(data);
	return store_event_add(tx,
	    &(struct store_event){
	        kind, NULL, w->x.upstream, "system", why ? text : NULL },
	    e);
}

static bool
good(struct store_tx *tx, struct work *w, struct err *e)
{
	return scep_db_upstream_good(tx, w->x.upstream, e) &&
	       (w->conf.faults < FAULTS_TOLD ||
	           tell_upstream(tx, w, "upstream.recovered", NULL, e));
}

/* *rest: how long nobody asks. */
static bool
bad(struct store_tx *tx, struct work *w, int64_t *rest, struct err *e)
{
	int64_t most = w->answer.ours ? REST_MOST_OURS_MS : REST_MOST_MS;

	*rest = scep_upstream_delay_ms(
	    (int)w->conf.faults + 1, w->answer.retry_after_s);
	if (*rest > most)
		*rest = most;
	return scep_db_upstream_fault(tx, w->x.upstream, w->answer.reason,
	           clock_now_ms() + *rest, e) &&
	       (w->conf.faults + 1 != FAULTS_TOLD ||
	           tell_upstream(
	               tx, w, "upstream.unreachable", w->answer.reason, e));
}

static bool
fail(struct store_tx *tx, struct work *w, const char *reason, struct err *e)
{
	AUTO(str_free) char *by = str_printf("upstream:%s", w->x.upstream);
	bool changed;

	if (!scep_db_errand_close(tx,
	        &(struct scep_decision){ .id = w->x.w.id,
	            .state = "failed",
	            .by = by,
	            .reason = reason,
	            .claim = w->x.claim,
	            .now_ms = clock_now_ms() },
	        &changed, e))
		return false;
	store_notify(tx, STORE_CHANNEL_UPSTREAM);
	return !changed ||
	       scep_approval_tell(tx, &w->x.w,
	           &(struct scep_waiting_event){ "scep.failed", by, reason },
	           e);
}

/* No later than its time is over, so that it is closed then. */
static bool
later(struct store_tx *tx, struct work *w, int64_t delay_ms, struct err *e)
{
	int64_t at = clock_now_ms() + delay_ms;

	store_notify(tx, STORE_CHANNEL_UPSTREAM);
	return scep_db_errand_later(tx, &w->x,
	    w->answer.reason[0] != '\0' ? w->answer.reason : NULL,
	    at < w->x.w.expires_at ? at : w->x.w.expires_at, e);
}

static bool
record_fault(struct store_tx *tx, struct work *w, struct err *e)
{
	AUTO(str_free)
	char *reason = str_printf(
	    "%lld tries: %s", (long long)w->x.tries + 1, w->answer.reason);
	int64_t rest;

	if (!bad(tx, w, &rest, e))
		return false;
	/* No request is at fault, so none has lost a try by it: they wait for
	 * as long as they may. */
	if (w->answer.ours)
		return later(tx, w, rest, e);
	if (w->x.tries + 1 >= w->conf.tries)
		return fail(tx, w, reason, e);
	w->x.tries++;
	return later(tx, w,
	    scep_upstream_delay_ms((int)w->x.tries, w->answer.retry_after_s),
	    e);
}

static bool
record_wait(struct store_tx *tx, struct work *w, struct err *e)
{
	w->x.polls++;
	w->x.tries = 0;
	return good(tx, w, e) && later(tx, w,
	                             scep_upstream_delay_ms((int)w->x.polls,
	                                 w->answer.retry_after_s),
	                             e);
}

struct recording {
	struct work *w;
	bool stopping;
	struct scep_errand as_claimed;
};

/* May be run again. */
static bool
record(struct store_tx *tx, void *arg, struct err *e)
{
	struct recording *r = arg;
	struct work *w = r->w;

	w->x.tries = r->as_claimed.tries;
	w->x.polls = r->as_claimed.polls;
	w->x.seen = w->answer.state == SCEP_UPSTREAM_WAITING ? 2
	            : r->as_claimed.seen == 0                ? 1
	                                      : r->as_claimed.seen;
	if (w->problem[0] != '\0')
		return fail(tx, w, w->problem, e);
	switch (w->answer.state) {
	case SCEP_UPSTREAM_WAITING:
		return record_wait(tx, w, e);
	case SCEP_UPSTREAM_LATER:
		/* It was us who broke it off. */
		return r->stopping ? later(tx, w, 0, e)
		                   : record_fault(tx, w, e);
	case SCEP_UPSTREAM_ISSUED:
		return good(tx, w, e);
	default:
		return fail(tx, w, w->answer.reason, e);
	}
}

static bool
finish(struct work *w, bool stopping, struct err *e)
{
	struct recording r = { w, stopping, w->x };
	struct scep_relay_result result = { .errand = &w->x,
		.cert = w->answer.cert,
		.chain = w->answer.chain,
		.anchors = w->conf.anchors };
	struct err why;

	if (w->problem[0] == '\0' && w->answer.state == SCEP_UPSTREAM_ISSUED &&
	    !scep_relay_issued(w->s, &result, &why)) {
		if (why.code != ERR_INVALID) {
			*e = why;
			return false;
		}
		str_copy_cut(w->problem, sizeof(w->problem), why.text);
	}
	if (w->answer.state != SCEP_UPSTREAM_ISSUED || w->problem[0] != '\0')
		log_event(LOG_INFO, "scep.upstream", "upstream", w->x.upstream,
		    "request", w->x.w.id, "why",
		    w->problem[0] != '\0' ? w->problem : w->answer.reason,
		    NULL);
	return store_write(w->s->o.store, record, &r, e);
}

bool
scep_relay_step(struct scep_service *s, const atomic_bool *stop, bool *did,
    int64_t *next_at, struct err *e)
{
	AUTO(work_clear) struct work w = { .s = s };

	*did = false;
	if (!peek(&w, e))
		return false;
	*next_at = w.next_at;
	if (!w.mine)
		return true;
	*did = true;
	if (!store_write(s->o.store, claim, &w, e) || !w.mine)
		return w.mine ? false : true;
	if (w.problem[0] == '\0')
		ask(&w, stop);
	return finish(&w, stop != NULL && *stop, e);
}
