/*
 * When to push again, and what an answer means for its enrolment.  Pure
 * functions.
 */
#include "apns/apns_policy.h"
#include "core/clock.h"

enum { SHIFT_MAX = 12, JITTER_STEPS = 16 };

int64_t
apns_next_gap_ms(int64_t attempt, bool urgent, int64_t age_ms)
{
	/* After the first push, the second, ... */
	static const int64_t gaps_ms[] = { 30 * MS_S, 2 * MS_MIN, 8 * MS_MIN,
		30 * MS_MIN };
	int64_t i = attempt < 1 ? 0 : attempt - 1;
	int64_t gap_ms = MS_H;

	if (i < (int64_t)COUNT(gaps_ms))
		gap_ms = gaps_ms[i];
	else if (age_ms >= MS_DAY)
		gap_ms = MS_DAY;
	if (urgent && age_ms < MS_DAY && gap_ms > 10 * MS_MIN)
		gap_ms = 10 * MS_MIN;
	return gap_ms;
}

/* Chance, from the push's random id: 0 to steps. */
static int64_t
chance(const struct apns_answer *a, int64_t steps)
{
	uint64_t h = slice_hash(slice_str(a->id));

	return (int64_t)((h >> 32) % (uint64_t)(steps + 1));
}

/*
 * Up to a tenth earlier: never later, for the ten minutes are a promise.  In
 * few steps, so that a wave's next times lie together in their index.
 */
static int64_t
jitter(const struct apns_answer *a, int64_t gap_ms)
{
	int64_t most = gap_ms / 10 > MS_H ? MS_H : gap_ms / 10;

	return gap_ms - most / JITTER_STEPS * chance(a, JITTER_STEPS);
}

static int64_t
after_push(const struct apns_answer *a, const struct apns_situation *s)
{
	bool urgent = s->urgent_at != 0;
	int64_t age = s->now - (urgent ? s->urgent_at : s->newest_at);

	/* Nothing waits any more. */
	if (s->newest_at == 0)
		return 0;
	return s->now +
	       jitter(a, apns_next_gap_ms(s->attempts + 1, urgent, age));
}

static int64_t
after_back_off(const struct apns_answer *a, const struct apns_situation *s)
{
	int64_t shift = s->attempts < SHIFT_MAX ? s->attempts : SHIFT_MAX;
	int64_t base_ms = a->status == 429 ? MS_MIN : 10 * MS_S;
	int64_t gap_ms = base_ms << shift;
	int64_t most_ms = s->urgent_at != 0 ? 10 * MS_MIN : MS_H;
	int64_t asked_ms = a->retry_after_s * MS_S;

	if (gap_ms > most_ms)
		gap_ms = most_ms;
	gap_ms = jitter(a, gap_ms);
	if (asked_ms > MS_H)
		asked_ms = MS_H;
	return s->now + (asked_ms > gap_ms ? asked_ms : gap_ms);
}

/*
 * Apple says when it learned that the token was gone; a TokenUpdate that came
 * later proves it wrong.  Without a time, the token must still be the one that
 * was pushed to.
 */
static bool
is_stale(const struct apns_answer *a, const struct apns_situation *s)
{
	if (a->timestamp_ms != 0)
		return a->timestamp_ms < s->token_at;
	return s->token_at != s->sent_token_at;
}

void
apns_react(const struct apns_answer *a, const struct apns_situation *s,
    struct apns_reaction *out)
{
	*out = (struct apns_reaction){ .counts = true };
	switch (a->outcome) {
	case APNS_ACCEPTED:
		out->pushed = true;
		out->next = after_push(a, s);
		break;
	case APNS_DEAD:
		if (is_stale(a, s)) {
			out->next = after_push(a, s);
			break;
		}
		out->push_state = "dead";
		out->event = "push.dead";
		break;
	case APNS_REFUSED:
		if (s->token_at != s->sent_token_at) {
			out->next = after_push(a, s);
			break;
		}
		out->push_state = "refused";
		out->event = "push.refused";
		break;
	case APNS_BACK_OFF:
		out->next = after_back_off(a, s);
		break;
	case APNS_OUR_FAULT:
		/* Stays due; the scheduler as a whole stops. */
		out->counts = false;
		out->next = s->now;
		break;
	case APNS_BUG:
		break;
	case APNS_UNREACHABLE:
		/* Not this enrolment's fault; the scheduler pauses. */
		out->counts = false;
		out->next = s->now + 15 * MS_S + MS_S * chance(a, 15);
		break;
	}
}
