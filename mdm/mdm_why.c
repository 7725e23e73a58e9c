/* Why a command waits; see mdm_why.h. */
#include "mdm/mdm_why.h"

#include "core/clock.h"

struct text {
	char s[CLOCK_TEXT_SIZE];
};

static struct text
at(int64_t ms)
{
	struct text t = { "never" };

	if (ms != 0)
		clock_format_s(t.s, ms);
	return t;
}

/* When the next push leaves, in words. */
static char *
next_push(const struct mdm_why *w, int64_t now)
{
	if (w->push_claim_until > now)
		return str_printf("a push is on its way");
	if (w->push_due_at == 0)
		return str_printf("no further push is planned");
	if (w->push_due_at <= now)
		return str_printf("the next push is due now");
	return str_printf("next push %s", at(w->push_due_at).s);
}

char *
mdm_why_identity(int64_t identity, int64_t now_ms)
{
	if (identity == MDM_WHY_HELD)
		return str_printf("the Mac's identity certificate is on hold: "
		                  "when it comes it is refused, until that "
		                  "is released");
	if (identity == MDM_WHY_REVOKED)
		return str_printf("the Mac's identity certificate is revoked: "
		                  "when it comes it is refused; it has to "
		                  "enrol again, which cancels what waits");
	if (identity == 0 || identity > now_ms)
		return NULL;
	return str_printf("the Mac's identity certificate expired %s: when "
	                  "it comes it is refused; it has to enrol again, "
	                  "which cancels what waits",
	    at(identity).s);
}

/* Nothing reaches this Mac, whatever the queue says; or NULL. */
static char *
unreachable(const struct mdm_why *w, int64_t now)
{
	const char *reason =
	    w->push_last_reason != NULL ? w->push_last_reason : "no reason";
	char *refused;

	if (str_eq(w->enrollment_state, "left"))
		return str_printf("the Mac is not enrolled any more");
	refused = mdm_why_identity(w->identity, now);
	if (refused != NULL)
		return refused;
	if (!w->has_token)
		return str_printf("the Mac has not told its push token yet");
	if (str_eq(w->push_last_reason, "topic_mismatch"))
		return str_printf("topic mismatch: the Mac enrolled under a "
		                  "push topic that no push certificate here "
		                  "has; it gets this when it connects by "
		                  "itself, or must enrol again");
	if (str_eq(w->push_state, "dead"))
		return str_printf("token dead: APNs said at %s that the Mac "
		                  "cannot be reached (%s); it gets this when "
		                  "it tells a new token",
		    at(w->push_last_at).s, reason);
	if (!str_eq(w->push_state, "ok"))
		return str_printf("APNs refused the Mac's token at %s (%s); "
		                  "it gets this when it connects by itself",
		    at(w->push_last_at).s, reason);
	if (w->push_cert_not_after == 0)
		return str_printf("there is no push certificate: import one");
	if (w->push_cert_not_after <= now)
		return str_printf("the push certificate expired %s: renew it",
		    at(w->push_cert_not_after).s);
	return NULL;
}

/* What the last push for it came to; none left since it was queued: NULL. */
static char *
last_push(const struct mdm_why *w)
{
	const char *reason = w->push_last_reason;

	if (w->push_last_at < w->queued_at)
		return NULL;
	if (w->push_last_status == 200)
		return str_printf("APNs accepted a push %s (apns-id %s)",
		    at(w->push_last_at).s,
		    w->push_last_id != NULL ? w->push_last_id : "unknown");
	if (w->push_last_status == 0)
		return str_printf("APNs could not be reached %s (%s)",
		    at(w->push_last_at).s,
		    reason != NULL ? reason : "no answer");
	return str_printf("APNs refused a push %s (%lld %s)",
	    at(w->push_last_at).s, (long long)w->push_last_status,
	    reason != NULL ? reason : "no reason");
}

static char *
contact(const struct mdm_why *w)
{
	if (w->seen_at == 0)
		return str_printf("the Mac was never in contact");
	if (w->seen_at < w->push_last_at || w->seen_at < w->queued_at)
		return str_printf("no contact since %s", at(w->seen_at).s);
	return str_printf("the Mac connected %s and has not fetched it yet",
	    at(w->seen_at).s);
}

static char *
waiting(const struct mdm_why *w, int64_t now)
{
	AUTO(str_free) char *next = next_push(w, now);
	AUTO(str_free) char *never = unreachable(w, now);
	AUTO(str_free) char *last = NULL;
	AUTO(str_free) char *seen = NULL;

	if (never != NULL)
		return TAKE(never);
	if (str_eq(w->state, "delivered"))
		return str_printf("the Mac fetched it %s and has not answered "
		                  "yet; %s",
		    at(w->delivered_at).s, next);
	if (str_eq(w->state, "not-now"))
		return str_printf("the Mac answered NotNow %lld times (busy, "
		                  "asleep or locked); %s",
		    (long long)w->not_now, next);
	last = last_push(w);
	if (last == NULL)
		return str_printf(
		    "queued, no push has left for it yet; %s", next);
	seen = contact(w);
	return str_printf("%s, %s; %s", last, seen, next);
}

static char *
ended(const struct mdm_why *w)
{
	const char *text = w->error != NULL ? w->error : "";
	const char *colon = w->error != NULL ? ": " : "";

	if (str_eq(w->state, "acknowledged"))
		return str_printf("the Mac carried it out%s%s",
		    w->error != NULL ? ", but " : "", text);
	if (str_eq(w->state, "error"))
		return str_printf("the Mac reports: %s",
		    w->error != NULL ? text : "an error without a text");
	if (str_eq(w->state, "expired"))
		return str_printf("its time ran out before the Mac answered");
	if (str_eq(w->state, "cancelled"))
		return str_printf("withdrawn%s%s", colon, text);
	return str_printf("refused%s%s", colon, text);
}

char *
mdm_why_sentence(const struct mdm_why *w, int64_t now_ms)
{
	return w->done_at != 0 ? ended(w) : waiting(w, now_ms);
}
