/*
 * Alarms before the end of a Mac's identity.  It is renewed long before: who
 * hears of one has a Mac that is away, or does not take its profile.
 */
#include "certs/cert_alarm.h"
#include "enroll-profiles/enroll_identity_priv.h"

enum { ALARMS_MAX = 200 };

/* The step that is due; a short life has fewer of them. */
static int64_t
step_of(const struct enroll_identity_end *x, int64_t now)
{
	int64_t left = x->not_after - now;

	return left <= (x->not_after - x->not_before) / 3
	           ? cert_alarm_step(left)
	           : -1;
}

static bool
find_due(struct store_tx *tx, int64_t now, struct enroll_identity_end *list,
    size_t *count, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!enroll_db_identity_ends(tx, now + 60 * MS_DAY + 1, &r, e))
		return false;
	while (*count < ALARMS_MAX) {
		struct enroll_identity_end *x = &list[*count];
		int64_t step;

		if (!enroll_db_identity_end_next(r, x, &more, e))
			return false;
		if (!more)
			return true;
		step = step_of(x, now);
		if (step < 0 ||
		    (x->alarmed_days >= 0 && x->alarmed_days <= step))
			continue;
		x->alarmed_days = step;
		(*count)++;
	}
	return true;
}

static bool
tell(struct store_tx *tx, const struct enroll_identity_end *x, struct err *e)
{
	const struct cert_alarm a = { .what = "identity",
		.subject_id = x->device_id,
		.device_id = x->device_id,
		.not_after = x->not_after,
		.step = x->alarmed_days };

	if (!enroll_db_renewal_alarmed(tx, x->device_id, x->alarmed_days, e) ||
	    !cert_alarm_tell(tx, &a, e))
		return false;
	cert_alarm_log(&a);
	return true;
}

bool
enroll_identity_alarm(struct store_tx *tx, int64_t now_ms, struct err *e)
{
	struct enroll_identity_end *list =
	    mem_zalloc(ALARMS_MAX, sizeof(*list));
	size_t count = 0;
	bool ok = find_due(tx, now_ms, list, &count, e);

	for (size_t i = 0; ok && i < count; i++)
		ok = tell(tx, &list[i], e);
	mem_free(&list);
	return ok || err_wrap(e, "alarm of identities");
}
